"""Rows of 0 to 257 elements at many alignments, between pages that may not be touched."""

import itertools
import sys

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from oracle import (
    ALGORITHMS,
    DTYPES,
    ELEMENTWISE,
    FUNCTIONS,
    REDUCING,
    Guarded,
    assert_accurate,
    assert_same_bits,
    call,
    exact,
    hard,
    in_child,
)

LENGTHS = range(258)
OFFSETS = (0, 1, 3, 8, 31)  # elements from a 64-byte boundary

needs_mprotect = pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect and fork")


def scores(n, dtype):
    return hard("normal_3", 257, dtype)[:n]


def aligned(n, dtype, offset):
    """n elements `offset` past a 64-byte boundary, and the bytes 0xFF (NaNs) that they lie in."""
    size = np.dtype(dtype).itemsize
    whole = np.full((n + offset) * size + 256, 0xFF, np.uint8)
    start = 64 + -whole.ctypes.data % 64 + offset * size
    return whole[start : start + n * size].view(dtype), whole


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_length(target, function, dtype):
    """All lengths against the exact result: rows padded with -inf give all of them at once."""
    square = np.full((258, 257), -np.inf, dtype)
    for n in LENGTHS:
        square[n, :n] = scores(n, dtype)
    want = exact(function, square)
    for algorithm in ALGORITHMS:
        got = np.full_like(want.hi, np.nan if function == "softmax" else -np.inf)
        for n in LENGTHS:
            result = call(target, function, scores(n, dtype), algorithm=algorithm)
            if function in REDUCING:
                got[n] = result
            else:
                got[n, :n], got[n, n:] = result, want.hi[n, n:]
        if function in ELEMENTWISE:
            got[0] = want.hi[0]
        assert_accurate(function, square, got, want=want)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_length_and_alignment(target, function, dtype, algorithm):
    """The bits do not depend on the alignment, and no byte around `out` changes."""
    for n in LENGTHS:
        want = call(target, function, scores(n, dtype), algorithm=algorithm)
        for i, offset in enumerate(OFFSETS):
            x, _ = aligned(n, dtype, offset)
            x[:] = scores(n, dtype)
            if function in REDUCING:
                assert_same_bits(call(target, function, x, algorithm=algorithm), want, f"n={n}")
                continue
            out, around = aligned(n, dtype, OFFSETS[-i])
            call(target, function, x, out=out, algorithm=algorithm)
            assert_same_bits(out, want, f"n={n} offset={offset}")
            out.view(np.uint8)[:] = 0xFF
            assert (around == 0xFF).all(), f"n={n} offset={offset}: written around out"


@needs_mprotect
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_guard_pages(target, function, dtype):
    """Rows whose first or last byte lies next to a page that may not be touched."""

    def work():
        source, result = Guarded(4096), Guarded(4096)
        for n in LENGTHS:
            want = call(target, function, scores(n, dtype))
            for at_end in (False, True):
                x, out = source.place(n, dtype, at_end), result.place(n, dtype, at_end)
                x[:] = scores(n, dtype)
                options = {} if function in REDUCING else {"out": out}
                for algorithm in ALGORITHMS:
                    got = call(target, function, x, algorithm=algorithm, threads=1, **options)
                    assert np.allclose(got, want, rtol=1e-2), f"n={n} {algorithm}"

    assert in_child(work) == ""


MATRICES = [(1, 1), (2, 3), (3, 16), (5, 17), (7, 33), (9, 64), (17, 5), (33, 7), (64, 3), (130, 2)]
VIEWS = (lambda x: x, lambda x: x.T, lambda x: x[:, ::2], lambda x: x[::-1])


@needs_mprotect
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_guard_pages_of_matrices(target, function, dtype):
    """Batches of short rows and columns, contiguous and with gaps, next to such pages."""

    def work():
        source, result = Guarded(16384), Guarded(16384)
        for height, width in MATRICES:
            for at_end in (False, True):
                x = source.place(height * width, dtype, at_end).reshape(height, width)
                out = result.place(height * width, dtype, at_end).reshape(height, width)
                x[...] = hard("normal_3", height * width, dtype).reshape(height, width)
                for view, axis in itertools.product(VIEWS, (0, 1, None)):
                    xs, outs = view(x), view(out)
                    options = {} if function in REDUCING else {"out": outs}
                    want = call(target, function, xs.copy(), axis)
                    for algorithm in ALGORITHMS:
                        options |= {"algorithm": algorithm, "threads": 1}
                        got = call(target, function, xs, axis, **options)
                        assert np.allclose(got, want, rtol=1e-2), f"{xs.shape} {axis} {algorithm}"

    assert in_child(work) == ""


@needs_mprotect
def test_guard_pages_do_guard():
    """The tests above can fail: one element past either end ends the process."""

    def touch(index):
        step = 1 if index else -1
        return as_strided(Guarded(4096).bytes[index:], (2,), (step,)).sum()

    assert "signal 11" in in_child(lambda: touch(4095))
    assert "signal 11" in in_child(lambda: touch(0))
    assert in_child(lambda: touch(17)) == ""
