"""SciPy: takes no output and no threads."""

from functools import partial
from importlib import import_module

from twopass.bench.cases import Case
from twopass.bench.peer import Array, Call, Peer


def _bind(case: Case, x: Array, out: Array) -> Call:
    return partial(getattr(import_module("scipy.special"), case.function), x, axis=case.axis)


PEER = Peer(
    "scipy",
    dict.fromkeys(("softmax", "log_softmax", "logsumexp"), _bind),
    {"linestyle": "-"},
    fills=False,
)
