"""out=: the result in the caller's array, or a clear error and `out` untouched."""

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
)


def scores(dtype, *shape):
    return hard("normal_3", int(np.prod(shape)), dtype).reshape(shape).copy()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", ELEMENTWISE)
@pytest.mark.parametrize(
    "shape, axis",
    [((9,), 0), ((1000,), 0), ((40, 50), 1), ((40, 50), 0), ((70_001,), None)],
    ids=str,
)
def test_a_new_array_and_the_input_itself(target, function, dtype, shape, axis, algorithm):
    x = scores(dtype, *shape)
    want = exact(function, x, axis)
    out = np.full_like(x, 99)
    assert call(target, function, x, axis, out=out, algorithm=algorithm) is out
    assert_accurate(function, x, out, axis, want)
    assert_same_bits(x, scores(dtype, *shape), "the input")
    assert call(target, function, x, axis, out=x, algorithm=algorithm) is x
    assert_same_bits(x, out, "in place")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", (0, 1, None, (0, 1)))
@pytest.mark.parametrize("keepdims", (False, True))
def test_logsumexp(target, dtype, axis, keepdims):
    x = scores(dtype, 30, 40)
    want = np.asarray(target.logsumexp(x, axis=axis, keepdims=keepdims))
    out = np.full_like(want, 99)
    assert target.logsumexp(x, axis=axis, keepdims=keepdims, out=out) is out
    assert_same_bits(out, want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", (0, 1))
def test_logsumexp_into_a_part_of_its_input(target, dtype, axis):
    x = scores(dtype, 40, 40)
    want = target.logsumexp(x, axis=axis)
    out = x[7]
    assert target.logsumexp(x, axis=axis, out=out) is out
    assert_same_bits(out, want)


def test_integers_into_float64(target):
    out = np.empty(3)
    assert target.softmax([1, 2, 3], out=out) is out
    assert_same_bits(out, target.softmax([1.0, 2.0, 3.0]))


STRIDED = {
    "reversed": lambda shape, dtype: np.zeros(shape, dtype)[::-1, ::-1],
    "fortran": lambda shape, dtype: np.zeros(shape, dtype, order="F"),
    "every_other": lambda shape, dtype: np.zeros((shape[0], 2 * shape[1]), dtype)[:, ::2],
    "misaligned": lambda shape, dtype: (
        np.zeros(np.prod(shape) * np.dtype(dtype).itemsize + 1, np.uint8)[1:]
        .view(dtype)
        .reshape(shape)
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", STRIDED)
@pytest.mark.parametrize("axis", (0, 1, None))
def test_strided(target, dtype, layout, axis):
    x = scores(dtype, 30, 41)
    for function in ELEMENTWISE:
        out = STRIDED[layout](x.shape, dtype)
        assert call(target, function, x, axis, out=out) is out
        assert_same_bits(np.ascontiguousarray(out), call(target, function, x, axis))


def test_strided_out_leaves_the_gaps_alone(target):
    x = scores("float32", 300)
    big = np.full(900, 7, np.float32)
    target.softmax(x, out=big[1::3])
    assert (big[0::3] == 7).all() and (big[2::3] == 7).all()


OVERLAPS = {
    "shifted_up": lambda b: (b[:-1], b[1:]),
    "shifted_down": lambda b: (b[1:], b[:-1]),
    "shifted_far": lambda b: (b[:-300], b[300:]),
    "reversed": lambda b: (b, b[::-1]),
    "interleaved": lambda b: (b[: len(b) // 2], b[: len(b) // 2 * 2 : 2]),
    "one_byte": lambda b: (b[:-1], b.view(np.uint8)[1 : 1 - b.itemsize].view(b.dtype)),
    "transposed": lambda b: (b[:900].reshape(30, 30), b[:900].reshape(30, 30).T),
    "rows_swapped": lambda b: (b[:900].reshape(30, 30), b[:900].reshape(30, 30)[::-1]),
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", ELEMENTWISE)
@pytest.mark.parametrize("overlap", OVERLAPS)
def test_partly_overlapping_the_input(target, function, dtype, overlap, algorithm):
    """Either as if the input had been copied first, or an error that leaves all as it was."""
    buffer = scores(dtype, 1000)
    x, out = OVERLAPS[overlap](buffer)
    before, want = buffer.copy(), call(target, function, x.copy(), algorithm=algorithm)
    try:
        call(target, function, x, out=out, algorithm=algorithm)
    except ValueError:
        assert_same_bits(buffer, before)
    else:
        assert_same_bits(np.ascontiguousarray(out), want)


def test_logsumexp_into_its_own_input(target):
    x = scores("float64", 5, 200)
    want = target.logsumexp(x.copy(), axis=1)
    assert_same_bits(target.logsumexp(x, axis=1, out=x[:, 7]), want)
    x = scores("float64", 5, 200)
    want = target.logsumexp(x.copy(), axis=0)
    assert_same_bits(target.logsumexp(x, axis=0, out=x[2]), want)


def read_only(shape, dtype):
    out = np.full(shape, 7, dtype)
    out.flags.writeable = False
    return out


@pytest.mark.parametrize("shape", ((0, 6), (6, 0), (0,)), ids=str)
def test_out_without_elements(target, shape):
    """NumPy gives such an array strides of 0, as it does a broadcast one."""
    for function in ELEMENTWISE:
        out = np.empty(shape, "f4")
        assert call(target, function, np.zeros(shape, "f4"), out=out) is out


# what is wrong, and the out that has it for a result of float32 (4, 6)
WRONG = {
    "fewer_elements": lambda: np.full((4, 5), 7, "f4"),
    "transposed_shape": lambda: np.full((6, 4), 7, "f4"),
    "flat": lambda: np.full(24, 7, "f4"),
    "extra_dimension": lambda: np.full((1, 4, 6), 7, "f4"),
    "broadcastable": lambda: np.full((2, 4, 6), 7, "f4"),
    "empty": lambda: np.full((0, 6), 7, "f4"),
    "wider": lambda: np.full((4, 6), 7, "f8"),
    "narrower": lambda: np.full((4, 6), 7, "f2"),
    "integer": lambda: np.full((4, 6), 7, "i4"),
    "object": lambda: np.full((4, 6), 7, object),
    "read_only": lambda: read_only((4, 6), "f4"),
    "one_cell": lambda: as_strided(np.full(1, 7, "f4"), (4, 6), (0, 0)),
    "one_row": lambda: as_strided(np.full(6, 7, "f4"), (4, 6), (0, 4)),
    "windows": lambda: as_strided(np.full(20, 7, "f4"), (4, 6), (4, 4)),
}


@pytest.mark.parametrize("function", ELEMENTWISE)
@pytest.mark.parametrize("axis", (0, 1, None))
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_out(target, function, axis, wrong):
    out = WRONG[wrong]()
    with pytest.raises((TypeError, ValueError), match="out"):
        call(target, function, scores("float32", 4, 6), axis, out=out)
    assert (out == 7).all()


@pytest.mark.parametrize("out", ([0.0] * 24, 0.0, "out", (np.empty((4, 6)),)), ids=type)
def test_out_that_is_no_array(target, out):
    for function in FUNCTIONS:
        with pytest.raises(TypeError, match="out"):
            call(target, function, scores("float64", 4, 6), out=out)


class Own(np.ndarray):
    """A subclass as anyone may have one."""


SUBCLASSES = {
    "memmap": lambda folder, shape, dtype: np.memmap(folder / "out", dtype, "w+", shape=shape),
    "matrix": lambda folder, shape, dtype: np.zeros(shape, dtype).view(np.matrix),
    "own": lambda folder, shape, dtype: np.zeros(shape, dtype).view(Own),
    "strided": lambda folder, shape, dtype: np.zeros((*shape, 2), dtype).view(Own)[..., 1],
}


@pytest.mark.parametrize("dtype", (*DTYPES, "longdouble"))
@pytest.mark.parametrize("axis", (0, 1, None))
@pytest.mark.parametrize("kind", SUBCLASSES)
def test_subclasses_of_arrays(target, kind, axis, dtype, tmp_path):
    """As NumPy's ufuncs have it: written to as arrays, and returned as what they are."""
    x = scores("float64", 30, 41).astype(dtype)
    for function in ELEMENTWISE:
        out = SUBCLASSES[kind](tmp_path, x.shape, dtype)
        assert call(target, function, x, axis, out=out) is out
        np.testing.assert_array_equal(np.array(out), call(target, function, x, axis))
        out[...] = x
        assert call(target, function, out, axis, out=out) is out
        np.testing.assert_array_equal(np.array(out), call(target, function, x, axis))


@pytest.mark.parametrize("options", ({}, {"b": 2.0}, {"return_sign": True}), ids=str)
@pytest.mark.parametrize("kind", SUBCLASSES)
def test_logsumexp_into_subclasses(target, kind, options, tmp_path):
    x = scores("float32", 6, 50)
    out = SUBCLASSES[kind](tmp_path, (6, 1), "float32")
    want = target.logsumexp(x, axis=1, keepdims=True, **options)
    got = target.logsumexp(x, axis=1, keepdims=True, out=out, **options)
    want, got = (r[0] if options.get("return_sign") else r for r in (want, got))
    assert got is out
    assert_same_bits(np.array(out), want)


def test_a_file_through_a_memmap(target, tmp_path):
    """A file's scores become its probabilities, by threads, in place."""
    x = scores("float32", 3, 400_000)
    x.tofile(tmp_path / "scores")
    file = np.memmap(tmp_path / "scores", np.float32, "r+", shape=x.shape)
    assert target.softmax(file, axis=1, out=file, threads=2) is file
    file.flush()
    written = np.fromfile(tmp_path / "scores", np.float32).reshape(x.shape)
    assert_same_bits(written, target.softmax(x, axis=1))


def test_subclasses_are_checked_as_arrays_are(target, tmp_path):
    x = scores("float32", 4, 6)
    (tmp_path / "out").write_bytes(bytes(96))
    for out, said in (
        (np.memmap(tmp_path / "out", np.float32, "r", shape=(4, 6)), "read-only"),
        (np.memmap(tmp_path / "out", np.float32, "r+", shape=(6, 4)), "shape"),
        (np.memmap(tmp_path / "out", np.int32, "r+", shape=(4, 6)), "dtype"),
        (as_strided(np.zeros(6, np.float32).view(Own), (4, 6), (0, 4), subok=True), "memory"),
    ):
        for function in ELEMENTWISE:
            with pytest.raises(ValueError, match=f"out .*{said}"):
                call(target, function, x, out=out)
            assert not out.any()


def test_a_masked_out_says_what_to_do(target):
    out = np.ma.zeros(3)
    for function in FUNCTIONS:
        with pytest.raises(TypeError, match=r"out .*masked.*out\.data"):
            call(target, function, np.zeros(3), out=out)
    assert not out.any()


@pytest.mark.parametrize(
    "shape, error", (((), ValueError), ((6,), ValueError), ((4, 1), ValueError))
)
def test_wrong_logsumexp_out(target, shape, error):
    out = np.full(shape, 7.0)
    with pytest.raises(error, match="out"):
        target.logsumexp(scores("float64", 4, 6), axis=1, out=out)
    assert (out == 7).all()


@pytest.mark.parametrize(
    "options", ({"axis": 9}, {"axis": (0, 0)}, {"algorithm": "nonsense"}), ids=str
)
def test_other_errors_leave_out_alone(target, options):
    for function in ELEMENTWISE:
        out = np.full((4, 6), 7.0)
        with pytest.raises(ValueError):
            getattr(target, function)(scores("float64", 4, 6), **options, out=out)
        assert (out == 7).all()


def test_other_byte_order(target):
    """Written in its own byte order or refused; never the right numbers in the wrong order."""
    x = scores("float64", 100)
    out = np.full(100, 7.0).astype(np.dtype(float).newbyteorder())
    try:
        target.softmax(x, out=out)
    except (TypeError, ValueError):
        assert (out == 7).all()
    else:
        assert_same_bits(out.astype(float), target.softmax(x))
