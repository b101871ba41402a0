"""``twopass tune``: measure the number of a target's row in the table of `twopass._targets`.

What `auto` has to decide about a long row is whether to keep its exponentials in the place of the
output (``two_pass_reload``), or to compute them twice and write results past the caches
(``two_pass``). A result is read once after it was written, and that counts: what has bypassed the
caches takes longer to read.
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

LENGTHS = tuple(256 * Ki << k for k in range(8))  # 256 Ki .. 32 Mi
KEEP, PAST = "keep", "past"
# The algorithm, and a last-level cache that makes its stores ordinary ones or streaming ones.
WAYS = {KEEP: ("two_pass_reload", 1 << 62), PAST: ("two_pass", 1)}
MARGIN = 1.02  # a newcomer has to be faster by this

Times = dict[int, float]  # length -> seconds


def tune(targets: Sequence[Any]) -> int:
    """Print the row of each target, as measured here, and return the exit code.

    Parameters
    ----------
    targets : sequence of Target
        The builds to run, each one supported here.
    """
    console = Console(highlight=False)
    times: dict[tuple[str, str], Times] = {}
    with threadpool_limits(1):
        for n in track(LENGTHS, "tune", console=Console(stderr=True), transient=True):
            for result in _measure(targets, n):
                times.setdefault((result.group, result.name), {})[n] = result.best
    for target in targets:
        llc = settings(TABLE[NAMES.index(target.name)], detect())["llc"]
        length = crossing(times[target.name, KEEP], times[target.name, PAST])
        tuning = {"stream": round(4 * length / llc, 2)}
        console.print(f'Row("{target.name}", ..., tuning={tuning})', soft_wrap=True)
    return 0


def _measure(targets: Sequence[Any], n: int) -> Sequence[Any]:
    x, out = Case("softmax", (n,)).arrays()
    entries = [
        Contender(way, partial(_write_and_read, target, algorithm, llc, x, out), target.name)
        for target in targets
        for way, (algorithm, llc) in WAYS.items()
    ]
    return race(entries, rounds=7, budget=10.0)


def _write_and_read(target: Any, algorithm: str, llc: int, x: Any, out: Any) -> None:
    with believing(target, llc):
        target.softmax(x, axis=0, out=out, algorithm=algorithm, threads=1)
    target.probe.run_pass("max", out, out)


def crossing(incumbent: Mapping[int, float], newcomer: Mapping[int, float]) -> float:
    """Return the length from which a newcomer is always the faster one, infinite if there is none.

    Half-way, as factors go, between the longest row that it loses and the next one.
    """
    lost = [n for n in incumbent if newcomer[n] * MARGIN > incumbent[n]]
    if not lost:
        return min(incumbent)
    longer = [n for n in incumbent if n > max(lost)]
    return sqrt(max(lost) * min(longer)) if longer else inf
