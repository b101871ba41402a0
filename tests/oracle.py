"""What the tests compare with: exact values, error bounds, hard inputs, bits, guarded memory.

Everything here is deterministic down to the bit on every machine: inputs come from an integer hash,
so that a digest over outputs can be compared between CPUs.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from twopass import functions
from twopass.bench.exact import HARD, Exact, bound, exact, finite_cast, spike
from twopass.bench.exact import SEGMENT as SEGMENT
from twopass.bench.exact import normal as normal
from twopass.functions import DTYPES as DTYPES

FUNCTIONS = functions.NAMES
ELEMENTWISE = tuple(row.name for row in functions.TABLE if not row.reduces)
REDUCING = tuple(row.name for row in functions.TABLE if row.reduces)
ALGORITHMS = (*functions.ALGORITHMS, "auto")
FMA_TARGETS = ("skylake_x", "broadwell", "zen2", "neon")

# ---- Bounds -------------------------------------------------------------------------------------


def assert_accurate(
    function: str, x: np.ndarray, got: Any, axis: Any = -1, want: Exact | None = None
) -> None:
    """`got` has the dtype and shape it should, and each element keeps the promised bound."""
    want = want or exact(function, x, axis)
    got = np.asarray(got)
    assert got.dtype == want.hi.dtype, f"dtype {got.dtype}, want {want.hi.dtype}"
    assert got.shape == want.hi.shape, f"shape {got.shape}, want {want.hi.shape}"
    if any(np.array_equal(got, seen, equal_nan=True) for seen in want.accepted):
        return  # most targets and algorithms give the same bits
    errors, limit = want.ulps(got), bound(function, want.hi)
    wrong = ~((errors == 0) | (errors <= limit))  # a NaN distance is wrong too
    if wrong.any():
        ratio = np.where(wrong, np.nan_to_num(errors / limit, nan=np.inf), 0)
        i = np.unravel_index(ratio.argmax(), got.shape)
        raise AssertionError(
            f"{function} {got.dtype}: {wrong.sum()} of {got.size} out of bounds; worst at "
            f"{tuple(map(int, i))}: got {got[i]!r}, want {want.hi[i]!r}, {errors[i]:.4g} ulp of "
            f"{limit[i]:.4g} allowed"
        )
    want.accepted.append(got.copy())


def assert_same_bits(got: Any, want: Any, what: str = "") -> None:
    """The same dtype, shape and bits; NaNs count as one value."""
    got, want = np.asarray(got), np.asarray(want)
    assert (got.dtype, got.shape) == (want.dtype, want.shape), what
    bits = f"u{got.dtype.itemsize}"
    equal = (got.view(bits) if got.ndim else got.reshape(1).view(bits)) == (
        want.view(bits) if want.ndim else want.reshape(1).view(bits)
    )
    equal |= np.isnan(got) & np.isnan(want)
    if not equal.all():
        i = int((~equal).ravel().argmax())
        raise AssertionError(
            f"{what}: {(~equal).sum()} of {got.size} differ; first at {i}: "
            f"{got.ravel()[i]!r} and {want.ravel()[i]!r}"
        )


# ---- Inputs -------------------------------------------------------------------------------------


@functools.cache
def hard(name: str, n: int, dtype: str) -> np.ndarray:
    x = finite_cast(HARD[name](n), dtype)
    x.flags.writeable = False
    return x


@functools.cache
def exact_hard(function: str, name: str, n: int, dtype: str) -> Exact:
    return exact(function, hard(name, n, dtype))


CORPUS_SIZES = (0, 1, 2, 7, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000, 4096, 10_007, 200_003)


def corpus() -> Iterator[tuple[str, np.ndarray]]:
    """Named rows whose results must have the same bits on every target with FMA."""
    for dtype in DTYPES:
        for n in CORPUS_SIZES:
            yield f"normal_3 {n} {dtype}", hard("normal_3", n, dtype)
        for name in HARD:
            yield f"{name} 70001 {dtype}", hard(name, 70_001, dtype)
        for special in (np.nan, np.inf, -np.inf):
            yield f"{special} 1000 {dtype}", finite_cast(spike(1.5, special)(1000), dtype)


def call(target: Any, function: str, x: Any, axis: Any = -1, **options: Any) -> Any:
    return getattr(target, function)(x, axis=axis, **options)


def unfused(x: np.ndarray, scale: Any = None, bias: Any = None, where: Any = None) -> np.ndarray:
    """What operands make of x, each step rounded by NumPy, in an array of its own."""
    with np.errstate(all="ignore"):
        x = x if scale is None else float(scale) * x
        x = x if bias is None else x + bias
    return x if where is None else np.where(where, x, x.dtype.type(-np.inf))


# ---- Memory -------------------------------------------------------------------------------------


class Guarded:
    """Memory between two pages that may not be touched: any access past an end is a SIGSEGV."""

    def __init__(self, size: int) -> None:
        page = mmap.PAGESIZE
        self.size = -(-size // page) * page
        self._map = mmap.mmap(-1, self.size + 2 * page)
        whole = np.frombuffer(self._map, np.uint8)
        mprotect = ctypes.CDLL(None, use_errno=True).mprotect
        mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        for start in (0, self.size + page):
            if mprotect(whole.ctypes.data + start, page, 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        self.bytes = whole[page : page + self.size]

    def place(self, n: int, dtype: str, at_end: bool) -> np.ndarray:
        """N elements that touch the last (or first) byte of the memory."""
        used = n * np.dtype(dtype).itemsize
        start = self.size - used if at_end else 0
        return self.bytes[start : start + used].view(dtype)


def in_child(work: Callable[[], None]) -> str:
    """Run `work` in a forked child; return its error or the signal that ended it, else ""."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on threads and fork
        pid = os.fork()
    if not pid:
        os.close(reader)
        message = ""
        try:
            work()
        except BaseException as error:
            message = f"{type(error).__name__}: {error}"
        os.write(writer, message.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        message = pipe.read()
    _, status = os.waitpid(pid, 0)
    return f"killed by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else message


# ---- Warnings -----------------------------------------------------------------------------------


@contextmanager
def strict() -> Iterator[None]:
    """No warning, and an error for each floating-point flag that NumPy would see."""
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield
