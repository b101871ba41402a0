"""Run time by pass."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.figures import BELOW, FONT, INK, PANEL, PAPER, dress, figure_of
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.passes import PASSES, PASSES_OF
from twopass.bench.run import Measured

TONES = ("#0072B2", "#E69F00", "#009E73")  # first, second and third pass


def draw(findings: Findings, target: str) -> Figure:
    """Draw the time of each algorithm as the sum of its passes, in cache and out of cache."""
    figure = figure_of((PANEL[0], PANEL[1] * 1.35))
    panels = figure.subplots(2)
    places = (("in cache", findings.in_cache), ("out of cache", findings.out_of_cache))
    for axes, (where, find) in zip(panels, places, strict=True):
        item = find(PASSES)
        _draw_breakdown(axes, item, target)
        dress(axes, f"{target}, {where}: {item.case.label}", "")
        axes.grid(False, axis="y")
    panels[-1].set_xlabel("ns per element")
    panels[-1].plot([], [], "d", color=INK, ms=6, label="the whole algorithm")
    for tone, name in zip(TONES, ("first pass", "second", "third"), strict=True):
        panels[-1].barh(0, 0, color=tone, label=name)
    figure.legend(*panels[-1].get_legend_handles_labels(), ncols=4, **BELOW)
    return figure


def _draw_breakdown(axes: Axes, item: Measured, target: str) -> None:
    longest = max(item.ns(name, target) for name in PASSES_OF)
    for i, (algorithm, names) in enumerate(PASSES_OF.items()):
        left = 0.0
        for tone, name in zip(TONES, names, strict=False):
            ns = item.ns(name, target)
            axes.barh(i, ns, 0.68, left, color=tone, edgecolor=PAPER, lw=0.8)
            if ns > 0.17 * longest:
                axes.text(
                    left + ns / 2, i, name, ha="center", va="center", color="white",
                    fontsize=FONT - 2.5,
                )  # fmt: skip
            left += ns
        axes.plot(item.ns(algorithm, target), i, "d", color=INK, mec=PAPER, ms=7, clip_on=False)
    axes.set_yticks(range(len(PASSES_OF)), list(PASSES_OF))
    axes.invert_yaxis()


EXPERIMENT = Experiment(
    "breakdown",
    "Run time by pass",
    "Each pass was timed by itself, in the same race as the whole algorithms. Out of cache a "
    "whole algorithm can be shorter than the sum of its passes: each pass begins at the end "
    "that the one before has left in the cache.",
    PASSES,
    draw=draw,
)
