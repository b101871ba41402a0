"""The figures of algorithm.md, from the real kernels: python docs/figures.py [FOLDER]."""

import sys
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

import twopass

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.45"
STYLE = {"font.size": 11, "svg.hashsalt": "twopass", "axes.spines.top": False}

# What each pass of an algorithm reads and writes (+), N elements a word.
TRAFFIC = {
    "three_pass_reload": ("x", "x +t", "t +y"),
    "three_pass_recompute": ("x", "x", "x +y"),
    "two_pass_reload": ("x +t", "t +y"),
    "online": ("x", "x +y"),
    "two_pass": ("x", "x +y"),
}


def main() -> None:
    folder = Path(sys.argv[1] if sys.argv[1:] else Path(__file__).parent / "images")
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (pairs, traffic, sums):
        with matplotlib.rc_context(STYLE):
            draw().savefig(folder / f"{draw.__name__}.svg", metadata={"Date": None})


def extexp(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mantissas and exponents of e^x, from the build that is active."""
    m, n = twopass.active_target().probe.extexp(x)
    exact = np.exp(x.astype(np.longdouble))
    np.testing.assert_allclose(np.ldexp(m.astype(np.longdouble), n.astype(int)), exact, rtol=3e-7)
    return m, n


def pairs() -> Figure:
    figure = Figure(figsize=(7, 5.2), layout="constrained")
    whole, close = figure.subplots(2, 1, height_ratios=(1.4, 1))

    x = np.linspace(-150, 150, 601, dtype=np.float32)
    m, n = extexp(x)
    with np.errstate(all="ignore"):
        plain = np.exp(x)
    held = (plain > 0) & np.isfinite(plain)
    whole.plot(x, n + np.log2(m), color=BLUE, lw=2, label="m · 2ⁿ, as a pair (m, n)")
    whole.plot(x[held], np.log2(plain[held]), color=ORANGE, lw=5, alpha=0.55, label="eˣ in float32")
    for side, text in ((x < x[held][0], "float32\nis 0"), (x > x[held][-1], "float32\nis inf")):
        whole.axvspan(x[side][0], x[side][-1], color="0.92", zorder=0)
        whole.text(x[side].mean(), 0, text, ha="center", va="center", color=GREY)
    whole.set(ylabel="log₂ of the value", xlim=(x[0], x[-1]), ylim=(-225, 225))
    whole.legend(frameon=False, loc="upper left")

    x = np.linspace(995, 1000, 1200, dtype=np.float32)
    m, n = extexp(x)
    step = np.flatnonzero(np.diff(n)) + 1
    for part in np.split(np.arange(x.size), step):
        close.plot(x[part], m[part], color=BLUE, lw=2)
        if part.size > 100:
            close.text(x[part].mean(), 1.5, f"n = {n[part[0]]:.0f}", ha="center", color=GREY)
    for bound, text in ((2**-0.5, "√½"), (2**0.5, "√2")):
        close.axhline(bound, color=GREY, lw=1, ls=(0, (4, 3)))
        close.text(x[-1], bound, f" {text}", va="center", color=GREY)
    close.set(xlabel="x", ylabel="mantissa m", xlim=(x[0], x[-1]), ylim=(0.6, 1.65))
    for axes in (whole, close):
        axes.spines["right"].set_visible(False)
    return figure


def traffic() -> Figure:
    figure = Figure(figsize=(7, 3.1), layout="constrained")
    axes = figure.subplots()
    colors = {"x": BLUE, "t": GREEN, "+t": "#A87400", "+y": ORANGE}
    names = {"x": "read x", "t": "read t", "+t": "write t", "+y": "write y"}
    for row, passes in enumerate(TRAFFIC.values()):
        at = 0.0
        for moved in map(str.split, passes):
            for word in moved:
                axes.add_patch(Rectangle((at, row - 0.33), 0.98, 0.66, color=colors[word]))
                axes.text(at + 0.49, row, names[word], ha="center", va="center", color="white")
                at += 1
            at += 0.14
        total = sum(len(moved.split()) for moved in passes)
        axes.text(at + 0.02, row, f"{total} N", va="center", weight="bold")
    axes.set_yticks(range(len(TRAFFIC)), list(TRAFFIC))
    axes.set(xlim=(0, 5.9), ylim=(len(TRAFFIC) - 0.5, -0.5), xticks=[])
    axes.tick_params(left=False)
    axes.spines[:].set_visible(False)
    return figure


def sums() -> Figure:
    figure = Figure(figsize=(7, 5.0), layout="constrained")
    axes = figure.subplots()
    shades = [matplotlib.colormaps["viridis"](0.15 + 0.7 * lane / 15) for lane in range(16)]

    def strip(y: float, height: float = 0.55) -> None:
        for lane, shade in enumerate(shades):
            axes.add_patch(Rectangle((lane, y), 0.92, height, color=shade, lw=0))

    def arrow(start: tuple[float, float], end: tuple[float, float]) -> None:
        style = {"arrowstyle": "-|>", "mutation_scale": 13, "color": GREY}
        axes.add_patch(FancyArrowPatch(start, end, **style))

    def note(y: float, text: str, **style) -> None:
        axes.text(16.6, y, text, va="center", **style)

    for vector in range(8):
        strip(10.2 - 0.62 * vector)
    note(8.3, "a block: 8 vectors of 16 lanes;\nelement i is in lane i mod 16")
    arrow((8, 5.75), (8, 5.05))
    note(5.4, "added as a tree, in float32", color=GREY)
    strip(4.4)
    note(4.65, "the block's sum, a lane each")
    arrow((8, 4.3), (8, 3.6))
    note(3.95, "added up, in float64", color=GREY)
    strip(2.95)
    note(3.2, "lane sums of a segment")
    arrow((8, 2.85), (8, 2.05))
    note(2.45, "joined in one order", color=GREY)
    for k, text in enumerate(("(S, E)", "(S, E)", "…", "(S, E)")):
        axes.add_patch(
            Rectangle((4 * k + 0.3, 1.2), 3.2, 0.75, facecolor="white", edgecolor=BLUE, lw=1.6)
        )
        axes.text(4 * k + 1.9, 1.56, text, ha="center", va="center", color=BLUE)
        arrow((4 * k + 1.9, 1.2), (8 + 0.5 * (k - 1.5), 0.42))
    note(1.6, "a pair for each 65,536 elements")
    axes.text(8, 0.1, "the row's sum", ha="center", va="center", color=BLUE, weight="bold")
    note(0.7, "added exactly, as integers", color=GREY)
    axes.set(xlim=(0, 27.5), ylim=(-0.2, 10.9))
    axes.set_axis_off()
    return figure


if __name__ == "__main__":
    main()
