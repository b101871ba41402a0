"""The slow, obvious softmax, log-softmax and log-sum-exp.

Every function widens its input to ``longdouble``, shifts by the row maximum, exponentiates, adds
up and narrows once at the end. It is the oracle of the tests, and it serves the public functions
where no kernel does: ``longdouble`` and complex input, ``logsumexp`` with `b` or `return_sign`.

Arguments arrive checked: arrays of a numeric dtype and an axis that fits.  No function warns.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Axis = int | tuple[int, ...] | None

LARGEST_EXPONENT = float(np.log(np.finfo(np.longdouble).max)) - 1  # exp neither overflows nor fades


def softmax(x: Array, axis: Axis = None) -> Array:
    """``exp(x) / sum(exp(x))`` along `axis`, in the result dtype of `x`."""
    rows, moved, axes = _rows(x, axis)
    with np.errstate(all="ignore"):
        # An infinite maximum stays in the shift: it makes NaN of the whole row, as scipy does.
        terms = _exp(rows, rows.max(-1, keepdims=True, initial=-np.inf))
        result = terms / terms.sum(-1, keepdims=True)
        return _restore(result, moved, axes).astype(result_dtype(x.dtype))


def log_softmax(x: Array, axis: Axis = None) -> Array:
    """``x - log(sum(exp(x)))`` along `axis`, in the result dtype of `x`."""
    rows, moved, axes = _rows(x, axis)
    with np.errstate(all="ignore"):
        shift = _finite(rows.max(-1, keepdims=True, initial=-np.inf))
        log_sum, _ = _log_sum(rows, shift)
        return _restore(rows - shift - log_sum, moved, axes).astype(result_dtype(x.dtype))


def logsumexp(
    a: Array,
    axis: Axis = None,
    b: Array | complex | None = None,
    keepdims: bool = False,
    return_sign: bool = False,
    dtype: np.dtype[Any] | None = None,
) -> Array | tuple[Array, Array]:
    """``log(sum(b * exp(a)))`` along `axis`; with `return_sign`, the log of its size and its sign.

    A term of weight zero does not take part, whatever its exponent. Nothing is rounded to `dtype`
    (by default the result dtype of `a`) but the result: weights may lie far beyond its range.
    """
    dtype = dtype or result_dtype(a.dtype)
    a, weights = np.broadcast_arrays(a, 1 if b is None else b)
    rows, moved, axes = _rows(a, axis)
    weights, *_ = _rows(weights, axis)
    with np.errstate(all="ignore"):
        rows = np.where(weights == 0, -np.inf, rows)
        shift = _finite(rows.max(-1, keepdims=True, initial=-np.inf).real)
        log_sum, total = _log_sum(rows, shift, weights)
        result = log_sum + shift
        # Where these two cancel, the sum is near 1, and its logarithm better known without a shift.
        cancel = (abs(result) < 1) & (abs(shift) > 1) & (abs(shift) < LARGEST_EXPONENT)
        again = cancel[:, 0]
        result[again], total[again] = _log_sum(rows[again], shift[again] * 0, weights[again])
        sign = _sign(total)
        if not return_sign:
            result = np.where(sign < 0, np.nan, result) if dtype.kind == "f" else result
            return _reduced(result, moved, axes, keepdims).astype(dtype)
        size = _reduced(result.real, moved, axes, keepdims).astype(np.empty(0, dtype).real.dtype)
        return size, _reduced(sign, moved, axes, keepdims).astype(dtype)


def weighted_dtype(a: Array | complex, b: Array | complex) -> np.dtype[Any]:
    """Return the dtype of a result with weights: what NumPy makes of both and of a Python float.

    An array `a` of integers or bool counts as float64, as it does without weights.
    """
    # Of a number only its kind counts: 0 keeps NumPy 1 from looking at its size.
    return np.result_type(
        result_dtype(a.dtype) if isinstance(a, np.ndarray) else a * 0,
        b.dtype if isinstance(b, np.ndarray) else b * 0,
        1.0,
    )


def common_dtype(dtype: np.dtype[Any], operand: Array | complex) -> np.dtype[Any]:
    """Return the dtype of what has one and meets an operand: a Python number widens no array."""
    return np.result_type(dtype, operand.dtype if isinstance(operand, np.ndarray) else operand * 0)


def result_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a result: float64 for integers and bool, else the input's own."""
    return np.dtype(np.float64) if dtype.kind in "biu" else dtype.newbyteorder("=")


def _rows(x: Array, axis: Axis) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
    """Return the rows to reduce as a wide matrix, and the shape and axes that put them back."""
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = axes if x.ndim else ()
    moved = np.moveaxis(x, axes, range(-len(axes), 0))
    wide = np.clongdouble if x.dtype.kind == "c" else np.longdouble
    width = math.prod(moved.shape[x.ndim - len(axes) :])
    height = math.prod(moved.shape[: x.ndim - len(axes)])
    return np.ascontiguousarray(moved, wide).reshape(height, width), moved.shape, axes


def _restore(rows: Array, moved: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    return np.moveaxis(rows.reshape(moved), range(-len(axes), 0), axes)


def _reduced(rows: Array, moved: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> Array:
    result = rows.reshape(moved[: len(moved) - len(axes)])
    return np.expand_dims(result, axes) if keepdims else result


def _finite(shift: Array) -> Array:
    """Replace infinities and NaN by 0; as shifts they leave the decision to exp and log."""
    finite: Array = np.where(np.isfinite(shift), shift, 0)
    return finite


def _exp(rows: Array, shift: Array) -> Array:
    """exp(rows - shift)."""
    difference, lost = _two_sum(rows, -shift)
    terms: Array = np.exp(difference)
    if rows.dtype.kind == "f":
        terms *= 1 + _finite(lost)
    return terms


def _log_sum(rows: Array, shift: Array, weights: Array | float = 1.0) -> tuple[Array, Array]:
    """log|sum(weights * exp(rows - shift))|, the complex log of complex terms, and that sum."""
    terms = _exp(rows, shift)
    # A weight of 1 is no factor: 1 times a complex infinity has a NaN in it.
    total, rest = _sum(np.where(weights == 1, terms, terms * weights))
    log = np.log(abs(total) if total.dtype.kind == "f" else total)
    # The rest keeps logsumexp([0, -50]) at 1.9e-22 instead of 0.
    return log + _finite(rest / total), total


def _sum(terms: Array) -> tuple[Array, Array]:
    """Add up along the last axis, half to half; return the sum rounded, and what rounding lost."""
    hi, lo = terms.copy(), np.zeros_like(terms)
    n = terms.shape[-1]
    while n > 1:
        pairs, n = n // 2, n - n // 2
        second = slice(n, n + pairs)
        hi[:, :pairs], lost = _two_sum(hi[:, :pairs], hi[:, second])
        lo[:, :pairs] += lo[:, second] + lost
    total, rest = (part[:, :1].sum(-1, keepdims=True) for part in (hi, lo))
    return _two_sum(total, _finite(rest))


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Knuth's TwoSum: a + b rounded, and the rounding error, which is exact."""
    total = a + b
    virtual = total - a
    return total, (a - (total - virtual)) + (b - virtual)


def _sign(total: Array) -> Array:
    """Sign of a real number, phase of a complex one, 0 at 0."""
    if total.dtype.kind == "f":
        return np.sign(total)
    return np.where(total == 0, 0, total / abs(total))
