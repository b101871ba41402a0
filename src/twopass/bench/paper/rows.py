"""The rows that experiments ask about: one in cache, one out of cache."""

from twopass._detect import Cpu
from twopass.bench.cases import Case

BEYOND = 8  # a row and its result this many times as large as the last-level cache are out of it
COUNTED = 64 << 20  # bytes of a cache: of a server's, which many share, no more can be ours


def in_cache(cpu: Cpu) -> int:
    """Return the length of a row that the level-2 cache holds twice over, with its result."""
    return _power_of_two_below(cpu.l2 // 16)


def out_of_cache(cpu: Cpu) -> int:
    """Return the shortest row that counts as out of cache, a power of two."""
    return 2 * _power_of_two_below(BEYOND * min(cpu.llc, COUNTED) // 8 - 1)


def both(cpu: Cpu, quick: bool) -> list[Case]:
    """Return a row in cache and one out of cache."""
    return [Case("softmax", (n,)) for n in (in_cache(cpu), out_of_cache(cpu))]


def _power_of_two_below(n: int) -> int:
    return 1 << (n.bit_length() - 1)
