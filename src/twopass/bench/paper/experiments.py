"""What is raced against what, and on which inputs: one table."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twopass._detect import Cpu
from twopass.bench import run
from twopass.bench.cases import Case, Ki, usable_cpus
from twopass.bench.timing import Contender

Array = NDArray[Any]

RECOMPUTE, RELOAD = THREE_PASS = ("three_pass_recompute", "three_pass_reload")
TWO_PASS = "two_pass"
COPY, SCALE = STREAM = ("STREAM copy", "STREAM scale")
STREAMING, ORDINARY = ("streaming stores", "ordinary stores")

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
# The online algorithm's first pass has no name of its own.
PASSES_OF = {
    RECOMPUTE: ("max", "sum_exp", "exp_write"),
    RELOAD: ("max", "exp_store", "scale"),
    TWO_PASS: ("pair_sum", "pair_write"),
    "two_pass_reload": ("exp_store", "scale"),
}
SHORTEST = Ki
BEYOND = 8  # a row and its result this many times as large as the last-level cache are out of it
COUNTED = 64 << 20  # bytes of a cache: of a server's, which many share, no more can be ours


def in_cache(cpu: Cpu) -> int:
    """Return the length of a row that the level-2 cache holds twice over, with its result."""
    return _power_of_two_below(cpu.l2 // 16)


def out_of_cache(cpu: Cpu) -> int:
    """Return the shortest row that counts as out of cache, a power of two."""
    return 2 * _power_of_two_below(BEYOND * min(cpu.llc, COUNTED) // 8 - 1)


def _power_of_two_below(n: int) -> int:
    return 1 << (n.bit_length() - 1)


def sizes(cpu: Cpu, quick: bool) -> list[Case]:
    """Return the sweep over row lengths: every other power of two, or two lengths an octave."""
    most = out_of_cache(cpu) * (1 if quick else 2)
    powers = [SHORTEST << k for k in range((most // SHORTEST).bit_length())]
    if quick:
        lengths = {*powers[::2], in_cache(cpu), most}
    else:
        lengths = {*powers, *(3 * n // 2 for n in powers[:-1])}
    return [Case("softmax", (n,)) for n in sorted(lengths)]


def two_sizes(cpu: Cpu, quick: bool) -> list[Case]:
    """Return a row in cache and one out of cache."""
    return [Case("softmax", (n,)) for n in (in_cache(cpu), out_of_cache(cpu))]


def thread_counts(cpus: int, quick: bool) -> list[int]:
    """Return every number of threads up to that of the CPUs; quick, the powers of two and it."""
    if quick:
        return sorted({1 << k for k in range(cpus.bit_length())} | {cpus})
    return list(range(1, cpus + 1))


def threads(cpu: Cpu, quick: bool) -> list[Case]:
    """Return a row out of cache, for ever more threads."""
    row, counts = (out_of_cache(cpu),), thread_counts(usable_cpus(), quick)
    return [Case("softmax", row, threads=number) for number in counts]


def single_passes(
    case: Case,
    targets: Sequence[Any],
    _peers: Iterable[str],
    x: Array,
    out: Array,
    _skipped: Callable[[str, Exception], object],
) -> list[Contender]:
    """List every pass by itself, the algorithms made of them, the limit and STREAM's kernels."""
    entries = [
        Contender(COPY, partial(np.copyto, out, x)),
        Contender(SCALE, partial(np.multiply, x, x.dtype.type(0.75), out=out)),
    ]
    for target in targets:
        softmax = partial(target.softmax, x, axis=0, out=out)
        calls: dict[str, Callable[[], object]]
        calls = {name: partial(target.module.run_pass, name, x, out) for name in PASS_NAMES}
        calls |= {name: partial(softmax, algorithm=name) for name in PASSES_OF}
        calls[run.LIMIT] = run.limit(target.module, case, x, out)
        entries += [Contender(name, call, target.name) for name, call in calls.items()]
    return entries


PASS_NAMES = tuple(name for name in TRAFFIC if name not in STREAM)


def kinds_of_stores(
    case: Case,
    targets: Sequence[Any],
    _peers: Iterable[str],
    x: Array,
    out: Array,
    _skipped: Callable[[str, Exception], object],
) -> list[Contender]:
    """List the two-pass algorithm with the stores that it has here, and with ordinary ones."""
    entries = []
    for target in targets:
        call = partial(target.softmax, x, axis=0, out=out, algorithm=TWO_PASS)
        entries += [
            Contender(STREAMING, call, target.name),
            Contender(ORDINARY, partial(_with_ordinary_stores, target, call), target.name),
            Contender(run.LIMIT, run.limit(target.module, case, x, out), target.name),
        ]
    return entries


def _with_ordinary_stores(target: Any, call: Callable[[], object]) -> None:
    with run.believing(target, sys.maxsize // 2):
        call()


@dataclass(frozen=True)
class Experiment:
    """A race over some inputs.

    Parameters
    ----------
    title : str
        For the progress bar, and for the list of what is missing.
    cases : callable
        The inputs for a CPU, of a quick run or a full one.
    enlist : callable
        Who takes part; see `twopass.bench.run.contenders`.
    crowd : int
        About how many take part for each target; slow peers count as several.
    """

    title: str
    cases: Callable[[Cpu, bool], list[Case]]
    enlist: Callable[..., list[Contender]]
    crowd: int


EXPERIMENTS = {
    "sizes": Experiment("row lengths", sizes, run.contenders, 14),
    "passes": Experiment("single passes", two_sizes, single_passes, 10),
    "threads": Experiment("threads", threads, run.contenders, 14),
    "stores": Experiment("streaming stores", two_sizes, kinds_of_stores, 4),
}
