"""THE table of functions: what the rest of the package, the tests and the benchmarks know of them.

A function is a row here, a file in kernels/functions and its lines in kernels/rules.pxd and
kernels/table.pxi. Its number is its place in this table, which the kernels share.
"""

from __future__ import annotations

from typing import NamedTuple

ALGORITHMS = ("three_pass_recompute", "three_pass_reload", "two_pass", "two_pass_reload", "online")
DTYPES = ("float16", "float32", "float64")  # with kernels; the others take _reference.py


class Function(NamedTuple):
    """A row of the table."""

    name: str
    reduction: str  # what pass 1 sums up
    reduces: bool  # to one number a row; else it rewrites the row

    @property
    def number(self) -> int:
        """Its place in the table."""
        return NAMES.index(self.name)


TABLE = (
    Function("softmax", "exponentials", reduces=False),
    Function("log_softmax", "exponentials", reduces=False),
    Function("logsumexp", "exponentials", reduces=True),
)
NAMES = tuple(function.name for function in TABLE)
