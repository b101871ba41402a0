"""What a run found, and its JSON form.

Schema 1 (all times in nanoseconds per call)::

    schema, kind, date, quick, complete
    machine      the fields of twopass._detect.Cpu (caches in bytes), usable cpus, system
    versions     python, twopass, numpy and the peers
    targets      names of the builds that ran
    noise        median and worst of (median round / best round - 1) over all results
    experiments  name: [case, size, target (null: of no target), name, calls, rounds_ns, ...]
    accuracy     size, name, target, ulp
    portability  case, algorithm, value: Pennycook's metric over the targets
    claims       number, statement, target, verdict, text, effect, paper, magnitude
                 (added by `claims`)
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from twopass._detect import Cpu
from twopass.bench.cases import usable_cpus
from twopass.bench.paper.accuracy import Accuracy
from twopass.bench.paper.experiments import EXPERIMENTS, in_cache, out_of_cache
from twopass.bench.record import machine, now, portability_rows, result_rows, versions
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
        What each experiment measured; grows while the run goes on.
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
    experiments: dict[str, list[Measured]] = field(
        default_factory=lambda: {name: [] for name in EXPERIMENTS}
    )
    accuracy: list[Accuracy] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    date: str = field(default_factory=now)

    @property
    def empty(self) -> bool:
        """Whether nothing at all was measured."""
        return not any(self.experiments.values())

    def rows(self, experiment: str) -> list[Measured]:
        """Return all that an experiment measured; `Missing` if nothing."""
        if not self.experiments[experiment]:
            raise Missing(f"the experiment on {EXPERIMENTS[experiment].title} did not begin")
        return self.experiments[experiment]

    def errors(self) -> list[Accuracy]:
        """Return the errors that were found; `Missing` if none were looked for."""
        if not self.accuracy:
            raise Missing("the experiment on accuracy did not begin")
        return self.accuracy

    def item(self, experiment: str, size: int, threads: int = 1) -> Measured:
        """Return what an experiment measured on an input; `Missing` if it did not."""
        for item in self.experiments[experiment]:
            if (item.case.size, item.case.threads) == (size, threads):
                return item
        title = EXPERIMENTS[experiment].title
        raise Missing(f"the experiment on {title} did not get to this input")

    def in_cache(self, experiment: str) -> Measured:
        """Return what an experiment measured on the row in cache."""
        return self.item(experiment, in_cache(self.cpu))

    def out_of_cache(self, experiment: str) -> Measured:
        """Return what an experiment measured on the row out of cache, one thread."""
        return self.item(experiment, out_of_cache(self.cpu))

    def with_all_threads(self) -> Measured:
        """Return what was measured on the row out of cache with a thread for each CPU."""
        return self.item("threads", out_of_cache(self.cpu), usable_cpus())

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
            "portability": [
                row for item in self.experiments["sizes"] for row in portability_rows(item)
            ],
        }
