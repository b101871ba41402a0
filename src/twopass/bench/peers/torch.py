"""PyTorch on the CPU."""

from functools import partial
from importlib import import_module

from twopass.bench.cases import Case
from twopass.bench.peer import Array, Call, Peer
from twopass.functions import NAMES


def _bind(case: Case, x: Array, out: Array) -> Call:
    torch = import_module("torch")
    torch.set_num_threads(case.threads)
    function = getattr(torch, case.function)
    return partial(function, torch.from_numpy(x), case.axis, out=torch.from_numpy(out))


PEER = Peer(
    "torch",
    dict.fromkeys(NAMES, _bind),
    {"linestyle": "--"},
)
