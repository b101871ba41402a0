"""Beyond the paper: what streaming stores gain."""

import sys
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from twopass.bench.cases import Case
from twopass.bench.paper.algorithms import TWO_PASS, quotient
from twopass.bench.paper.claims import span
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.figures import BELOW, MUTED, panel
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.race import Race, among
from twopass.bench.paper.rows import both
from twopass.bench.paper.tables import Table
from twopass.bench.peer import Array, Call
from twopass.bench.run import LIMIT, believing, limit

STREAMING, ORDINARY = ("streaming stores", "ordinary stores")
TONES = {ORDINARY: "#CC79A7", STREAMING: "#0072B2", LIMIT: MUTED}


def _kinds_of_stores(target: Any, case: Case, x: Array, out: Array) -> dict[str, Call]:
    """Return the two-pass algorithm with the stores that it has here, and with ordinary ones."""
    call = partial(target.softmax, x, axis=0, out=out, algorithm=TWO_PASS)
    return {
        STREAMING: call,
        ORDINARY: partial(_with_ordinary_stores, target, call),
        LIMIT: limit(target.probe, case, x, out),
    }


def _with_ordinary_stores(target: Any, call: Call) -> None:
    with believing(target, sys.maxsize // 2):
        call()


STORES = Race("stores", "streaming stores", both, among(_kinds_of_stores), 4)


def draw(findings: Findings, target: str) -> Figure:
    """Draw the two-pass algorithm with streaming stores and with ordinary ones."""
    figure, axes = panel(target)
    items = [findings.in_cache(STORES), findings.out_of_cache(STORES)]
    for k, (name, tone) in enumerate(TONES.items()):
        places = [i + (k - 1) * 0.27 for i in range(len(items))]
        times = [item.ns(name, target) for item in items]
        axes.barh(places, times, 0.25, color=tone, label=name)
    axes.set_yticks(range(len(items)), [item.case.label for item in items])
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_xlabel("ns per element")
    figure.legend(ncols=3, **BELOW)
    return figure


def table(findings: Findings) -> Table:
    """Tabulate what streaming stores gain."""
    item = findings.out_of_cache(STORES)
    rows = [
        [name, span(quotient(item, name, ORDINARY, STREAMING))]
        for name in (target.name for target in findings.targets)
    ]
    return Table(("target", "speed gained by streaming stores"), rows, item.case.label)


EXPERIMENT = Experiment(
    "stores",
    "Beyond the paper: streaming stores",
    "A result larger than the last-level cache is written past the caches, which spares the "
    "reading of each line before it is overwritten.",
    STORES,
    draw=draw,
    table=table,
)
