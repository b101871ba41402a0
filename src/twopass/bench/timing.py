"""Race callables against each other, so that a slow moment of the machine slows all of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from statistics import median
from time import perf_counter
from timeit import Timer
from typing import Any

MIN_ROUNDS = 2  # one round has no spread


@dataclass(frozen=True)
class Contender:
    """Something to time.

    Parameters
    ----------
    name : str
        What is called: an algorithm, a pass, a peer or ``"limit"``.
    call : callable
        Takes nothing; its result is dropped.
    group : str
        The target it runs on; empty for what belongs to no target.
    """

    name: str
    call: Callable[[], object]
    group: str = ""


@dataclass(frozen=True)
class Result:
    """Seconds per call of one contender, one number a round.

    Parameters
    ----------
    name, group : str
        The contender.
    calls : int
        Calls per round: short calls are repeated until the clock can see them.
    rounds : tuple of float
        Mean seconds per call of each round.
    """

    name: str
    group: str
    calls: int
    rounds: tuple[float, ...]

    @property
    def best(self) -> float:
        """Fastest round: the one that other processes disturbed least."""
        return min(self.rounds)

    @property
    def spread(self) -> float:
        """How far the median round lies above the best one, as a fraction: the noise."""
        return median(self.rounds) / self.best - 1 if self.best else 0.0


def race(
    contenders: Iterable[Contender],
    *,
    rounds: int = 7,
    min_seconds: float = 2e-3,
    budget: float = float("inf"),
    tick: Callable[[], Any] = lambda: None,
    clock: Callable[[], float] = perf_counter,
) -> list[Result]:
    """Time all contenders in turn, round after round.

    Each round visits the contenders in another order, so that none of them always finds the caches
    as the same neighbour left them.

    Parameters
    ----------
    contenders : iterable of Contender
        Who takes part.
    rounds : int
        How often everybody is timed.
    min_seconds : float
        A round of one contender lasts at least this long, by repetition.
    budget : float
        Seconds after which no further round starts (two rounds are always run).
    tick : callable
        Called after the calibration of each contender and after each timing.
    clock : callable
        Seconds, as a float.

    Returns
    -------
    list of Result
        In the order of the contenders.
    """
    contenders = list(contenders)
    end = clock() + budget
    timers = [Timer(contender.call, timer=clock) for contender in contenders]
    calls = []
    for timer in timers:
        calls.append(_calibrate(timer, min_seconds))
        tick()

    seconds: list[list[float]] = [[] for _ in contenders]
    order = list(range(len(contenders)))
    shuffle = Random(0).shuffle
    for done in range(rounds):
        if done >= MIN_ROUNDS and clock() > end:
            break
        shuffle(order)
        for i in order:
            seconds[i].append(timers[i].timeit(calls[i]) / calls[i])
            tick()
    return [
        Result(contender.name, contender.group, number, tuple(values))
        for contender, number, values in zip(contenders, calls, seconds, strict=True)
    ]


def _calibrate(timer: Timer, min_seconds: float) -> int:
    timer.timeit(1)  # the first call pays for page faults and lazy initialisation
    calls = 1
    while timer.timeit(calls) < min_seconds:
        calls *= 2
    return calls
