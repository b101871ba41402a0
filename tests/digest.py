"""The stored digest: what every target with FMA computes, down to the bit.

    python tests/digest.py            compare the active target, by every algorithm
    python tests/digest.py --write    accept its bits as the promised ones

bits.json holds, for each row of the corpus, a hash of the result of each function.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from oracle import ALGORITHMS, DTYPES, FUNCTIONS, HARD, call, corpus, finite_cast

FILE = Path(__file__).with_name("bits.json")
Rows = Iterable[tuple[str, np.ndarray]]

# name of a row -> the hashes of its softmax, log_softmax and logsumexp
Digests = dict[str, list[str]]


def long_corpus() -> Iterator[tuple[str, np.ndarray]]:
    """More rows of the kind of `corpus`, of up to ten million elements."""
    for name, n in (("normal_3", 1_000_000), ("stairs", 1_000_000), ("uniform_1000", 10_000_000)):
        x = HARD[name](n)
        for dtype in DTYPES:
            yield f"{name} {n} {dtype}", finite_cast(x, dtype)


def digest(result: object) -> str:
    """Hash an array's elements; all NaNs are one, and byte orders do not differ."""
    array = np.atleast_1d(result)
    array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()[:16]


def digests(target: object, rows: Rows, **options: object) -> Digests:
    return {name: [digest(call(target, f, x, **options)) for f in FUNCTIONS] for name, x in rows}


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
        known = digests(twopass, (*corpus(), *long_corpus()), algorithm="two_pass")
        lines = (f"{json.dumps(name)}: {json.dumps(hashes)}" for name, hashes in known.items())
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")
    rows = list(corpus()) if options.short else [*corpus(), *long_corpus()]
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
