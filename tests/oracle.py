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
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from twopass import _reference

FUNCTIONS = ("softmax", "log_softmax", "logsumexp")
ALGORITHMS = (
    "three_pass_recompute",
    "three_pass_reload",
    "two_pass",
    "two_pass_reload",
    "online",
    "auto",
)
DTYPES = ("float16", "float32", "float64")
FMA_TARGETS = ("skylake_x", "broadwell", "zen2", "neon")
SEGMENT = 65536  # elements: where threads may split a row, and sums of parts are merged

# longdouble carries 64 or 113 bits; where it is only a double, mpmath stands in for float64 input.
WIDE = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


# ---- Exact values -------------------------------------------------------------------------------


@dataclass
class Exact:
    """True values ``hi + rest * ulp``: hi is cut towards zero, so ulp is spacing(hi)."""

    hi: np.ndarray
    rest: np.ndarray
    accepted: list[np.ndarray] = field(default_factory=list)  # results found to be near enough

    def ulps(self, got: np.ndarray) -> np.ndarray:
        """Distance of `got` from the truth in units of its last place (quanta if subnormal)."""
        with np.errstate(all="ignore"):
            step = np.spacing(abs(self.hi)).astype(np.float64)
            distance = (got.astype(np.float64) - self.hi) / step - self.rest
        return np.where(_same(got, self.hi), 0, abs(distance))


def _same(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Equal infinities or both NaN: the places that have no distance."""
    return (np.isnan(got) & np.isnan(want)) | (np.isinf(want) & (got == want))


def exact(function: str, x: np.ndarray, axis: Any = -1) -> Exact:
    """The true result of `function`, to be compared with a result of the dtype of `x`."""
    dtype = _reference.result_dtype(x.dtype)
    if WIDE or dtype.itemsize < 8:
        with np.errstate(all="ignore"):
            wide = getattr(_reference, function)(x.astype(np.longdouble), axis)
            hi = wide.astype(dtype)
            # What rounds to infinity is infinite; all else is cut towards zero.
            cut = (abs(hi) > abs(wide)) & np.isfinite(hi)
            hi = np.where(cut, np.nextafter(hi, dtype.type(0)), hi)
            return Exact(hi, ((wide - hi) / np.spacing(abs(hi)).astype(wide.dtype)).astype("f4"))
    return _exact_mp(function, x, axis)


def _exact_mp(function: str, x: np.ndarray, axis: Any) -> Exact:
    """The same with mpmath, an exponential per distinct element."""
    rows, moved, axes = _reference._rows(x, axis)
    hi = getattr(_reference, function)(rows, -1).astype(float)  # stays where mpmath has no answer
    hi = hi.reshape(len(rows), -1)
    rest = np.zeros(hi.shape, "f4")
    for i in np.flatnonzero(np.isfinite(rows.max(-1, initial=-np.inf))):
        hi[i], rest[i] = _row_mp(function, rows[i].astype(float))
    if function == "logsumexp":
        return Exact(*(_reference._reduced(part, moved, axes, False) for part in (hi, rest)))
    return Exact(*(_reference._restore(part, moved, axes) for part in (hi, rest)))


def _row_mp(function: str, row: np.ndarray) -> tuple[Any, Any]:
    from mpmath import mp

    distinct, place, counts = np.unique(row, return_inverse=True, return_counts=True)
    with mp.workprec(256):
        top = mp.mpf(distinct[-1])
        shifted = [mp.fsub(v, top, exact=True) for v in distinct.tolist()]
        terms = [mp.exp(v) for v in shifted]
        total = mp.fsum(t * n for t, n in zip(terms, counts.tolist(), strict=True))
        if function == "logsumexp":
            return _split_mp(top + mp.log(total))
        log_total = mp.log(total)
        is_softmax = function == "softmax"
        values = [t / total for t in terms] if is_softmax else [v - log_total for v in shifted]
        pairs = np.array([_split_mp(v) for v in values])
    return pairs[place, 0], pairs[place, 1]


def _split_mp(value: Any) -> tuple[float, float]:
    hi = float(value)
    if not np.isfinite(hi):
        return hi, 0.0
    hi = float(np.nextafter(hi, 0)) if abs(hi) > abs(value) else hi
    return hi, float((value - hi) / float(np.spacing(abs(hi))))


# ---- Bounds -------------------------------------------------------------------------------------

NORMAL_ULPS, SUBNORMAL_QUANTA, HALF_ULPS, LOG_EPS = 4, 3, 1, 2


def bound(function: str, hi: np.ndarray) -> np.ndarray:
    """The promised error in units of the last place of `hi`."""
    half = hi.dtype == np.float16
    if function == "softmax":
        normal = HALF_ULPS if half else NORMAL_ULPS
        return np.where(hi < np.finfo(hi.dtype).tiny, min(normal, SUBNORMAL_QUANTA), normal)
    eps = np.finfo(np.float32 if half else hi.dtype).eps
    with np.errstate(all="ignore"):
        step = np.spacing(abs(hi)).astype(float)
        limit = LOG_EPS * float(eps) * np.maximum(1, abs(hi.astype(float))) / step
    # float16 is what float32 gives, rounded once; next to 0 its steps are as small as float32's error.
    return np.maximum(HALF_ULPS, limit + 0.5) if half else limit


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
    wrong = ~(_same(got, want.hi) | (errors <= limit))  # a NaN distance is wrong too
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


def uniform(n: int, seed: int = 0) -> np.ndarray:
    """N float64 in [0, 1) from splitmix64: the same bits on every machine and NumPy."""
    z = np.arange(1, n + 1, dtype=np.uint64) + np.uint64((seed << 32) % 2**64)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def normal(n: int, seed: int = 0) -> np.ndarray:
    """N float64 of nearly normal distribution: the sum of twelve uniforms less six."""
    return sum(uniform(n, 100 + 12 * seed + k) for k in range(12)) - 6.0


def _spike(base: float, value: float) -> Callable[[int], np.ndarray]:
    def make(n: int) -> np.ndarray:
        x = np.full(n, base)
        x[n // 2 : n // 2 + 1] = value
        return x

    return make


def _first_part(value: float) -> Callable[[int], np.ndarray]:
    """More than a segment of `value`, then ordinary scores."""

    def make(n: int) -> np.ndarray:
        x = normal(n) * 3
        x[: min(n - 1, SEGMENT + 5)] = value
        return x

    return make


HARD: dict[str, Callable[[int], np.ndarray]] = {
    "uniform_1000": lambda n: uniform(n) * 2000 - 1000,
    "normal_3": lambda n: normal(n) * 3,
    "zero_and_-17.3": _spike(-17.3, 0),
    "equal": lambda n: np.full(n, 1.7),
    "ascending": lambda n: np.arange(n) * (2000 / max(n, 1)) - 1000,
    "descending": lambda n: 1000 - np.arange(n) * (2000 / max(n, 1)),
    "stairs": lambda n: np.arange(n) // 128 * 43.0 - 2e4,  # each block outgrows the one before
    "huge_among_tiny": _spike(1e-30, 80),
    "late_maximum": _first_part(-80),
    "late_finite": _first_part(-np.inf),
    "subnormal_results": lambda n: np.where(uniform(n) < 0.5, -100, 0) - uniform(n, 1) * 20,
    "subnormal_doubles": lambda n: np.where(uniform(n) < 0.5, -715, 0) - uniform(n, 1) * 40,
    "offset_1e5": lambda n: 1e5 + normal(n) * 3,
    "offset_-1e5": lambda n: -1e5 + normal(n) * 3,
    "offset_4e6": lambda n: 4e6 + normal(n) * 3,
    "offset_1e8": _spike(1e8 - 8, 1e8),
    "offset_1e14": lambda n: 1e14 + normal(n) * 3,
    "offset_1e30": lambda n: 1e30 + normal(n) * 1e23,
    "offset_-1e30": lambda n: -1e30 + normal(n) * 1e23,
    "mixed_signs_1e30": lambda n: normal(n) * 1e30,
}


def finite_cast(x: np.ndarray, dtype: str) -> np.ndarray:
    """X in `dtype`, its finite values kept finite."""
    top = float(np.finfo(dtype).max)
    return np.where(np.isfinite(x), np.clip(x, -top, top), x).astype(dtype)


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
            yield f"{special} 1000 {dtype}", finite_cast(_spike(1.5, special)(1000), dtype)


def call(target: Any, function: str, x: Any, axis: Any = -1, **options: Any) -> Any:
    return getattr(target, function)(x, axis=axis, **options)


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
