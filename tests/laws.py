"""What must hold between functions, whatever the input: a table of laws.

A law takes a case: rows, and everything about the call that must not matter. What it has to choose,
such as where to split a row, it draws from the seed of the case. hypothesis (test_laws.py), the
campaign (fuzz.py) and the rows that were hard once (hard.py) all go through this table.

Tolerances are sums of promised bounds, carried through what the law does with the results.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import ball
import numpy as np
from oracle import (
    ELEMENTWISE,
    FUNCTIONS,
    REDUCING,
    SEGMENT,
    assert_same_bits,
    bound,
    finite_cast,
    unfused,
)
from structured import LAYOUTS, batch, weights

import twopass
from twopass import _pairs
from twopass.bench.exact import ulp
from twopass.functions import TABLE

OUTS = ("new", "given", "in place")


@dataclass(frozen=True)
class Case:
    """A matrix of rows with weights, and how the functions are called."""

    target: Any
    x: np.ndarray
    b: np.ndarray
    algorithm: str = "auto"
    threads: int | None = 1
    layout: str = "rows"
    out: str = "new"
    seed: int = 0
    values: Counter[str] = field(default_factory=Counter, compare=False, repr=False)

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def laid_out(self, x: np.ndarray) -> Any:
        return LAYOUTS[self.layout](self.rng(), x.copy())

    def beside(self, operand: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """An operand of rows, laid out as they are: of length 1 where it is that."""
        array, axis = self.laid_out(np.broadcast_to(operand, shape))
        alone = [n < of_rows for n, of_rows in zip(operand.shape, shape, strict=True)]
        axis %= array.ndim
        return array[tuple(slice(1 if alone[d == axis] else None) for d in range(array.ndim))]

    def run(self, function: str, x: np.ndarray, **operands: Any) -> np.ndarray:
        """The results for rows: a matrix, or a number for each."""
        self.values[function] += x.size
        layout = self.laid_out(x)
        array, axis = layout
        options = {"algorithm": self.algorithm, "threads": self.threads}
        options |= {
            name: self.beside(operand, x.shape) if np.ndim(operand) else operand
            for name, operand in operands.items()
        }
        reduced = function in REDUCING
        if self.out == "in place" and not reduced and array.dtype == x.dtype:
            options["out"] = array
        elif self.out != "new":
            shape = np.delete(array.shape, axis) if reduced else array.shape
            options["out"] = np.full(shape, 7, x.dtype)
        got = np.asarray(getattr(self.target, function)(array, axis, **options))
        assert got.dtype == x.dtype
        assert options.get("out") is None or got is options["out"]
        return got.reshape(-1) if reduced else layout.moved(got)

    def alone(self) -> Case:
        """One row after the other, contiguous, by one thread."""
        return replace(self, threads=1, layout="rows", out="new")

    def parts(self) -> list[np.ndarray]:
        """The rows, split in up to five places."""
        rng, n = self.rng(), self.x.shape[1]
        cuts = np.unique(rng.integers(n, size=rng.integers(6)))
        return np.split(self.x, cuts[cuts > 0], 1)

    @contextmanager
    def pairs(self) -> Iterator[None]:
        """Let the functions of pairs, which run the active target, run this one."""
        with mock.patch.object(_pairs, "_kernels", lambda: self.target.module):
            yield


# ---- Tolerances ---------------------------------------------------------------------------------


def allowed(function: str, y: np.ndarray) -> np.ndarray:
    """The promised error of a result of about y, as a number."""
    y = np.asarray(y)
    with np.errstate(all="ignore"):
        above = (abs(y.astype(float)) * (1 + 16 * float(np.finfo(y.dtype).eps))).astype(y.dtype)
        error = bound(function, above) * ulp(above)
    return np.where(np.isfinite(y), error, 0)


def assert_close(got: Any, want: Any, tolerance: Any, what: str = "") -> None:
    """Not further apart than that; equal infinities and NaNs are the same."""
    got, want = np.asarray(got), np.asarray(want)
    with np.errstate(all="ignore"):
        distance = abs(got.astype(np.longdouble) - want.astype(np.longdouble))
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    wrong = ~(same | (distance <= tolerance))
    if wrong.any():
        i = tuple(int(k) for k in np.argwhere(wrong)[0])
        limit = float(np.broadcast_to(tolerance, got.shape)[i])
        raise AssertionError(
            f"{what}: {wrong.sum()} of {got.size} wrong; first at {i}: {got[i]!r}, should be "
            f"{want[i]!r} within {limit:.3g}"
        )


def assert_true(function: str, x: np.ndarray, got: np.ndarray, what: str = "") -> None:
    """Within the promised bound of the truth."""
    want = ball.truth(function, x)
    got = np.asarray(got).reshape(want.near.shape)
    errors, limit = want.ulps(got), bound(function, want.cut(x.dtype))
    wrong = ~((errors == 0) | (errors <= limit))
    if wrong.any():
        i = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{what or function}: {wrong.sum()} of {got.size} wrong; first at {i}: {got[i]!r}, "
            f"should be {want.near[i]!r}: {errors[i]:.4g} ULP of {limit[i]:.4g}"
        )


def spread(y: np.ndarray, function: str) -> np.ndarray:
    """How far a logsumexp of rows y is off when each y is as wrong as `function` may leave it."""
    with np.errstate(all="ignore"):
        wide = y.astype(float)
        share = np.exp(wide - wide.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        return 1.01 * np.nansum(share * np.expm1(allowed(function, y)), -1)


def with_a_number(rows: np.ndarray) -> np.ndarray:
    """Those with a finite maximum: where probabilities are defined."""
    return rows[np.isfinite(rows.max(-1))]


def with_maximum_0(rows: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return finite_cast(rows.astype(float) - rows.max(-1, keepdims=True), rows.dtype.name)


# ---- Laws ---------------------------------------------------------------------------------------


def bounds(case: Case) -> None:
    """Every result is within the promised bound of the truth."""
    for function in FUNCTIONS:
        assert_true(function, case.x, case.run(function, case.x))


def what_is_next_to_zero_is_kept(case: Case) -> None:
    """Far below eps, where the bounds say nothing.

    logsumexp of a row whose maximum is 0 is what the others add to 1, to 4 ULP. A log_softmax is no
    further from the truth than 0 is.
    """
    x = with_a_number(case.x)
    for function, rows in (("logsumexp", with_maximum_0(x)), ("log_softmax", x)) if x.size else ():
        want = ball.truth(function, rows)
        errors = want.ulps(case.run(function, rows).reshape(want.near.shape))
        size = abs(want.near)
        limit = 4 if function == "logsumexp" else np.maximum(4, size / ulp(want.cut(x.dtype)) + 0.5)
        wrong = (errors > limit) & (size < np.finfo(x.dtype).eps)
        assert not wrong.any(), f"{function}: {errors[wrong][0]} ULP from {want.near[wrong][0]!r}"


def probabilities_add_up_to_one(case: Case) -> None:
    """logsumexp(log_softmax(x)) = 0."""
    y = case.run("log_softmax", with_a_number(case.x))
    if y.size:
        got = case.run("logsumexp", y)
        assert_close(got, np.zeros_like(got), spread(y, "log_softmax") + allowed("logsumexp", got))


def twice_is_once(case: Case) -> None:
    """log_softmax(log_softmax(x)) = log_softmax(x)."""
    once = case.run("log_softmax", with_a_number(case.x))
    if once.size:
        twice = case.run("log_softmax", once)
        tolerance = spread(once, "log_softmax")[:, None] + allowed("log_softmax", twice)
        assert_close(twice, once, tolerance)


def softmax_is_the_exponential(case: Case) -> None:
    """softmax(x) = exp(log_softmax(x))."""
    p, y = case.run("softmax", case.x), case.run("log_softmax", case.x)
    defined = np.isfinite(case.x.max(-1))
    p, y = p[defined], y[defined]
    with np.errstate(all="ignore"):
        want = np.exp(y.astype(np.longdouble))
        tolerance = allowed("softmax", p) + want * np.expm1(allowed("log_softmax", y))
    assert_close(p, want, tolerance + want * np.finfo(float).eps)


def parts_make_the_whole(case: Case) -> None:
    """The logsumexp of parts' logsumexps is that of the whole."""
    parts = case.parts()
    of_parts = np.stack([case.run("logsumexp", part) for part in parts], -1)
    got, want = case.run("logsumexp", of_parts), case.run("logsumexp", case.x)
    tolerance = allowed("logsumexp", got) + allowed("logsumexp", want)
    assert_close(got, want, spread(of_parts, "logsumexp") + tolerance)


def an_exact_shift_is_none(case: Case) -> None:
    """What can be shifted without rounding: probabilities stay, the log of the sum moves."""
    rng, dtype = case.rng(), case.x.dtype
    info = np.finfo(dtype)
    size = rng.choice([1, rng.uniform(1, 2)]) * 2.0 ** rng.integers(-info.nmant, info.maxexp - 1)
    shift = dtype.type(rng.choice([-1, 1]) * size)
    with np.errstate(all="ignore"):
        moved = case.x + shift
        back = moved - shift
        exact = _difference_is_exact(moved, shift, back)
    moved, back = (np.where(exact, row, -np.inf).astype(dtype) for row in (moved, back))
    for function in FUNCTIONS:
        got, want = case.run(function, moved), case.run(function, back)
        tolerance = allowed(function, got) + allowed(function, want)
        if function == "logsumexp":
            want = want.astype(np.longdouble) + shift
            tolerance = tolerance + ulp(got.astype(float))
        assert_close(got, want, tolerance, f"{function} shifted by {shift!r}")


def _difference_is_exact(a: Any, b: Any, difference: Any) -> np.ndarray:
    """Knuth's TwoSum finds no rounding error, and nothing is infinite."""
    virtual = difference - a
    lost = (a - (difference - virtual)) - (b + virtual)
    return (lost == 0) & np.isfinite(a) & np.isfinite(difference)


def order_is_none(case: Case) -> None:
    """Terms in another order: the same within bounds."""
    order = case.rng().permutation(case.x.shape[1])
    for function in FUNCTIONS:
        got, want = case.run(function, case.x[:, order]), case.run(function, case.x)
        want = want if function in REDUCING else want[:, order]
        assert_close(got, want, allowed(function, got) + allowed(function, want), function)


def minus_infinity_is_padding(case: Case) -> None:
    """-inf anywhere in between changes nothing but roundings."""
    rng, x = case.rng(), with_a_number(case.x)
    if not x.size:
        return
    n = x.shape[1]
    inside = np.sort(rng.permutation(n + rng.integers(1, 200))[:n])
    padded = np.full((len(x), inside[-1] + 1 + rng.integers(0, 100)), -np.inf, x.dtype)
    padded[:, inside] = x
    padding = np.isin(np.arange(padded.shape[1]), inside, invert=True)
    for function in FUNCTIONS:
        got, want = case.run(function, padded), case.run(function, x)
        if function in ELEMENTWISE:
            nothing = 0 if function == "softmax" else -np.inf
            assert (got[:, padding] == nothing).all(), f"{function} of padding"
            got = got[:, inside]
        assert_close(got, want, allowed(function, got) + allowed(function, want), function)


def parts_may_be_merged(case: Case) -> None:
    """Pairs of parts, merged in any order, give the results of the whole row."""
    parts = case.parts()
    with case.pairs():
        pairs = [twopass.pair_sum(*case.laid_out(part)) for part in parts]
        pair = twopass.merge(*pairs)
        case.values.update(pair_sum=case.x.size, merge=len(pairs), finish=len(case.x))
        if not pair.shift.any():
            shuffled = [pairs[i] for i in case.rng().permutation(len(pairs))]
            assert twopass.merge(*shuffled) == pair, "merged in another order"
        assert_true("logsumexp", case.x, np.ravel(twopass.finish(pair)), "finish")
        for function in ELEMENTWISE:
            case.values["apply"] += case.x.size
            layouts = [case.laid_out(part) for part in parts]
            applied = [a.moved(twopass.apply(a.array, pair, function)) for a in layouts]
            assert_true(function, case.x, np.concatenate(applied, -1), f"apply {function}")


def parts_at_segments_give_the_same_bits(case: Case) -> None:
    """A row in parts that end at segments: the very bits of the row in one piece.

    Except next to 0, where log_softmax needs more than the digits of a pair.
    """
    parts = np.split(case.x, range(SEGMENT, case.x.shape[1], SEGMENT), 1)
    with case.pairs():
        pair = twopass.merge(*(twopass.pair_sum(part, 1) for part in reversed(parts)))
        for function in ELEMENTWISE:
            got = np.concatenate([twopass.apply(part, pair, function) for part in parts], 1)
            want = case.run(function, case.x)
            if function == "log_softmax":
                near = max(2.0**-40, float(np.finfo(want.dtype).smallest_subnormal))
                far = ~(abs(want.astype(float)) <= near)
                got, want = got[far], want[far]
            assert_same_bits(got, want, function)


def places_are_none(case: Case) -> None:
    """Neither layout, axis, batch, threads nor `out` change a bit."""
    alone = case.alone()
    for function in FUNCTIONS:
        want = np.concatenate([alone.run(function, row[None]) for row in case.x])
        assert_same_bits(case.run(function, case.x), want, f"{function} {case.layout}")


def axes_have_many_names(case: Case) -> None:
    """All axes, several of them, the same from behind, kept dimensions: the same bits."""
    x = case.x
    for function in FUNCTIONS:
        call = getattr(case.target, function)
        case.values[function] += 4 * x.size
        flat = call(x.ravel(), 0)
        for axis in (None, (0, 1), (0, -1)):
            assert_same_bits(np.ravel(call(x, axis, algorithm="auto")), np.ravel(flat), str(axis))
    kept = case.target.logsumexp(x, -1, keepdims=True)
    assert_same_bits(kept, case.target.logsumexp(x, 1)[:, None], "keepdims")


def integers_are_doubles(case: Case) -> None:
    """Integers and booleans count as float64."""
    with np.errstate(invalid="ignore"):
        x = np.rint(np.nan_to_num(case.x.astype(float), posinf=0, neginf=0))
    for kind in ("i8", "i2", "?"):
        converted = np.clip(x, -30_000, 30_000).astype(kind)
        for function in FUNCTIONS:
            want = case.run(function, converted.astype(float))
            got = np.asarray(getattr(case.target, function)(converted, 1, algorithm=case.algorithm))
            assert_same_bits(got, want, f"{function} of {kind}")


def operands_stand_for_an_expression(case: Case) -> None:
    """Broadcast or not: the bits of plain calls on the array that they make of the rows."""
    rng, x = case.rng(), case.x
    beside: dict[str, Any] = {
        "scale": rng.choice([-1, 0.37, 2.0 ** rng.integers(-20, 20)]),
        "bias": batch(rng, *some_of(rng, x.shape), x.dtype.name),
        "where": rng.random(some_of(rng, x.shape)) < rng.choice([0.1, 0.9]),
    }
    beside = {name: beside[name] for name in rng.permutation([*beside])[: rng.integers(1, 4)]}
    taken = unfused(x, **beside)
    left = np.broadcast_to(beside.get("where", True), x.shape).any(1, keepdims=True)
    for row in TABLE:
        want = case.run(row.name, taken)
        if not row.reduces:
            want = np.where(left, want, want.dtype.type(row.of_nothing))
        assert_same_bits(case.run(row.name, x, **beside), want, f"{row.name} with {beside}")
    b = weights(rng, some_of(rng, x.shape), x.dtype.name)
    got, want = (case.run("logsumexp", rows, b=b, **of) for rows, of in ((x, beside), (taken, {})))
    assert_same_bits(got, want, f"logsumexp with b = {b} and {beside}")
    full = np.broadcast_to(b, x.shape)
    assert_same_bits(got, case.alone().run("logsumexp", taken, b=full), f"b = {b} broadcast")


def some_of(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to one of rows."""
    return tuple(int(rng.choice([1, n])) for n in shape)


def weights_count(case: Case) -> None:
    """logsumexp with weights of both signs, with and without the sign.

    Where terms cancel, what is promised of the sum is promised of the sum of sizes.
    """
    usable = np.isfinite(case.x.max(-1))
    x, b = case.x[usable], case.b[usable]
    if not x.size:
        return
    case.values["logsumexp with weights"] += 2 * x.size
    array, axis = case.laid_out(x)
    laid_out = case.laid_out(b).array
    sizes, signs = case.target.logsumexp(array, axis, b=laid_out, return_sign=True)
    plain = np.ravel(case.target.logsumexp(array, axis, b=laid_out))
    for each in zip(x, b, np.ravel(sizes), np.ravel(signs), plain, strict=True):
        _check_weighted(*each)


def _check_weighted(row: np.ndarray, b: np.ndarray, size: Any, sign: Any, plain: Any) -> None:
    want, true_sign, condition = ball.weighted(row, b)
    eps = float(np.finfo(row.dtype).eps)
    if not condition * eps <= 0.01:
        return  # rounding may decide the sign, or nothing can be said of the condition
    assert sign == true_sign, f"sign {sign}, should be {true_sign}"
    assert plain == size if sign >= 0 else np.isnan(plain), f"{plain!r} without a sign"
    errors = want.ulps(np.array([size]))
    with np.errstate(over="ignore"):
        limit = bound("logsumexp", want.cut(row.dtype)) * condition
    assert errors == 0 or errors <= limit, f"{size!r}, should be {want.near[0]!r}"
    if abs(want.near[0]) < eps and _adds_to_one(row, b):
        assert errors <= 16, f"{size!r}, should be {want.near[0]!r}: added to 1"


def _adds_to_one(row: np.ndarray, b: np.ndarray) -> bool:
    """The largest terms add up to 1, exactly, and the others do not cancel."""
    signs = np.sign(b[(row < 0) & (row > -np.inf)])
    alike = abs(signs.sum()) == len(signs)
    return row[b != 0].max() == 0 and math.fsum(b[row == 0]) == 1 and alike


LAWS: dict[str, Callable[[Case], None]] = {
    law.__name__: law
    for law in (
        bounds,
        what_is_next_to_zero_is_kept,
        probabilities_add_up_to_one,
        twice_is_once,
        softmax_is_the_exponential,
        parts_make_the_whole,
        an_exact_shift_is_none,
        order_is_none,
        minus_infinity_is_padding,
        parts_may_be_merged,
        parts_at_segments_give_the_same_bits,
        places_are_none,
        axes_have_many_names,
        integers_are_doubles,
        operands_stand_for_an_expression,
        weights_count,
    )
}
