"""Beyond the paper: performance portability."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from twopass.bench.paper.claims import spaced
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.figures import BELOW, panel
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.sweep import SIZES, inked, length_axis, lengths
from twopass.bench.paper.tables import Table
from twopass.bench.record import algorithm_portability, portability_rows


def data(findings: Findings) -> list[dict[str, Any]]:
    """Return the JSON form."""
    return [row for item in findings.experiments[SIZES.name] for row in portability_rows(item)]


def draw(findings: Findings, _target: str) -> Figure:
    """Draw Pennycook's metric of each algorithm over row lengths."""
    figure, axes = panel(f"harmonic mean over {len(findings.targets)} targets")
    rows = findings.rows(SIZES)
    found = [algorithm_portability(item) for item in rows]
    for name in found[0]:
        axes.plot(lengths(rows), [value[name] for value in found], ms=3.5, **inked(name))
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("share of the limit")
    length_axis(axes, findings.cpu)
    figure.legend(ncols=3, **BELOW)
    return figure


def table(findings: Findings) -> Table:
    """Tabulate Pennycook's metric in cache and out of cache."""
    items = [findings.in_cache(SIZES), findings.out_of_cache(SIZES)]
    found = [algorithm_portability(item) for item in items]
    rows = [[name, *(spaced(f"{values[name]:.0%}") for values in found)] for name in found[0]]
    return Table(("algorithm", *(item.case.label for item in items)), rows)


EXPERIMENT = Experiment(
    "portability",
    "Beyond the paper: performance portability",
    "Pennycook's metric: the harmonic mean over the targets of the limit over the time "
    "taken. One number for how well an algorithm does everywhere.",
    SIZES,
    draw=draw,
    per_target=False,
    table=table,
)
