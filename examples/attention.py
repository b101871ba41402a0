"""Attention weights of a padded batch: a causal mask of -inf, and rows that are masked altogether.

-inf takes part with weight 0, exactly. A row of nothing but -inf has no softmax: it is NaN, as in
SciPy and PyTorch, and the caller says what it means instead (here: attend to nothing).

    pip install twopass
    python examples/attention.py
"""

import numpy as np

import twopass

BATCH, HEADS, LENGTH, WIDTH = 3, 4, 200, 64
LENGTHS = np.array([200, 120, 37])  # the rest of each sequence is padding


def main() -> None:
    rng = np.random.default_rng(0)
    queries, keys = rng.normal(size=(2, BATCH, HEADS, LENGTH, WIDTH)).astype(np.float32)
    scores = queries @ keys.swapaxes(-1, -2) / np.float32(WIDTH) ** 0.5

    place = np.arange(LENGTH)
    real = place < LENGTHS[:, None]  # batch, token
    seen = (place[:, None] >= place) & real[:, None, :] & real[:, :, None]  # batch, query, key
    seen = np.broadcast_to(seen[:, None], scores.shape)
    scores[~seen] = -np.inf
    weights = twopass.softmax(scores, axis=-1)

    empty = ~seen.any(axis=-1)  # queries that are padding
    assert (np.isnan(weights).all(axis=-1) == empty).all()
    weights[empty] = 0
    assert (weights[~seen] == 0).all()
    assert abs(weights.sum(axis=-1) - ~empty).max() < 1e-6

    # A masked end changes no bit of a row.
    alone = twopass.softmax(scores[0, 0, 100, :101])
    assert (weights[0, 0, 100, :101] == alone).all()
    print(f"target: {twopass.active_target().name}")
    print(f"{weights.shape} weights, {np.mean(~seen):.0%} masked")
    print(f"{empty.sum()} of {empty.size} rows were masked altogether: NaN, then set to 0")


if __name__ == "__main__":
    main()
