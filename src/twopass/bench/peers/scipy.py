"""SciPy: takes no output, no threads, and of the operands only weights."""

from functools import partial
from importlib import import_module

from twopass.bench.cases import Case
from twopass.bench.peer import Array, Call, Peer
from twopass.functions import NAMES


def _bind(case: Case, x: Array, out: Array) -> Call:
    function = partial(getattr(import_module("scipy.special"), case.function), axis=case.axis)
    beside = case.beside()
    scale, bias = (beside.pop(name, None) for name in ("scale", "bias"))
    function = partial(function, **beside)
    return partial(function, x) if scale is None else lambda: function(scale * x + bias)


PEER = Peer(
    "scipy",
    dict.fromkeys(NAMES, _bind),
    {"linestyle": "-"},
    fills=False,
    operands=True,
)
