"""Two passes against three: the paper's result."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from twopass.bench.paper.algorithms import (
    RECOMPUTE,
    RELOAD,
    THREE_PASS,
    TWO_PASS,
    TWO_PASS_RELOAD,
    advantage,
    quotient,
)
from twopass.bench.paper.claims import (
    AVX2,
    AVX512,
    Claim,
    Ruling,
    kind,
    magnitude,
    percent,
    spaced,
    span,
    verdict,
)
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.figures import BELOW, FONT, INK, PANEL, dress, figure_of
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.rows import out_of_cache
from twopass.bench.paper.sweep import SIZES, draw_times, length_axis, lengths
from twopass.bench.paper.tables import Table
from twopass.bench.style import line

# The largest advantages over the three-pass algorithms that the paper reports, out of cache.
PAPER_ADVANTAGE = {AVX512: 0.28, AVX2: 0.18}


def _two_pass_ahead(findings: Findings, target: Any) -> Ruling:
    rival, found = advantage(findings.out_of_cache(SIZES), target.name)
    text = f"speed over {rival}, the better of the two: {span(found)}"
    paper = PAPER_ADVANTAGE.get(kind(target))
    if paper is None:
        return Ruling(target.name, verdict(found), text, found)
    said = f"up to {percent(1 + paper)} ({kind(target)})"
    return Ruling(target.name, verdict(found), text, found, said, magnitude(found, 1 + paper))


def draw(findings: Findings, target: str) -> Figure:
    """Draw the times of the paper's three algorithms, and the advantage of the two-pass one."""
    figure = figure_of((PANEL[0], PANEL[1] * 1.4))
    above, below = figure.subplots(2, height_ratios=(3, 2), sharex=True)
    draw_times(above, findings, target, (*THREE_PASS, TWO_PASS))
    dress(above, target, "ns per element")
    above.set_xlabel("")
    _draw_advantage(below, findings, target)
    figure.legend(ncols=3, **BELOW)
    return figure


def _draw_advantage(axes: Axes, findings: Findings, target: str) -> None:
    rows = findings.rows(SIZES)
    effects = [advantage(item, target)[1] for item in rows]
    centre = [effect.value - 1 for effect in effects]
    reach = (
        [effect.value - effect.low for effect in effects],
        [effect.high - effect.value for effect in effects],
    )
    style = {"color": line(TWO_PASS)["color"], "ms": 4, "lw": 1.2, "capsize": 2}
    axes.errorbar(lengths(rows), centre, reach, marker="s", **style)
    axes.axhline(0, color=INK, lw=0.9)
    family = kind(next(t for t in findings.targets if t.name == target))
    if family:
        paper, colour = PAPER_ADVANTAGE[family], line(TWO_PASS_RELOAD)["color"]
        axes.axhline(paper, color=colour, lw=1.2, ls="--")
        axes.annotate(
            spaced(f"paper, {family}: up to {paper:.0%}"), (0, paper),
            xycoords=axes.get_yaxis_transform(), xytext=(4, 3), textcoords="offset points",
            fontsize=FONT - 2, color=colour,
        )  # fmt: skip
        axes.set_ylim(top=max(axes.get_ylim()[1], paper + 0.14))
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.8), min(high, 1.2))  # a round that was disturbed may leave the panel
    length_axis(axes, findings.cpu)
    dress(axes, "", "speed-up of two_pass")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def table(findings: Findings) -> Table:
    """Tabulate the advantage of two_pass out of cache beside the paper's."""
    least = out_of_cache(findings.cpu)
    items = [item for item in findings.rows(SIZES) if item.case.size >= least]
    rows = []
    for target in findings.targets:
        paper = PAPER_ADVANTAGE.get(kind(target))
        for item in items:
            over = [quotient(item, target.name, name, TWO_PASS) for name in (RECOMPUTE, RELOAD)]
            best = advantage(item, target.name)[1]
            cells = [span(over[0]), span(over[1]), percent(best.value)]
            said = f"up to {percent(1 + paper)}" if paper else "\N{EN DASH}"
            rows.append([target.name, item.case.label, *cells, said])
    head = ("target", "row", "over recompute", "over reload", "over the better", "paper")
    return Table(head, rows, "Speed of two_pass out of cache.")


EXPERIMENT = Experiment(
    "two-pass",
    "Two passes against three",
    "The two-pass algorithm needs no maximum, as it adds up pairs of mantissa and exponent "
    "that cannot overflow. Below each panel: its speed over the better of the two three-pass "
    "algorithms, with the interval of the rounds.",
    SIZES,
    (
        Claim(
            1,
            "Out of cache, the two-pass algorithm beats both three-pass algorithms: by up to 28 % "
            "with AVX-512, by up to 18 % with AVX2.",
            "Direction: faster than the better of the two, on one row chosen beforehand. "
            "Magnitude: that advantage next to the paper's largest.",
            _two_pass_ahead,
        ),
    ),
    draw,
    table=table,
)
