"""Operands: the numbers and arrays that stand beside x, checked and brought to its shape.

``scale * x + bias``, with -inf where a mask is False, is what the functions take for x. No array of
x's size is made for it: what broadcasts is a view with strides of 0, and the kernels apply it to a
block at a time, rounding as NumPy does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twopass import _reference
from twopass._arrays import as_array, number_or_array, refuse_mask

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
    x: Array,
    dtype: np.dtype[Any],
    scale: Any,
    bias: npt.ArrayLike | None,
    where: npt.ArrayLike | None,
    name: str = "x",
) -> Operands:
    """Check the operands of x, whose shape they must not enlarge, and bring them to one dtype."""
    factor = None if scale is None else _number(scale)
    if bias is not None:
        bias = number_or_array(bias, "bias")
        dtype = _reference.common_dtype(dtype, bias)
        with np.errstate(over="ignore"):
            bias = np.require(bias, dtype, "A")
    if where is not None:
        where = _mask(where)
    for operand, array in (("bias", bias), ("where", where)):
        if array is not None and _common(x.shape, array.shape) != x.shape:
            raise ValueError(
                f"{operand} has shape {array.shape}, which does not broadcast to "
                f"{name}'s {x.shape}: give it axes of length 1 where {name} has more"
            )
    return Operands(dtype, factor, bias, where)


def _common(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _number(scale: Any) -> float | None:
    """Validate a scale; None for 1, which changes nothing."""
    number = as_array(scale, "scale")
    if number.ndim:
        raise TypeError(
            f"scale must be one number, not an array of shape {number.shape}: "
            "multiply the scores by it first"
        )
    if number.dtype.kind == "c":
        raise TypeError(
            f"scale must be a real number, not {scale!r}: multiply the scores by it first"
        )
    return None if number == 1 else float(number)


def _mask(where: npt.ArrayLike) -> Array:
    refuse_mask(where, "where", "False")
    mask = np.asarray(where)
    if mask.dtype != bool:
        raise TypeError(f"where has dtype {mask.dtype}: pass a mask of bool, such as where != 0")
    return mask


def apart(operand: Array, out: Array | None) -> Array:
    """Copy an operand that results would overwrite."""
    return operand.copy() if out is not None and np.may_share_memory(operand, out) else operand


# Weights of this size neither overflow nor lose digits that show beside exponentials.
LARGEST_WEIGHT, SMALLEST_WEIGHT = 2.0**60, 2.0**-60


def have_kernel(weights: Array, dtype: np.dtype[Any]) -> bool:
    """Whether the kernels can multiply terms by these weights, as the dtype rounds them."""
    exact = dtype.itemsize > 2 or np.can_cast(weights.dtype, dtype)
    if weights.dtype.kind not in "biuf" or not weights.size or not exact:
        return False
    most = max(float(weights.max()), -float(weights.min()))
    return SMALLEST_WEIGHT <= most <= LARGEST_WEIGHT  # NaN is not
