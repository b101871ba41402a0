"""The oracles of `_reference` by mpmath, for float64 where long double is no wider.

Each takes the distinct elements of a row, ascending, and how often each is there; it returns the
results for them, or the one of the row. The caller chooses the precision.
"""

from collections.abc import Sequence
from typing import Any

from mpmath import mp


def softmax(elements: Sequence[float], counts: Sequence[int]) -> list[Any]:
    """``exp(x) / sum(exp(x))``."""
    shifted = _shifted(elements)
    total = _total(shifted, counts)
    return [mp.exp(x) / total for x in shifted]


def log_softmax(elements: Sequence[float], counts: Sequence[int]) -> list[Any]:
    """``x - log(sum(exp(x)))``."""
    shifted = _shifted(elements)
    log_total = mp.log(_total(shifted, counts))
    return [x - log_total for x in shifted]


def logsumexp(elements: Sequence[float], counts: Sequence[int]) -> list[Any]:
    """``log(sum(exp(x)))``."""
    return [elements[-1] + mp.log(_total(_shifted(elements), counts))]


def _shifted(elements: Sequence[float]) -> list[Any]:
    """Subtract the largest."""
    return [mp.fsub(x, elements[-1], exact=True) for x in elements]


def _total(shifted: Sequence[Any], counts: Sequence[int]) -> Any:
    return mp.fsum(mp.exp(x) * n for x, n in zip(shifted, counts, strict=True))
