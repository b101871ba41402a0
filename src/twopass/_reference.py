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
        log_sum, _ = _log_sum(_exp(rows, shift))
        return _restore(rows - shift - log_sum, moved, axes).astype(result_dtype(x.dtype))


def logsumexp(
    a: Array,
    axis: Axis = None,
    b: Array | complex | None = None,
    keepdims: bool = False,
    return_sign: bool = False,
) -> Array | tuple[Array, Array]:
    """``log(sum(b * exp(a)))`` along `axis`; with `return_sign`, the log of its size and its sign.

    A term of weight zero does not take part, whatever its exponent.
    """
    dtype = result_dtype(a.dtype)
    if b is not None:
        # A Python number is weak: it does not widen the dtype of `a`.
        dtype = np.result_type(dtype, result_dtype(b.dtype) if isinstance(b, np.ndarray) else b)
        a, weights = np.broadcast_arrays(np.asarray(a, dtype), np.asarray(b, dtype))
        a = np.where(weights == 0, -np.inf, a)
    rows, moved, axes = _rows(a, axis)
    with np.errstate(all="ignore"):
        shift = _finite(rows.max(-1, keepdims=True, initial=-np.inf).real)
        terms = _exp(rows, shift)
        log_sum, total = _log_sum(terms if b is None else terms * _rows(weights, axis)[0])
        result, sign = log_sum + shift, _sign(total)
        if not return_sign:
            result = np.where(sign < 0, np.nan, result) if dtype.kind == "f" else result
            return _reduced(result, moved, axes, keepdims).astype(dtype)
        size = _reduced(result.real, moved, axes, keepdims).astype(np.empty(0, dtype).real.dtype)
        return size, _reduced(sign, moved, axes, keepdims).astype(dtype)


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
    difference = rows - shift
    terms: Array = np.exp(difference)
    if rows.dtype.kind == "c":
        return terms
    # Knuth's TwoSum gives the rounding error of the difference, which is put back.
    virtual = difference - rows
    lost = (rows - (difference - virtual)) - (shift + virtual)
    terms *= 1 + _finite(lost)
    return terms


def _log_sum(terms: Array) -> tuple[Array, Array]:
    """log|sum(terms)|, the complex log for complex terms, and that sum."""
    total = terms.sum(-1, keepdims=True)
    if not terms.size or terms.dtype.kind == "c":
        return np.log(total), total
    # log1p of all but the largest term keeps logsumexp([0, -40]) at 4.2e-18 instead of 0.
    largest = abs(terms).argmax(-1, keepdims=True)
    lead = np.take_along_axis(terms, largest, -1)
    others = terms.copy()
    np.put_along_axis(others, largest, 0, -1)
    rest = others.sum(-1, keepdims=True) / lead
    precise = np.log(abs(lead)) + np.log1p(rest)
    return np.where(abs(rest) < 0.5, precise, np.log(abs(total))), total


def _sign(total: Array) -> Array:
    """Sign of a real number, phase of a complex one, 0 at 0."""
    if total.dtype.kind == "f":
        return np.sign(total)
    return np.where(total == 0, 0, total / abs(total))
