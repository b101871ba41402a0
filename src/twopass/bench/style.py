"""How the lines of charts look: an algorithm's from the table here, a peer's from its file."""

from collections.abc import Iterable
from typing import Any

from twopass.bench.peer import COLOUR
from twopass.bench.peers import PEERS
from twopass.bench.run import AUTO

# Okabe and Ito's palette, distinct to colour-blind eyes. In the order of legends.
ALGORITHMS: dict[str, dict[str, Any]] = {
    "three_pass_recompute": {"color": "#CC79A7", "marker": "v"},
    "three_pass_reload": {"color": "#009E73", "marker": "D"},
    "online": {"color": "#E69F00", "marker": "^"},
    "two_pass": {"color": "#0072B2", "marker": "s"},
    "two_pass_reload": {"color": "#D55E00", "marker": "o"},
    AUTO: {"color": "black", "linestyle": (0, (1, 1.2)), "linewidth": 2.6},
}


def line(name: str) -> dict[str, Any]:
    """Return matplotlib's properties of a line, its label included, whoever it stands for."""
    if name in PEERS:
        return PEERS[name].line
    return {"label": name, "color": COLOUR} | ALGORITHMS.get(name, {})


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names as legends have them: the table's, then all others as they come."""
    places = {name: place for place, name in enumerate(ALGORITHMS)}
    return sorted(names, key=lambda name: places.get(name, len(places)))
