"""A search for the rows with the largest errors: hill climbing from rows with structure.

    python tests/worst.py --minutes 10 --seed 1 --dtypes float32 float64
    python tests/worst.py --minutes 10 --write         keep the worst rows in hard.json, for ever

Errors are counted in parts of the promised bound, on the active target (TWOPASS_TARGET names one).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import ball
import hard
import numpy as np
import structured
from oracle import ALGORITHMS, DTYPES, FUNCTIONS, bound, exact

import twopass

POPULATION, SURVIVORS, PATIENCE = 2048, 64, 25
LONGEST = 128  # a block: longer sums are added up in float64
KEPT = 2  # rows of a function and dtype


@dataclass
class Climb:
    """Many rows of one length, of which those with the largest errors have children."""

    function: str
    algorithm: str
    rows: np.ndarray
    rng: np.random.Generator
    best: float = -1.0
    failures: int = 0

    def step(self) -> None:
        scores = self.scores()
        order = np.argsort(scores)[::-1][:SURVIVORS]
        parents, top = self.rows[order], float(scores[order[0]])
        self.failures = 0 if top > self.best else self.failures + 1
        self.best = max(top, self.best)
        children = parents[self.rng.integers(len(parents), size=POPULATION - len(parents))]
        self.rows = np.concatenate([parents, self.mutated(children)])

    def scores(self) -> np.ndarray:
        """The largest error of each row in parts of what is allowed."""
        got = np.asarray(getattr(twopass, self.function)(self.rows, -1, algorithm=self.algorithm))
        want = exact(self.function, self.rows)
        with np.errstate(all="ignore"):
            share = want.ulps(got) / bound(self.function, want.hi)
        return np.nan_to_num(share, nan=0).reshape(len(got), -1).max(-1)

    def mutated(self, rows: np.ndarray) -> np.ndarray:
        """Few or all elements moved by steps of any size, or new; some rows moved as a whole."""
        rng, wide = self.rng, rows.astype(float)
        column = (len(rows), 1)
        chosen = rng.random(rows.shape) < 10 ** rng.uniform(-2, 0, column)
        steps = np.round(rng.normal(size=rows.shape) * 2.0 ** rng.integers(0, 22, column))
        with np.errstate(all="ignore"):
            moved = wide + steps * np.spacing(rows).astype(float)
            fresh = wide.max(-1, keepdims=True) - rng.exponential(10, rows.shape)
            moved = np.where(rng.random(column) < 0.2, fresh, moved)
            moved = np.where(chosen, moved, wide)
            moved += np.where(rng.random(column) < 0.1, rng.normal(size=column), 0)
        return structured.finite_cast(np.where(np.isfinite(moved), moved, wide), rows.dtype.name)


@dataclass(frozen=True)
class Worst:
    share: float
    function: str
    algorithm: str
    row: np.ndarray

    def measured(self) -> tuple[float, str]:
        """By the other oracle: the part of the bound, and the error in words."""
        got = np.ravel(getattr(twopass, self.function)(self.row, algorithm=self.algorithm))
        want = ball.truth(self.function, self.row[None])
        errors = want.ulps(got)[0]
        share = errors / bound(self.function, want.cut(got.dtype))[0]
        i = int(share.argmax())
        how = f"by {self.algorithm} on {twopass.active_target().name}"
        return float(share[i]), f"{self.function} {got.dtype}: {errors[i]:.4f} ULP {how}"


def search(function: str, dtype: str, seconds: float, rng: np.random.Generator) -> list[Worst]:
    """The worst row of each climb, the worst ones first."""
    end = time.monotonic() + seconds
    found = []
    while time.monotonic() < end:
        n = int(np.exp2(rng.uniform(0, np.log2(LONGEST))))
        kinds = rng.choice([*structured.KINDS.values()], POPULATION)
        rows = np.stack([structured.row(rng, kind, n, dtype) for kind in kinds])
        climb = Climb(function, str(rng.choice(ALGORITHMS)), rows, rng)
        while climb.failures < PATIENCE and time.monotonic() < end:
            climb.step()
        found.append(Worst(climb.best, function, climb.algorithm, climb.rows[0]))
    return sorted(found, key=lambda worst: -worst.share)[:KEPT]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="for each dtype")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--functions", nargs="+", choices=FUNCTIONS, default=FUNCTIONS)
    parser.add_argument("--write", action="store_true", help=f"add the rows to {hard.FILE.name}")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    for dtype in options.dtypes:
        for function in options.functions:
            seconds = 60 * options.minutes / len(options.functions)
            for worst in search(function, dtype, seconds, rng):
                share, why = worst.measured()
                print(f"{why}: {share:.4f} of the bound", flush=True)
                if options.write:
                    hard.add(hard.Hard(why, worst.row[None]))


if __name__ == "__main__":
    main()
