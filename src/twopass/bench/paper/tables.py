"""The numbers beside the pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twopass.bench.paper.findings import Findings
from twopass.bench.paper.race import Race
from twopass.bench.run import Measured


@dataclass(frozen=True)
class Table:
    """Text in rows and columns; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def by_target(
    findings: Findings, race: Race, note: str, cell: Callable[[Measured, str], str]
) -> Table:
    """Tabulate something about the rows in and out of cache, a row a target."""
    items = [findings.in_cache(race), findings.out_of_cache(race)]
    rows = [
        [target.name, *(cell(item, target.name) for item in items)] for target in findings.targets
    ]
    return Table(("target", *(item.case.label for item in items)), rows, note)
