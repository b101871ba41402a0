"""Each operation of each vector header, alone, against NumPy and exact arithmetic.

A new header is debugged here, and not through softmax.
"""

import functools
import itertools
import re
import sys
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from oracle import DTYPES, FMA_TARGETS, Guarded, assert_same_bits, in_child

COMPUTED = {"float16": "float32", "float32": "float32", "float64": "float64"}
LANES = {"float16": 16, "float32": 16, "float64": 8}
BITS = {"float16": np.uint16, "float32": np.uint32, "float64": np.uint64}
WIDE = ("float32", "float64")  # what vectors hold

LN2 = Fraction(Context(prec=60).ln(Decimal(2)))


@pytest.fixture(autouse=True)
def quiet():
    """What is expected may overflow."""
    with np.errstate(all="ignore"):
        yield


# ---- Calls --------------------------------------------------------------------------------------


def vectors(values, dtype):
    """The values as rows of a vector each, filled up with ones."""
    values = np.asarray(values, COMPUTED[dtype]).ravel()
    filled = np.ones(-(-values.size // LANES[dtype]) * LANES[dtype], values.dtype)
    filled[: values.size] = values
    return filled.reshape(-1, LANES[dtype])


def lanewise(target, name, dtype, *operands):
    """Results of an operation that treats each lane alone: one for each element of the operands."""
    operands = np.broadcast_arrays(*operands)
    rows = [vectors(values, dtype) for values in operands]
    out = np.empty_like(rows[0])
    target.probe.vector(name, dtype, out, *rows)
    return out.ravel()[: operands[0].size]


def per_vector(target, name, dtype, *operands):
    """Results of an operation that makes a number of a vector, or of one element."""
    out = np.empty(len(operands[0]))
    target.probe.vector(name, dtype, out, *map(np.ascontiguousarray, operands))
    return out


def convert(target, name, dtype, x, out_dtype, out_lanes=None):
    """Results of an operation from memory to memory: rows of a vector each."""
    out = np.empty((len(x), out_lanes or LANES[dtype]), out_dtype)
    target.probe.vector(name, dtype, out, x)
    return out


def constant(target, name, dtype):
    out = np.empty(1)
    target.probe.vector(name, dtype, out)
    return out[0]


# ---- Values -------------------------------------------------------------------------------------


def random():
    return np.random.default_rng(17)


def signed(values, dtype):
    values = np.array(values, COMPUTED[dtype])
    return np.concatenate([values, np.copysign(values, -1)])


def edges(dtype):
    info = np.finfo(COMPUTED[dtype])
    below_normal = info.smallest_normal - info.smallest_subnormal
    return signed(
        [
            *(0, info.smallest_subnormal, below_normal, info.smallest_normal, info.eps),
            *(1 - info.epsneg, 1, 1 + info.eps, 1.5, np.pi, 2 / info.eps, info.max, np.inf, np.nan),
        ],
        dtype,
    )


def pairs(dtype):
    x, y = np.meshgrid(edges(dtype), edges(dtype))
    return x.ravel(), y.ravel()


def spread(dtype, *shape):
    """Numbers of both signs over most of the exponents."""
    info = np.finfo(COMPUTED[dtype])
    exponents = random().integers(info.minexp // 2, info.maxexp // 2, shape)
    return np.ldexp(random().uniform(-2, 2, shape), exponents).astype(COMPUTED[dtype])


def at_each_lane(others, value):
    """Rows of `others`, each with the value in another lane."""
    rows = np.tile(others, (len(others), 1))
    np.fill_diagonal(rows, value)
    return rows


def nearest(exact, dtype):
    """A Fraction rounded to a float, ties to even."""
    info = np.finfo(dtype)
    size = abs(exact)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    unit = Fraction(2) ** (max(exponent, int(info.minexp)) - info.nmant)
    rounded = round(size / unit) * unit
    found = float(rounded) if rounded <= float(info.max) else np.inf
    return -found if exact < 0 else found


# ---- The list -----------------------------------------------------------------------------------

# Numbers of vec.hpp that no header has a say in, and what leaves no result.
NO_OPERATION = {"margin", "ceiling", "lowest", "least_sum", "least_term", "calm_sum"}
NO_OPERATION |= {"prefetch", "store_fence"}


def test_every_declared_operation_is_here(target):
    """What vec.pxd declares is in the probe, and what the probe has is in this file."""
    kernels = Path(__file__).parents[1] / "src/twopass/kernels"
    text = (kernels / "vec.pxd").read_text(encoding="utf-8").split("const double LOG2_E")[0]
    declared = set(re.findall(r"^ +[\w\[\]]+ (?:operator)?(\w+|[-+*])\(", text, re.MULTILINE))
    assert declared - set(target.probe.OPERATIONS) == NO_OPERATION
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in target.probe.OPERATIONS if f'"{name}"' not in source] == []


def test_unknown(target):
    out = np.empty((1, 16), np.float32)
    with pytest.raises(ValueError, match=r"operation 'fmax' is not one of load, .*, widest"):
        target.probe.vector("fmax", "float32", out, out)
    with pytest.raises(ValueError, match="dtype 'int8' is not one of float16, float32, float64"):
        target.probe.vector("load", "int8", out, out)
    for wrong in (np.empty((2, 16), np.float32), np.empty((1, 32), np.float32)[:, ::2]):
        with pytest.raises(ValueError, match="contiguous and of as many vectors as out, 1"):
            target.probe.vector("load", "float32", out, wrong)
    target.probe.vector("load", "float32", out[:0], out[:0])  # nothing to do


# ---- Memory -------------------------------------------------------------------------------------


def aligned(n, dtype, offset=0):
    """N elements, `offset` of them past a 64-byte boundary, and the bytes that they lie in."""
    size = np.dtype(dtype).itemsize
    whole = np.empty((n + offset) * size + 192, np.uint8)
    start = 64 + -whole.ctypes.data % 64 + offset * size
    return whole[start : start + n * size].view(dtype), whole


ALL_HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(-1, 16)


def elements(dtype):
    """A vector of elements, no two alike and none 0."""
    return (np.arange(LANES[dtype]) + 0.5).astype(dtype).reshape(1, -1)


def stored_edges(dtype):
    """Rows of elements: every half, or edges."""
    return ALL_HALVES if dtype == "float16" else vectors(edges(dtype), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_load(target, dtype):
    x = stored_edges(dtype)
    assert_same_bits(convert(target, "load", dtype, x, COMPUTED[dtype]), x.astype(COMPUTED[dtype]))


def stored(target, name, dtype, x):
    """Vectors stored where each is aligned, as streaming demands."""
    out, _ = aligned(x.size, dtype)
    target.probe.vector(name, dtype, out.reshape(x.shape), x)
    return out.reshape(x.shape)


@pytest.mark.parametrize("name", ("store", "stream"))
@pytest.mark.parametrize("dtype", DTYPES)
def test_store(target, dtype, name):
    x = stored_edges(dtype)
    assert_same_bits(stored(target, name, dtype, x.astype(COMPUTED[dtype])), x)


@pytest.mark.parametrize("name", ("store", "stream"))
def test_rounding_to_half(target, name):
    x = vectors(hard_to_round(), "float16")
    assert_same_bits(stored(target, name, "float16", x), x.astype(np.float16))


def hard_to_round():
    """The numbers half-way between any two halves, their neighbours, and the edges of float32."""
    half = np.arange(0x7C01, dtype=np.uint16).view(np.float16).astype(np.float32)
    half[-1] = 65536  # from half-way to here on, it is infinity
    middle = (half[1:] + half[:-1]) / 2
    beside = [np.nextafter(middle, np.float32(end)) for end in (0, np.inf)]
    return np.concatenate([signed([middle, *beside], "float32").ravel(), edges("float32")])


@pytest.mark.parametrize("name", ("load_terms", "store_terms"))
@pytest.mark.parametrize("dtype", DTYPES)
def test_terms(target, dtype, name):
    x = vectors(edges(dtype), dtype)
    assert_same_bits(convert(target, name, dtype, x, x.dtype), x)


def memory_type(name, dtype):
    return COMPUTED[dtype] if "terms" in name else dtype


def counts(name, dtype):
    return range(1, LANES[dtype] + 1) if "part" in name else [LANES[dtype]]


def check_load(target, name, dtype, x, around):
    """The elements of `x` come first, and -inf after them."""
    x[...] = elements(dtype)[:, : x.shape[1]]
    want = np.full((1, LANES[dtype]), -np.inf, COMPUTED[dtype])
    want[:, : x.shape[1]] = x
    got = convert(target, name, dtype, x, COMPUTED[dtype])
    assert_same_bits(got, want, f"{name} {x.shape[1]}")


def check_store(target, name, dtype, out, around):
    """The first elements come to `out`, and nothing comes beside it."""
    around[:] = 0
    x = elements(dtype).astype(COMPUTED[dtype])
    target.probe.vector(name, dtype, out, x)
    assert_same_bits(out, x[:, : out.shape[1]].astype(out.dtype), f"{name} {out.shape[1]}")
    out[...] = 0
    assert not around.any(), f"{name} {out.shape[1]}: written around out"


ACCESSES = {
    **dict.fromkeys(("load", "load_part", "load_terms", "load_terms_part"), check_load),
    **dict.fromkeys(("store", "store_part", "store_terms", "store_terms_part"), check_store),
}


@pytest.mark.parametrize("name", ACCESSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_parts_and_alignments(target, name, dtype):
    for count, offset in itertools.product(counts(name, dtype), range(LANES[dtype])):
        place, around = aligned(count, memory_type(name, dtype), offset)
        ACCESSES[name](target, name, dtype, place.reshape(1, count), around)


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect and fork")
@pytest.mark.parametrize("name", ACCESSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_guard_pages(target, name, dtype):
    """No byte beyond a part is touched."""

    def work():
        memory = Guarded(1)
        for count, at_end in itertools.product(counts(name, dtype), (False, True)):
            place = memory.place(count, memory_type(name, dtype), at_end).reshape(1, count)
            ACCESSES[name](target, name, dtype, place, memory.bytes)

    assert in_child(work) == ""


@pytest.mark.parametrize("dtype", WIDE)
def test_results_over_operands(target, dtype):
    """A vector is read as a whole before anything is written over it."""
    lanes = LANES[dtype]
    for shift in (0, 1, lanes - 1):
        for start in (0, shift):
            memory = np.append(elements(dtype), elements(dtype) + lanes)
            x = memory[start : start + lanes].reshape(1, lanes)
            out = memory[shift - start : shift - start + lanes].reshape(1, lanes)
            want = x + x
            target.probe.vector("+", dtype, out, x, x)
            assert_same_bits(out, want, f"{start} to {shift - start}")


# ---- Vectors and single numbers -----------------------------------------------------------------


def doubles():
    """Numbers that rounding to float32 changes, ties among them, and edges of both types."""
    single = edges("float32").astype(np.float64)
    following = np.nextafter(edges("float32"), np.float32(np.inf)).astype(np.float64)
    middle = (single + following) / 2
    beside = [np.nextafter(middle, end) for end in (-np.inf, np.inf)]
    return np.concatenate([single, middle, *beside, edges("float64"), spread("float64", 100)])


@pytest.mark.parametrize("dtype", DTYPES)
def test_from_and_to_doubles(target, dtype):
    x = np.resize(doubles(), (100, LANES[dtype]))
    want = x.astype(COMPUTED[dtype])
    packed = convert(target, "pack", dtype, x, COMPUTED[dtype])
    assert_same_bits(packed, want)
    assert_same_bits(convert(target, "unpack", dtype, packed, np.float64), want.astype(np.float64))
    repeated = np.repeat(want.reshape(-1, 1), LANES[dtype], axis=1)
    got = convert(target, "splat", dtype, x.reshape(-1, 1), COMPUTED[dtype])
    assert_same_bits(got, repeated)


@pytest.mark.parametrize("dtype", DTYPES)
def test_stored_and_left_out(target, dtype):
    x = vectors(np.resize(doubles(), 100 * LANES[dtype]).astype(COMPUTED[dtype]), dtype)
    kept = x.astype(dtype).astype(COMPUTED[dtype])
    lane, out = np.arange(LANES[dtype]), np.empty_like(x)
    target.probe.vector("stored", dtype, out, x)
    assert_same_bits(out, kept)
    counts = np.resize(np.arange(1, LANES[dtype] + 1), (len(x), 1)).astype(float)
    target.probe.vector("first", dtype, out, x, counts)
    assert_same_bits(out, np.where(lane < counts, kept, x.dtype.type(-np.inf)))
    mask = np.random.default_rng(0).integers(0, 3, x.shape).astype(np.uint8)
    target.probe.vector("where", dtype, out, x, mask)
    assert_same_bits(out, np.where(mask, x, x.dtype.type(-np.inf)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_single_numbers(target, dtype):
    x = np.concatenate([doubles(), hard_to_round()])
    computed = x.astype(COMPUTED[dtype])
    rounded = np.empty(x.size, dtype)
    target.probe.vector("rounded", dtype, rounded, x)
    assert_same_bits(rounded, computed.astype(dtype))
    rest = np.where(np.isfinite(x), x - computed, 0)
    assert_same_bits(per_vector(target, "rest_after", dtype, x), rest)
    x = stored_edges(dtype).ravel()
    assert_same_bits(per_vector(target, "value", dtype, x), x.astype(np.float64))


def test_exp2i(target):
    n = np.arange(-1100.0, 1024.0)
    want = np.where(n < -1022, 0, np.ldexp(1.0, n.astype(int)))
    assert_same_bits(per_vector(target, "exp2i", "float64", n), want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants(target, dtype):
    info = np.finfo(COMPUTED[dtype])
    assert constant(target, "lanes", dtype) == LANES[dtype]
    assert constant(target, "epsilon", dtype) == info.eps
    assert constant(target, "tabled", dtype) in ((0, 1) if dtype != "float64" else (0,))


def magic_and_step(target, dtype):
    step = 1 / 8 if constant(target, "tabled", dtype) else 1
    return np.dtype(COMPUTED[dtype]).type(constant(target, "magic", dtype)), step


@pytest.mark.parametrize("dtype", WIDE)
def test_magic(target, dtype):
    """A sum with it counts steps in its low bits, rounded."""
    magic, step = magic_and_step(target, dtype)
    v = np.arange(-300, 300, 0.25).astype(dtype) * np.dtype(dtype).type(step)
    z = v + magic
    steps = np.round(v / step)
    assert_same_bits(z - magic, (steps * step + 0).astype(dtype))
    assert (z.view(BITS[dtype]).astype(int) - int(magic.view(BITS[dtype])) == steps).all()


@pytest.mark.parametrize("dtype", WIDE)
def test_coefficient(target, dtype):
    """Times 2^-calm, where no table has that in it."""
    c = np.array([[1.0], [0.5], [1 / 3], [2.5e-8]])
    calm = 0 if constant(target, "tabled", dtype) else int(constant(target, "calm", dtype))
    want = np.repeat(np.ldexp(c, -calm).astype(dtype), LANES[dtype], axis=1)
    assert_same_bits(convert(target, "coefficient", dtype, c, dtype), want)


# ---- Arithmetic ---------------------------------------------------------------------------------

BINARY = {"+": np.add, "-": np.subtract, "*": np.multiply}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", WIDE)
def test_binary(target, dtype, name):
    for x, y in (pairs(dtype), spread(dtype, 2, 1000)):
        assert_same_bits(lanewise(target, name, dtype, x, y), BINARY[name](x, y))


@functools.cache
def operands_of_fma(dtype):
    """Edges; then sums that are the product's rest, all sorts, and ties."""
    info = np.finfo(dtype)
    few = [0, info.smallest_subnormal, info.smallest_normal, 1, 1 + info.eps, 1 / 3, info.max]
    few = signed([*few, np.inf, np.nan], dtype)
    x, y, z = (axis.ravel() for axis in np.meshgrid(few, few, few))
    a, b = random().uniform(-2, 2, (2, 1000)).astype(dtype)
    return (
        np.concatenate([x, a, a, a]),
        np.concatenate([y, b, b, np.ones_like(b)]),
        np.concatenate([z, -(a * b), spread(dtype, 1000), np.spacing(a) / 2]),
    )


def exact_fma(x, y, z, dtype):
    if not np.isfinite(x) or not np.isfinite(y):
        return float(x) * float(y) + float(z)
    if not np.isfinite(z):
        return float(z)
    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
    return nearest(exact, dtype) if exact else x * y + z  # NumPy knows the sign of zero


@functools.cache
def fused(dtype):
    results = [exact_fma(*xyz, dtype) for xyz in zip(*operands_of_fma(dtype), strict=True)]
    return np.array(results, dtype)


@pytest.mark.parametrize("dtype", WIDE)
def test_fma(target, dtype):
    """Rounded once; where there is no such instruction, twice."""
    x, y, z = operands_of_fma(dtype)
    want = fused(dtype) if target.name in FMA_TARGETS else x * y + z
    assert_same_bits(lanewise(target, "fma", dtype, x, y, z), want)


def test_fused_and_not_differ():
    """The operands tell one from the other."""
    for dtype in WIDE:
        x, y, z = operands_of_fma(dtype)
        assert (fused(dtype) != x * y + z).mean() > 0.1


@pytest.mark.parametrize("dtype", WIDE)
def test_max(target, dtype):
    """NaN where the second is. Where the first alone is: the second, and NaN from NEON."""
    x, y = pairs(dtype)
    got = lanewise(target, "max", dtype, x, y)
    nan_of_first = np.isnan(x) & np.isnan(got)
    any_zero = (x == 0) & (y == 0) & (got == 0)
    want = np.where(x > y, x, y)
    assert_same_bits(np.where(nan_of_first | any_zero, want, got), want)
    assert target.name == "neon" or not nan_of_first[~np.isnan(y)].any()


@pytest.mark.parametrize("dtype", WIDE)
def test_scaled(target, dtype):
    positive = edges(dtype)[: edges(dtype).size // 2]
    finite = positive[np.isfinite(positive)]
    t, scale, least = (axis.ravel() for axis in np.meshgrid(positive, finite[1:], finite))
    want = np.where(t <= least, 0, t).astype(dtype) * scale
    assert_same_bits(lanewise(target, "scaled", dtype, t, scale, least), want)


@pytest.mark.parametrize("dtype", WIDE)
def test_reduce_arg(target, dtype):
    """x - n ln 2, as exactly as two roundings let it be; with FMA, of two products."""
    number, eps = np.dtype(dtype).type, np.finfo(dtype).eps
    _, step = magic_and_step(target, dtype)
    widest = constant(target, "widest", dtype)
    x = random().uniform(-1, 1, 300) * 2.0 ** np.linspace(-9, np.log2(widest), 300)
    x = np.append(x, [0, widest, -widest, 0.3465, -0.3465]).astype(dtype)
    n = (np.round(x / float(LN2) / step) * step).astype(dtype)
    r = lanewise(target, "reduce_arg", dtype, x, n)
    errors = [
        abs(Fraction(float(got)) - (Fraction(float(a)) - Fraction(float(b)) * LN2))
        for got, a, b in zip(r, x, n, strict=True)
    ]
    assert max(errors) <= 0.3 * step * eps
    if target.name in FMA_TARGETS:
        hi = number(nearest(LN2, dtype))
        lo = number(nearest(LN2 - Fraction(float(hi)), dtype))
        first = [exact_fma(b, -hi, a, dtype) for a, b in zip(x, n, strict=True)]
        want = [exact_fma(b, -lo, a, dtype) for a, b in zip(first, n, strict=True)]
        assert_same_bits(r, np.array(want, dtype))


@pytest.mark.parametrize("dtype", WIDE)
def test_times_exp2(target, dtype):
    """Every power of 2 whose product is normal; z counts ones, whatever `magic` counts."""
    info = np.finfo(dtype)
    k = np.arange(info.minexp + 1, info.maxexp - 1)
    z = (1.5 / info.eps + k).astype(dtype)
    for p in signed([1, 1 + info.eps, 2 - info.eps, np.sqrt(2), 1 / np.sqrt(2)], dtype):
        assert_same_bits(lanewise(target, "times_exp2", dtype, p, z), np.ldexp(p, k), f"{p}")


def test_exp2_eighths(target):
    magic, step = magic_and_step(target, "float32")
    if step == 1:
        pytest.skip(f"{target.name} has no table")
    k = np.arange(-60 * 8, 190 * 8)
    root = np.array([2.0 ** (j / 8) for j in range(8)], np.float32)
    want = np.ldexp(root[k % 8], k // 8 - int(constant(target, "calm", "float32")))
    z = magic + (k / 8).astype(np.float32)
    assert_same_bits(lanewise(target, "exp2_eighths", "float32", z), want)


# ---- Over the lanes -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", WIDE)
def test_peak(target, dtype):
    """The largest lane, wherever it is; nobody asks a vector with NaN in it."""
    low = np.linspace(-9, -1, LANES[dtype])
    finite = edges(dtype)[~np.isnan(edges(dtype))]
    rows = [at_each_lane(others, most) for others in (low, low[::-1]) for most in (-0.5, 3, np.inf)]
    rows += [np.roll(vectors(finite, dtype), shift, axis=1) for shift in range(LANES[dtype])]
    rows += [np.full((1, LANES[dtype]), value) for value in finite]
    rows = np.concatenate(rows).astype(dtype)
    np.testing.assert_array_equal(per_vector(target, "peak", dtype, rows), rows.max(axis=1))


def test_sum_of_lanes(target):
    """In its one order: i and i + 4, then i and i + 2, then the last two."""
    rows = np.concatenate(
        [
            spread("float64", 1000, 8),
            random().uniform(-1, 1, (1000, 8)),
            random().permuted(vectors(edges("float64"), "float64"), axis=1),
            *(at_each_lane(np.full(8, -0.0), value) for value in (np.nan, np.inf, 0, 1e308)),
            np.full((1, 8), -0.0),
        ]
    )
    four = rows[:, :4] + rows[:, 4:]
    two = four[:, :2] + four[:, 2:]
    got = per_vector(target, "sum_of_lanes", "float64", rows)
    assert_same_bits(got, two[:, 0] + two[:, 1])


@pytest.mark.parametrize("dtype", ("float16", "float32"))
def test_low_and_high(target, dtype):
    x = np.concatenate([vectors(edges(dtype), dtype), spread(dtype, 9, 16)])
    for name, half in (("low", x[:, :8]), ("high", x[:, 8:])):
        got = convert(target, name, dtype, x, np.float64, out_lanes=8)
        assert_same_bits(got, half.astype(np.float64), name)


def test_transpose(target):
    x = np.arange(128.0).reshape(2, 8, 8)
    got = np.empty_like(x)
    target.probe.vector("transpose", "float64", got, x)
    assert_same_bits(got, x.transpose(0, 2, 1).copy())


def remembered(target, name, dtype, values, others, third):
    """What a vector remembers that saw each value in each lane, before and after the others."""
    seen = np.concatenate([at_each_lane(others, value) for value in values]).astype(others.dtype)
    third = np.full_like(seen, third)
    calm = np.tile(others, (len(seen), 1))
    for first, last in ((seen, calm), (calm, seen)):
        w = np.zeros_like(seen)
        target.probe.vector(name, dtype, w, w, first, third)
        target.probe.vector(name, dtype, w, w, last, third)
        yield w, third


@pytest.mark.parametrize("dtype", WIDE)
def test_watch(target, dtype):
    magic, _ = magic_and_step(target, dtype)
    limit, info = magic + magic.dtype.type(100), np.finfo(dtype)
    others = (magic + np.arange(LANES[dtype])).astype(dtype)
    within = [magic, np.nextafter(limit, magic), limit, 0, 1]
    beyond = [np.nextafter(limit, info.max), info.max, np.inf, *signed([np.nan], dtype)]
    for values, want in ((within, 0), (beyond, 1)):
        for w, limits in remembered(target, "watch", dtype, np.array(values, dtype), others, limit):
            assert (per_vector(target, "tripped", dtype, w, limits) == want).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_stray(target, dtype):
    """Terms are calm from 2^-calm up to, and without, 2^calm."""
    magic, step = magic_and_step(target, dtype)
    calm, computed = constant(target, "calm", dtype), COMPUTED[dtype]
    others = magic + (np.arange(LANES[dtype]) * 3 * step).astype(computed)
    within = magic + np.arange(0, 2 * calm, step).astype(computed)
    beyond = magic + np.array([-step, -calm, 2 * calm, 2 * calm + step, 5 * calm], computed)
    beyond = np.append(beyond, signed([0, np.inf, np.nan], dtype))
    for values, want in ((within, 0), (beyond, 1)):
        for w, _ in remembered(target, "stray", dtype, values, others, magic):
            assert (per_vector(target, "strayed", dtype, w) == want).all()
