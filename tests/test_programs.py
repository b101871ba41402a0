"""Programs that call one function after the other, next to the same programs in mpmath.

Each is written once: over float arrays with a target's functions, and over arrays of mpmath's
numbers, to 50 digits.
"""

import functools
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest

DIGITS = 50


def _mp_logsumexp(x, axis):
    def row(values):
        return mpmath.log(mpmath.fsum(map(mpmath.exp, values)))

    return np.apply_along_axis(row, axis, x)


MP = SimpleNamespace(
    logsumexp=_mp_logsumexp,
    log_softmax=lambda x, axis: x - np.expand_dims(_mp_logsumexp(x, axis), axis),
    exp=np.vectorize(mpmath.exp, otypes="O"),
)


def hidden_markov_model(f, rng, number):
    """The forward pass, normalised at each step: the log-likelihood and the last state."""
    states, steps = 5, 40
    transitions = f.log_softmax(number(rng.normal(size=(states, states)) * 3), 1)
    emissions = f.log_softmax(number(rng.normal(size=(states, 4)) * 3), 1)
    state = f.log_softmax(number(rng.normal(size=states)), 0)
    seen, total = rng.integers(4, size=steps), state[0] * 0
    for symbol in seen:
        joint = f.logsumexp(state[:, None] + transitions, 0) + emissions[:, symbol]
        total = total + f.logsumexp(joint, 0)
        state = f.log_softmax(joint, 0)
    return total, state, f.logsumexp(state, 0)


def mixture(f, rng, number):
    """EM for the weights and means of three normal distributions: both, and the likelihoods."""
    x = number(np.r_[rng.normal(-4, size=20), rng.normal(0, size=20), rng.normal(3, size=20)])
    weights, means = f.log_softmax(number(np.zeros(3)), 0), number(np.array([-3.0, 0.5, 2.0]))
    for _ in range(8):
        joint = weights - (x[:, None] - means) ** 2 / 2
        likelihoods = f.logsumexp(joint, 1)
        shares = f.log_softmax(joint, 1)
        totals = f.logsumexp(shares, 0)
        means = (f.exp(shares - totals) * x[:, None]).sum(0)
        weights = f.log_softmax(totals, 0)
    return weights, means, likelihoods, f.logsumexp(weights, 0), f.logsumexp(shares, 1)


def sinkhorn(f, rng, number):
    """Transport between two distributions: the potentials, the plan and its sums."""
    a = f.log_softmax(number(rng.normal(size=6)), 0)
    b = f.log_softmax(number(rng.normal(size=7)), 0)
    cost = number(rng.random((6, 7)) * 8)
    v = b * 0
    for _ in range(30):
        u = a - f.logsumexp(v - cost, 1)
        v = b - f.logsumexp(u[:, None] - cost, 0)
    plan = u[:, None] + v - cost
    return u, v, plan, f.logsumexp(plan, 1), f.logsumexp(plan, 0), f.logsumexp(plan.ravel(), 0)


@functools.cache
def truth(program, seed, dtype):
    with mpmath.workdps(DIGITS):
        as_rounded = np.vectorize(lambda v: mpmath.mpf(float(np.dtype(dtype).type(v))), otypes="O")
        results = program(MP, np.random.default_rng(seed), as_rounded)
    return [np.asarray(result, float) for result in results]


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("program", (hidden_markov_model, mixture, sinkhorn))
def test_a_program_next_to_mpmath(target, program, seed, dtype):
    f = SimpleNamespace(logsumexp=target.logsumexp, log_softmax=target.log_softmax, exp=np.exp)
    got = program(f, np.random.default_rng(seed), lambda x: x.astype(dtype))
    for one, other in zip(got, truth(program, seed, dtype), strict=True):
        assert np.asarray(one).dtype == dtype
        tolerance = 200 * np.finfo(dtype).eps * np.maximum(1, abs(other).max())
        assert (abs(one - other) <= tolerance).all()
