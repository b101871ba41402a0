"""``twopass tune``: measure the numbers of a target's row in the table of `twopass._targets`.

`auto` has two things to decide about a row: whether to keep its exponentials in the place of the
output (``two_pass_reload``) or to compute them again (``two_pass``), and whether to write past the
caches. Each is a length from which one way is faster than the other. A result is read once after it
was written, and that counts: what has bypassed the caches takes longer to read.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from math import inf, sqrt
from typing import Any

from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

from twopass._detect import detect
from twopass._targets import NAMES, TABLE, settings
from twopass.bench.cases import Case, Ki
from twopass.bench.run import believing
from twopass.bench.timing import Contender, race

LENGTHS = tuple(64 * Ki << k for k in range(9))  # 64 Ki .. 16 Mi
DTYPES = ("float32", "float64")
UNLIMITED, NOTHING = 1 << 62, 1  # last-level caches with which no result is streamed, and every one

# What is raced: the algorithm, and the last-level cache that makes its stores ordinary or not.
KEEP, AGAIN, PAST = "keep", "again", "past"
WAYS = {
    KEEP: ("two_pass_reload", UNLIMITED),
    AGAIN: ("two_pass", UNLIMITED),
    PAST: ("two_pass", NOTHING),
}
MARGIN = 1.02  # a newcomer has to be faster by this

Times = dict[str, dict[int, float]]  # way -> length -> seconds


def tune(targets: Sequence[Any]) -> int:
    """Print the row of each target, as measured here, and return the exit code.

    Parameters
    ----------
    targets : sequence of Target
        The builds to run, each one supported here.
    """
    console = Console(highlight=False)
    jobs = [(dtype, n) for dtype in DTYPES for n in LENGTHS]
    times: dict[tuple[str, str], Times] = {}
    with threadpool_limits(1):
        for dtype, n in track(jobs, "tune", console=Console(stderr=True), transient=True):
            for (target, way), seconds in _measure(targets, Case("softmax", (n,), 0, dtype)):
                times.setdefault((target, dtype), {}).setdefault(way, {})[n] = seconds
    for target in targets:
        llc = settings(TABLE[NAMES.index(target.name)], detect())["llc"]
        found = tuning(times[target.name, "float32"], times[target.name, "float64"], llc)
        console.print(f'Row("{target.name}", ..., tuning={found})', soft_wrap=True)
    return 0


def _measure(targets: Sequence[Any], case: Case) -> list[tuple[tuple[str, str], float]]:
    x, out = case.arrays()
    entries = [
        Contender(way, partial(_write_and_read, target, algorithm, llc, x, out), target.name)
        for target in targets
        for way, (algorithm, llc) in WAYS.items()
    ]
    results = race(entries, rounds=7, budget=10.0)
    return [((result.group, result.name), result.best) for result in results]


def _write_and_read(target: Any, algorithm: str, llc: int, x: Any, out: Any) -> None:
    with believing(target, llc):
        target.softmax(x, axis=0, out=out, algorithm=algorithm, threads=1)
    target.module.run_pass("max", out, out)


def tuning(float32: Times, float64: Times, llc: int) -> dict[str, float]:
    """Return the arguments of configure() that suit these times; `llc` is what it is told of.

    Examples
    --------
    >>> always = {1 << 20: 1.0, 1 << 22: 4.0}
    >>> later = {1 << 20: 2.0, 1 << 22: 3.0}
    >>> tuning({"keep": always, "again": later, "past": later}, {"keep": always, "again": always,
    ...        "past": always}, 8 << 20)
    {'reload': 2.0, 'reload_double': inf, 'stream': 1.0}
    """
    return {
        "reload": round(2 * 4 * crossing(float32[KEEP], float32[AGAIN]) / llc, 3),
        "reload_double": round(2 * 8 * crossing(float64[KEEP], float64[AGAIN]) / llc, 3),
        "stream": round(4 * crossing(_better(float32), float32[PAST]) / llc, 3),
    }


def _better(times: Times) -> Mapping[int, float]:
    return {n: min(times[KEEP][n], times[AGAIN][n]) for n in times[KEEP]}


def crossing(incumbent: Mapping[int, float], newcomer: Mapping[int, float]) -> float:
    """Return the length from which a newcomer is always the faster one, infinite if there is none.

    Half-way, as factors go, between the longest row that it loses and the next one.
    """
    lost = [n for n in incumbent if newcomer[n] * MARGIN > incumbent[n]]
    if not lost:
        return min(incumbent)
    longer = [n for n in incumbent if n > max(lost)]
    return sqrt(max(lost) * min(longer)) if longer else inf
