"""Exact values, promised error bounds and hard inputs: what accuracy is measured with.

Inputs come from an integer hash, so that they are the same down to the bit on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twopass import _reference
from twopass.functions import BY_NAME, HALF_ULPS, Function

Array = NDArray[Any]
SEGMENT = 65536  # elements: where threads may split a row, and sums of parts are merged

# longdouble carries 64 or 113 bits; where it is only a double, mpmath stands in for float64 input.
WIDE = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


# ---- Exact values -------------------------------------------------------------------------------


@dataclass
class Exact:
    """True values ``hi + rest * ulp``: hi is cut towards zero, so ulp is spacing(hi)."""

    hi: Array
    rest: Array
    accepted: list[Array] = field(default_factory=list)  # results found to be near enough

    def ulps(self, got: Array) -> Array:
        """Distance of `got` from the truth in units of its last place (quanta if subnormal)."""
        with np.errstate(all="ignore"):
            step = ulp(self.hi)
            distance = (got.astype(np.float64) - self.hi) / step - self.rest
        error: Array = np.where(_same(got, self.hi), 0, abs(distance))
        return error


def ulp(hi: Array) -> Array:
    """Distance to the next number away from zero, also where that would be infinite."""
    below = np.nextafter(np.finfo(hi.dtype).max, hi.dtype.type(0))
    step: Array = np.spacing(np.minimum(abs(hi), below)).astype(np.float64)
    return step


def _same(got: Array, want: Array) -> Array:
    """Equal infinities or both NaN: the places that have no distance."""
    same: Array = (np.isnan(got) & np.isnan(want)) | (np.isinf(want) & (got == want))
    return same


def exact(function: str, x: Array, axis: Any = -1) -> Exact:
    """Return the true result of `function`, to be compared with a result of the dtype of `x`."""
    dtype = _reference.result_dtype(x.dtype)
    if WIDE or dtype.itemsize < 8:
        with np.errstate(all="ignore"):
            wide = getattr(_reference, BY_NAME[function].oracle)(x.astype(np.longdouble), axis)
            hi = wide.astype(dtype)
            # What rounds to infinity is infinite; all else is cut towards zero.
            cut = (abs(hi) > abs(wide)) & np.isfinite(hi)
            hi = np.where(cut, np.nextafter(hi, dtype.type(0)), hi)
            return Exact(hi, ((wide - hi) / ulp(hi).astype(wide.dtype)).astype("f4"))
    return _exact_mp(BY_NAME[function], x, axis)


def _exact_mp(function: Function, x: Array, axis: Any) -> Exact:
    """Do the same with mpmath, an exponential per distinct element."""
    rows, moved, axes = _reference._rows(x, axis)
    hi = getattr(_reference, function.oracle)(rows, -1)  # stays where mpmath has no answer
    hi = hi.astype(float).reshape(len(rows), -1)
    rest = np.zeros(hi.shape, "f4")
    for i in np.flatnonzero(np.isfinite(rows.max(-1, initial=-np.inf))):
        hi[i], rest[i] = _row_mp(function, rows[i].astype(float))
    parts = hi, rest
    if function.reduces:
        hi, rest = (_reference._reduced(part, moved, axes, False) for part in parts)
    else:
        hi, rest = (_reference._restore(part, moved, axes) for part in parts)
    return Exact(hi, rest)


def _row_mp(function: Function, row: Array) -> tuple[Array, Array]:
    multiprecision = import_module("twopass.bench.multiprecision")  # needs mpmath
    elements, place, counts = np.unique(row, return_inverse=True, return_counts=True)
    with multiprecision.mp.workprec(256):
        values = getattr(multiprecision, function.oracle)(elements.tolist(), counts.tolist())
        pairs = np.array([_split_mp(value) for value in values])
    pairs = pairs if function.reduces else pairs[place]
    return pairs[:, 0], pairs[:, 1]


def _split_mp(value: Any) -> tuple[float, float]:
    hi = float(value)
    if not np.isfinite(hi):
        return hi, 0.0
    hi = float(np.nextafter(hi, 0)) if abs(hi) > abs(value) else hi
    return hi, float((value - hi) / math.ulp(hi))


# ---- Bounds -------------------------------------------------------------------------------------


def bound(function: str, hi: Array) -> Array:
    """Return the promised error in units of the last place of `hi`."""
    promised, half = BY_NAME[function].bound, hi.dtype == np.float16
    if not promised.eps:
        normal = HALF_ULPS if half else promised.ulps
        limit: Array = np.where(hi < np.finfo(hi.dtype).tiny, min(normal, promised.quanta), normal)
        return limit
    eps = np.finfo(np.float32 if half else hi.dtype).eps
    with np.errstate(all="ignore"):
        step = ulp(hi)
        limit = promised.eps * float(eps) * np.maximum(1, abs(hi.astype(float))) / step
    # float16 is what float32 gives, rounded; next to 0 its steps shrink to that one's error.
    return HALF_ULPS + limit if half else limit


# ---- Inputs -------------------------------------------------------------------------------------


def uniform(n: int, seed: int = 0) -> Array:
    """N float64 in [0, 1) from splitmix64: the same bits on every machine and NumPy."""
    z = np.arange(1, n + 1, dtype=np.uint64) + np.uint64((seed << 32) % 2**64)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def normal(n: int, seed: int = 0) -> Array:
    """N float64 of nearly normal distribution: the sum of twelve uniforms less six."""
    total = uniform(n, 100 + 12 * seed)
    for k in range(1, 12):
        total += uniform(n, 100 + 12 * seed + k)
    return total - 6.0


def spike(base: float, value: float) -> Callable[[int], Array]:
    """Return a maker of rows of `base` with `value` in the middle."""

    def make(n: int) -> Array:
        x: Array = np.full(n, base)
        x[n // 2 : n // 2 + 1] = value
        return x

    return make


def _first_part(value: float) -> Callable[[int], Array]:
    """More than a segment of `value`, then ordinary scores."""

    def make(n: int) -> Array:
        x = normal(n) * 3
        x[: min(n - 1, SEGMENT + 5)] = value
        return x

    return make


HARD: dict[str, Callable[[int], Array]] = {
    "uniform_1000": lambda n: uniform(n) * 2000 - 1000,
    "normal_3": lambda n: normal(n) * 3,
    "zero_and_-17.3": spike(-17.3, 0),
    "equal": lambda n: np.full(n, 1.7),
    "ascending": lambda n: np.arange(n) * (2000 / max(n, 1)) - 1000,
    "descending": lambda n: 1000 - np.arange(n) * (2000 / max(n, 1)),
    "stairs": lambda n: np.arange(n) // 128 * 43.0 - 2e4,  # each block outgrows the one before
    "huge_among_tiny": spike(1e-30, 80),
    "late_maximum": _first_part(-80),
    "late_finite": _first_part(-np.inf),
    "subnormal_results": lambda n: np.where(uniform(n) < 0.5, -100, 0) - uniform(n, 1) * 20,
    "subnormal_doubles": lambda n: np.where(uniform(n) < 0.5, -715, 0) - uniform(n, 1) * 40,
    "offset_1e5": lambda n: 1e5 + normal(n) * 3,
    "offset_-1e5": lambda n: -1e5 + normal(n) * 3,
    "offset_4e6": lambda n: 4e6 + normal(n) * 3,
    "offset_1e8": spike(1e8 - 8, 1e8),
    "offset_1e14": lambda n: 1e14 + normal(n) * 3,
    "offset_1e30": lambda n: 1e30 + normal(n) * 1e23,
    "offset_-1e30": lambda n: -1e30 + normal(n) * 1e23,
    "mixed_signs_1e30": lambda n: normal(n) * 1e30,
}


def finite_cast(x: Array, dtype: str) -> Array:
    """X in `dtype`, its finite values kept finite."""
    top = float(np.finfo(dtype).max)
    return np.where(np.isfinite(x), np.clip(x, -top, top), x).astype(dtype)
