"""What a peer is: another library, what it computes, how it is called, and its line in charts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twopass.bench.cases import Case
from twopass.functions import DTYPES

Array = NDArray[Any]
Call = Callable[[], object]
Bind = Callable[[Case, Array, Array], Call]

COLOUR = "0.5"  # peers are grey, and differ by their dashes or markers


@dataclass(frozen=True)
class Peer:
    """Another library, called the fastest way it offers: bound input, preallocated output.

    Parameters
    ----------
    name : str
        What it is imported as, and called in tables and files.
    functions : mapping of str to callable
        What it computes. The callable takes a case, its input and its output, and returns what is
        timed: a callable of no arguments that uses the threads of the case.
    style : mapping
        How its line differs from the other peers': matplotlib's ``linestyle``, ``marker``,
        ``color``, ``label``.
    dtypes : sequence of str
        The dtypes that it takes, of those that are measured.
    fills : bool
        Whether a call writes the output; else it returns an array of its own.
    operands : bool
        Whether its callables give `Case.beside` to the library, or apply it before.
    """

    name: str
    functions: Mapping[str, Bind]
    style: Mapping[str, Any]
    dtypes: Sequence[str] = DTYPES
    fills: bool = True
    operands: bool = False

    @property
    def installed(self) -> bool:
        """Whether it can be imported here."""
        return find_spec(self.name) is not None

    @property
    def line(self) -> dict[str, Any]:
        """All properties of its line in a chart."""
        return {"label": self.name, "color": COLOUR, **self.style}

    def offers(self, function: str, dtype: str) -> bool:
        """Whether it computes a function in a dtype."""
        return function in self.functions and dtype in self.dtypes

    def call(self, case: Case, x: Array, out: Array) -> Call:
        """Return a callable of no arguments that runs a case; ValueError if it is not offered."""
        if not self.offers(case.function, case.dtype):
            raise ValueError(f"{self.name} does not compute {case.function} in {case.dtype}")
        if case.operands and not self.operands:
            raise ValueError(f"{self.name} is not measured with operands")
        return self.functions[case.function](case, x, out)

    def answer(self, case: Case, x: Array, out: Array) -> Array:
        """Return what it computes for a case: `out`, or an array like it."""
        returned = self.call(case, x, out)()
        return out if self.fills else np.asarray(returned, out.dtype)
