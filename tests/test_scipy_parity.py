"""scipy.special is what this package replaces: the same values, and each deviation by name."""

import itertools
import warnings
from decimal import Decimal

import numpy as np
import pytest
from oracle import ELEMENTWISE, FUNCTIONS, assert_same_bits, call, normal, strict

import twopass

special = pytest.importorskip("scipy.special")
INF, NAN = np.inf, np.nan


def scipy_call(function, *args, **options):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return getattr(special, function)(*args, **options)


def assert_close(got, want, rtol):
    got, want = np.asarray(got), np.asarray(want)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)


# scipy is a few ULP off itself
TOLERANCE = {"f2": 4e-3, "f4": 2e-6, "f8": 4e-15, "g": 4e-15, "F": 4e-6, "D": 1e-14}


def ordinary(kind, *shape):
    x = normal(int(np.prod(shape))).reshape(shape) * 3
    return (x + 1j * x[::-1] if kind in "FD" else x).astype(kind)


@pytest.mark.parametrize("kind", TOLERANCE)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("axis", (None, 0, 1, -1, (0, 2), (2, 1), ()), ids=str)
def test_ordinary_input(target, function, axis, kind):
    x = ordinary(kind, 3, 4, 50)
    assert_close(call(target, function, x, axis), scipy_call(function, x, axis), TOLERANCE[kind])


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "x",
    (
        [1000, 0, 0, 0],
        [1, 1],
        [[1000.0, 0], [1000, 0]],
        list(range(200)),
        1000,
        1.0,
        [[1e10, 1e-10], [-1e10, -INF]],
    ),
    ids=str,
)
def test_array_likes(target, function, x):
    assert_close(getattr(target, function)(x), scipy_call(function, np.array(x, float)), 1e-13)


@pytest.mark.parametrize("kind", ("f4", "f8", "g", "F", "D"))
@pytest.mark.parametrize("axis", (None, 0, 1, (0, 2)), ids=str)
@pytest.mark.parametrize("keepdims", (False, True))
@pytest.mark.parametrize("return_sign", (False, True))
@pytest.mark.parametrize("weights", (None, "full", "row", "number"))
def test_logsumexp_options(target, kind, axis, keepdims, return_sign, weights):
    a = ordinary(kind, 3, 4, 5)
    b = {None: None, "number": 2.5, "row": ordinary(kind, 5), "full": ordinary(kind, 3, 4, 5)}[
        weights
    ]
    options = {"axis": axis, "b": b, "keepdims": keepdims, "return_sign": return_sign}
    got, want = target.logsumexp(a, **options), scipy_call("logsumexp", a, **options)
    assert isinstance(got, tuple) is return_sign
    pairs = zip(got, want, strict=True) if return_sign else [(got, want)]
    for part, scipy_part in pairs:
        assert_close(part, scipy_part, 1e-4 if kind in ("f4", "F") else 1e-12)


WEIGHTED = [
    ([1, 1, 1], [1, -1, -1]),
    ([1, 1], [1, -1]),
    ([1, 10000], [1, 0]),
    ([NAN, 1], [0, 1]),
    ([INF, 1], [0, 1]),
    ([INF, 1], [-1, 1]),
    ([INF, INF], [1, -1]),
    ([INF], [-1.0]),
    ([NAN, 1], [1, 1]),
    ([1, 2], [0, 0]),
    ([1, 2], [NAN, 1]),
    ([1, 2], [INF, 1]),
    ([-INF, -INF], [1, 1]),
    ([3.06409428, 0.37251854, 3.87471931], [1.88190708, 2.84174795, -0.85016884]),
    ([3.06409428, 0.37251854, 3.87471931], [1.88190708, 2.84174795, -3.85016884]),
    ([1000, 1000], [1.2, 1.2]),
    ([0.0, -40.0], [1, 1]),
    ([0.0, -40.0], [1, -1]),
    ([0.0, 0.0, -50.0], [0.5, 0.5, 1.0]),
    ([0.0, 0.0, -50.0], [2.0, -1.0, 1.0]),
    ([1e-30, -80.0], [1, 1]),
    ([-1000.0, 0.0], [1, 0]),
    ([1.0, 2.0], 2**100),
]


@pytest.mark.parametrize("a, b", WEIGHTED, ids=str)
@pytest.mark.parametrize("return_sign", (False, True))
def test_weights(target, a, b, return_sign):
    with strict():
        got = target.logsumexp(a, b=b, return_sign=return_sign)
    want = scipy_call(
        "logsumexp", np.array(a, float), b=np.array(b, float), return_sign=return_sign
    )
    np.testing.assert_allclose(got, want, rtol=1e-14)


KINDS = "?bBhHiIlLefdgFDG"
NUMBERS = (True, 1, 1.0, 1j)
OPERANDS = [
    *(pytest.param(np.ones(2, kind), id=f"array {kind}") for kind in KINDS),
    *(pytest.param(np.array(1, kind), id=f"0-d {kind}") for kind in KINDS),
    *(pytest.param(np.dtype(kind).type(1), id=f"scalar {kind}") for kind in KINDS),
    *(pytest.param(number, id=f"number {number}") for number in NUMBERS),
    *(pytest.param([number] * 2, id=f"list {number}") for number in NUMBERS),
]


def assert_dtype_of_scipy(a, b, return_sign):
    got = twopass.logsumexp(a, b=b, return_sign=return_sign)
    want = scipy_call("logsumexp", a, b=b, return_sign=return_sign)
    # Small integers are a deviation: scipy takes them for float16 or float32 beside such weights.
    small = not isinstance(a, (bool, int)) and np.asarray(a).dtype.char in "?bBhH"
    for part, scipy_part in zip(got, want, strict=True) if return_sign else [(got, want)]:
        np.testing.assert_allclose(part, scipy_part, rtol=2e-3, atol=1e-3)
        assert part.dtype == np.result_type(scipy_part.dtype, np.float64 if small else bool)


# Weights are NumPy's work on every target: what needs many calls is tried on the active one.


@pytest.mark.parametrize("a", OPERANDS)
def test_dtypes(a):
    for b in (None, *(operand.values[0] for operand in OPERANDS)):
        assert_dtype_of_scipy(a, b, return_sign=False)
        assert_dtype_of_scipy(a, b, return_sign=True)
        out = np.empty((), twopass.logsumexp(a, b=b).dtype)
        assert twopass.logsumexp(a, b=b, out=out) is out


@pytest.mark.parametrize(
    "a, b, want",
    [
        (np.float16([1, 2]), 1e6, 16.128772),
        (np.float16([1, 2]), 1e-9, -18.410004),
        (np.float16([1, 2]), 70_000, 13.469513),
        (np.float32([1, 2]), 1e300, 693.0887896),
        (np.float32([1, 2]), np.float64([1e300, 1e-300]), 691.7755278982137),
        (np.float16([-20, -21]), np.float16([6e-8, 6e-8]), -36.3222),
        (np.int64([2**53 + 1]), 1, 2.0**53),
        (np.float64([1e3, 0]), [1e-300, 1e300], 690.7755278982137),
    ],
    ids=str,
)
def test_weights_beyond_the_range_of_the_dtype(target, a, b, want):
    """Nothing but the result is rounded to its dtype. `want`: mpmath."""
    with strict():
        got = target.logsumexp(a, b=b)
    np.testing.assert_allclose(got, want, rtol=2 * np.finfo(got.dtype).eps)


def weighted_exact(mp, a, b):
    """log(sum(b * exp(a)))."""
    with mp.workprec(400):
        terms = (float(w) * mp.exp(mp.mpf(float(x))) for x, w in zip(a, b, strict=True))
        return mp.log(mp.fsum(terms))


@pytest.mark.parametrize(
    "kinds, spread",
    [(kinds, 1) for kinds in ("ee", "ff", "dd", "ed", "fd")]
    + [("ff", 10), ("dd", 100), ("fd", 100)],
    ids=str,
)
@pytest.mark.parametrize("n", (1, 2, 7, 1000))
def test_weighted_sums_near_one(n, kinds, spread):
    """Results near 0 from terms of any size: within 2 eps of 1."""
    mp = pytest.importorskip("mpmath")
    for seed in range(6):
        share = np.exp(normal(n, 2 * seed))
        b = np.exp(normal(n, 2 * seed + 1) * spread).astype(kinds[1])
        a = (np.log(share / share.sum()) - np.log(b.astype(float))).astype(kinds[0])
        got, want = twopass.logsumexp(a, b=b), weighted_exact(mp, a, b)
        assert abs(got - want) <= 2 * np.finfo(got.dtype).eps * max(1, abs(want))


@pytest.mark.parametrize(
    "a, b",
    [
        ([0, 0, -50], [0.5, 0.5, 1]),
        ([0, 0, -50], [2, -1, 1]),
        ([0, 0, 0, -100], [0.25, 0.5, 0.25, -3]),
        ([0] * 1000, [1e-3] * 1000),
        ([np.log(1 / 7)] * 7, [1] * 7),
        ([np.log(2), 0], [1, -1]),
        ([3, 3, -60], [np.exp(-3) / 2, np.exp(-3) / 2, 1]),
        ([700, 1], [np.exp(-700), 1e-30]),
    ],
    ids=lambda value: str(value[:4]),
)
@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="longdouble is float64 here")
def test_tiny_weighted_results(target, a, b):
    """A result far below eps has digits of its own, more where the sum is exact."""
    mp = pytest.importorskip("mpmath")
    want = weighted_exact(mp, a, b)
    got = target.logsumexp(a, b=b)
    assert abs(got - want) <= 3e-19 + 2.3e-16 * abs(want)
    if a[0] == 0:
        assert abs(got - want) <= 2.3e-16 * abs(want)


@pytest.mark.parametrize("options", ({}, {"b": 2.0}, {"return_sign": True}), ids=str)
@pytest.mark.parametrize("axis", (None, 0, -1, ()), ids=str)
@pytest.mark.parametrize("keepdims", (False, True))
def test_logsumexp_of_a_number(target, options, axis, keepdims):
    for a in (2.5, np.float32(2.5), np.array(2.5, np.longdouble)):
        options = {**options, "axis": axis, "keepdims": keepdims}
        got, want = target.logsumexp(a, **options), scipy_call("logsumexp", a, **options)
        # Without an axis to reduce over a number stays one; scipy gives it a dimension.
        assert np.shape(got) == (np.shape(want) if axis != () or keepdims else np.shape(want)[:-1])
        np.testing.assert_allclose(np.ravel(got), np.ravel(want))


PHASES = (0.0, -0.0, INF, -INF, 0.7533, 2.3562, 3.927, 5.4978)
COMPLEX_INFINITIES = [-INF, INF, *(complex(x, y) for x in (INF, -INF) for y in PHASES)]


def test_complex_infinities(target):
    for pair in itertools.product(COMPLEX_INFINITIES, repeat=2):
        x = np.array(pair, complex)
        want = scipy_call("logsumexp", x)
        np.testing.assert_allclose(np.isnan(target.logsumexp(x)), np.isnan(want), err_msg=str(pair))
        if not np.isnan(want):
            np.testing.assert_allclose(target.logsumexp(x), want, err_msg=str(pair))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_special_values(target, function):
    values = (NAN, INF, -INF, 0.0, 3.0)
    for x in itertools.product(values, repeat=3):
        x = np.array(x)
        with strict():
            got = call(target, function, x)
        np.testing.assert_allclose(got, scipy_call(function, x), 1e-14, 5e-16, err_msg=str(x))


def test_scalars_are_scalars(target):
    for function in FUNCTIONS:
        assert np.ndim(getattr(target, function)(2.5)) == 0
    for x in ([1.0, 2.0], np.float32([1, 2]), np.ones((2, 3)), 2.5):
        assert type(target.logsumexp(x)) is type(scipy_call("logsumexp", x))


# ---- Deviations, each documented ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ("i1", "u1", "i2", "u2"))
@pytest.mark.parametrize("function", ELEMENTWISE)
def test_small_integers_are_float64(target, function, kind):
    """scipy: float16 or float32 results, and unsigned differences that wrap around."""
    x = np.array([1, 2, 100], kind)
    assert_same_bits(call(target, function, x), call(target, function, x.astype(float)))
    assert scipy_call(function, x).dtype != np.float64


@pytest.mark.parametrize("function", ELEMENTWISE)
def test_empty_axis_is_an_empty_result(target, function):
    """scipy: ValueError."""
    assert call(target, function, np.empty((0, 3)), 0).shape == (0, 3)
    with pytest.raises(ValueError):
        scipy_call(function, np.empty((0, 3)), 0)


def test_many_equal_halves_are_not_zero(target):
    """scipy: every float16 result is 0."""
    x = np.ones(100_000, np.float16)
    assert (target.softmax(x) > 0).all()
    assert (scipy_call("softmax", x) == 0).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_warnings(target, function):
    """scipy: RuntimeWarnings from inf - inf and overflow."""
    for x in ([INF, 1], [-INF, -INF], [NAN, 1], [1e308, -1e308]):
        with strict():
            call(target, function, np.array(x))


def test_cancelled_infinite_weights_of_large_terms(target):
    """scipy: NaN, from exp(1e5) - exp(1e5)."""
    value, sign = target.logsumexp([1e5, 1e5], b=[1, -1], return_sign=True)
    assert (value, sign) == (-INF, 0)


def test_terms_of_weight_zero_never_count(target):
    """scipy: NaN where every term has weight zero and one is NaN."""
    assert target.logsumexp([NAN], b=[0]) == -INF
    assert target.logsumexp([NAN, INF], b=[0, 0], return_sign=True) == (-INF, 0)


def test_the_sign_of_an_empty_sum_is_zero(target):
    """scipy: -1."""
    for a in (np.empty(0), np.empty((0, 3)), np.empty(0, np.float32), np.empty(0, complex)):
        value, sign = target.logsumexp(a, axis=0, return_sign=True)
        assert (value == -INF).all()
        assert (sign == 0).all()
    assert scipy_call("logsumexp", np.empty(0), return_sign=True)[1] == -1


@pytest.mark.parametrize("kind", ("?", "i1", "u1", "i2", "u2"))
def test_small_integers_with_narrow_weights_are_float64(target, kind):
    """scipy: float32 (with float16 weights and integers of 8 bits float16)."""
    a, b = np.ones(2, kind), np.ones(2, np.float32)
    assert target.logsumexp(a, b=b).dtype == np.float64
    assert scipy_call("logsumexp", a, b=b).dtype == np.float32


@pytest.mark.parametrize("x", ("3", ["1", "2"], Decimal(2)), ids=repr)
def test_text_and_decimals_are_refused(target, x):
    """scipy: text is read, and a single Decimal, from NumPy 2 on."""
    with pytest.raises(TypeError, match=r"^a has dtype .*numpy\.asarray"):
        target.logsumexp(x)
