"""THE table of functions: what the rest of the package, the tests and the benchmarks know of them.

A function is a row here, a file in kernels/functions and its lines in kernels/rules.pxd and
kernels/table.pxi. Its number is its place in this table, which the kernels share. This file needs
nothing but the standard library: the performance history reads it beside packages that have none.
"""

from __future__ import annotations

import math
from typing import NamedTuple

# In the order of kernels/algorithms.pxd and kernels/table.pxi.
ALGORITHMS = ("three_pass_recompute", "three_pass_reload", "two_pass", "two_pass_reload", "online")
DTYPES = ("float16", "float32", "float64")  # with kernels; the others take _reference.py

EXPONENTIALS = "exponentials"

HALF_ULPS = 1  # a float16 is what float32 gives, rounded once


class Bound(NamedTuple):
    """The largest error of a result y: counted in ULP and quanta, or in eps."""

    ulps: int = 0  # units in the last place of y,
    quanta: int = 0  # or, where y is subnormal, of the smallest number;
    eps: int = 0  # else of eps * max(1, abs(y))


# Where 8 ULP come from, in eps of the exact values: an exponential is at most 1.0 too small and 0.9
# too large (exp_core.py: any float32), the sum of a row as well and, with three roundings of a
# block's tree, 1.5 more; rounding its reciprocal adds 0.3 where the product has the largest steps.
# An eps is up to two ULP, and the product rounds by half of one: 7.9. The worst that a search found
# is 6.8 (tests/worst.py). The same adds up to 3.5 eps for a logarithm; the worst found is 2.02.
PROBABILITY = Bound(ulps=8, quanta=5)
LOGARITHM = Bound(eps=3)


class Function(NamedTuple):
    """A row of the table."""

    name: str
    reduction: str  # what pass 1 sums up
    reduces: bool  # to one number a row; else it rewrites the row
    bound: Bound
    oracle: str  # what it is compared with: a function of _reference.py and bench/multiprecision.py
    onnx: str  # the operator that does the same
    of_nothing: float  # the result where a mask leaves nothing of a row

    @property
    def number(self) -> int:
        """Its place in the table."""
        return NAMES.index(self.name)


TABLE = (
    Function("softmax", EXPONENTIALS, False, PROBABILITY, "softmax", "Softmax", 0.0),
    Function("log_softmax", EXPONENTIALS, False, LOGARITHM, "log_softmax", "LogSoftmax", -math.inf),
    Function("logsumexp", EXPONENTIALS, True, LOGARITHM, "logsumexp", "ReduceLogSumExp", -math.inf),
)
BY_NAME = {function.name: function for function in TABLE}
NAMES = tuple(BY_NAME)
