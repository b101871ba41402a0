"""Arguments that cannot be right: a clear error of the right type, naming what is wrong."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from oracle import ALGORITHMS, FUNCTIONS, assert_same_bits

X = np.arange(6.0).reshape(2, 3)

each_function = pytest.mark.parametrize("function", FUNCTIONS)


@each_function
@pytest.mark.parametrize(
    "x, name",
    [
        (np.array([1, None], object), "object"),
        (np.zeros(3, [("a", float)]), "void|'a'"),
        (np.zeros(3, "V4"), "void|V4"),
        (np.zeros(3, "M8[s]"), "datetime64"),
        (np.zeros(3, "m8[s]"), "timedelta64"),
        (np.array(["a", "b"]), "str|U1"),
        (np.array([b"a", b"b"]), "bytes|S1"),
    ],
    ids=str,
)
def test_dtypes_without_an_exponential(target, function, x, name):
    with pytest.raises(TypeError, match=name):
        getattr(target, function)(x)


@each_function
@pytest.mark.parametrize("x", ([[1, 2], [3]], ["a"], None, "text", {}, object), ids=repr)
def test_inputs_that_are_no_array_of_numbers(target, function, x):
    with pytest.raises((TypeError, ValueError)):
        getattr(target, function)(x)


@each_function
def test_masked_arrays_say_what_to_do(target, function):
    x = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    with pytest.raises(TypeError, match=r"(?i)mask.*(fill|-inf)"):
        getattr(target, function)(x)


@each_function
@pytest.mark.parametrize(
    "axis, error",
    [
        (2, np.exceptions.AxisError),
        (-3, np.exceptions.AxisError),
        ((0, 2), np.exceptions.AxisError),
        (2**70, (np.exceptions.AxisError, OverflowError)),
        ((0, 0), ValueError),
        ((0, -2), ValueError),
        (0.0, TypeError),
        ("0", TypeError),
        (True, TypeError),
        ((0, True), TypeError),
        (np.True_, TypeError),
        ((0, 1.0), TypeError),
        ([0], TypeError),
        (np.array([0, 1]), TypeError),
    ],
    ids=str,
)
def test_axis(target, function, axis, error):
    for x in (X, X.astype(np.float32), X.astype(int), X.astype(np.longdouble), X.T, X[:0]):
        with pytest.raises(error):
            getattr(target, function)(x, axis=axis)


@each_function
@pytest.mark.parametrize("axis", (np.int8(1), np.uint64(1), (np.int64(1),)), ids=repr)
def test_an_axis_may_be_any_integer(target, function, axis):
    assert_same_bits(getattr(target, function)(X, axis=axis), getattr(target, function)(X, axis=1))


@each_function
@pytest.mark.parametrize("axis", (1, -2, (0, 0), 0.0, True), ids=str)
def test_axis_of_a_number(target, function, axis):
    with pytest.raises((ValueError, TypeError)):
        getattr(target, function)(np.float64(3), axis=axis)


@each_function
@pytest.mark.parametrize("algorithm", ("nonsense", "", "TWO_PASS", "two_pass "))
def test_unknown_algorithm_lists_the_known_ones(target, function, algorithm):
    for x in (X, X[0], X[:, 0], X.astype(int), X.astype(np.longdouble), np.float32(1), X[:0]):
        with pytest.raises(ValueError) as caught:
            getattr(target, function)(x, algorithm=algorithm)
        assert all(name in str(caught.value) for name in ALGORITHMS)


@each_function
@pytest.mark.parametrize("algorithm", (None, 3, b"two_pass", ["two_pass"]), ids=repr)
def test_algorithm_of_another_type(target, function, algorithm):
    with pytest.raises((TypeError, ValueError), match="algorithm"):
        getattr(target, function)(X[0], algorithm=algorithm)


@each_function
@pytest.mark.parametrize(
    "threads, error", ((0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError))
)
def test_threads(target, function, threads, error):
    for x in (X, X[0], X.astype(np.longdouble)):
        with pytest.raises(error, match=r"threads|integer"):
            getattr(target, function)(x, threads=threads)


@each_function
def test_extras_are_keywords(target, function):
    with pytest.raises(TypeError):
        getattr(target, function)(X, 0, None, False, False, np.empty(3))
    with pytest.raises(TypeError, match="nonsense"):
        getattr(target, function)(X, nonsense=1)
    with pytest.raises(TypeError):
        getattr(target, function)()


@pytest.mark.parametrize(
    "b", (np.ones(4), np.ones((3, 2)), np.ones((3, 3))), ids=lambda b: str(b.shape)
)
def test_weights_that_do_not_broadcast(target, b):
    with pytest.raises(ValueError) as caught:
        target.logsumexp(X, b=b)
    assert f"a has shape {X.shape} and b has shape {b.shape}" in str(caught.value)


@pytest.mark.parametrize(
    "b",
    (
        np.array(["a", "b", "c"]),
        np.ones(3, object),
        "2",
        np.str_("2"),
        Decimal(2),
        Fraction(1, 2),
        [Decimal(2)] * 3,
        np.ones(3, "m8[s]"),
    ),
    ids=repr,
)
def test_weights_that_are_no_numbers(target, b):
    with pytest.raises(TypeError, match=r"^b has dtype .*numpy.asarray\(b, float\)"):
        target.logsumexp(X, b=b)


@pytest.mark.parametrize("x", ("3", np.str_("3"), ["1"], Decimal(3), [Decimal(3)]), ids=repr)
def test_exponents_that_are_no_numbers(target, x):
    for function, name in zip(FUNCTIONS, "xxa", strict=True):
        with pytest.raises(TypeError, match=rf"^{name} has dtype .*numpy.asarray\({name}, float\)"):
            getattr(target, function)(x)


def test_masked_weights_are_filled_with_zeros(target):
    b = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    with pytest.raises(TypeError, match=r"b\.filled\(0\)"):
        target.logsumexp(X, b=b)
