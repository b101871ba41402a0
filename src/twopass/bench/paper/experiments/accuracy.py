"""Beyond the paper: accuracy."""

from collections.abc import Iterable

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from twopass.bench.cases import human
from twopass.bench.paper.accuracy import Accuracy
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.figures import BELOW, MUTED, panel
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.sweep import length_axis
from twopass.bench.paper.tables import Table
from twopass.bench.report import digits
from twopass.bench.style import line
from twopass.functions import PROBABILITY

OURS = "#0072B2"


def draw(findings: Findings, _target: str) -> Figure:
    """Draw the largest error over row lengths: the range of all of ours, and each peer."""
    figure, axes = panel("all targets: normal scores, three wide")
    own: dict[int, list[float]] = {}
    others: dict[str, dict[int, float]] = {}
    for row in findings.errors():
        if row.target:
            own.setdefault(row.size, []).append(row.ulp)
        else:
            others.setdefault(row.name, {})[row.size] = row.ulp
    promised = PROBABILITY.ulps
    axes.axhline(promised, color=MUTED, ls=":", label=f"the promise: {promised} ULP")
    low, high = ([pick(ulps) for ulps in own.values()] for pick in (min, max))
    axes.fill_between(list(own), low, high, color=OURS, alpha=0.35, lw=0)
    axes.plot(list(own), high, color=OURS, marker="o", ms=4, label="twopass, all of it")
    for name, errors in others.items():
        axes.plot(list(errors), list(errors.values()), ms=4, **line(name))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ulp, _: f"{ulp:g}"))
    axes.set_ylabel("largest error, ULP")
    length_axis(axes, findings.cpu)
    figure.legend(ncols=3, **BELOW)
    return figure


def table(findings: Findings) -> Table:
    """Tabulate the largest errors; targets that agree share a row."""
    errors = findings.errors()
    lengths = sorted({row.size for row in errors})
    agreeing: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, target in dict.fromkeys((row.name, row.target) for row in errors):
        cells = tuple(_ulps(errors, name, target, lengths))
        agreeing.setdefault((name, cells), []).append(target)
    rows = [[name, ", ".join(where), *cells] for (name, cells), where in agreeing.items()]
    return Table(("algorithm", "targets", *map(human, lengths)), rows, "Largest error in ULP.")


def _ulps(
    errors: Iterable[Accuracy], name: str, target: str, lengths: Iterable[int]
) -> Iterable[str]:
    found = {row.size: row.ulp for row in errors if (row.name, row.target) == (name, target)}
    return (digits(found[n], 2) if n in found else "\N{EN DASH}" for n in lengths)


EXPERIMENT = Experiment(
    "accuracy",
    "Beyond the paper: accuracy",
    "The largest error over a row of float32 scores, against a sum in extended precision.",
    None,
    draw=draw,
    per_target=False,
    table=table,
)
