"""What the pictures have in common.

They are small panels, one a target, that a page lays out side by side or one by one, drawn in
stand-in colours for ink and paper. A file keeps those; a page gets an SVG in which they are CSS
variables, so that one picture serves light and dark.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twopass.bench.paper.findings import Findings
from twopass.bench.record import write

INK, MUTED, GRID, PAPER = "#141618", "#65686c", "#d3d6da", "#fefefd"
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--card"}
PANEL = (5.2, 3.7)  # inches: as wide as a column of the page, and legible on a phone
FONT = 10.5
DPI = 150
BELOW: dict[str, Any] = {
    "loc": "outside lower center",
    "frameon": False,
    "fontsize": FONT - 1,
    "columnspacing": 1,
    "handlelength": 1.6,
}
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


def figure_of(size: tuple[float, float]) -> Figure:
    """Return an empty figure of so many inches."""
    figure = Figure(figsize=size, facecolor=PAPER)
    figure.set_layout_engine("constrained", h_pad=0.09)
    return figure


def panel(title: str) -> tuple[Figure, Axes]:
    """Return a figure of one panel."""
    figure = figure_of(PANEL)
    axes = figure.subplots()
    dress(axes, title, "")
    return figure, axes


def dress(axes: Axes, title: str, y_label: str) -> None:
    """Give a panel its title, its grid and its colours."""
    axes.set_title(title, fontsize=FONT, loc="left", fontweight="bold", color=INK)
    axes.set_ylabel(y_label)
    axes.set_facecolor(PAPER)
    axes.grid(True, color=GRID, lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
