"""Beyond the paper: two passes that keep their exponentials."""

from matplotlib.figure import Figure

from twopass.bench.paper.algorithms import ONLINE, TWO_PASS, TWO_PASS_RELOAD, advantage
from twopass.bench.paper.claims import spaced, span
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.figures import BELOW, GRID, panel
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.sweep import SIZES, draw_times, lengths
from twopass.bench.paper.tables import Table, by_target
from twopass.bench.run import AUTO, LIMIT, Measured


def draw(findings: Findings, target: str) -> Figure:
    """Draw the times of the fast algorithms, of auto, and the limit."""
    figure, axes = panel(target)
    rows = findings.rows(SIZES)
    bound = [item.ns(LIMIT, target) for item in rows]
    axes.fill_between(lengths(rows), bound, color=GRID, lw=0, label="below the limit")
    draw_times(axes, findings, target, (TWO_PASS, TWO_PASS_RELOAD, ONLINE, AUTO))
    figure.legend(ncols=3, **BELOW)
    return figure


def table(findings: Findings) -> Table:
    """Tabulate two_pass_reload against the rest, and the share of the limit."""

    def cells(item: Measured, target: str) -> str:
        gain = advantage(item, target, TWO_PASS_RELOAD)[1]
        return f"{span(gain)}, {spaced(f'{item.efficiency(AUTO, target):.0%}')}"

    note = "Speed of two_pass_reload over the better three-pass algorithm; share of limit of auto."
    return by_target(findings, SIZES, note, cells)


EXPERIMENT = Experiment(
    "ours",
    "Beyond the paper: two_pass_reload",
    "Two passes with one exponential an element: the first pass keeps its terms, the second "
    "scales them. auto picks an algorithm by the size of the row. The limit is the bare "
    "traffic of two reads and a write.",
    SIZES,
    draw=draw,
    table=table,
)
