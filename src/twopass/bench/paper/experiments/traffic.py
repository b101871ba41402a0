"""Memory traffic: whether the two-pass algorithm moves less."""

from typing import Any

from twopass.bench.paper.algorithms import TWO_PASS
from twopass.bench.paper.claims import (
    CANNOT_TELL,
    NOT_REPRODUCED,
    Claim,
    Ruling,
    share,
    verdict,
)
from twopass.bench.paper.effect import effect, rounds
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.passes import PASSES, PASSES_OF, TRAFFIC
from twopass.bench.paper.tables import Table
from twopass.bench.run import LIMIT


def _less_traffic(findings: Findings, target: Any) -> Ruling:
    item = findings.out_of_cache(PASSES)
    bare = rounds(item, LIMIT, target.name) + rounds(item, "max", target.name)
    found = effect(bare / rounds(item, TWO_PASS, target.name))
    text = f"the bare traffic of 4N takes {share(found)} of its time"
    judged = verdict(found)
    if judged == NOT_REPRODUCED:  # a slow algorithm says nothing about its traffic
        return Ruling(target.name, CANNOT_TELL, f"{text}: arithmetic hides the traffic", found)
    return Ruling(target.name, judged, text, found)


def table(findings: Findings) -> Table:
    """Tabulate what each algorithm moves, and how fast it moves it."""
    item = findings.out_of_cache(PASSES)
    rows = []
    for name, passes in PASSES_OF.items():
        reads, writes = (sum(TRAFFIC[one][k] for one in passes) for k in (0, 1))
        cells = [f"{reads}N", f"{writes}N", f"{reads + writes}N"]
        for target in findings.targets:
            speed = (reads + writes) * item.case.nbytes / item.case.size
            cells.append(f"{speed / item.ns(name, target.name):.1f}")
        rows.append([name, *cells])
    head = ("algorithm", "reads", "writes", "in all", *(target.name for target in findings.targets))
    note = (
        "Values moved out of cache, as the paper counts them, and the GB/s they come to. An "
        "ordinary store reads its cache line first, which this leaves out; a streaming store "
        "does not."
    )
    return Table(head, rows, note)


EXPERIMENT = Experiment(
    "traffic",
    "Memory traffic",
    "",
    PASSES,
    (
        Claim(
            5,
            "The two-pass algorithm moves 3N values, where recompute moves 4N and reload 5N.",
            "It has to end sooner than the bare traffic of 4N: what is that fast cannot move so "
            "much.",
            _less_traffic,
        ),
    ),
    table=table,
)
