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
