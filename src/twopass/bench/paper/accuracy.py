"""How far results are from the exact ones, in units in the last place (ULP)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twopass import _reference
from twopass.bench.cases import Case, Ki, Mi
from twopass.bench.peers import PEERS
from twopass.functions import ALGORITHMS

LENGTHS = tuple(4**k for k in range(2, 12))  # 16 .. 4 Mi
QUICK_LENGTHS = (64, Ki, 16 * Ki, 256 * Ki, Mi)


@dataclass(frozen=True)
class Accuracy:
    """The largest error of one algorithm or peer over a row of ordinary scores.

    Parameters
    ----------
    size : int
        The row's length.
    name, target : str
        The algorithm and its target, or a peer and "".
    ulp : float
        The largest distance of a result from the exact value, in steps of float32 there.
    """

    size: int
    name: str
    target: str
    ulp: float


def lengths(quick: bool) -> tuple[int, ...]:
    """Return the lengths of the rows."""
    return QUICK_LENGTHS if quick else LENGTHS


def accuracies(
    size: int,
    targets: Sequence[Any],
    peer_names: Iterable[str],
    skipped: Callable[[str, Exception], object] = lambda name, error: None,
) -> Iterator[Accuracy]:
    """Find the largest errors over one row; a peer that cannot run is left out and told of."""
    case = Case("softmax", (size,))
    x, out = case.arrays()
    exact = _reference.softmax(x.astype(np.float64))
    for target in targets:
        for name in ALGORITHMS:
            target.softmax(x, out=out, algorithm=name)
            yield Accuracy(size, name, target.name, worst_ulp(out, exact))
    for name in peer_names:
        try:
            got = PEERS[name].answer(case, x, out)
        except Exception as error:  # whatever a foreign library raises
            skipped(name, error)
        else:
            yield Accuracy(size, name, "", worst_ulp(got, exact))


def worst_ulp(got: NDArray[Any], exact: NDArray[np.float64]) -> float:
    """Return the largest distance of results from exact values, in steps of the results' dtype."""
    steps = np.spacing(exact.astype(got.dtype)).astype(np.float64)
    return float(np.max(np.abs(got.astype(np.float64) - exact) / steps))
