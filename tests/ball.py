"""The second oracle: rigorous enclosures in arb's ball arithmetic.

It shares nothing with the first one, which rounds in long double. Equal elements are one term with
the exact sum of their weights. So a sum or its logarithm is zero only where that is seen exactly
(Lindemann and Weierstrass), and everything else is told from zero by enough bits.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from flint import arb, ctx, fmpq

BITS, MOST_BITS = 128, 1 << 17
RELATIVE_BITS = 80  # the least that an enclosure has to tell
NOTHING = arb(2) ** -1400  # beside the least float64

# What a row with NaN, one with +inf and one of nothing but -inf give, by element and as a whole.
UNDEFINED = {
    "softmax": lambda row: np.full(len(row), np.nan),
    "log_softmax": lambda row: row - row.max(),
    "logsumexp": lambda row: row.max(keepdims=True),
}


class Truth(NamedTuple):
    """True values: float64 nearest to them, and what is left in units of its last place."""

    near: np.ndarray
    rest: np.ndarray

    def cut(self, dtype: Any) -> np.ndarray:
        """In `dtype`, cut towards zero, except what rounds to infinity."""
        with np.errstate(all="ignore"):
            hi = self.near.astype(dtype)
            beyond = (abs(hi) > abs(self.near)) | (
                (hi == self.near) & (np.sign(self.near) * self.rest < 0)
            )
            return np.where(beyond & np.isfinite(hi), np.nextafter(hi, hi.dtype.type(0)), hi)

    def ulps(self, got: np.ndarray) -> np.ndarray:
        """Distance of `got` in units of the last place of `cut` (quanta if subnormal).

        Equal infinities and NaNs have none.
        """
        cut = self.cut(got.dtype)
        same = (got == cut) & np.isinf(got) | (np.isnan(got) & np.isnan(cut))
        with np.errstate(all="ignore"):
            step = _ulp(cut)
            rest = self.rest * (_ulp(self.near) / step)
            return np.where(same, 0, abs((got.astype(float) - self.near) / step - rest))


def _ulp(values: np.ndarray) -> np.ndarray:
    """Distance to the next number away from zero, also where that is infinite."""
    info = np.finfo(values.dtype)
    _, exponent = np.frexp(np.maximum(abs(values), info.tiny).astype(float))
    return np.ldexp(1.0, exponent - info.nmant - 1)


def truth(function: str, x: np.ndarray) -> Truth:
    """The true result of `function` for each row of a matrix."""
    x = np.ascontiguousarray(x, float)
    found = [_row(row.tobytes())[function] for row in x]
    return Truth(*(np.array(part).reshape(len(x), -1) for part in zip(*found, strict=True)))


@functools.lru_cache(maxsize=64)
def _row(content: bytes) -> dict[str, Truth]:
    row = np.frombuffer(content)
    if not np.isfinite(row.max()):
        with np.errstate(invalid="ignore"):
            return {name: _nothing_left(value(row)) for name, value in UNDEFINED.items()}
    values, place, counts = np.unique(row, return_inverse=True, return_counts=True)
    finite = np.isfinite(values)
    weights = dict(zip(values[finite].tolist(), counts[finite].tolist(), strict=True))
    with ctx.workprec(BITS):
        terms, total = _terms(weights)
        log_total, top = _log_total(weights, terms, total), max(weights)
        results = {
            "softmax": [_split(term / total) for term in terms.values()],
            "log_softmax": [_split(arb(v) - top - log_total) for v in weights],
        }
    least = {"softmax": 0.0, "log_softmax": -np.inf}
    found = {}
    for name, result in results.items():
        near, rest = np.array([(least[name], 0.0)] * (not finite[0]) + result).T
        found[name] = Truth(near[place.ravel()], rest[place.ravel()])
    return found | {"logsumexp": Truth(*np.array([_split(_sized(weights)[0])]).T)}


def weighted(row: np.ndarray, b: np.ndarray) -> tuple[Truth, int, float]:
    """Logsumexp of a row with weights, its sign, and the sum of sizes over the size of the sum."""
    weights: dict[float, Fraction] = defaultdict(Fraction)
    sizes: dict[float, Fraction] = defaultdict(Fraction)
    for value, weight in zip(row.tolist(), b.tolist(), strict=True):
        if value > -math.inf and weight:
            weights[value] += Fraction(weight)
            sizes[value] += abs(Fraction(weight))
    terms = {value: weight for value, weight in weights.items() if weight}
    if not terms:
        return _nothing_left(np.array([-np.inf])), 0, math.inf if sizes else 1.0
    size, sign = _sized(terms)
    size_of_sizes, _ = _sized(sizes)
    with ctx.workprec(MOST_BITS):
        log_condition = size_of_sizes - size
    return Truth(*np.array([_split(size)]).T), sign, float(log_condition.exp())


def _nothing_left(values: np.ndarray) -> Truth:
    return Truth(values, np.zeros(len(values)))


def _terms(weights: dict[float, Any]) -> tuple[dict[float, arb], arb]:
    """exp(v - top) for each v, and their weighted sum."""
    top = arb(max(weights))
    terms = {value: (arb(value) - top).exp() for value in weights}
    return terms, sum((term * _arb(weights[v]) for v, term in terms.items()), arb(0))


def _log_total(weights: dict[float, Any], terms: dict[float, arb], total: arb) -> arb:
    """Its logarithm, by what the largest term leaves where that is one itself."""
    top = max(weights)
    if weights[top] != 1:
        return abs(total).log()
    rest = sum((term * _arb(weights[v]) for v, term in terms.items() if v != top), arb(0))
    return rest.log1p() if rest > -0.5 else abs(total).log()


def _arb(weight: int | Fraction) -> arb:
    return arb(fmpq(weight.numerator, weight.denominator))


def _sized(weights: dict[float, Any]) -> tuple[arb, int]:
    """log|sum| and the sign of the sum, with as many bits as that takes."""
    for bits in _precisions(max(weights)):
        with ctx.workprec(bits):
            terms, total = _terms(weights)
            if total.contains(0):
                continue
            size = _log_total(weights, terms, total) + max(weights)
            if _sharp(size):
                return size, 1 if total > 0 else -1
    raise ArithmeticError(f"{MOST_BITS} bits do not tell the sum of {weights}")


def _precisions(top: float) -> Iterator[int]:
    """Twice as many each time; from the first on, a result of the size of `top` is exp's to use."""
    bits = BITS + max(0, math.frexp(top)[1])
    while bits <= MOST_BITS:
        yield bits
        bits *= 2


def _sharp(y: arb) -> bool:
    return y.rel_accuracy_bits() >= RELATIVE_BITS or abs(y) < NOTHING


def _split(y: arb) -> tuple[float, float]:
    if not _sharp(y):
        raise ArithmeticError(f"{y} is not known well enough")
    near = float(y)
    return near, float((y - near) / math.ulp(near))
