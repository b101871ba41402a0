"""Operands: the numbers and arrays that stand beside x, checked and brought to its shape.

``scale * x + bias``, with -inf where a mask is False, is what the functions take for x. No array of
x's size is made for it: what broadcasts is a view with strides of 0, and the kernels apply it to a
block at a time, rounding as NumPy does.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twopass import _reference

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Operands:
    """What is taken for x, and the dtype that it gives."""

    dtype: np.dtype[Any]
    scale: float | None = None
    bias: Array | None = None
    where: Array | None = None

    def __bool__(self) -> bool:
        return not (self.scale is None and self.bias is None and self.where is None)

    def apply(self, x: Array) -> Array:
        """Return what the kernels take for x, as an array: for the dtypes that have none."""
        x = x.astype(self.dtype)
        with np.errstate(all="ignore"):
            x = x if self.scale is None else x * x.dtype.type(self.scale)
            x = x if self.bias is None else x + self.bias
        return x if self.where is None else np.where(self.where, x, -np.inf)

    def arrays(self, shape: tuple[int, ...], out: Array | None) -> dict[str, Array]:
        """Return the arrays as views of a shape, apart from where results go."""
        found = {"bias": self.bias, "where": self.where}
        return {
            name: np.broadcast_to(apart(array, out), shape)
            for name, array in found.items()
            if array is not None
        }

    def nothing_left(self, ndim: int, axes: tuple[int, ...]) -> Array | None:
        """Tell the rows in which the mask leaves nothing; None where there are none."""
        if self.where is None:
            return None
        where = self.where.reshape((1,) * (ndim - self.where.ndim) + self.where.shape)
        empty = np.logical_not(where.any(axes, keepdims=True))
        return empty if empty.any() else None


def operands(
    x: Array, scale: Any, bias: npt.ArrayLike | None, where: npt.ArrayLike | None
) -> Operands:
    """Check the operands of x, whose shape they must not enlarge."""
    dtype = _reference.result_dtype(x.dtype)
    if bias is not None:
        bias = np.asarray(bias)
        if bias.dtype.kind not in "biufc":
            raise TypeError(f"bias has dtype {bias.dtype}, which is not numeric")
        dtype = dtype if bias.ndim == 0 else np.result_type(dtype, bias.dtype)
        bias = np.require(bias, dtype, "A")
    if where is not None:
        where = np.asarray(where)
        if where.dtype != bool:
            raise TypeError(
                f"where has dtype {where.dtype}: pass a mask of bool, such as where != 0"
            )
    for name, array in (("bias", bias), ("where", where)):
        if array is not None and _common(x.shape, array.shape) != x.shape:
            raise ValueError(
                f"{name} has shape {array.shape}, which does not broadcast to x's {x.shape}"
            )
    return Operands(dtype, None if scale is None else _number(scale), bias, where)


def _common(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _number(scale: Any) -> float | None:
    """Validate a scale; None for 1, which changes nothing."""
    try:
        value = float(operator.index(scale)) if isinstance(scale, int) else float(scale)
    except (TypeError, ValueError):
        raise TypeError(f"scale must be a real number, not {scale!r}") from None
    return None if value == 1 else value


def apart(operand: Array, out: Array | None) -> Array:
    """Copy an operand that results would overwrite."""
    return operand.copy() if out is not None and np.may_share_memory(operand, out) else operand


# Weights of this size neither overflow nor lose digits that show beside exponentials.
LARGEST_WEIGHT, SMALLEST_WEIGHT = 2.0**60, 2.0**-60


def have_kernel(weights: Array, dtype: np.dtype[Any]) -> bool:
    """Whether weights are such that the kernels can multiply terms by them, as the dtype rounds them."""
    exact = dtype.itemsize > 2 or np.can_cast(weights.dtype, dtype)
    if weights.dtype.kind not in "biuf" or not weights.size or not exact:
        return False
    most = max(float(weights.max()), -float(weights.min()))
    return SMALLEST_WEIGHT <= most <= LARGEST_WEIGHT  # NaN is not
