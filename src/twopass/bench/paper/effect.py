"""How large a difference is, and how sure: quotients of the rounds of one race.

Each round times everybody once, so the quotient of two times of one round is free of what the
machine did to both. The effect is the median of these quotients. Its interval runs between two
of them, the k-th lowest and the k-th highest: whatever the quotients' distribution is, it holds
the true median with a probability that follows from coin tosses alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twopass.bench.run import Measured

SURE = 0.9  # what an interval has to hold the median with, where so many rounds are there


@dataclass(frozen=True)
class Effect:
    """A quotient.

    Parameters
    ----------
    value : float
        The median of the rounds.
    low, high : float
        The interval.
    sure : float
        The probability that the interval holds the true median.
    """

    value: float
    low: float
    high: float
    sure: float


def effect(quotients: Iterable[float]) -> Effect:
    """Return the effect that the quotients of the rounds, at least one, show.

    Examples
    --------
    >>> effect([1.2, 1.1, 1.3, 1.25, 1.22])
    Effect(value=1.22, low=1.1, high=1.3, sure=0.9375)
    """
    values = sorted(map(float, quotients))
    n = len(values)
    k = max((k for k in range(1, n // 2 + 1) if _coverage(n, k) >= SURE), default=1)
    return Effect(median(values), values[k - 1], values[n - k], _coverage(n, k))


def _coverage(n: int, k: int) -> float:
    """Return how likely the median lies between the k-th lowest and k-th highest of n values."""
    return max(0.0, 1 - sum(comb(n, i) for i in range(k)) / (1 << (n - 1)))


def rounds(item: Measured, name: str, target: str = "") -> NDArray[Any]:
    """Return the seconds per call of each round of one who took part; KeyError if nobody did."""
    for result in item.results:
        if (result.name, result.group) == (name, target):
            return np.array(result.rounds)
    raise KeyError(f"{name!r} on {target!r} was not measured")
