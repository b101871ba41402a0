"""The two oracles, which share nothing, agree; and arb's is right where that is known otherwise."""

import math

import ball
import numpy as np
import pytest
import structured
from laws import with_a_number
from oracle import DTYPES, FUNCTIONS, bound, exact

AGREE = 0.01  # of the bound: what long double leaves to be desired


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [*structured.KINDS, "special"])
def test_the_oracles_agree(kind, dtype):
    rng = np.random.default_rng(0)
    draw = structured.KINDS.get(kind, structured.special)
    for _ in range(25):
        x = structured.row(rng, draw, structured.length(rng, 400), dtype)[None]
        for function in FUNCTIONS:
            first, second = exact(function, x), ball.truth(function, x)
            hi, rest = (np.reshape(a, second.near.shape) for a in (first.hi, first.rest))
            # The first one's number is as far from the second's truth as it says itself.
            errors = second.ulps(hi)
            same = (errors == 0) & ~np.isfinite(hi)
            limit = np.maximum(AGREE * bound(function, hi), AGREE)
            assert (same | (abs(errors - abs(rest)) <= limit)).all(), function


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_of_one_change_nothing(dtype):
    rng = np.random.default_rng(1)
    for _ in range(50):
        x = with_a_number(structured.batch(rng, 3, 20, dtype))
        want = ball.truth("logsumexp", x)
        for i, row in enumerate(x):
            got, sign, condition = ball.weighted(row, np.ones_like(row))
            assert got.near[0] == want.near[i, 0]
            assert got.rest[0] == pytest.approx(want.rest[i, 0], abs=1e-6)
            assert (sign, condition) == (1, 1)


def test_weights_that_cancel():
    cancelled, sign, condition = ball.weighted(np.array([1.0, 1.0, -9]), np.array([1.0, -1, 0]))
    assert (cancelled.near[0], sign, condition) == (-math.inf, 0, math.inf)
    nothing, sign, condition = ball.weighted(np.array([1.0, -math.inf]), np.array([0.0, 3]))
    assert (nothing.near[0], sign, condition) == (-math.inf, 0, 1)
    # e^1e-20 - 1, and the same the other way round: long double sees 0.
    for weights, want in (((1.0, -1.0), 1), ((-1.0, 1.0), -1)):
        size, sign, condition = ball.weighted(np.array([1e-20, 0]), np.array(weights))
        assert (size.near[0], sign) == (math.log(1e-20), want)
        assert condition == pytest.approx(2e20)


@pytest.mark.parametrize(
    ("row", "want"),
    [
        ([math.log(0.5)] * 2, math.log(0.5) + math.log(2)),
        ([0.0], 0.0),
        ([0.0, -40], 4.248354255291589e-18),
        ([0.0, -1e300], 0.0),
        ([1e300, -1e300], 1e300),
        ([math.inf, 0], math.inf),
        ([-math.inf] * 2, -math.inf),
        ([math.nan, 0], math.nan),
    ],
)
def test_known_sums(row, want):
    got = ball.truth("logsumexp", np.array([row]))
    np.testing.assert_allclose(got.near[0, 0], want, rtol=2**-53, atol=1e-16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ulps_are_counted_from_the_truth(dtype):
    third = ball.Truth(np.array([1 / 3]), np.array([1 / 3]))  # 1/3 is a third of an ulp more
    cut = third.cut(dtype)
    for steps in (-3, 0, 5):
        got = cut + steps * np.spacing(cut)
        left = (1 / 3 - float(cut[0])) / float(np.spacing(cut)[0]) + (dtype == "float64") / 3
        assert third.ulps(got)[0] == pytest.approx(abs(steps - left), rel=1e-6)
