"""What a run found, and its JSON form.

Schema 1 (all times in nanoseconds per call)::

    schema, kind, date, quick, complete
    machine      the fields of twopass._detect.Cpu (caches in bytes), usable cpus, system
    versions     python, twopass, numpy and the peers
    targets      names of the builds that ran
    noise        median and worst of (median round / best round - 1) over all results
    experiments  race: [case, size, target (null: of no target), name, calls, rounds_ns, ...]
    accuracy     size, name, target, ulp
    portability  case, algorithm, value: Pennycook's metric over the targets
    claims       number, statement, target, verdict, text, effect, paper, magnitude
                 (the last two are added by `command`)
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from twopass._detect import Cpu
from twopass.bench.paper.accuracy import Accuracy
from twopass.bench.paper.race import Race
from twopass.bench.paper.rows import in_cache, out_of_cache
from twopass.bench.record import machine, now, result_rows, versions
from twopass.bench.run import Measured

SCHEMA = 1


class Missing(LookupError):
    """Something was not measured; the text says what."""


@dataclass
class Findings:
    """What one run found.

    Parameters
    ----------
    quick : bool
        Whether it was the short run.
    targets : sequence of Target
        The builds that took part.
    peers : sequence of str
        The libraries that took part.
    cpu : Cpu
        The machine.
    experiments : dict
        What was measured in each race, by its name; grows while the run goes on.
    accuracy : list of Accuracy
        Grows likewise.
    missing : list of str
        What was planned and is not there.
    date : str
        Start of the run.
    """

    quick: bool
    targets: Sequence[Any]
    peers: Sequence[str]
    cpu: Cpu
    experiments: dict[str, list[Measured]]
    accuracy: list[Accuracy] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    date: str = field(default_factory=now)

    @property
    def empty(self) -> bool:
        """Whether nothing at all was measured."""
        return not any(self.experiments.values())

    def rows(self, race: Race) -> list[Measured]:
        """Return all that was measured in a race; `Missing` if nothing."""
        if not self.experiments[race.name]:
            raise Missing(f"the experiment on {race.title} did not begin")
        return self.experiments[race.name]

    def errors(self) -> list[Accuracy]:
        """Return the errors that were found; `Missing` if none were looked for."""
        if not self.accuracy:
            raise Missing("the experiment on accuracy did not begin")
        return self.accuracy

    def item(self, race: Race, size: int, threads: int = 1) -> Measured:
        """Return what was measured on an input of a race; `Missing` if nothing."""
        for item in self.experiments[race.name]:
            if (item.case.size, item.case.threads) == (size, threads):
                return item
        raise Missing(f"the experiment on {race.title} did not get to this input")

    def in_cache(self, race: Race) -> Measured:
        """Return what was measured on the row in cache."""
        return self.item(race, in_cache(self.cpu))

    def out_of_cache(self, race: Race) -> Measured:
        """Return what was measured on the row out of cache, one thread."""
        return self.item(race, out_of_cache(self.cpu))

    def noise(self) -> tuple[float, float]:
        """Median and worst spread of the rounds."""
        items = [item for items in self.experiments.values() for item in items]
        spreads = [result.spread for item in items for result in item.results]
        return (median(spreads), max(spreads)) if spreads else (0.0, 0.0)

    def versions(self) -> dict[str, str]:
        """Return the versions of Python, this package, NumPy and the peers."""
        return versions(self.peers)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        middle, worst = self.noise()
        return {
            "schema": SCHEMA,
            "kind": "paper",
            "date": self.date,
            "quick": self.quick,
            "complete": not self.missing,
            "missing": self.missing,
            "machine": machine(self.cpu),
            "versions": self.versions(),
            "targets": [target.name for target in self.targets],
            "noise": {"median": middle, "worst": worst},
            "experiments": {
                name: [row for item in items for row in result_rows(item)]
                for name, items in self.experiments.items()
            },
            "accuracy": [asdict(row) for row in self.accuracy],
        }
