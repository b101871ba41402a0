"""Bandwidth of each pass: whether memory limits every one."""

from typing import Any

from matplotlib.figure import Figure

from twopass.bench.paper.algorithms import THREE_PASS, TWO_PASS
from twopass.bench.paper.claims import Claim, Ruling, share, spaced, verdict
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.figures import BELOW, FONT, INK, panel
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.passes import (
    COPY,
    PASS_NAMES,
    PASSES,
    PASSES_OF,
    SCALE,
    STREAM,
    TRAFFIC,
    gigabytes,
    share_of_stream,
)
from twopass.bench.paper.tables import Table

NEAR = 0.8  # a pass with this share of STREAM's bandwidth is close to it
BARS = {"read": "#56B4E9", "write": "#E69F00"}
STREAM_STYLES: dict[str, dict[str, Any]] = {
    COPY: {"color": INK, "linestyle": "--"},
    SCALE: {"color": INK, "linestyle": ":"},
}


def _passes_near_stream(findings: Findings, target: Any) -> Ruling:
    item = findings.out_of_cache(PASSES)
    names = dict.fromkeys(name for a in (*THREE_PASS, TWO_PASS) for name in PASSES_OF[a])
    shares = {name: share_of_stream(item, target.name, name) for name in names}
    slowest, found = min(shares.items(), key=lambda pair: pair[1].value)
    near = sum(one.value >= NEAR for one in shares.values())
    text = (
        f"{near} of {len(shares)} passes reach {spaced(f'{NEAR:.0%}')} of STREAM; "
        f"the slowest, {slowest}, {share(found)}"
    )
    return Ruling(target.name, verdict(found, NEAR), text, found)


def draw(findings: Findings, target: str) -> Figure:
    """Draw what each pass achieves out of cache beside STREAM's copy and scale, in GB/s."""
    figure, axes = panel(target)
    item = findings.out_of_cache(PASSES)
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


def table(findings: Findings) -> Table:
    """Tabulate the bandwidth of each pass as a share of STREAM's."""
    item = findings.out_of_cache(PASSES)
    names = [target.name for target in findings.targets]
    rows = []
    for name in PASS_NAMES:
        cells = []
        for target in names:
            reached = share_of_stream(item, target, name).value
            cells.append(spaced(f"{gigabytes(item, name, target):.1f} ({reached:.0%})"))
        rows.append([name, *cells])
    stream = ", ".join(f"{name} {gigabytes(item, name):.1f} GB/s" for name in STREAM)
    return Table(("pass", *names), rows, f"GB/s, and the share of the better of {stream}.")


EXPERIMENT = Experiment(
    "bandwidth",
    "Bandwidth of each pass",
    "A pass that moves its bytes as fast as STREAM's copy and scale has nothing left to gain "
    "but to be left out: that is the case for two passes. scale can be faster than STREAM: it "
    "works in place, and has no line to read before it writes.",
    PASSES,
    (
        Claim(
            4,
            "Out of cache, every pass of softmax is limited by memory bandwidth.",
            spaced(
                f"The slowest pass has to reach {NEAR:.0%} of the better of STREAM's two kernels."
            ),
            _passes_near_stream,
        ),
    ),
    draw,
    table=table,
)
