"""Rows with structure, drawn: what people pass, and the edges that a bell curve never comes near.

A kind of row is a function of a generator, a length and the limits of a dtype. It returns float64,
which the dtype rounds. So a seed is a batch of rows, the same one with any one version of NumPy;
hypothesis draws the seed, and a campaign counts it up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from oracle import DTYPES, SEGMENT, finite_cast

Kind = Callable[[np.random.Generator, int, np.finfo], np.ndarray]

# ---- Kinds of their own -------------------------------------------------------------------------


def bell(rng, n, info):
    return rng.normal(size=n) * 10 ** rng.uniform(-3, 2)


def any_bits(rng, n, info):
    bits = rng.integers(0, 1 << info.bits, n, f"u{info.bits // 8}", endpoint=False)
    x = bits.view(info.dtype).astype(float)
    return np.where(np.isfinite(x), x, 0)


def log_dirichlet(rng, n, info):
    """Log-probabilities, with -inf where one is 0."""
    with np.errstate(divide="ignore"):
        return np.log(rng.dirichlet(np.full(n, 10 ** rng.uniform(-1.5, 2))))


def quarters(rng, n, info):
    return rng.integers(-64, 65, n) / 4


def equal(rng, n, info):
    return np.full(n, rng.normal() * 10 ** rng.uniform(-3, 3))


def confident(rng, n, info):
    """One far above the others."""
    x = rng.normal(size=n) - 10 ** rng.uniform(0, 3)
    x[rng.integers(n)] = 0
    return x


def subnormal_edge(rng, n, info):
    """Below a maximum of 0 by about what makes e**x eps, the least normal or the least number."""
    edge = np.log(rng.choice([float(info.eps), float(info.tiny), float(info.smallest_subnormal)]))
    x = edge + rng.normal(size=n) * 10 ** rng.uniform(-3, 1)
    x[rng.integers(n)] = 0
    return x


def geometric(rng, n, info):
    rungs = rng.uniform(-1.5, 1.5) * np.arange(n) + rng.uniform(-40, 40)
    return rng.choice([-1, 1]) * np.exp2(np.clip(rungs, info.minexp, info.maxexp))


def arithmetic(rng, n, info):
    return np.arange(n) * rng.normal() * 10 ** rng.uniform(-3, 2)


BASIC: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        bell,
        any_bits,
        log_dirichlet,
        quarters,
        equal,
        confident,
        subnormal_edge,
        geometric,
        arithmetic,
    )
}

# ---- Kinds made of others -----------------------------------------------------------------------


def another(rng, n, info):
    """A row of a kind to build on."""
    kinds = BASIC if rng.random() < 0.7 else KINDS
    return np.clip(rng.choice(list(kinds.values()))(rng, n, info), -info.max, info.max)


def log_sum(x):
    top = x.max()
    return top + np.log(np.exp(x - top).sum())


def normalised(rng, n, info):
    """A log_softmax: its logsumexp is 0, as far as rounding its elements allows."""
    x = another(rng, n, info)
    return x - log_sum(x)


def near_power_of_two(rng, n, info):
    """A result some steps from 0 or from a power of two."""
    step = 1 + rng.integers(-4, 5) * float(info.eps)
    most = rng.choice([8, info.maxexp])
    goal = rng.choice([-1, 1]) * 2.0 ** rng.integers(-info.nmant - 4, most) * step
    return normalised(rng, n, info) + goal


def ties_at_the_top(rng, n, info):
    x = another(rng, n, info)
    x[rng.permutation(n)[: rng.integers(1, n + 1)]] = x.max()
    return x


def offset(rng, n, info):
    size = 2 ** rng.uniform(-info.nmant, info.maxexp)
    size = 2 ** np.round(np.log2(size)) if rng.random() < 0.5 else size
    return another(rng, n, info) + rng.choice([-1, 1]) * size


def scaled(rng, n, info):
    x = another(rng, n, info)
    return x * 2 ** rng.uniform(-info.nmant, info.nmant)


def few_finite(rng, n, info):
    """One or a few among -inf."""
    x = another(rng, n, info)
    finite = rng.permutation(n)[: rng.integers(1, rng.choice([2, n + 1]))]
    return np.where(np.isin(np.arange(n), finite), x, -np.inf)


def interleaved(rng, n, info):
    return np.where(rng.random(n) < rng.random(), another(rng, n, info), another(rng, n, info))


def one_after_the_other(rng, n, info):
    cut = rng.integers(n + 1)
    return np.concatenate([another(rng, n, info)[:cut], another(rng, n, info)[cut:]])


def in_order(rng, n, info):
    return np.sort(another(rng, n, info))[:: rng.choice([-1, 1])]


def shuffled(rng, n, info):
    return rng.permutation(another(rng, n, info))


KINDS: dict[str, Kind] = BASIC | {
    kind.__name__: kind
    for kind in (
        normalised,
        near_power_of_two,
        ties_at_the_top,
        offset,
        scaled,
        few_finite,
        interleaved,
        one_after_the_other,
        in_order,
        shuffled,
    )
}


def special(rng, n, info):
    """NaN or an infinity somewhere, or nothing but -inf."""
    if rng.random() < 0.2:
        return np.full(n, -np.inf)
    x = another(rng, n, info)
    x[rng.integers(n)] = rng.choice([np.nan, np.inf])
    return x


# ---- Batches ------------------------------------------------------------------------------------

BORDERS = (16, 32, 64, 128, 256, SEGMENT)  # of lanes, blocks and segments


def length(rng: np.random.Generator, most: int) -> int:
    """Of a row: short, at a border, or of any magnitude."""
    borders = [b for b in BORDERS if b < most]
    choices = (
        rng.integers(1, 20),
        rng.choice(borders) * rng.integers(1, 4) + rng.integers(-1, 2),
        np.exp(rng.uniform(0, np.log(most))),
    )
    return int(np.clip(rng.choice(choices), 1, most))


def row(rng: np.random.Generator, kind: Kind, n: int, dtype: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        return finite_cast(np.asarray(kind(rng, n, np.finfo(dtype)), float), dtype)


def batch(rng: np.random.Generator, height: int, n: int, dtype: str) -> np.ndarray:
    """Rows of unlike kinds; one in thirty has special values."""
    kinds = [*KINDS.values()]
    drawn = [special if rng.random() < 1 / 30 else rng.choice(kinds) for _ in range(height)]
    return np.stack([row(rng, kind, n, dtype) for kind in drawn])


def weights(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Finite weights of both signs, of like or unlike sizes, some 0, some that cancel."""
    b = rng.choice([0.5, 1, 1, 2], shape) if rng.random() < 0.5 else rng.lognormal(size=shape)
    signs = rng.choice([[1, 1], [1, -1]])
    b = b * rng.choice(signs, shape) * (rng.random(shape) > rng.choice([0, 0.2]))
    return finite_cast(b, dtype)


seeds = st.integers(0, 2**32 - 1)


@st.composite
def batches(draw):
    """The same for hypothesis, which can shrink the shape and the choice of kinds."""
    rng, n = np.random.default_rng(draw(seeds)), draw(st.integers(1, 300))
    kinds = st.sampled_from([*KINDS.values(), special])
    drawn = draw(st.lists(kinds, min_size=1, max_size=6))
    dtype = draw(st.sampled_from(DTYPES))
    return np.stack([row(rng, kind, n, dtype) for kind in drawn])


# ---- Layouts ------------------------------------------------------------------------------------


class Layout(NamedTuple):
    """A matrix of rows somewhere in memory: an array whose other axes are the rows, in order."""

    array: np.ndarray
    axis: int

    def moved(self, result: np.ndarray) -> np.ndarray:
        """A result of the same shape as a matrix of rows, contiguous."""
        last = np.moveaxis(result, self.axis, -1)
        return np.ascontiguousarray(last).reshape(-1, result.shape[self.axis])


def _rows(rng, x):
    return Layout(np.ascontiguousarray(x), -1)


def _columns(rng, x):
    return Layout(np.ascontiguousarray(x.T), 0)


def _fortran(rng, x):
    return Layout(np.asfortranarray(x), 1)


def _strided(rng, x):
    step = rng.integers(2, 5)
    room = np.zeros((len(x), x.shape[1] * step), x.dtype)
    room[:, ::step] = x
    return Layout(room[:, ::step], 1)


def _reversed(rng, x):
    turned = np.ascontiguousarray(x[:, ::-1]).reshape(x.shape)
    return Layout(turned[:, ::-1], 1)


def _with_gaps(rng, x):
    before, after = rng.integers(0, 70, 2)
    room = np.zeros((len(x), before + x.shape[1] + after), x.dtype)
    room[:, before : before + x.shape[1]] = x
    return Layout(room[:, before : before + x.shape[1]], 1)


def _wide_columns(rng, x):
    """Columns of a wider array."""
    before, after = rng.integers(0, 70, 2)
    room = np.zeros((x.shape[1], before + len(x) + after), x.dtype)
    room[:, before : before + len(x)] = x.T
    return Layout(room[:, before : before + len(x)], 0)


def _misaligned(rng, x):
    """By elements, or by bytes."""
    shift = int(rng.choice([1, rng.integers(64) * x.itemsize]))
    room = np.zeros(x.nbytes + shift, np.uint8)[shift:]
    moved = room.view(x.dtype).reshape(x.shape)
    moved[:] = x
    return Layout(moved, -1)


def _middle(rng, x):
    """The axis between two others."""
    height = len(x)
    inner = rng.choice([d for d in range(1, height + 1) if height % d == 0] or [1])
    cube = x.reshape(height // inner, inner, x.shape[1])
    return Layout(np.ascontiguousarray(np.moveaxis(cube, -1, 1)), 1)


def _other_byte_order(rng, x):
    return Layout(x.astype(x.dtype.newbyteorder()), 1)


LAYOUTS: dict[str, Callable[[np.random.Generator, np.ndarray], Layout]] = {
    "rows": _rows,
    "columns": _columns,
    "fortran": _fortran,
    "strided": _strided,
    "reversed": _reversed,
    "with gaps": _with_gaps,
    "wide columns": _wide_columns,
    "misaligned": _misaligned,
    "middle": _middle,
    "other byte order": _other_byte_order,
}
