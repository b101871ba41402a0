"""What the suites share: parameters, inputs, and the calls to measure.

Parameters are static lists, so that one page serves all machines and commits. A target that this
CPU lacks, or an algorithm that a commit lacks, raises NotImplementedError in `setup` and shows as
n/a. The suites use the public functions and the probes of the targets, which older commits have in
the targets' modules.
"""

import runpy
from functools import cache, partial
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy import special

import twopass

TARGETS = ["skylake_x", "broadwell", "zen2", "neon", "generic"]
# The table beside this folder, not that of the package, which is as old as what is measured.
FUNCTIONS = runpy.run_path(str(Path(__file__).parents[1] / "src" / "twopass" / "functions.py"))
DTYPES = list(FUNCTIONS["DTYPES"])
# With references for every chart.
ALGORITHMS = ["auto", *FUNCTIONS["ALGORITHMS"], "scipy", "limit"]

# Rows in each level of the memory, batches as classifiers and language models have them, and
# columns: shape and reduced axis.
SHAPES = {
    "64": ((64,), 0),
    "4Ki": ((4096,), 0),
    "64Ki": ((65536,), 0),
    "1Mi": ((1 << 20,), 0),
    "16Mi": ((1 << 24,), 0),
    "16384x64": ((16384, 64), 1),
    "4096x1000": ((4096, 1000), 1),
    "1000x4096 axis 0": ((1000, 4096), 0),
    "1000x250 axis 0": ((1000, 250), 0),  # no whole number of vectors
}

SAMPLE = 1 << 18  # elements: shorter calls are repeated until the clock can see them


def runnable(name):
    """Return the target of that name, n/a where there is none to run."""
    targets = getattr(twopass, "targets", dict)()
    target = targets.get(name)
    if target is None or not (target.compiled and target.supported):
        raise NotImplementedError
    return target


@cache
def scores(shape, dtype):
    """Return ordinary scores: normal, three wide."""
    return (np.random.default_rng(0).standard_normal(shape, dtype=np.float32) * 3).astype(dtype)


@cache
def call(function, target, algorithm, dtype, shape, threads=1):
    """Return what to time, a callable without arguments; its output exists already."""
    shape, axis = SHAPES[shape]
    target, x = runnable(target), scores(shape, dtype)
    if algorithm == "scipy":
        return partial(getattr(special, function), x, axis=axis)
    reduces = FUNCTIONS["BY_NAME"][function].reduces
    out = np.zeros(np.delete(shape, axis) if reduces else shape, dtype)
    if algorithm == "limit":
        probe = getattr(target, "probe", target.module)
        return limit(probe, shape[axis], x, x if reduces else out, reduces)
    options = {"axis": axis, "out": out, "algorithm": algorithm, "threads": threads}
    timed = partial(getattr(target, function), x, **options)
    try:
        timed()
    except ValueError:  # an algorithm that is not there yet
        raise NotImplementedError from None
    return timed


def limit(probe, n, x, out, reduces):
    """Return the bare memory traffic of rows of n: two reads and a write, or one read to reduce."""
    carrier = np.float32 if x.dtype == np.float16 else x.dtype
    x, out = x.reshape(-1, n).view(carrier), out.reshape(-1, n).view(carrier)
    return partial(probe.run_pass, "max", x, x) if reduces else partial(probe.limit, x, out)


class PerElement:
    """A suite whose times are seconds per element, not per call.

    asv knows no such unit, but takes its clock from the suite: ours runs slower by the number of
    elements of a sample. asv compares and draws the results like any other time.
    """

    number = 1
    repeat = (3, 10, 0.25)
    warmup_time = 0.05

    def prepare(self, *parameters, shape, **options):
        self.call = call(*parameters, shape=shape, **options)
        elements = int(np.prod(SHAPES[shape][0]))
        self.calls = range(max(1, SAMPLE // elements))
        divisor = elements * len(self.calls)
        self.timer = lambda: perf_counter() / divisor

    def run(self):
        for _ in self.calls:
            self.call()
