"""A seeded campaign: every law on drawn rows, calls and targets, for as long as one likes.

    python tests/fuzz.py --minutes 60           the seed is printed
    python tests/fuzz.py --seed 5 --cases 1000  the same thousand cases each time

What breaks a law is shrunk, and printed as a line for hard.json; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import itertools
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import structured
from hard import Hard
from laws import LAWS, OUTS, Case
from oracle import ALGORITHMS, DTYPES, SEGMENT

import twopass

# How long rows may be, and the share of cases with such rows.
LENGTHS = {300: 0.9, 5000: 0.096, 3 * SEGMENT: 0.004}
HEIGHTS = (1, 2, 3, 6, 17)
ATTEMPTS = 2000  # to shrink a case
PLAIN = {"algorithm": "auto", "threads": 1, "layout": "rows", "out": "new"}

Law = Callable[[Case], None]


def drawn(seed: int, number: int, target: Any) -> Case:
    """Return case `number` of a campaign."""
    rng = np.random.default_rng([seed, number])
    most = int(rng.choice(list(LENGTHS), p=list(LENGTHS.values())))
    height = int(rng.choice(HEIGHTS)) if most <= 300 else int(rng.integers(1, 3))
    dtype = str(rng.choice(DTYPES))
    x = structured.batch(rng, height, structured.length(rng, most), dtype)
    return Case(
        target,
        x,
        structured.weights(rng, x.shape, dtype),
        algorithm=str(rng.choice(ALGORITHMS)),
        threads=int(rng.integers(1, 3)),
        layout=str(rng.choice(list(structured.LAYOUTS))),
        out=str(rng.choice(OUTS)),
        seed=int(rng.integers(1 << 16)),
    )


def broken(law: Law, case: Case) -> str:
    """Say what is wrong; nothing is "". Whatever a law raises counts."""
    try:
        law(case)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


# ---- Shrinking ----------------------------------------------------------------------------------


def shrunk(law: Law, case: Case) -> Case:
    """A smaller case that breaks the same law: less of everything, and plainer."""
    attempts = itertools.count()
    smaller = True
    while smaller:
        smaller = False
        for candidate in smaller_cases(case):
            if next(attempts) > ATTEMPTS:
                return case
            if broken(law, candidate):
                case, smaller = candidate, True
                break
    return case


def smaller_cases(case: Case) -> Iterator[Case]:
    for name, plain in PLAIN.items():
        if getattr(case, name) != plain:
            yield replace(case, **{name: plain})
    if case.b.any():
        yield replace(case, b=np.zeros_like(case.b))
    for axis, size in enumerate(case.x.shape):
        for kept in _subsets(size):
            x, b = case.x.take(kept, axis), case.b.take(kept, axis)
            yield replace(case, x=x, b=b)
            if axis and np.isfinite(x).all():
                yield replace(case, x=_with_the_log_sum_of(case.x, x), b=b)
    for name in ("x", "b"):
        for simple in _simpler(getattr(case, name)):
            yield replace(case, **{name: simple})


def _subsets(size: int) -> Iterator[np.ndarray]:
    """All but a half, all but a quarter, ... all but one."""
    width = size // 2
    while width:
        for start in range(0, size, width):
            yield np.delete(np.arange(size), slice(start, start + width))
        width //= 2


def _with_the_log_sum_of(x: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The part, shifted: near a certain result, what is wrong there stays wrong."""
    with np.errstate(all="ignore"):
        lost = [
            structured.log_sum(a.astype(float)) - structured.log_sum(b.astype(float))
            for a, b in zip(x, part, strict=True)
        ]
        return structured.finite_cast(part + np.nan_to_num(lost)[:, None], x.dtype.name)


def _simpler(x: np.ndarray) -> Iterator[np.ndarray]:
    """One number at a time: 0, or fewer bits."""
    for place in np.ndindex(x.shape):
        if np.isfinite(x[place]) and x[place]:
            mantissa, exponent = np.frexp(float(x[place]))
            for bits in (0, 1, 4, 12):
                simple = x.copy()
                simple[place] = np.ldexp(np.trunc(np.ldexp(mantissa, bits)), exponent - bits) + 0.0
                if simple[place] != x[place]:
                    yield simple


# ---- The campaign -------------------------------------------------------------------------------


@dataclass
class Finding:
    law: str
    case: Case
    message: str
    number: int

    def __str__(self) -> str:
        case = self.case
        how = f"{case.algorithm}, {case.threads} threads, {case.layout}, out {case.out}"
        why = f"{self.law} on {case.target.name}: {how}"
        return (
            f"case {self.number}: {why}\n  {self.message}\n"
            f"  {Hard(why, case.x, case.b if case.b.any() else None, case.seed).line()}"
        )


@dataclass
class Campaign:
    """Counts what was tried; keeps the first finding of each law, target and dtype."""

    seed: int
    laws: dict[str, Law] = field(default_factory=lambda: LAWS)
    cases: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, ...]] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def run(self, numbers: Iterable[int], targets: list[Any]) -> None:
        for number in numbers:
            case = drawn(self.seed, number, targets[number % len(targets)])
            for name, law in self.laws.items():
                self.cases[name] += 1
                message = broken(law, case)
                self.values.update(case.values)
                case.values.clear()
                if message:
                    self.found(name, law, case, number)

    def found(self, name: str, law: Law, case: Case, number: int) -> None:
        kind = (name, case.target.name, case.x.dtype.name)
        self.failures[kind] += 1
        if self.failures[kind] == 1:
            small = shrunk(law, case)
            self.findings.append(Finding(name, small, broken(law, small), number))
            print(self.findings[-1], flush=True)

    def report(self) -> str:
        lines = [f"{self.cases.total():,} checks of {len(self.cases)} laws, seed {self.seed}"]
        lines += [f"{count:15,} values through {name}" for name, count in self.values.items()]
        lines += [f"{count:15,} times {' '.join(kind)}" for kind, count in self.failures.items()]
        return "\n".join([*lines, f"{len(self.findings)} kinds of failure"])


def until(minutes: float) -> Iterator[int]:
    end = time.monotonic() + 60 * minutes
    return itertools.takewhile(lambda _: time.monotonic() < end, itertools.count())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=5, help="how long (5)")
    length.add_argument("--cases", type=int, help="how many cases instead")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="any number")
    options = parser.parse_args()
    targets = [target for target in twopass.targets().values() if not target.obstacle]
    print(f"seed {options.seed}, targets {', '.join(t.name for t in targets)}", flush=True)
    campaign = Campaign(options.seed)
    numbers = range(options.cases) if options.cases else until(options.minutes)
    campaign.run((options.first + i for i in numbers), targets)
    print(campaign.report())
    return bool(campaign.findings)


if __name__ == "__main__":
    sys.exit(main())
