"""How the lines of charts look: an algorithm's from the table here, a peer's from its file."""

from collections.abc import Iterable
from typing import Any

from twopass.bench.peer import COLOUR
from twopass.bench.peers import PEERS
from twopass.bench.run import AUTO
from twopass.functions import ALGORITHMS

# Okabe and Ito's palette, distinct to colour-blind eyes: a colour and a marker for each algorithm.
COLOURS = ("#CC79A7", "#009E73", "#0072B2", "#D55E00", "#E69F00")
MARKERS = ("v", "D", "s", "o", "^")
# In the order of legends.
STYLES: dict[str, dict[str, Any]] = {
    name: {"color": colour, "marker": marker}
    for name, colour, marker in zip(ALGORITHMS, COLOURS, MARKERS, strict=True)
} | {AUTO: {"color": "black", "linestyle": (0, (1, 1.2)), "linewidth": 2.6}}


def line(name: str) -> dict[str, Any]:
    """Return matplotlib's properties of a line, its label included, whoever it stands for."""
    if name in PEERS:
        return PEERS[name].line
    return {"label": name, "color": COLOUR} | STYLES.get(name, {})


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names as legends have them: the table's, then all others as they come."""
    places = {name: place for place, name in enumerate(STYLES)}
    return sorted(names, key=lambda name: places.get(name, len(places)))
