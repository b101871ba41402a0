"""The pictures: small panels, one a target, that a page lays out side by side or one by one.

They are drawn in stand-in colours for ink and paper. A file keeps those; a page gets an SVG in
which they are CSS variables, so that one picture serves light and dark.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from twopass.bench.cases import human
from twopass.bench.paper.claims import PAPER_ADVANTAGE, advantage, kind, spaced
from twopass.bench.paper.experiments import (
    COPY,
    ORDINARY,
    PASS_NAMES,
    PASSES_OF,
    SCALE,
    STREAM,
    STREAMING,
    THREE_PASS,
    TRAFFIC,
    TWO_PASS,
)
from twopass.bench.paper.findings import Findings
from twopass.bench.record import algorithm_portability, write
from twopass.bench.run import AUTO, LIMIT, Measured
from twopass.bench.style import line

INK, MUTED, GRID, PAPER = "#141618", "#65686c", "#d3d6da", "#fefefd"
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--card"}
PANEL = (5.2, 3.7)  # inches: as wide as a column of the page, and legible on a phone
FONT = 10.5
DPI = 150
BARS = {"read": "#56B4E9", "write": "#E69F00"}
BELOW: dict[str, Any] = {
    "loc": "outside lower center",
    "frameon": False,
    "fontsize": FONT - 1,
    "columnspacing": 1,
    "handlelength": 1.6,
}
STREAM_STYLES: dict[str, dict[str, Any]] = {
    COPY: {"color": INK, "linestyle": "--"},
    SCALE: {"color": INK, "linestyle": ":"},
}
STORE_TONES = {ORDINARY: "#CC79A7", STREAMING: "#0072B2", LIMIT: MUTED}
TONES = ("#0072B2", "#E69F00", "#009E73")  # first, second and third pass


LOOK: Any = {
    "font.size": FONT,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": INK,
    "ytick.color": INK,
}
Draw = Callable[[Findings, str], Figure]


@dataclass(frozen=True)
class Picture:
    """A figure and what it is called.

    Parameters
    ----------
    name : str
        Stem of its files.
    title : str
        What it shows, for those who cannot see it.
    figure : Figure
        The figure.
    svg : str
        The figure as SVG, in stand-in colours.
    """

    name: str
    title: str
    figure: Figure
    svg: str

    def save(self, folder: Path) -> None:
        """Write it, atomically, as PNG and as SVG."""
        write(folder / f"{self.name}.svg", lambda path: path.write_text(self.svg, encoding="utf-8"))
        write(folder / f"{self.name}.png", lambda path: self.figure.savefig(path, dpi=DPI))


def picture(name: str, title: str, draw: Draw, findings: Findings, target: str) -> Picture:
    """Draw a picture of the findings."""
    text = io.StringIO()
    # Each picture salts its identifiers, as many of them share a page.
    with rc_context(LOOK | {"svg.hashsalt": name}):
        figure = draw(findings, target)
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return Picture(name, title, figure, text.getvalue())


def inline(svg: str, title: str) -> str:
    """Return an SVG file's text as an element of a page, in the page's colours."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r' (width|height)="[\d.]+pt"', "", element, count=2)
    for colour, variable in VARIABLES.items():
        element = element.replace(colour, f"var({variable})")
    return element.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)


def three_pass(findings: Findings, target: str) -> Figure:
    """Draw the times of the three-pass algorithms over row lengths."""
    figure, axes = _panel(target)
    _draw_times(axes, findings, target, THREE_PASS)
    figure.legend(ncols=2, **BELOW)
    return figure


def two_pass(findings: Findings, target: str) -> Figure:
    """Draw the times of the paper's three algorithms, and the advantage of the two-pass one."""
    figure = _figure((PANEL[0], PANEL[1] * 1.4))
    above, below = figure.subplots(2, height_ratios=(3, 2), sharex=True)
    _draw_times(above, findings, target, (*THREE_PASS, TWO_PASS))
    _dress(above, target, "ns per element")
    above.set_xlabel("")
    _draw_advantage(below, findings, target)
    figure.legend(ncols=3, **BELOW)
    return figure


def ours(findings: Findings, target: str) -> Figure:
    """Draw the times of the fast algorithms, of auto, and the limit."""
    figure, axes = _panel(target)
    rows = findings.rows("sizes")
    bound = [item.ns(LIMIT, target) for item in rows]
    axes.fill_between(_lengths(rows), bound, color=GRID, lw=0, label="below the limit")
    _draw_times(axes, findings, target, (TWO_PASS, "two_pass_reload", "online", AUTO))
    figure.legend(ncols=3, **BELOW)
    return figure


def peers(findings: Findings, target: str) -> Figure:
    """Draw the times of a target's best, and of the other libraries."""
    figure, axes = _panel(target)
    _draw_times(axes, findings, target, (TWO_PASS, AUTO))
    for name in findings.peers:
        items = [item for item in findings.rows("sizes") if item.has(name)]
        times = [item.ns(name) for item in items]
        axes.plot(_lengths(items), times, **line(name))
    own = [item.ns(AUTO, target) for item in findings.rows("sizes")]
    axes.set_ylim(top=12 * max(own))  # beyond it, short rows show a peer's cost of a call
    _time_ticks(axes)
    figure.legend(ncols=3, **BELOW)
    return figure


def _draw_times(axes: Axes, findings: Findings, target: str, names: Sequence[str]) -> None:
    rows = findings.rows("sizes")
    for name in names:
        style = line(name) | ({"color": INK} if name == AUTO else {})
        times = [item.ns(name, target) for item in rows]
        axes.plot(_lengths(rows), times, ms=3.5, **style)
    axes.set_yscale("log")
    _time_ticks(axes)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ns, _: f"{ns:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("ns per element")
    _length_axis(axes, findings)


def _time_ticks(axes: Axes) -> None:
    low, high = axes.get_ylim()
    digits = (1, 1.5, 2, 3, 5, 7) if high < 20 * low else (1, 2, 5)
    ticks = [digit * 10.0**power for power in range(-3, 4) for digit in digits]
    axes.yaxis.set_major_locator(FixedLocator(ticks))


def _lengths(items: Sequence[Measured]) -> list[int]:
    return [item.case.size for item in items]


def _length_axis(axes: Axes, findings: Findings) -> None:
    """Make the horizontal axis one of row lengths, with the borders of the caches."""
    cpu = findings.cpu
    axes.set_xscale("log", base=2)
    axes.set_xlabel("row length")
    axes.xaxis.set_major_locator(FixedLocator([4**k for k in range(2, 15, 2)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: human(round(n))))
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_xlim()
    for name, size in {"L1": cpu.l1d, "L2": cpu.l2, "last level": cpu.llc}.items():
        length = size / 8  # of a float32 row that fills the cache together with its result
        if low < length < high:
            axes.axvline(length, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=0.5)
            axes.annotate(
                name, (length, 0), xycoords=axes.get_xaxis_transform(), xytext=(3, 3),
                textcoords="offset points", fontsize=FONT - 2, color=MUTED, va="bottom",
            )  # fmt: skip


def _draw_advantage(axes: Axes, findings: Findings, target: str) -> None:
    rows = findings.rows("sizes")
    effects = [advantage(item, target)[1] for item in rows]
    centre = [effect.value - 1 for effect in effects]
    reach = (
        [effect.value - effect.low for effect in effects],
        [effect.high - effect.value for effect in effects],
    )
    style = {"color": line(TWO_PASS)["color"], "ms": 4, "lw": 1.2, "capsize": 2}
    axes.errorbar(_lengths(rows), centre, reach, marker="s", **style)
    axes.axhline(0, color=INK, lw=0.9)
    family = kind(next(t for t in findings.targets if t.name == target))
    if family:
        paper = PAPER_ADVANTAGE[family]
        axes.axhline(paper, color=line("two_pass_reload")["color"], lw=1.2, ls="--")
        axes.annotate(
            spaced(f"paper, {family}: up to {paper:.0%}"), (0, paper),
            xycoords=axes.get_yaxis_transform(), xytext=(4, 3), textcoords="offset points",
            fontsize=FONT - 2, color=line("two_pass_reload")["color"],
        )  # fmt: skip
        axes.set_ylim(top=max(axes.get_ylim()[1], paper + 0.14))
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.8), min(high, 1.2))  # a round that was disturbed may leave the panel
    _length_axis(axes, findings)
    _dress(axes, "", "speed-up of two_pass")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def bandwidth(findings: Findings, target: str) -> Figure:
    """Draw what each pass achieves out of cache beside STREAM's copy and scale, in GB/s."""
    figure, axes = _panel(target)
    item = findings.out_of_cache("passes")
    for i, name in enumerate(PASS_NAMES):
        writes = "write" if TRAFFIC[name][1] else "read"
        speed = gigabytes(item, name, target)
        axes.barh(i, speed, 0.68, color=BARS[writes])
        axes.annotate(
            f"{speed:.1f}", (speed, i), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=FONT - 2,
        )  # fmt: skip
    for name in STREAM:
        axes.axvline(gigabytes(item, name), lw=1.4, label=name, **STREAM_STYLES[name])
    axes.barh(0, 0, color=BARS["read"], label="reads")
    axes.barh(0, 0, color=BARS["write"], label="reads and writes")
    axes.set_yticks(range(len(PASS_NAMES)), PASS_NAMES)
    axes.invert_yaxis()
    axes.set_xlim(right=1.12 * axes.get_xlim()[1])
    axes.set_xlabel("GB/s")
    axes.grid(False, axis="y")
    figure.legend(ncols=4, **BELOW)
    return figure


def gigabytes(item: Measured, name: str, target: str = "") -> float:
    """Return the gigabytes per second that a pass moves."""
    bytes_an_element = sum(TRAFFIC[name]) * item.case.nbytes / item.case.size
    return bytes_an_element / item.ns(name, target)


def breakdown(findings: Findings, target: str) -> Figure:
    """Draw the time of each algorithm as the sum of its passes, in cache and out of cache."""
    figure = _figure((PANEL[0], PANEL[1] * 1.35))
    panels = figure.subplots(2)
    places = (("in cache", findings.in_cache), ("out of cache", findings.out_of_cache))
    for axes, (where, find) in zip(panels, places, strict=True):
        item = find("passes")
        _draw_breakdown(axes, item, target)
        _dress(axes, f"{target}, {where}: {item.case.label}", "")
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


def scaling(findings: Findings, target: str) -> Figure:
    """Draw the throughput of each algorithm over threads, on the row out of cache."""
    figure, axes = _panel(target)
    items = findings.rows("threads")
    counts = [item.case.threads for item in items]
    for name in (*THREE_PASS, TWO_PASS, "two_pass_reload", "online"):
        speed = [1 / item.ns(name, target) for item in items]
        axes.plot(counts, speed, ms=5, **line(name))
    limit = [1 / item.ns(LIMIT, target) for item in items]
    axes.plot(counts, limit, color=MUTED, lw=1.4, ls="--", label=LIMIT)
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, list(map(str, counts)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    axes.set_xlabel("threads")
    axes.set_ylabel("10⁹ elements/s")
    figure.legend(ncols=3, **BELOW)
    return figure


def stores(findings: Findings, target: str) -> Figure:
    """Draw the two-pass algorithm with streaming stores and with ordinary ones."""
    figure, axes = _panel(target)
    items = [findings.in_cache("stores"), findings.out_of_cache("stores")]
    for k, (name, tone) in enumerate(STORE_TONES.items()):
        places = [i + (k - 1) * 0.27 for i in range(len(items))]
        times = [item.ns(name, target) for item in items]
        axes.barh(places, times, 0.25, color=tone, label=name)
    axes.set_yticks(range(len(items)), [item.case.label for item in items])
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_xlabel("ns per element")
    figure.legend(ncols=3, **BELOW)
    return figure


def accuracy(findings: Findings, _target: str) -> Figure:
    """Draw the largest error over row lengths: the range of all of ours, and each peer."""
    figure, axes = _panel("all targets: normal scores, three wide")
    own: dict[int, list[float]] = {}
    others: dict[str, dict[int, float]] = {}
    for row in findings.errors():
        if row.target:
            own.setdefault(row.size, []).append(row.ulp)
        else:
            others.setdefault(row.name, {})[row.size] = row.ulp
    axes.axhline(4, color=MUTED, ls=":", label="the promise: 4 ULP")
    low, high = ([pick(ulps) for ulps in own.values()] for pick in (min, max))
    axes.fill_between(list(own), low, high, color="#0072B2", alpha=0.35, lw=0)
    axes.plot(list(own), high, color="#0072B2", marker="o", ms=4, label="twopass, all of it")
    for name, errors in others.items():
        axes.plot(list(errors), list(errors.values()), ms=4, **line(name))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ulp, _: f"{ulp:g}"))
    axes.set_ylabel("largest error, ULP")
    _length_axis(axes, findings)
    figure.legend(ncols=3, **BELOW)
    return figure


def portability(findings: Findings, _target: str) -> Figure:
    """Draw Pennycook's metric of each algorithm over row lengths."""
    figure, axes = _panel(f"harmonic mean over {len(findings.targets)} targets")
    rows = findings.rows("sizes")
    found = [algorithm_portability(item) for item in rows]
    for name in found[0]:
        style = line(name) | ({"color": INK} if name == AUTO else {})
        axes.plot(_lengths(rows), [value[name] for value in found], ms=3.5, **style)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("share of the limit")
    _length_axis(axes, findings)
    figure.legend(ncols=3, **BELOW)
    return figure


def _figure(size: tuple[float, float]) -> Figure:
    figure = Figure(figsize=size, facecolor=PAPER)
    figure.set_layout_engine("constrained", h_pad=0.09)
    return figure


def _panel(title: str) -> tuple[Figure, Axes]:
    figure = _figure(PANEL)
    axes = figure.subplots()
    _dress(axes, title, "")
    return figure, axes


def _dress(axes: Axes, title: str, y_label: str) -> None:
    axes.set_title(title, fontsize=FONT, loc="left", fontweight="bold", color=INK)
    axes.set_ylabel(y_label)
    axes.set_facecolor(PAPER)
    axes.grid(True, color=GRID, lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
