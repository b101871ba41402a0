"""What comes in: a number or an array of numbers, without a mask."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def number_or_array(x: npt.ArrayLike, name: str, left_out: str = "-numpy.inf") -> Array | complex:
    """Leave a Python number as it is: it does not widen the dtype of what it meets."""
    if isinstance(x, (int, float, complex)) and not isinstance(x, np.generic):
        return x
    return as_array(x, name, left_out)


def is_masked(x: Any) -> bool:
    """Tell a masked array without importing numpy.ma, as who has one has imported it."""
    return isinstance(x, getattr(sys.modules.get("numpy.ma"), "MaskedArray", ()))


def refuse_mask(x: Any, name: str, left_out: str) -> None:
    """Say what to do with a masked array, whose mask NumPy's functions would pass over."""
    if is_masked(x):
        raise TypeError(
            f"masked arrays are not supported: pass {name}.filled({left_out}), "
            "which leaves the masked elements out"
        )


def as_array(x: npt.ArrayLike, name: str = "x", left_out: str = "-numpy.inf") -> Array:
    refuse_mask(x, name, left_out)
    array = np.asarray(x)
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"{name} has dtype {array.dtype}, which is not numeric: "
            f"convert it first, as numpy.asarray({name}, float) does"
        )
    return array
