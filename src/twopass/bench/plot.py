"""The benchmark's chart: time per element over row length, one panel a target."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from twopass.bench.cases import human
from twopass.bench.record import Record, write
from twopass.bench.run import LIMIT, Measured
from twopass.bench.style import in_order, line
from twopass.functions import BY_NAME

PANEL = (7.0, 4.4)  # inches
DPI = 130
FONT = 12


def formats() -> list[str]:
    """Return the suffixes that a chart can have."""
    return sorted(FigureCanvasAgg.get_supported_filetypes())


def save_chart(record: Record, path: Path) -> None:
    """Draw a run's sweep over row lengths and write it, atomically, as what the suffix says."""
    figure = chart(record)
    write(path, lambda temporary: figure.savefig(temporary, dpi=DPI))


def chart(record: Record) -> Figure:
    """Draw a run's sweep over row lengths, of which at least one was measured."""
    rows = [item for item in record.measured if item.case.is_row]
    across = min(2, len(record.targets))
    down = ceil(len(record.targets) / across)
    figure = Figure(figsize=(PANEL[0] * across, PANEL[1] * down + 1.2), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes in panels[len(record.targets) :]:
        axes.remove()
    for axes, target in zip(panels, record.targets, strict=False):
        _draw_times(axes, rows, target)
        _dress(axes, f"{record.function} on {target}", [item.case.size for item in rows])
        _draw_caches(axes, record)
        axes.set_ylim(*_heights(rows, record.targets))
    for axes in panels[max(0, len(record.targets) - across) : len(record.targets)]:
        axes.set_xlabel("row length (dashed: the arrays fill a cache)", fontsize=FONT)
    name = record.cpu.brand or record.cpu.machine
    figure.suptitle(f"{name}, one thread: ns per float32, lower is better", fontsize=FONT + 3)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=5 if across > 1 else 3,
        fontsize=FONT,
        frameon=False,
    )
    return figure


def _heights(rows: Sequence[Measured], targets: Sequence[str]) -> tuple[float, float]:
    """Return the limits of all vertical axes: those of our own times and of the limit.

    A peer's cost of a call takes it far above on short rows; its line may leave the panel there.
    """
    own = [item.ns(name, t) for item in rows for t in targets for name in item.algorithms(t)]
    return min(item.ns(LIMIT, t) for item in rows for t in targets) / 1.5, 2 * max(own)


def _draw_times(axes: Axes, rows: Sequence[Measured], target: str) -> None:
    lengths = [item.case.size for item in rows]
    bound = [item.ns(LIMIT, target) for item in rows]
    axes.fill_between(lengths, bound, color="0.88", lw=0, label="below the limit")
    own = rows[0].algorithms(target)
    peers = dict.fromkeys(name for item in rows for name in item.peers)
    for name in in_order((*own, *peers)):
        owner = target if name in own else ""
        items = [item for item in rows if item.has(name, owner)]
        times = [item.ns(name, owner) for item in items]
        axes.plot([item.case.size for item in items], times, ms=5, **line(name))


def _draw_caches(axes: Axes, record: Record) -> None:
    """Mark the row lengths whose arrays (input, and output if as long) just fill a cache."""
    arrays = 1 if BY_NAME[record.function].reduces else 2
    sizes = {"L1": record.cpu.l1d, "L2": record.cpu.l2, "last level": record.cpu.llc}
    lengths = {name: size / (4 * arrays) for name, size in sizes.items()}
    low, high = axes.get_xlim()
    for name, length in lengths.items():
        if not low < length < high:
            continue
        axes.axvline(length, color="0.35", lw=1, ls=(0, (4, 3)), zorder=0.5)
        axes.annotate(
            name,
            (length, 1),
            xycoords=axes.get_xaxis_transform(),
            xytext=(4, -4),
            textcoords="offset points",
            fontsize=FONT - 1,
            color="0.3",
            va="top",
        )


def _dress(axes: Axes, title: str, lengths: Sequence[int]) -> None:
    axes.set_title(title, fontsize=FONT + 1, loc="left")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlim(min(lengths) / 1.3, max(lengths) * 1.3)
    axes.xaxis.set_major_locator(FixedLocator([4**k for k in range(3, 14, 2)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: human(round(n))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ns, _: f"{ns:g}"))
    axes.tick_params(labelsize=FONT)
    axes.grid(True, color="0.85", lw=0.7, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
