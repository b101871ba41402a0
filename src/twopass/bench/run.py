"""Measure cases: every algorithm of every target, the peers and the limit, in one race a case."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twopass import get_num_threads, set_num_threads
from twopass._detect import detect
from twopass._targets import NAMES, TABLE, settings
from twopass.bench.cases import Case
from twopass.bench.peers import PEERS
from twopass.bench.timing import Contender, Result, race
from twopass.functions import ALGORITHMS

Array = NDArray[Any]

LIMIT = "limit"
AUTO = "auto"


@dataclass(frozen=True)
class Measured:
    """A case and the results of all that ran it."""

    case: Case
    results: tuple[Result, ...]

    @property
    def targets(self) -> list[str]:
        """Names of the targets that took part."""
        return list(dict.fromkeys(result.group for result in self.results if result.group))

    @property
    def peers(self) -> list[str]:
        """Names of the libraries that took part."""
        return [result.name for result in self.results if not result.group]

    def algorithms(self, target: str) -> list[str]:
        """Names of the algorithms that ran on a target, ``"auto"`` first."""
        return [r.name for r in self.results if r.group == target and r.name != LIMIT]

    def has(self, name: str, target: str = "") -> bool:
        """Whether an algorithm ran on a target, or a peer took part."""
        return any((result.name, result.group) == (name, target) for result in self.results)

    def ns(self, name: str, target: str = "") -> float:
        """Nanoseconds per element: of an algorithm or the limit on a target, or of a peer."""
        for result in self.results:
            if (result.name, result.group) == (name, target):
                return result.best / self.case.size * 1e9
        raise KeyError(f"{name!r} on {target!r} was not measured")

    def lag(self, target: str) -> float:
        """Time of ``"auto"`` over that of the best single algorithm."""
        return self.ns(AUTO, target) / min(
            self.ns(name, target) for name in self.algorithms(target) if name != AUTO
        )

    def best_peer(self) -> str | None:
        """Name of the fastest peer; ``None`` when none took part."""
        return min(self.peers, key=self.ns, default=None)

    def and_again(self, other: "Measured") -> "Measured":
        """Join the rounds of two races of one case."""
        pairs = zip(self.results, other.results, strict=True)
        joined = (replace(one, rounds=one.rounds + two.rounds) for one, two in pairs)
        return Measured(self.case, tuple(joined))

    def efficiency(self, name: str, target: str) -> float:
        """Time of the limit over the time achieved; one is the best that memory allows."""
        return self.ns(LIMIT, target) / self.ns(name, target)


def contenders(
    case: Case,
    targets: Sequence[Any],
    peer_names: Iterable[str],
    x: Array,
    out: Array,
    skipped: Callable[[str, Exception], object] = lambda name, error: None,
) -> list[Contender]:
    """List who runs a case: all of them read `x` and, where they can, write `out`.

    A peer that cannot run the case is left out, and `skipped` is told its name and its exception.
    """
    entries, beside = [], case.beside()
    for target in targets:
        function = getattr(target, case.function)
        call = partial(function, x, axis=case.axis, out=out, **beside)
        entries.append(Contender(AUTO, call, target.name))  # as people call it: no further options
        entries += [
            Contender(name, partial(call, algorithm=name), target.name) for name in ALGORITHMS
        ]
        entries.append(Contender(LIMIT, limit(target.probe, case, x, out), target.name))
    for name in peer_names:
        try:
            call_peer = PEERS[name].call(case, x, out)
            call_peer()
        except Exception as error:  # whatever a foreign library raises
            skipped(name, error)
        else:
            entries.append(Contender(name, call_peer))
    return entries


def limit(probe: Any, case: Case, x: Array, out: Array) -> Callable[[], object]:
    """Return the memory traffic that a case cannot do without, split over its threads.

    Two reads and a write, row by row; of what reduces a row to a number, one read (the maximum
    of all). float16 is moved as float32 of half the length, columns as if their elements were
    neighbours.
    """

    def parts_of(array: Array) -> list[Array]:
        carrier = np.float32 if array.dtype == np.float16 else array.dtype
        rows = array.reshape(-1, case.shape[case.axis]).view(carrier)
        return np.array_split(rows if len(rows) > 1 else rows[0], case.threads)

    inputs = parts_of(x)
    if case.reduces:
        parts = [partial(probe.run_pass, "max", part, part) for part in inputs]
    else:
        outputs = parts_of(out)
        parts = [partial(probe.limit, *pair) for pair in zip(inputs, outputs, strict=True)]
    return parts[0] if case.threads == 1 else partial(_together, ThreadPoolExecutor(), parts)


def _together(pool: ThreadPoolExecutor, parts: Sequence[Callable[[], object]]) -> None:
    futures = [pool.submit(part) for part in parts[1:]]
    parts[0]()
    for future in futures:
        future.result()


def run(
    cases: Iterable[Case],
    targets: Sequence[Any],
    peer_names: Sequence[str],
    *,
    rounds: int,
    budget: float,
    tick: Callable[[], object] = lambda: None,
    skipped: Callable[[str, Exception], object] = lambda name, error: None,
    enlist: Callable[..., list[Contender]] = contenders,
) -> Iterator[Measured]:
    """Measure one case after the other; see `twopass.bench.timing.race` for the numbers.

    Parameters
    ----------
    cases : iterable of Case
        What to measure.
    targets : sequence of Target
        The builds to run, each one supported here.
    peer_names : sequence of str
        Keys of `twopass.bench.peers.PEERS`.
    rounds, budget, tick
        Passed on to the race of each case.
    skipped : callable
        Told the name and the exception of a peer that cannot run a case.
    enlist : callable
        Says who runs a case; takes what `contenders` takes.

    Yields
    ------
    Measured
        As soon as it is complete.
    """

    def measure(case: Case) -> Measured:  # its arrays are freed before the next case's are made
        x, out = case.arrays()
        with _threads(case.threads):
            entries = enlist(case, targets, peer_names, x, out, skipped)
            return Measured(case, tuple(race(entries, rounds=rounds, budget=budget, tick=tick)))

    yield from map(measure, cases)


@contextmanager
def believing(target: Any, llc: int) -> Iterator[None]:
    """Let a target believe in a last-level cache of so many bytes: results beyond it bypass it."""
    usual = settings(TABLE[NAMES.index(target.name)], detect())
    _configure(target, **usual | {"llc": llc})
    try:
        yield
    finally:
        _configure(target, **usual)


def _configure(target: Any, **options: Any) -> None:
    for module in (target.module, target.probe):
        module.configure(**options)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Set twopass's default, as a call with `threads` leaves the shortest way into the kernels."""
    before = get_num_threads()
    set_num_threads(number)
    try:
        yield
    finally:
        set_num_threads(before)
