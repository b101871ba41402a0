"""Optimal transport by Sinkhorn's iteration in the log domain: a vector beside a matrix.

Each step takes the log-sum-exp of -cost / epsilon + f, once by columns and once by rows. The matrix
is read as it is: neither its scaling nor the vector makes an array of its size.

    pip install twopass
    python examples/sinkhorn.py
"""

import numpy as np

import twopass

SOURCES, SINKS, EPSILON, STEPS = 300, 400, 0.05, 300


def sinkhorn(cost, log_a, log_b):
    """The logarithms of the factors of rows and columns that give the plan its sums."""
    f, g = np.zeros_like(log_a), np.zeros_like(log_b)
    for _ in range(STEPS):
        g = log_b - twopass.logsumexp(cost, axis=0, scale=-1 / EPSILON, bias=f[:, None])
        f = log_a - twopass.logsumexp(cost, axis=1, scale=-1 / EPSILON, bias=g)
    return f, g


def main() -> None:
    rng = np.random.default_rng(0)
    here, there = rng.random((SOURCES, 2)), rng.random((SINKS, 2))
    cost = ((here[:, None] - there) ** 2).sum(axis=-1)
    log_a = twopass.log_softmax(rng.normal(size=SOURCES))
    log_b = twopass.log_softmax(rng.normal(size=SINKS))
    f, g = sinkhorn(cost, log_a, log_b)

    plan = np.exp(f[:, None] + g - cost / EPSILON)
    assert abs(plan.sum(axis=1) - np.exp(log_a)).max() < 1e-15
    off = abs(plan.sum(axis=0) - np.exp(log_b)).sum()
    assert off < 1e-6

    # The same bits as with an array for what is added.
    step = twopass.logsumexp(cost, axis=1, scale=-1 / EPSILON, bias=g)
    assert (step == twopass.logsumexp(cost * (-1 / EPSILON) + g, axis=1)).all()
    print(f"target: {twopass.active_target().name}")
    print(f"a plan for {SOURCES} x {SINKS}: its columns are off by {off:.0e} after {STEPS} steps")


if __name__ == "__main__":
    main()
