"""Sums of exponentials that outlive the call: for rows that are larger than one array.

Design note
-----------
A. The sum of a chunk is an exact integer on a grid (kernels/sums.pxd, E): four digits of 32 bits,
   each an int64 with room for carries. Merging adds digits: it is associative to the bit. What
   carries is left where it is, since a larger sum to come cuts off the lowest digits, and must cut
   off the same whether they were added up before or after. Digits are carried only when an int64
   would overflow, after 2^29 pairs or more; from there on what lies below 2^-96 of the sum depends
   on the grouping.
B. A segment of a row is 65536 elements. Where chunks end at segments, the merged sum is the very
   number that the kernels find for the whole row; elsewhere it is rounded differently, within the
   documented error bound.
C. Beyond the range of the reduction (|max x| > 2^16, float64: 2^45) a chunk is counted from a shift
   near its maximum, a multiple of a quarter of the range. Sums with different shifts are rare, and
   mostly one of them vanishes. They are brought together in decimal arithmetic, far more precisely
   than any result shows.
"""

from __future__ import annotations

import decimal
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from twopass import _api, _arrays, _reference, _targets
from twopass.functions import EXPONENTIALS, TABLE

Array = npt.NDArray[Any]

DIGITS, DIGIT_BITS = 4, 32
# A sum: digits[k] * 2**(exponent - 32 k), added up, times e**shift. Without a sum the shift says
# what there is instead: NaN, +inf, or -inf where there is no term at all.
STATE = np.dtype([("digits", "i8", (DIGITS,)), ("exponent", "i8"), ("shift", "f8")])
NO_TERM = np.array(((0,) * DIGITS, -(1 << 62), -np.inf), STATE)
# What can follow from a sum of exponentials, for each element.
FUNCTIONS = {
    row.name: row.number for row in TABLE if row.reduction == EXPONENTIALS and not row.reduces
}
DIGIT_MASK = (1 << DIGIT_BITS) - 1
ROOM = 2.0**62  # for the digits of a sum
OUT_OF_SIGHT = 2.0**50  # shifts that differ by more: the smaller sum is nothing beside the larger


@dataclass(frozen=True, eq=False)
class PairSum:
    """
    Sums of exponentials along some axes: what `pair_sum` returns and `merge` adds up.

    Each is ``(hi + lo) * 2**exponent * exp(shift)``. It never overflows, takes 48 bytes a row, and
    can be pickled and sent elsewhere. Two are equal when their sums are, to the last bit.

    Attributes
    ----------
    state : ndarray
        The sums as exact integers: a structured array of the chunk's shape, with the reduced axes
        of length 1. ``digits[k] * 2**(exponent - 32 * k)``, added up over k, is the sum.
    axis : tuple of int
        The reduced axes.
    dtype : numpy.dtype
        The dtype of results: float16, float32 or float64.

    See Also
    --------
    pair_sum, merge, finish, apply
    """

    state: Array
    axis: tuple[int, ...]
    dtype: np.dtype[Any]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, PairSum)
            and (self.axis, self.dtype, self.shape) == (other.axis, other.dtype, other.shape)
            and self.state.tobytes() == other.state.tobytes()
        )

    def __repr__(self) -> str:
        return f"<PairSum of shape {self.shape}, axis {self.axis}, {self.dtype}>"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the chunk, with the reduced axes of length 1."""
        return self.state.shape

    @property
    def hi(self) -> Array:
        """The mantissa rounded to float64, in [1/2, 1); 0, inf or NaN instead of a finite sum."""
        return self._split()[0]

    @property
    def lo(self) -> Array:
        """What rounding `hi` has left over: float64."""
        return self._split()[1]

    @property
    def exponent(self) -> Array:
        """The power of two: int64."""
        return self._split()[2]

    @property
    def shift(self) -> Array:
        """What was subtracted from the elements: float64, 0 within the range of the reduction."""
        shift = self.state["shift"]
        return np.where(np.isfinite(shift), shift, 0.0)

    def _split(self) -> tuple[Array, Array, Array]:
        shift = self.state["shift"]
        hi, lo, exponent = (np.empty(self.shape, kind) for kind in ("f8", "f8", "i8"))
        _kernels().split_pairs(np.ascontiguousarray(self.state), hi, lo, exponent)
        finite = np.isfinite(shift)
        instead = np.where(shift == -np.inf, 0.0, shift)
        return np.where(finite, hi, instead), np.where(finite, lo, 0), np.where(finite, exponent, 0)


def pair_sum(x: npt.ArrayLike, axis: int | tuple[int, ...] | None = None) -> PairSum:
    """
    Sum of ``exp(x)`` along an axis, as a compensated pair that can be merged with others.

    Parameters
    ----------
    x : array_like
        A chunk of scores: float16, float32, float64, integers or bool.
    axis : int or tuple of ints, optional
        The axis or axes to reduce over. Default: all of them.

    Returns
    -------
    PairSum
        The sums. A chunk without elements gives what changes nothing when it is merged.

    Raises
    ------
    TypeError
        For a dtype that has no kernel.
    numpy.exceptions.AxisError
        For an axis that `x` does not have.

    See Also
    --------
    merge, finish, apply

    Notes
    -----
    Chunks that end at multiples of 65536 elements of a row give the bits of the whole row.

    Examples
    --------
    >>> import numpy as np, twopass
    >>> x = np.linspace(0, 9, 1000)
    >>> whole = twopass.merge(twopass.pair_sum(x[:400]), twopass.pair_sum(x[400:]))
    >>> float(twopass.finish(whole).round(6))
    13.713909
    """
    x, dtype = _chunk(x)
    axes = _api._axes(axis, x.ndim) if x.ndim else ()
    shape = tuple(1 if d in axes else n for d, n in enumerate(x.shape))
    state = np.full(shape, NO_TERM)
    if x.size:
        _kernels().sum_pairs(_api._rows(_api._prepare(x, dtype), axes), state)
    return PairSum(state, axes, dtype)


def merge(*pairs: PairSum) -> PairSum:
    """
    Add up sums of different chunks of the same rows.

    Parameters
    ----------
    *pairs : PairSum
        At least one; all of one shape, axis and dtype.

    Returns
    -------
    PairSum
        The sums over all chunks. The order and the grouping of merging do not change a bit of it,
        up to 2^29 chunks or segments of 65536 elements, unless chunks beyond the range of the
        reduction have different shifts. The error bounds hold for any number.

    Raises
    ------
    TypeError
        For something else than pairs.
    ValueError
        For no pairs at all, or pairs that do not fit together.

    See Also
    --------
    pair_sum, finish, apply
    """
    if not pairs:
        raise ValueError("merge needs at least one PairSum")
    for pair in pairs:
        _check(pair, "each argument of merge")
    if len({(pair.shape, pair.axis, pair.dtype) for pair in pairs}) > 1:
        raise ValueError(f"these do not fit together: {', '.join(map(repr, pairs))}")
    state = add_states(np.stack([pair.state for pair in pairs]), (0,))[0]
    return PairSum(state, pairs[0].axis, pairs[0].dtype)


def finish(pair: PairSum, keepdims: bool = False) -> Any:
    """
    Log-sum-exp of the rows that have been summed.

    Parameters
    ----------
    pair : PairSum
        The sums of whole rows.
    keepdims : bool, optional
        Keep the reduced axes with length 1.

    Returns
    -------
    ndarray or scalar
        y, within ``3 * eps * max(1, |y|)``.

    Raises
    ------
    TypeError
        For something else than a pair.

    See Also
    --------
    pair_sum, merge, apply

    Notes
    -----
    `logsumexp` looks at a row again when its result is nearly 0 (less than 4 eps) or the row has a
    single element, to be exact there. A sum alone cannot, and keeps the bound.
    """
    _check(pair)
    y = np.empty(pair.shape, pair.dtype)
    _kernels().finish_pairs(np.ascontiguousarray(pair.state), y)
    return (y if keepdims else y.squeeze(pair.axis))[()]


def apply(x: npt.ArrayLike, pair: PairSum, function: str = "softmax") -> Any:
    """
    Softmax or log_softmax of a chunk, given the sums of the whole rows.

    Parameters
    ----------
    x : array_like
        The chunk, as it was given to `pair_sum`.
    pair : PairSum
        The sums of all chunks of the same rows.
    function : {"softmax", "log_softmax"}, optional
        What to compute.

    Returns
    -------
    ndarray
        The results for the elements of `x`, with the error bounds of `softmax` and `log_softmax`.

    Raises
    ------
    TypeError
        For something else than a pair, or an `x` whose result would have another dtype.
    ValueError
        For an `x` whose rows are not those of `pair`, or an unknown function.

    See Also
    --------
    pair_sum, merge, finish
    """
    if function not in FUNCTIONS:
        raise ValueError(f"function {function!r} is not one of {', '.join(FUNCTIONS)}")
    _check(pair)
    x, dtype = _chunk(x)
    if dtype != pair.dtype:
        raise TypeError(f"the results for x are {dtype}, and the sums were taken for {pair.dtype}")
    if tuple(1 if d in pair.axis else n for d, n in enumerate(x.shape)) != pair.shape:
        raise ValueError(f"x has shape {x.shape}, and the sums have {pair.shape}")
    result = np.empty(x.shape, dtype)
    if x.size:
        rows, y = (_api._rows(a, pair.axis) for a in (_api._prepare(x, dtype), result))
        y = y if np.may_share_memory(y, result) else np.empty(rows.shape, dtype)
        state = np.ascontiguousarray(pair.state)
        _kernels().apply_pairs(FUNCTIONS[function], rows, state, y)
        if not np.may_share_memory(y, result):
            _api._from_rows(y, result, pair.axis)
    return result[()]


def add_states(state: Array, axis: tuple[int, ...]) -> Array:
    """Add up states along some axes, which keep length 1."""
    shift = state["shift"].max(axis, keepdims=True)  # NaN before +inf before numbers before no term
    differs = np.isfinite(state["shift"]) & np.isfinite(shift) & (state["shift"] != shift)
    if differs.any():
        state, targets = state.copy(), np.broadcast_to(shift, state.shape)
        for place in zip(*differs.nonzero(), strict=True):
            state[place] = _shifted(state[place], float(targets[place]))
    full = abs(state["digits"]).sum(axis, float, keepdims=True).max(-1) >= ROOM
    if full.any():
        state = np.where(full, _carried(state), state)
    exponent = state["exponent"].max(axis, keepdims=True)
    places = np.minimum((exponent - state["exponent"]) // DIGIT_BITS, DIGITS)[..., None]
    total = np.zeros(shift.shape, STATE)
    for k in range(DIGITS):
        moved = np.where(places == k, state["digits"], 0).sum(axis, keepdims=True)
        total["digits"][..., k:] += moved[..., : DIGITS - k]
    total["exponent"], total["shift"] = exponent, shift
    total[~np.isfinite(shift)] = NO_TERM
    total["shift"] = shift
    return total


def _carried(state: Array) -> Array:
    """Give the same sums in digits of 32 bits; cut off the lowest where the highest needs two."""
    digits = np.zeros((DIGITS + 1, *state.shape), np.int64)
    digits[1:] = np.moveaxis(state["digits"], -1, 0)
    for k in range(DIGITS, 0, -1):
        digits[k - 1] += digits[k] >> DIGIT_BITS
        digits[k] &= DIGIT_MASK
    result, longer = state.copy(), digits[0] > 0
    result["digits"] = np.moveaxis(np.where(longer, digits[:-1], digits[1:]), 0, -1)
    result["exponent"] += DIGIT_BITS * longer
    return result


def _shifted(state: Any, shift: float) -> Any:
    """Give the same sum relative to a larger shift."""
    below = shift - float(state["shift"])
    if below > OUT_OF_SIGHT:
        return NO_TERM
    factor, power = _exponential(-below)
    digits = (int(digit) for digit in state["digits"])
    number = sum(d << DIGIT_BITS * (DIGITS - 1 - k) for k, d in enumerate(digits)) * factor
    power += int(state["exponent"]) - DIGIT_BITS * (DIGITS - 1)
    exponent = (power + number.bit_length() - 1) // DIGIT_BITS * DIGIT_BITS
    number >>= exponent - DIGIT_BITS * (DIGITS - 1) - power
    digits = ((number >> DIGIT_BITS * (DIGITS - 1 - k)) & DIGIT_MASK for k in range(DIGITS))
    return np.array((tuple(digits), exponent, shift), STATE)


@cache
def _exponential(x: float) -> tuple[int, int]:
    """e**x as an integer times a power of two, to 128 bits."""
    with decimal.localcontext() as context:
        context.prec = 80
        power = math.floor(x / math.log(2)) - 128
        rest = decimal.Decimal(x) - power * decimal.Decimal(2).ln()
        return int(rest.exp()), power


def _chunk(x: npt.ArrayLike) -> tuple[Array, np.dtype[Any]]:
    """Return an array and the dtype of its results."""
    array = _arrays.as_array(x)
    return array, result_dtype(array.dtype)


def result_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of results; TypeError for what has no kernel."""
    result = _reference.result_dtype(dtype)
    if dtype.kind not in "biuf" or not _api._has_kernel(result):
        raise TypeError(
            f"dtype {dtype} has no kernel: give the whole array to softmax, log_softmax or "
            "logsumexp as a NumPy array, or convert it to float64 if it is real"
        )
    return result


def _check(pair: object, name: str = "pair") -> None:
    if not isinstance(pair, PairSum):
        raise TypeError(f"{name} must be a PairSum (from pair_sum), not {type(pair).__name__}")


def _kernels() -> _targets.Kernels:
    return _targets.load(_targets.active().name)
