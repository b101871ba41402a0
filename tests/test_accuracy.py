"""The error bounds, for every target, algorithm, dtype and hard input."""

import numpy as np
import pytest
from oracle import (
    ALGORITHMS,
    DTYPES,
    FUNCTIONS,
    HARD,
    assert_accurate,
    call,
    exact,
    exact_hard,
    finite_cast,
    hard,
)

MANY = ("zero_and_-17.3", "equal", "normal_3", "uniform_1000")  # where the sum is the hard part


def check_hard(target, function, algorithm, name, n, dtype):
    x = hard(name, n, dtype)
    got = call(target, function, x, algorithm=algorithm)
    assert_accurate(function, x, got, want=exact_hard(function, name, n, dtype))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", HARD)
def test_hard_inputs(target, function, algorithm, name, dtype):
    for n in (3, 1000, 70_001):
        check_hard(target, function, algorithm, name, n, dtype)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("name", MANY)
def test_a_million_terms(target, function, algorithm, name, dtype):
    check_hard(target, function, algorithm, name, 1_000_000, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MANY)
def test_ten_million_terms(target, function, name, dtype):
    x = hard.__wrapped__(name, 10_000_000, dtype)
    want = exact(function, x)
    for algorithm in ALGORITHMS:
        assert_accurate(function, x, call(target, function, x, algorithm=algorithm), want=want)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", (0, -1))
@pytest.mark.parametrize("shape", ((64, 1000), (1000, 7), (33, 257), (5, 1), (1, 5)), ids=str)
def test_hard_rows_in_one_batch(target, function, dtype, axis, shape):
    """Rows of very different kinds side by side, as they share lanes in a batch of short rows."""
    height, width = shape
    rows = np.stack([tuple(HARD.values())[i % len(HARD)](width) for i in range(height)])
    x = finite_cast(rows if axis else rows.T, dtype)
    want = exact(function, x, axis)
    for algorithm in ALGORITHMS:
        got = call(target, function, x, axis, algorithm=algorithm)
        assert_accurate(function, x, got, axis, want)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_float16(target, function):
    x = np.arange(65536, dtype=np.uint16).view(np.float16)
    x = np.stack([np.zeros_like(x), x], axis=-1)
    assert_accurate(function, x, call(target, function, x))


TINY_LOGSUMEXP = [
    ("float64", -40, 4.248354e-18),
    ("float64", -700, 9.859677e-305),
    ("float64", -740, 4.2e-322),
    ("float32", -40, 4.248354e-18),
    ("float32", -80, 1.804851e-35),
    ("float32", -90, 8.19401e-40),
    ("float32", -103.97, 1.4e-45),
    ("float16", -9, 1.234e-4),
    ("float16", -17, 6e-8),
]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype, x, about", TINY_LOGSUMEXP)
def test_logsumexp_keeps_what_is_added_to_one(target, algorithm, dtype, x, about):
    """log(1 + e) for e far below eps: neither lost in 1 + e nor flushed when it is subnormal."""
    x = np.array([0, x], dtype)
    want = np.exp(x[1].astype(float)).astype(dtype)
    assert want == pytest.approx(np.array(about, dtype), rel=1e-2)
    for pair in (x, x[::-1]):
        got = np.asarray(target.logsumexp(pair, algorithm=algorithm))
        assert got.dtype == dtype
        assert abs(got - want) <= min(4 * np.spacing(want), want / 2), (got, want)


# Probabilities that add up to about 1: the largest is small, nearly 1, or there several times.
NORMALISED = [
    [0.5, 0.5],
    [0.25, 0.25, 0.25, 0.25],
    [1 / 3, 1 / 3, 1 / 3, 1e-22],
    [0.6, 0.4],
    [0.9, 0.1],
    [0.999, 0.001],
    [1 - 1e-9, 1e-9],
    [0.01] * 100,
    np.arange(1, 201) / 20_100,
    [*([0.125] * 8), *([1e-30] * 400)],
    [0.5, 0.5, *([1e-12] * 70_000)],
]


def layouts(x):
    """The same row along the last axis, along the first, with a stride, and among others."""
    yield x
    yield np.tile(x[:, None], (1, 21))
    yield np.repeat(x, 3)[::3]
    yield np.tile(x, (9, 1)).T


@pytest.mark.parametrize("algorithm", ("two_pass", "online", "three_pass_recompute"))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", NORMALISED, ids=lambda p: f"{p[0]:.3g}_{len(p)}")
def test_logsumexp_of_log_probabilities(target, algorithm, dtype, p):
    """A result near 0 is none of a maximum near 0."""
    row = np.log(p).astype(dtype)
    want = exact("logsumexp", row)
    for x in layouts(row):
        got = np.asarray(call(target, "logsumexp", x, 0, algorithm=algorithm))
        assert_accurate("logsumexp", row, got.ravel()[0], want=want)
        assert (got == got.ravel()[0]).all()


def test_ties_at_the_top_are_counted(target):
    """Equal log-probabilities: what is left is the rounding of ln 2, which is known."""
    ln_2 = np.log(2.0)
    for count in (2, 4, 1024):
        got = target.logsumexp(np.full(count, -np.log2(count) * ln_2))
        assert got == pytest.approx(np.log2(count) * 2.3190468138462996e-17, rel=1e-9)


CONFIDENT = (13.0, 15.25, 16.0, 17.5, 20.0, 33.0, 35.0, 36.5, 60.0, 900.0)


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("n", (2, 4, 17, 150, 1000, 70_001))
def test_log_softmax_of_an_element_that_is_nearly_all(target, dtype, n):
    """Rounding the exponential of the element itself does not show: as in x - max - log."""
    eps = np.finfo(dtype).eps
    for gap in CONFIDENT:
        row = (hard("normal_3", n, "float64") - 700.25).astype(dtype)
        place = n // 2
        row[place] = row.max() + dtype_step(gap, row[place])
        others = np.delete(row, place).astype(np.longdouble) - row[place]
        want = -np.log1p(np.exp(others).sum())
        for x in layouts(row):
            for out in (None, x.copy(order="K")):
                got = target.log_softmax(x if out is None else out, axis=0, out=out)[place]
                near = abs(want) < 4 * eps
                assert (abs(got - want) <= (0.51 if near else 2) * eps).all(), (gap, got, want)


def dtype_step(gap, like):
    """`gap` as something that can be added without rounding."""
    return np.round(gap / np.spacing(abs(like))) * np.spacing(abs(like))


def test_log_softmax_of_all_there_is(target):
    """What SciPy's subtraction of the maximum keeps: not -5.4e-8."""
    x = np.float32([-700.25, -1000.5, 800.125, -2000.0])
    np.testing.assert_array_equal(target.log_softmax(x), x - x[2])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_hundred_thousand_equal_halves(target, algorithm):
    """float16 sums are not added up in float16, and a subnormal result is no zero."""
    got = target.softmax(np.ones(100_000, np.float16), algorithm=algorithm)
    np.testing.assert_array_equal(got, np.float16(1e-5))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_above_many_far_from_zero(target, algorithm):
    """One 1e8 among 1e8 - 8, which float32 can just tell apart."""
    x = np.full(1000, 1e8 - 8, np.float32)
    x[500] = 1e8
    got = target.softmax(x, algorithm=algorithm)
    assert_accurate("softmax", x, got)
    assert got[0] == pytest.approx(np.exp(-8) / (1 + 999 * np.exp(-8)), rel=1e-6)
