"""The sweep over row lengths, which most experiments look at, and its axes."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from twopass._detect import Cpu
from twopass.bench import run
from twopass.bench.cases import Case, Ki, human
from twopass.bench.paper.figures import FONT, INK, MUTED
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.race import Race
from twopass.bench.paper.rows import in_cache, out_of_cache
from twopass.bench.run import AUTO, Measured
from twopass.bench.style import line

SHORTEST = Ki


def sizes(cpu: Cpu, quick: bool) -> list[Case]:
    """Return the sweep over row lengths: every other power of two, or two lengths an octave."""
    most = out_of_cache(cpu) * (1 if quick else 2)
    powers = [SHORTEST << k for k in range((most // SHORTEST).bit_length())]
    if quick:
        lengths = {*powers[::2], in_cache(cpu), most}
    else:
        lengths = {*powers, *(3 * n // 2 for n in powers[:-1])}
    return [Case("softmax", (n,)) for n in sorted(lengths)]


SIZES = Race("sizes", "row lengths", sizes, run.contenders, 14)


def draw_times(axes: Axes, findings: Findings, target: str, names: Sequence[str]) -> None:
    """Draw the times of algorithms over row lengths."""
    rows = findings.rows(SIZES)
    for name in names:
        times = [item.ns(name, target) for item in rows]
        axes.plot(lengths(rows), times, ms=3.5, **inked(name))
    axes.set_yscale("log")
    time_ticks(axes)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ns, _: f"{ns:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("ns per element")
    length_axis(axes, findings.cpu)


def inked(name: str) -> dict[str, Any]:
    """Return the properties of an algorithm's line, with auto in the page's ink."""
    return line(name) | ({"color": INK} if name == AUTO else {})


def lengths(items: Sequence[Measured]) -> list[int]:
    """Return the row lengths of what was measured."""
    return [item.case.size for item in items]


def time_ticks(axes: Axes) -> None:
    """Choose the ticks of a vertical axis of times, by how far it reaches."""
    low, high = axes.get_ylim()
    digits = (1, 1.5, 2, 3, 5, 7) if high < 20 * low else (1, 2, 5)
    ticks = [digit * 10.0**power for power in range(-3, 4) for digit in digits]
    axes.yaxis.set_major_locator(FixedLocator(ticks))


def length_axis(axes: Axes, cpu: Cpu) -> None:
    """Make the horizontal axis one of row lengths, with the borders of the caches."""
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
