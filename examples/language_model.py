"""One step of a language model: from scores for 131,072 tokens to a sampled one.

The scores are divided by a temperature and become log-probabilities; one of the k best is drawn.
Log-probabilities order all tokens, also where the probabilities have long underflowed to 0.

    pip install twopass
    python examples/language_model.py
"""

import numpy as np

import twopass

VOCABULARY, BATCH, K = 131_072, 4, 50


def main() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(scale=3, size=(BATCH, VOCABULARY)).astype(np.float32)
    print(f"target: {twopass.active_target().name}")

    for temperature in (1.0, 0.1):
        cooled = scores / np.float32(temperature)
        log_p = twopass.log_softmax(cooled, axis=-1)
        best = np.argpartition(log_p, -K, axis=-1)[:, -K:]
        best_log_p = np.take_along_axis(log_p, best, axis=-1)
        # The largest of log p + Gumbel noise is a draw from p, scaled up to the k best.
        pick = np.argmax(best_log_p + rng.gumbel(size=best.shape), axis=-1)
        drawn = best[np.arange(BATCH), pick].tolist()

        p = twopass.softmax(cooled, axis=-1)
        assert np.isfinite(log_p).all()
        assert abs(np.exp(log_p, dtype=float).sum(axis=-1) - 1).max() < 1e-5
        # The k best by log-probability are the k best by score,
        best_scores = np.take_along_axis(cooled, best, axis=-1)
        assert (np.sort(best_scores) == np.sort(cooled)[:, -K:]).all()
        # and have the chances among themselves that they had among all, scaled up.
        among_all = np.take_along_axis(p, best, axis=-1)
        expected = among_all / among_all.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(twopass.softmax(best_log_p, axis=-1), expected, rtol=1e-4)
        print(f"temperature {temperature}: drew {drawn}, of the {K} best")
        print(f"    {np.mean(p == 0):.1%} of the probabilities underflow, no log-probability does")


if __name__ == "__main__":
    main()
