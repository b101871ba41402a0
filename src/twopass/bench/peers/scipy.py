"""SciPy: takes no output and no threads."""

from functools import partial
from importlib import import_module

from twopass.bench.cases import Case
from twopass.bench.peer import Array, Call, Peer
from twopass.functions import NAMES


def _bind(case: Case, x: Array, out: Array) -> Call:
    return partial(getattr(import_module("scipy.special"), case.function), x, axis=case.axis)


PEER = Peer(
    "scipy",
    dict.fromkeys(NAMES, _bind),
    {"linestyle": "-"},
    fills=False,
)
