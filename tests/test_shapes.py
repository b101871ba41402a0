"""Axes, shapes, strides and dtypes: what the result looks like, and that its values are right."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from oracle import (
    ALGORITHMS,
    DTYPES,
    ELEMENTWISE,
    FUNCTIONS,
    assert_accurate,
    assert_same_bits,
    call,
    exact,
    hard,
    strict,
)

SHAPES_AND_AXES = [
    ((5,), (0, -1, None, (0,), ())),
    ((1,), (0, None)),
    ((3, 1), (0, 1, None)),
    ((1, 300), (0, 1, (0, 1))),
    ((64, 100), (0, 1, -2, None, (1, 0), ())),
    ((7, 1000), (0, 1)),
    ((1000, 3), (0, 1)),
    ((257, 129), (0, 1)),
    ((4, 5, 6), (0, 1, 2, -3, None, (0, 1), (0, 2), (1, 2), (2, 0), (0, 1, 2))),
    ((2, 3, 40, 17), (0, 1, 2, 3, (0, 3), (1, 2), (-1, -3), (3, 1, 0))),
    ((2,) * 10, (0, 5, 9, None, (0, 9), (1, 3, 5))),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "shape, axis", [(s, a) for s, axes in SHAPES_AND_AXES for a in axes], ids=str
)
def test_axes(target, function, dtype, shape, axis):
    x = hard("normal_3", int(np.prod(shape)), dtype).reshape(shape)
    want = exact(function, x, axis)
    for algorithm in ALGORITHMS:
        got = call(target, function, x, axis, algorithm=algorithm)
        assert_accurate(function, x, got, axis, want)


def test_axis_defaults_to_the_whole_array(target):
    x = hard("normal_3", 60, "float64").reshape(5, 12)
    for function in FUNCTIONS:
        assert_same_bits(getattr(target, function)(x), call(target, function, x, None))


@pytest.mark.parametrize("axis", (0, 1, -1, None, (0, 2), ()))
def test_logsumexp_keepdims(target, axis):
    x = hard("normal_3", 60, "float32").reshape(3, 4, 5)
    kept = target.logsumexp(x, axis=axis, keepdims=True)
    assert kept.shape == np.sum(x, axis=axis, keepdims=True).shape
    assert_same_bits(kept.ravel(), np.ravel(target.logsumexp(x, axis=axis)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape, axis",
    [
        ((0,), 0),
        ((0,), None),
        ((0, 3), 0),
        ((0, 3), 1),
        ((3, 0), 0),
        ((3, 0), 1),
        ((2, 0, 3), (0, 1)),
        ((2, 0, 3), 2),
        ((0, 0), None),
    ],
    ids=str,
)
def test_empty(target, dtype, shape, axis):
    x = np.zeros(shape, dtype)
    for algorithm in ALGORITHMS:
        with strict():
            for function in ELEMENTWISE:
                assert_same_bits(call(target, function, x, axis, algorithm=algorithm), x)
            got = target.logsumexp(x, axis=axis, algorithm=algorithm)
        assert_same_bits(got, np.full(np.sum(x, axis=axis).shape, -np.inf, dtype))


@pytest.mark.parametrize("axis", (None, (), 0, -1))
@pytest.mark.parametrize("x", (3.5, 3, np.float32(3.5), np.array(3.5, np.float16)), ids=repr)
def test_zero_dimensional(target, x, axis):
    dtype = np.asarray(x).dtype
    dtype = dtype if dtype.kind == "f" else np.dtype(float)
    for function, want in zip(FUNCTIONS, (1, 0, x), strict=True):
        assert_same_bits(call(target, function, x, axis), np.array(want, dtype))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kind", ("int8", "uint8", "int16", "uint32", "int64", "uint64", "bool"))
def test_integers_become_float64(target, function, kind):
    x = np.array([[1, 0, 100], [1, 1, 3]]).astype(kind)
    for axis in (0, 1, None):
        want = call(target, function, x.astype(float), axis)
        assert_same_bits(call(target, function, x, axis), want)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_sequences(target, function):
    want = call(target, function, np.array([[1.0, 2.0], [3.0, 4.0]]))
    for x in ([[1, 2], [3, 4]], ((1.0, 2.0), (3.0, 4.0)), [np.array([1, 2]), np.array([3, 4])]):
        assert_same_bits(call(target, function, x), want)
    assert_same_bits(call(target, function, [], None), call(target, function, np.empty(0), None))


def misaligned(x):
    raw = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    raw[...] = x
    return raw


def padded(x):
    """Every third element of every second row of something larger."""
    big = np.full((2 * x.shape[0], 3 * x.shape[1]), np.nan, x.dtype)
    big[::2, ::3] = x
    return big[::2, ::3]


def reordered_strides(x):
    """Overlapping windows over one buffer, as sliding_window_view makes them."""
    return as_strided(np.ascontiguousarray(x).ravel(), (9, 30), (x.itemsize, 2 * x.itemsize))


LAYOUTS = {
    "reversed": lambda x: x[::-1, ::-1],
    "reversed_columns": lambda x: x[:, ::-1],
    "strided": padded,
    "every_other": lambda x: x[:, ::2],
    "fortran": np.asfortranarray,
    "transposed": lambda x: x.T,
    "three_dimensions": lambda x: x.reshape(4, 5, 2, 33).transpose(2, 0, 3, 1),
    "broadcast_rows": lambda x: np.broadcast_to(x[:1], (6, x.shape[1])),
    "broadcast_columns": lambda x: np.broadcast_to(x[:, :1], (x.shape[0], 70)),
    "broadcast_scalar": lambda x: np.broadcast_to(x[0, 0], (300, 4)),
    "windows": reordered_strides,
    "misaligned": misaligned,
    "misaligned_reversed": lambda x: misaligned(x)[::-1],
    "other_byte_order": lambda x: x.astype(x.dtype.newbyteorder()),
    "other_byte_order_strided": lambda x: x.astype(x.dtype.newbyteorder())[::-1, ::2],
    "read_only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(target, function, dtype, layout):
    """The bits do not depend on where the elements lie, and the input stays as it was."""
    x = LAYOUTS[layout](hard("normal_3", 20 * 66, dtype).reshape(20, 66).copy())
    plain = np.ascontiguousarray(x.astype(dtype))
    for axis in (0, 1, -1, None):
        want = call(target, function, plain, axis)
        assert_accurate(function, plain, want, axis)
        for algorithm in ALGORITHMS:
            got = call(target, function, x, axis, algorithm=algorithm)
            assert_accurate(function, plain, got, axis)
        assert_same_bits(call(target, function, x, axis), want, f"axis {axis}")
    np.testing.assert_array_equal(x, plain)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_memmap(target, function, tmp_path):
    path = tmp_path / "scores"
    hard("normal_3", 3000, "float32").tofile(path)
    x = np.memmap(path, np.float32, "r", shape=(3, 1000))
    assert_same_bits(call(target, function, x), call(target, function, np.array(x)))
    assert call(target, function, x).base is not x


def test_long_double_and_complex_take_the_reference_path(target):
    x = hard("normal_3", 60, "float64").reshape(5, 12)
    for kind in (np.longdouble, np.complex64, np.complex128):
        for function in FUNCTIONS:
            got = call(target, function, x.astype(kind), 1)
            assert got.dtype == kind
            np.testing.assert_allclose(got, call(target, function, x, 1), rtol=1e-5)
    wide = target.softmax(x.astype(np.longdouble))
    assert abs(wide.sum() - 1) <= 4 * np.finfo(np.longdouble).eps


def test_results_are_new_arrays(target):
    x = hard("normal_3", 100, "float64").copy()
    before = x.copy()
    for function in FUNCTIONS:
        assert not np.shares_memory(call(target, function, x), x)
    assert_same_bits(x, before)
