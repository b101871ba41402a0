"""What a race is: which inputs, and who takes part. Several experiments can look at one race."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twopass._detect import Cpu
from twopass.bench.cases import Case
from twopass.bench.peer import Array, Call
from twopass.bench.timing import Contender

Enlist = Callable[..., list[Contender]]  # takes what twopass.bench.run.contenders takes


@dataclass(frozen=True)
class Race:
    """A race over some inputs.

    Parameters
    ----------
    name : str
        Its key among a run's findings.
    title : str
        For the progress bar, and for the list of what is missing.
    cases : callable
        The inputs for a CPU, of a quick run or a full one.
    enlist : callable
        Who takes part: `twopass.bench.run.contenders`, or what `among` returns.
    crowd : int
        About how many take part for each target; slow peers count as several.
    """

    name: str
    title: str
    cases: Callable[[Cpu, bool], list[Case]]
    enlist: Enlist
    crowd: int


def among(
    calls: Callable[[Any, Case, Array, Array], Mapping[str, Call]],
    others: Callable[[Array, Array], Mapping[str, Call]] = lambda x, out: {},
) -> Enlist:
    """Return an enlister of what each target can do, and of others that belong to no target."""

    def enlist(
        case: Case,
        targets: Sequence[Any],
        _peers: Iterable[str],
        x: Array,
        out: Array,
        _skipped: Callable[[str, Exception], object],
    ) -> list[Contender]:
        return [Contender(name, call) for name, call in others(x, out).items()] + [
            Contender(name, call, target.name)
            for target in targets
            for name, call in calls(target, case, x, out).items()
        ]

    return enlist
