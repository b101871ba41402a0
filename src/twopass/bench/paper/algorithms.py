"""The paper's algorithms, and the quotients of their times."""

from twopass.bench.paper.effect import Effect, effect, rounds
from twopass.bench.run import Measured
from twopass.functions import ALGORITHMS

RECOMPUTE, RELOAD, TWO_PASS, TWO_PASS_RELOAD, ONLINE = ALGORITHMS  # the last two beyond the paper
THREE_PASS = (RECOMPUTE, RELOAD)


def quotient(item: Measured, target: str, slow: str, fast: str) -> Effect:
    """Return how many times as long one takes as another."""
    return effect(rounds(item, slow, target) / rounds(item, fast, target))


def advantage(item: Measured, target: str, algorithm: str = TWO_PASS) -> tuple[str, Effect]:
    """Return the better three-pass algorithm, and how many times as fast an algorithm is."""
    rival = min(THREE_PASS, key=lambda name: item.ns(name, target))
    return rival, quotient(item, target, rival, algorithm)
