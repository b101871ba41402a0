"""``twopass accuracy``: the largest errors on hard inputs, per target, next to other libraries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twopass.bench import UsageError, peers
from twopass.bench.cases import Case
from twopass.bench.exact import HARD, WIDE, Array, Exact, bound, exact, finite_cast
from twopass.functions import ALGORITHMS, BY_NAME, DTYPES, HALF_ULPS, NAMES

SHORT, LONG, LONGEST = (1000, 70_001), 1_000_000, 10_000_000
SUMS = ("zero_and_-17.3", "equal", "normal_3", "uniform_1000")  # where length is the hard part

# What errors are counted in, in the order of the fields of a Bound.
UNITS = NORMAL, SUBNORMAL, LOG = ("ULP", "quanta, subnormal", "eps max(1, |y|)")


class Kind(NamedTuple):
    """What errors are of."""

    function: str
    dtype: str
    unit: str


class Worst(NamedTuple):
    """The largest error: as a share of what is promised, and in its unit."""

    share: float = 0.0
    error: float = 0.0


# who -> (kind, input) -> the worst
Table = dict[str, dict[tuple[Kind, str], Worst]]


def accuracy(
    targets: Sequence[Any], *, with_peers: bool, quick: bool, json_path: Path | None
) -> int:
    """Measure, print the table, and return the exit code: 1 if a target breaks the promise."""
    if not WIDE and find_spec("mpmath") is None:
        raise UsageError("accuracy needs mpmath where long double is no wider: pip install mpmath")
    names = [target.name for target in targets]
    table: Table = {name: {} for name in [*names, *(peers.installed() if with_peers else [])]}
    for name, x in _inputs(quick):
        for function in NAMES:
            _measure(table, targets, function, f"{name}, {x.size:,}", x)
    print(*by_kind(table), "", *by_input(table, Kind("softmax", "float32", NORMAL)), sep="\n")
    if json_path:
        json_path.write_text(json.dumps(_plain(table), indent=1), encoding="utf-8")
    broken = [name for name in names if any(w.share > 1 for w in table[name].values())]
    print(f"\nbroken by {', '.join(broken)}" if broken else "\nAll targets keep the promise.")
    return bool(broken)


def _inputs(quick: bool) -> Iterator[tuple[str, Array]]:
    for name, make in HARD.items():
        longer = () if quick or name not in SUMS else (LONG, LONGEST)
        for n in (*SHORT, *longer):
            scores = make(n)
            for dtype in DTYPES:
                yield name, finite_cast(scores, dtype)


def _measure(table: Table, targets: Sequence[Any], function: str, label: str, x: Array) -> None:
    want = exact(function, x)
    seen: list[tuple[Array, dict[Kind, Worst]]] = []  # most targets and algorithms agree

    def add(who: str, got: Array) -> None:
        known = (errors for bits, errors in seen if np.array_equal(bits, got, equal_nan=True))
        errors = next(known, None)
        if errors is None:
            errors = _errors(function, want, got)
            seen.append((got, errors))
        for kind, worst in errors.items():
            table[who][kind, label] = max(table[who].get((kind, label), Worst()), worst)

    for target in targets:
        for algorithm in ALGORITHMS:
            add(target.name, np.asarray(getattr(target, function)(x, algorithm=algorithm)))
    for peer in table.keys() - {target.name for target in targets}:
        got = _peer(peer, function, x)
        if got is not None:
            add(peer, got)


def _peer(name: str, function: str, x: Array) -> Array | None:
    """Return what another library answers, None if it does not take such input."""
    case = Case(function, x.shape, 0, x.dtype.name)
    out = np.empty(() if case.reduces else x.shape, x.dtype)
    try:
        with np.errstate(all="ignore"):
            return peers.PEERS[name].answer(case, x, out)
    except Exception:  # each has exceptions of its own
        return None


def _errors(function: str, want: Exact, got: Array) -> dict[Kind, Worst]:
    ulps, limit = np.atleast_1d(want.ulps(got)), np.atleast_1d(bound(function, want.hi))
    ulps = np.where(np.isnan(ulps), np.inf, ulps)
    share = np.where(ulps == 0, 0, ulps / limit)
    dtype, eps = want.hi.dtype, BY_NAME[function].bound.eps
    if eps:
        unit = LOG if dtype != np.float16 else NORMAL
        parts = {unit: np.ones(ulps.shape, bool)}
    else:
        small = np.atleast_1d(want.hi) < np.finfo(dtype).tiny
        parts = {NORMAL: ~small, SUBNORMAL: small}
    found = {}
    for unit, part in parts.items():
        if part.any():
            i = int(np.where(part, share, -1).argmax())
            error = share[i] * eps if unit == LOG else ulps[i]
            found[Kind(function, dtype.name, unit)] = Worst(float(share[i]), float(error))
    return found


def by_kind(table: Table) -> Iterator[str]:
    """Return the largest errors of each kind over all inputs, as a table in Markdown."""
    kinds = sorted(
        {kind for row in table.values() for kind, _ in row},
        key=lambda kind: (NAMES.index(kind.function), DTYPES.index(kind.dtype), kind.unit),
    )
    yield from _head(table, "largest error", "unit", "promised")
    for kind in kinds:
        worst = [
            max((w for (k, _), w in row.items() if k == kind), default=None)
            for row in table.values()
        ]
        yield _line(f"{kind.function} {kind.dtype}", kind.unit, _promise(kind), *map(_cell, worst))


def by_input(table: Table, kind: Kind) -> Iterator[str]:
    """Return the largest errors of one kind on each input, as a table in Markdown."""
    labels = dict.fromkeys(label for row in table.values() for k, label in row if k == kind)
    yield from _head(table, f"{kind.function} {kind.dtype}, {kind.unit}")
    for label in labels:
        yield _line(label, *(_cell(row.get((kind, label))) for row in table.values()))


def _head(table: Table, *titles: str) -> Iterator[str]:
    yield _line(*titles, *table)
    yield _line(*("---" for _ in titles), *("--:" for _ in table))


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _promise(kind: Kind) -> str:
    promised = BY_NAME[kind.function].bound
    if kind.dtype == "float16":
        return f"{HALF_ULPS}, more next to 0" if promised.eps else f"{HALF_ULPS}"
    return f"{promised[UNITS.index(kind.unit)]}"


def _cell(worst: Worst | None) -> str:
    if worst is None:
        return "-"
    return f"{worst.error:,.0f}" if 100 <= worst.error < np.inf else f"{worst.error:.2g}"


def _plain(table: Table) -> dict[str, list[dict[str, object]]]:
    return {
        who: [
            {**kind._asdict(), "input": label, **worst._asdict()}
            for (kind, label), worst in row.items()
        ]
        for who, row in table.items()
    }
