"""The record of a run: what was measured, on what, with which noise; and its JSON form.

Schema 1 (all times in nanoseconds per call)::

    schema, kind, date, function, quick, complete
    machine      the fields of twopass._detect.Cpu (caches in bytes), usable cpus, system
    versions     python, twopass, numpy and the peers
    targets      names of the builds that ran
    noise        median and worst of (median round / best round - 1) over all results
    results      case {function, shape, axis, dtype, threads, operands}, size,
                 target (null: a peer), name, calls a round, rounds_ns, best_ns, spread
    portability  case, algorithm, value: Pennycook's metric over the targets
"""

import dataclasses
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from twopass._detect import Cpu
from twopass.bench.cases import usable_cpus
from twopass.bench.portability import portability
from twopass.bench.run import Measured

SCHEMA = 1


def now() -> str:
    """Return the time, ISO 8601, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@dataclass
class Record:
    """What one run of the benchmark found.

    Parameters
    ----------
    function : str
        The measured function.
    quick : bool
        Whether it was the short run.
    targets, peers : sequence of str
        Who took part.
    cpu : Cpu
        The machine's `twopass._detect.Cpu`.
    measured : list of Measured
        Grows while the run goes on.
    complete : bool
        False until all cases are in.
    date : str
        Start of the run, ISO 8601, UTC.
    """

    function: str
    quick: bool
    targets: Sequence[str]
    peers: Sequence[str]
    cpu: Cpu
    measured: list[Measured] = field(default_factory=list)
    complete: bool = False
    date: str = field(default_factory=now)

    def noise(self) -> tuple[float, float]:
        """Median and worst spread of the rounds."""
        spreads = [result.spread for item in self.measured for result in item.results]
        return (median(spreads), max(spreads)) if spreads else (0.0, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        middle, worst = self.noise()
        return {
            "schema": SCHEMA,
            "kind": "bench",
            "date": self.date,
            "function": self.function,
            "quick": self.quick,
            "complete": self.complete,
            "machine": machine(self.cpu),
            "versions": versions(self.peers),
            "targets": list(self.targets),
            "noise": {"median": middle, "worst": worst},
            "results": [row for item in self.measured for row in result_rows(item)],
            "portability": [row for item in self.measured for row in portability_rows(item)],
        }


def machine(cpu: Cpu) -> dict[str, Any]:
    """Return the machine's description: the detected CPU and what the system adds."""
    features = sorted(cpu.features)
    return cpu._asdict() | {
        "features": features,
        "cpus": usable_cpus(),
        "system": platform.system(),
    }


def versions(peers: Sequence[str]) -> dict[str, str]:
    """Return the versions of Python, this package, NumPy and the peers."""
    found = {"python": platform.python_version()}
    for name in ("twopass", "numpy", *peers):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a source tree, or installed under another name
            found[name] = "unknown"
    return found


def algorithm_portability(item: Measured) -> dict[str, float]:
    """Return Pennycook's metric of each algorithm over the targets of a case."""
    names = dict.fromkeys(name for target in item.targets for name in item.algorithms(target))
    return {
        name: portability(
            item.efficiency(name, target) if name in item.algorithms(target) else None
            for target in item.targets
        )
        for name in names
    }


def result_rows(item: Measured) -> list[dict[str, Any]]:
    """Return the JSON form of the results of a case."""
    return [
        {
            "case": dataclasses.asdict(item.case),
            "size": item.case.size,
            "target": result.group or None,
            "name": result.name,
            "calls": result.calls,
            "rounds_ns": [seconds * 1e9 for seconds in result.rounds],
            "best_ns": result.best * 1e9,
            "spread": result.spread,
        }
        for result in item.results
    ]


def portability_rows(item: Measured) -> list[dict[str, Any]]:
    """Return the JSON form of Pennycook's metric of a case."""
    case = dataclasses.asdict(item.case)
    return [
        {"case": case, "algorithm": name, "value": value}
        for name, value in algorithm_portability(item).items()
    ]


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document, atomically."""
    text = json.dumps(document, indent=1) + "\n"
    write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Replace a file at once by what `save` writes to the temporary path it is given.

    Readers see the old file or the new one, never half of it. The temporary name keeps the suffix.
    """
    temporary = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        save(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
