"""Other libraries."""

from matplotlib.figure import Figure

from twopass.bench.paper.algorithms import TWO_PASS
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.experiments.threads import THREADS
from twopass.bench.paper.figures import BELOW, panel
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.sweep import SIZES, draw_times, lengths, time_ticks
from twopass.bench.paper.tables import Table
from twopass.bench.report import digits
from twopass.bench.run import AUTO
from twopass.bench.style import line


def draw(findings: Findings, target: str) -> Figure:
    """Draw the times of a target's best, and of the other libraries."""
    figure, axes = panel(target)
    draw_times(axes, findings, target, (TWO_PASS, AUTO))
    for name in findings.peers:
        items = [item for item in findings.rows(SIZES) if item.has(name)]
        times = [item.ns(name) for item in items]
        axes.plot(lengths(items), times, **line(name))
    own = [item.ns(AUTO, target) for item in findings.rows(SIZES)]
    axes.set_ylim(top=12 * max(own))  # beyond it, short rows show a peer's cost of a call
    time_ticks(axes)
    figure.legend(ncols=3, **BELOW)
    return figure


def table(findings: Findings) -> Table:
    """Tabulate how many times as fast auto is as each library."""
    items = [findings.in_cache(SIZES), findings.out_of_cache(SIZES)]
    items += findings.experiments[THREADS.name][1:]
    rows = []
    for target in findings.targets:
        for item in items:
            own = item.ns(AUTO, target.name)
            ratios = [
                f"{digits(item.ns(name) / own, 2)}x" if item.has(name) else "\N{EN DASH}"
                for name in findings.peers
            ]
            rows.append([target.name, item.case.label, digits(own), *ratios])
    note = "ns per element of auto, then how many times as long each library takes."
    return Table(("target", "row", AUTO, *findings.peers), rows, note)


EXPERIMENT = Experiment(
    "libraries",
    "Other libraries",
    "The paper compares with Intel's DNNL. Here stand the libraries that are installed, each "
    "called in the fastest way it offers; openvino runs DNNL's successor, oneDNN.",
    SIZES,
    draw=draw,
    table=table,
)
