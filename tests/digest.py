"""The stored digest: what every target with FMA computes, down to the bit.

    python tests/digest.py            compare the active target, by every algorithm
    python tests/digest.py --write    accept its bits as the promised ones

bits.json holds, for each row of the corpus and the operands beside it, a hash of the result of each
function.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from oracle import ALGORITHMS, DTYPES, FUNCTIONS, HARD, REDUCING, call, corpus, finite_cast, hard

FILE = Path(__file__).with_name("bits.json")


class Row(NamedTuple):
    """A row, and the operands of the functions that rewrite it and of those that reduce it."""

    name: str
    x: np.ndarray
    rewritten: dict[str, Any] = {}
    reduced: dict[str, Any] = {}

    def digests(self, target: object, **options: object) -> list[str]:
        calls = (self.reduced if f in REDUCING else self.rewritten for f in FUNCTIONS)
        return [
            digest(call(target, f, self.x, **beside, **options))
            for f, beside in zip(FUNCTIONS, calls, strict=True)
        ]


Rows = Iterable[tuple[Any, ...]]

# name of a row -> the hashes of its softmax, log_softmax and logsumexp
Digests = dict[str, list[str]]


def short_corpus() -> Iterator[tuple[Any, ...]]:
    """The corpus, and rows with operands beside them."""
    yield from corpus()
    for dtype in DTYPES:
        for n in (7, 129, 4096, 70_001):
            x, rest = np.split(hard("normal_3", 4 * n, dtype), [n])
            bias, b, mask = np.split(rest, 3)
            taken = {"scale": 0.7, "bias": bias}
            where = {"where": mask > -2}
            signed = {"b": b * where["where"], "return_sign": True}
            for beside, rewritten, reduced in (
                ("scale and bias", taken, taken),
                ("where", where, where),
                ("return_lse or b", {"return_lse": True}, {"b": abs(b)}),
                ("all operands", taken | where | {"return_lse": True}, taken | where | signed),
            ):
                yield f"{beside} {n} {dtype}", x, rewritten, reduced


def long_corpus() -> Iterator[tuple[str, np.ndarray]]:
    """More rows of the kind of `corpus`, of up to ten million elements."""
    for name, n in (("normal_3", 1_000_000), ("stairs", 1_000_000), ("uniform_1000", 10_000_000)):
        x = HARD[name](n)
        for dtype in DTYPES:
            yield f"{name} {n} {dtype}", finite_cast(x, dtype)


def digest(result: object) -> str:
    """Hash the elements of an array, or of two; NaNs are one, and byte orders do not differ."""
    parts = result if isinstance(result, tuple) else (result,)
    array = np.concatenate([np.ravel(part) for part in parts])
    array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()[:16]


def digests(target: object, rows: Rows, **options: object) -> Digests:
    return {row[0]: Row(*row).digests(target, **options) for row in rows}


def stored() -> Digests:
    return json.loads(FILE.read_text(encoding="ascii"))


def differences(found: Digests) -> list[str]:
    """Name what has other bits than those stored."""
    known = stored()
    return [
        f"{function} of {name}"
        for name, hashes in found.items()
        for function, got, want in zip(FUNCTIONS, hashes, known[name], strict=True)
        if got != want
    ]


def main() -> int:
    import twopass

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name} anew")
    parser.add_argument("--short", action="store_true", help="leave the longest rows out")
    options = parser.parse_args()
    if options.write:
        known = digests(twopass, (*short_corpus(), *long_corpus()), algorithm="two_pass")
        lines = (f"{json.dumps(name)}: {json.dumps(hashes)}" for name, hashes in known.items())
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")
    rows = list(short_corpus()) if options.short else [*short_corpus(), *long_corpus()]
    wrong = [
        f"{algorithm}: {text}"
        for algorithm in ALGORITHMS
        for text in differences(digests(twopass, rows, algorithm=algorithm))
    ]
    name = twopass.active_target().name
    print(*wrong, f"{name}: {len(wrong)} of {len(rows) * len(ALGORITHMS)} differ", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
