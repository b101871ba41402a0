"""What is measured: row lengths, shapes, and the comparisons drawn from them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twopass.functions import BY_NAME

Ki, Mi = 1 << 10, 1 << 20
ROWS = tuple(4**k for k in range(3, 14))  # 64 .. 64 Mi
QUICK_ROWS = (64, 4 * Ki, 64 * Ki, Mi, 16 * Mi)
BATCHES = ((16384, 64), (4096, 1000), (256, 32000))
COLUMNS = ((1000, 4096), (4096, 64))  # reduced over axis 0

# As callers have them, and along both axes. The last one is how a transpose of (50000, 200) lies.
OPERAND_SHAPES = (((1000, 1000), 0), ((1000, 1000), 1), ((100_000, 10), 1), ((200, 50_000), 0))

# The slowest peer holds the input and up to four arrays of its own beside our output.
ARRAYS_IN_MEMORY = 6


@dataclass(frozen=True)
class Case:
    """One input of one function.

    Parameters
    ----------
    function : str
        A name of `twopass.functions.TABLE`.
    shape : tuple of int
        Shape of the input.
    axis : int
        The reduced axis, not negative.
    dtype : str
        Name of the input's and the output's dtype.
    threads : int
        Threads that everybody may use.
    operands : str
        A key of `OPERANDS`: what stands beside the input.
    """

    function: str
    shape: tuple[int, ...]
    axis: int = 0
    dtype: str = "float32"
    threads: int = 1
    operands: str = ""

    @property
    def size(self) -> int:
        """Number of input elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the input."""
        return self.size * np.dtype(self.dtype).itemsize

    @property
    def reduces(self) -> bool:
        """Whether the output has one value a row."""
        return BY_NAME[self.function].reduces

    @property
    def is_row(self) -> bool:
        """Whether this is a point of the sweep over row lengths, for the chart."""
        return len(self.shape) == 1 and (self.dtype, self.threads) == ("float32", 1)

    @property
    def label(self) -> str:
        """A short name of the input, such as ``(4096, 1000) float64``."""
        text = human(self.size) if len(self.shape) == 1 else str(self.shape)
        if len(self.shape) > 1 and self.axis != len(self.shape) - 1:
            text += f" axis {self.axis}"
        if self.dtype != "float32":
            text += f" {self.dtype}"
        text += f", {self.threads} threads" if self.threads > 1 else ""
        return text + (f", {self.operands}" if self.operands else "")

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Input of ordinary scores (normal, three wide) and an output to fill."""
        x = np.random.default_rng(0).standard_normal(self.shape, dtype=np.float32)
        x *= 3
        x = x.astype(self.dtype, copy=False)
        reduced = self.shape[: self.axis] + self.shape[self.axis + 1 :]
        out = np.zeros(reduced if self.reduces else self.shape, self.dtype)
        return x, out

    def beside(self) -> dict[str, Any]:
        """Return the operands by the names of the arguments."""
        return OPERANDS[self.operands](self) if self.operands else {}


def _row(case: Case) -> NDArray[Any]:
    """Return a number for each element of a row."""
    shape = [n if d == case.axis else 1 for d, n in enumerate(case.shape)]
    return np.random.default_rng(1).standard_normal(shape).astype(case.dtype)


def _full(case: Case) -> NDArray[Any]:
    return np.random.default_rng(1).standard_normal(case.shape).astype(case.dtype)


EXPRESSIONS: dict[str, Callable[[Case], dict[str, Any]]] = {
    "scale, bias row": lambda case: {"scale": 0.125, "bias": _row(case)},
}
WEIGHTS: dict[str, Callable[[Case], dict[str, Any]]] = {
    "b number": lambda case: {"b": 0.5},
    "b row": lambda case: {"b": abs(_row(case))},
    "b full": lambda case: {"b": abs(_full(case))},
    "b signed, return_sign": lambda case: {"b": _full(case), "return_sign": True},
    "return_sign": lambda case: {"return_sign": True},
}
OPERANDS = EXPRESSIONS | WEIGHTS


@dataclass(frozen=True)
class Comparison:
    """A case whose time is judged by the time of another case, per element."""

    label: str
    case: Case
    reference: Case


def row_cases(function: str, *, quick: bool) -> list[Case]:
    """Return the sweep over row lengths."""
    return [Case(function, (n,)) for n in (QUICK_ROWS if quick else ROWS)]


def shape_cases(function: str) -> list[Case]:
    """Return the other inputs of a full run: batches, columns, dtypes and two threads."""
    single = [Case(function, shape, 1) for shape in BATCHES + COLUMNS]
    single += [Case(function, shape, 0) for shape in COLUMNS]
    double = [Case(function, (n,), dtype="float64") for n in (4 * Ki, Mi, 16 * Mi, 64 * Mi)]
    double += [Case(function, shape, 1, "float64") for shape in BATCHES]
    half = [Case(function, (n,), dtype="float16") for n in (4 * Ki, Mi, 16 * Mi, 64 * Mi)]
    two = [Case(function, (64 * Mi,), threads=2), Case(function, (4096, 1000), 1, threads=2)]
    return single + double + half + (two if usable_cpus() > 1 else [])


def operand_cases(function: str) -> list[Case]:
    """Return inputs with each of the operands that a function takes, and with none."""
    names = ["", *EXPRESSIONS, *(WEIGHTS if BY_NAME[function].reduces else ())]
    return [
        Case(function, shape, axis, dtype, operands=name)
        for dtype in ("float64", "float32")
        for shape, axis in OPERAND_SHAPES
        for name in names
    ]


def comparisons(cases: list[Case]) -> Iterator[Comparison]:
    """Pair each case with the one it is judged by, where both were measured."""
    for case in cases:
        if case.operands:
            yield Comparison(f"{case.label} / none", case, replace(case, operands=""))
        elif len(case.shape) > 1 and case.axis == 0:
            yield Comparison(f"{case.label} / axis 1", case, replace(case, axis=1))
        elif case.dtype == "float16" and case.nbytes > 16 * Mi:
            yield Comparison(f"{case.label} / float32", case, replace(case, dtype="float32"))
        elif case.threads > 1:
            yield Comparison(f"{case.label} / one", case, replace(case, threads=1))


def human(n: int) -> str:
    """Write a count with a binary prefix where that is exact: 65536 is ``64 Ki``."""
    for unit, prefix in ((Mi, " Mi"), (Ki, " Ki")):
        if n >= unit and n % unit == 0:
            return f"{n // unit}{prefix}"
    return str(n)


def usable_cpus() -> int:
    """Return how many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def fits(case: Case) -> bool:
    """Whether the machine has the memory for a case; yes where it does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":") for line in file)
        free = int(lines["MemAvailable"].split()[0]) * Ki
    except (OSError, KeyError, ValueError):
        return True
    return ARRAYS_IN_MEMORY * case.nbytes < free
