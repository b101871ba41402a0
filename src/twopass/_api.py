"""Argument handling shared by all targets: dtypes, axes, `out`, and what no kernel takes.

The compiled functions decide the common case themselves and hand everything else to `elementwise`
and `logsumexp`, with the `Plan` class of their own target. Here an array becomes rows: the reduced
axes are moved last by a view, and the rows go to `_threads.run`.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numpy.exceptions import AxisError

from twopass import _reference, _threads
from twopass._arrays import as_array, is_masked, number_or_array
from twopass._importing import importing
from twopass._operands import Operands, have_kernel, operands
from twopass.functions import ALGORITHMS, BY_NAME, DTYPES, TABLE

Array = npt.NDArray[Any]

DOUBTFUL = 2  # a sign that says that the kernels leave a row to the reference


class PlanFactory(Protocol):
    """The `Plan` class of a target module."""

    def __call__(
        self, function: int, x: Array, y: Array, algorithm: int, aliased: bool, **beside: Any
    ) -> _threads.Plan: ...


def elementwise(
    plan: PlanFactory,
    function: int,
    x: npt.ArrayLike,
    axis: int | tuple[int, ...] | None,
    out: Array | None,
    algorithm: str,
    threads: int | None,
    scale: float | None = None,
    bias: npt.ArrayLike | None = None,
    where: npt.ArrayLike | None = None,
    return_lse: bool = False,
) -> Any:
    """Softmax or log_softmax of anything that NumPy can make an array of, and of Dask arrays."""
    row = TABLE[function]
    if _is_dask(x):
        refused: dict[str, Any] = {
            "scale": scale,
            "bias": bias,
            "where": where,
            "return_lse": return_lse or None,
        }
        return _dask(row.name, x, axis, out=out, **refused)
    choice, workers = _algorithm_index(algorithm), _threads.check(threads)
    x = as_array(x)
    axes = _axes(axis, x.ndim)
    beside = operands(x, _reference.result_dtype(x.dtype), scale, bias, where)
    dtype = beside.dtype
    target = _checked(out, x.shape, dtype)
    kept = tuple(n for d, n in enumerate(x.shape) if d not in axes)
    lse = np.full(kept, -np.inf, dtype) if return_lse else None
    if not _has_kernel(dtype):
        taken = beside.apply(x) if beside else x
        result = getattr(_reference, row.oracle)(taken, axes)
        if lse is not None:
            lse[...] = _reference.logsumexp(taken, axes)
    else:
        result = _rewrite(plan, function, x, axes, target, choice, workers, beside, lse)
    empty = beside.nothing_left(x.ndim, axes)
    if empty is not None:
        np.copyto(result, row.of_nothing, where=empty)
    y = _deliver(result, target, out)
    return y if lse is None else (y, lse[()])


def _rewrite(
    plan: PlanFactory,
    function: int,
    x: Array,
    axes: tuple[int, ...],
    target: Array | None,
    algorithm: int,
    workers: int | None,
    beside: Operands,
    lse: Array | None,
) -> Array:
    """Run a function that rewrites rows, in `target` if that can be."""
    aliased = target is not None and _same_memory(x, target)
    source = _prepare(x, beside.dtype)
    if target is not None and not aliased and np.may_share_memory(source, target):
        source = source.copy()
    # What cannot be written to in place as rows goes to a new array first.
    result = target if target is not None and target.flags.aligned else np.empty_like(source)
    y = _rows(result, axes)
    if result.size and not np.may_share_memory(y, result):
        result = np.empty(source.shape, beside.dtype)
        y, aliased = np.empty(_rows(result, axes).shape, beside.dtype), False
    if source.size:
        rows = _rows(source, axes)
        options = _beside_rows(beside, source.shape, axes, target)
        if lse is not None:
            options["lse"] = np.broadcast_to(lse[..., None], rows.shape)
        _threads.run(plan(function, rows, y, algorithm, aliased, **options), workers)
    if source.size and not np.may_share_memory(y, result):
        _from_rows(y, result, axes)
    return result


def _beside_rows(
    beside: Operands, shape: tuple[int, ...], axes: tuple[int, ...], out: Array | None
) -> dict[str, Any]:
    """Return the operands as a plan takes them."""
    arrays = beside.arrays(shape, out)
    options: dict[str, Any] = {name: _rows(array, axes) for name, array in arrays.items()}
    if beside.scale is not None:
        with np.errstate(over="ignore"):
            options["scale"] = float(beside.dtype.type(beside.scale))
    return options


def logsumexp(
    plan: PlanFactory,
    function: int,
    a: npt.ArrayLike,
    axis: int | tuple[int, ...] | None,
    b: npt.ArrayLike | None,
    keepdims: bool,
    return_sign: bool,
    out: Array | None,
    algorithm: str,
    threads: int | None,
    scale: float | None = None,
    bias: npt.ArrayLike | None = None,
    where: npt.ArrayLike | None = None,
) -> Any:
    """Log-sum-exp of anything that NumPy can make an array of, and of Dask arrays."""
    if _is_dask(a):
        refused = {"b": b, "return_sign": return_sign or None, "out": out}
        refused |= {"scale": scale, "bias": bias, "where": where}
        return _dask("logsumexp", a, axis, {"keepdims": keepdims}, **refused)
    choice, workers = _algorithm_index(algorithm), _threads.check(threads)
    weights = None if b is None else number_or_array(b, "b", left_out="0")
    exponents = number_or_array(a, "a")
    a = as_array(exponents, "a")
    a = np.atleast_1d(a) if keepdims else a  # as SciPy
    dtype = (
        _reference.result_dtype(a.dtype)
        if weights is None
        else _reference.weighted_dtype(exponents, weights)
    )
    beside = operands(a, dtype, scale, bias, where, "a")
    dtype = beside.dtype
    if weights is not None:
        weights = np.asarray(weights)
        a = np.broadcast_to(a, _common_shape(a, weights))
    axes = _axes(axis, a.ndim)
    if not _has_kernel(dtype) or not (weights is None or have_kernel(weights, dtype)):
        taken = beside.apply(a) if beside else a
        result, *sign = _reference_logsumexp(taken, axes, weights, return_sign, dtype)
    else:
        result, signs = _reduce(plan, function, a, axes, choice, workers, beside, weights)
        if weights is None and return_sign:
            signs = np.where(np.isnan(result), result, result > -np.inf)
        elif weights is not None and not return_sign:
            result = np.where(signs < 0, dtype.type(np.nan), result)
        sign = [signs] if return_sign else []
    if keepdims:
        result, *sign = (np.expand_dims(part, axes) for part in (result, *sign))
    result = _deliver(result, _checked(out, result.shape, result.dtype), out)
    return (result, sign[0][()]) if sign else result


def _reduce(
    plan: PlanFactory,
    function: int,
    a: Array,
    axes: tuple[int, ...],
    algorithm: int,
    workers: int | None,
    beside: Operands,
    weights: Array | None,
) -> tuple[Array, Array]:
    """Return the log-sum-exps of rows and, with weights, the signs of their sums."""
    dtype = beside.dtype
    kept = tuple(n for d, n in enumerate(a.shape) if d not in axes)
    result, signs = np.full(kept, -np.inf, dtype), np.zeros(kept, dtype)
    if not a.size:
        return result, signs
    rows = _rows(_prepare(a, dtype), axes)
    options = _beside_rows(beside, a.shape, axes, None)
    if weights is None:
        _threads.run(plan(function, rows, result, algorithm, False, **options), workers)
        return result, signs
    of_rows = _rows(np.broadcast_to(_prepare(weights, dtype), a.shape), axes)
    weighted = plan(
        function, rows, result, algorithm, False, **options, weights=of_rows, signs=signs
    )
    _threads.run(weighted, workers)
    doubtful = signs == DOUBTFUL
    if doubtful.any():
        few = {name: options[name][doubtful] for name in ("bias", "where") if name in options}
        taken = replace(beside, bias=few.get("bias"), where=few.get("where")).apply(rows[doubtful])
        again = _reference.logsumexp(taken, -1, of_rows[doubtful], False, True, dtype)
        result[doubtful], signs[doubtful] = again
    return result, signs


def _reference_logsumexp(
    a: Array, axes: tuple[int, ...], b: Any, return_sign: bool, dtype: np.dtype[Any]
) -> tuple[Array, ...]:
    result = _reference.logsumexp(a, axes, b, False, return_sign, dtype)
    return result if isinstance(result, tuple) else (result,)


def _is_dask(x: Any) -> bool:
    """Tell a Dask array by its name, so that nothing imports dask but who uses it."""
    return type(x).__module__.startswith("dask.array") and type(x).__name__ == "Array"


# What gives the same of a Dask array.
WITHOUT = {
    "out": "store the result, as its method store does",
    "scale": "pass scale * {x}",
    "bias": "pass {x} + bias",
    "where": "pass dask.array.where(where, {x}, -numpy.inf)",
    "return_lse": "call logsumexp, too",
    "b": "pass {x} + dask.array.log(b), if no weight is negative",
    "return_sign": "it is 1, as without b no term is negative",
}


def _dask(
    name: str, x: Any, axis: Any, options: dict[str, Any] | None = None, **refused: Any
) -> Any:
    letter = "a" if BY_NAME[name].reduces else "x"
    for option, value in refused.items():
        if value is not None:
            raise TypeError(
                f"{option} is not supported for Dask arrays: {WITHOUT[option].format(x=letter)}"
            )
    with importing:
        from twopass import dask

    return getattr(dask, name)(x, axis, **(options or {}))


def _common_shape(a: Array, b: Array) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(
            f"a has shape {a.shape} and b has shape {b.shape}, which do not broadcast together"
        ) from None


def _has_kernel(dtype: np.dtype[Any]) -> bool:
    return dtype.name in DTYPES


def _axes(axis: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """Every axis to reduce over, as numbers from 0."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(_axis(a, ndim) for a in (axis if isinstance(axis, tuple) else (axis,)))
    if len(set(axes)) < len(axes):
        raise ValueError(f"axis {axis} names an axis twice")
    return axes if ndim else ()


def _axis(axis: Any, ndim: int) -> int:
    if isinstance(axis, bool):
        raise TypeError(f"axis must be None, an integer or a tuple of integers, not {axis}")
    try:
        index = operator.index(axis)
    except TypeError:
        raise TypeError(
            f"axis must be None, an integer or a tuple of integers, not {axis!r}"
        ) from None
    if not -max(ndim, 1) <= index < max(ndim, 1):
        raise AxisError(index, ndim)
    return index % ndim if ndim else 0


def _algorithm_index(algorithm: str) -> int:
    if not isinstance(algorithm, str):
        raise TypeError(f"algorithm must be a string, not {algorithm!r}")
    if algorithm == "auto":
        return -1
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm {algorithm!r} is not one of auto, {', '.join(ALGORITHMS)}")
    return ALGORITHMS.index(algorithm)


def _checked(out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array | None:
    """Validate `out`, and view one of a subclass (a memmap) as a plain array."""
    if out is None:
        return None
    if is_masked(out):
        raise TypeError("out must not be a masked array: pass out.data, which has no mask")
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a numpy.ndarray, not {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape} and the result {shape}")
    if out.dtype != dtype:
        raise ValueError(f"out has dtype {out.dtype} and the result {dtype}")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    if out.size and _overlaps_itself(out):
        raise ValueError("out has elements that share memory, such as a broadcast array has")
    return out.view(np.ndarray)


def _overlaps_itself(a: Array) -> bool:
    extent = a.itemsize
    for stride, n in sorted((abs(s), n) for s, n in zip(a.strides, a.shape, strict=True) if n > 1):
        if stride < extent:
            return True
        extent += stride * (n - 1)
    return False


def _same_memory(x: Array, out: Array) -> bool:
    return (
        x.dtype == out.dtype
        and x.strides == out.strides
        and x.__array_interface__["data"][0] == out.__array_interface__["data"][0]
    )


def _prepare(x: Array, dtype: np.dtype[Any]) -> Array:
    """Give x the dtype, byte order and alignment that the kernels read; copy what differs."""
    return np.require(x, dtype, "A")


def _rows(a: Array, axes: tuple[int, ...]) -> Array:
    """View an array with the reduced axes last and as one; copy where no such view exists."""
    if a.ndim == 0:
        return a.reshape(1)
    kept = [d for d in range(a.ndim) if d not in axes]
    moved = a.transpose(*kept, *axes)
    if len(axes) == 1:
        return moved
    return moved.reshape(*moved.shape[: len(kept)], -1) if a.size else moved


def _from_rows(rows: Array, result: Array, axes: tuple[int, ...]) -> None:
    """Undo `_rows` where it had to copy."""
    kept = [d for d in range(result.ndim) if d not in axes]
    moved = result.transpose(*kept, *axes)
    moved[...] = rows.reshape(moved.shape)


def _deliver(result: Array, target: Array | None, out: Array | None) -> Any:
    """Hand over a result: as it is, or in `out`, by its view `target`.

    Without `out`, 0-d results are scalars, as NumPy's ufuncs have it.
    """
    if target is None:
        return result[()]
    if result is not target:
        target[...] = result
    return out
