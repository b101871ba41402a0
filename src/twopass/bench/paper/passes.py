"""The race of single passes, which several experiments look at, and what a pass moves."""

from functools import partial
from typing import Any

import numpy as np

from twopass.bench.cases import Case
from twopass.bench.paper.algorithms import RECOMPUTE, RELOAD, TWO_PASS, TWO_PASS_RELOAD
from twopass.bench.paper.effect import Effect, effect, rounds
from twopass.bench.paper.race import Race, among
from twopass.bench.paper.rows import both
from twopass.bench.peer import Array, Call
from twopass.bench.run import LIMIT, Measured, limit

COPY, SCALE = STREAM = ("STREAM copy", "STREAM scale")
# What a pass moves, in units of the row: reads, writes.
TRAFFIC = {
    "max": (1, 0),
    "sum_exp": (1, 0),
    "exp_store": (1, 1),
    "exp_write": (1, 1),
    "scale": (1, 1),
    "pair_sum": (1, 0),
    "pair_write": (1, 1),
    COPY: (1, 1),
    SCALE: (1, 1),
}
PASS_NAMES = tuple(name for name in TRAFFIC if name not in STREAM)
# The online algorithm's first pass has no name of its own.
PASSES_OF = {
    RECOMPUTE: ("max", "sum_exp", "exp_write"),
    RELOAD: ("max", "exp_store", "scale"),
    TWO_PASS: ("pair_sum", "pair_write"),
    TWO_PASS_RELOAD: ("exp_store", "scale"),
}


def _stream(x: Array, out: Array) -> dict[str, Call]:
    return {
        COPY: partial(np.copyto, out, x),
        SCALE: partial(np.multiply, x, x.dtype.type(0.75), out=out),
    }


def _single_passes(target: Any, case: Case, x: Array, out: Array) -> dict[str, Call]:
    """Return every pass by itself, the algorithms made of them, and the limit."""
    softmax = partial(target.softmax, x, axis=0, out=out)
    calls: dict[str, Call]
    calls = {name: partial(target.probe.run_pass, name, x, out) for name in PASS_NAMES}
    calls |= {name: partial(softmax, algorithm=name) for name in PASSES_OF}
    return calls | {LIMIT: limit(target.probe, case, x, out)}


PASSES = Race("passes", "single passes", both, among(_single_passes, _stream), 10)


def gigabytes(item: Measured, name: str, target: str = "") -> float:
    """Return the gigabytes per second that a pass moves."""
    bytes_an_element = sum(TRAFFIC[name]) * item.case.nbytes / item.case.size
    return bytes_an_element / item.ns(name, target)


def share_of_stream(item: Measured, target: str, name: str) -> Effect:
    """Return a pass's bandwidth over that of the better of STREAM's copy and scale."""
    best = min(STREAM, key=item.ns)
    moved = sum(TRAFFIC[name]) / sum(TRAFFIC[best])
    return effect(moved * rounds(item, best) / rounds(item, name, target))
