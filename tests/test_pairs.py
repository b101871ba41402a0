"""Pairs in public: merging is associative to the bit at segments, else within the bounds."""

import functools
import itertools
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mpmath import mp
from oracle import (
    DTYPES,
    HARD,
    SEGMENT,
    assert_accurate,
    assert_same_bits,
    exact_hard,
    hard,
    strict,
)

import twopass
from twopass import _pairs

N = 4 * SEGMENT + 77
AT_SEGMENTS = (0, SEGMENT, 3 * SEGMENT, 3 * SEGMENT, 4 * SEGMENT, N)
ANYWHERE = (0, 1, 1, 8, 1000, 70_000, 70_001, N)
FUNCTIONS = ("softmax", "log_softmax")


@pytest.fixture(autouse=True)
def on_target(target, monkeypatch):
    """Every test runs the target's build."""
    monkeypatch.setattr(_pairs, "_kernels", lambda: target.module)


def chunks(x, borders):
    return [x[start:end] for start, end in itertools.pairwise(borders)]


def pairs_of(x, borders):
    return [twopass.pair_sum(chunk) for chunk in chunks(x, borders)]


def applied(x, borders, pair, function):
    return np.concatenate([twopass.apply(chunk, pair, function) for chunk in chunks(x, borders)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", HARD)
def test_merging_at_segments_is_associative_to_the_bit(name, dtype):
    x = hard(name, N, dtype)
    whole = twopass.pair_sum(x)
    parts = pairs_of(x, AT_SEGMENTS)
    assert functools.reduce(twopass.merge, parts) == whole
    assert functools.reduce(lambda a, b: twopass.merge(b, a), reversed(parts)) == whole
    for order in itertools.permutations(parts):
        assert twopass.merge(*order) == whole
        assert twopass.merge(twopass.merge(*order[:2]), twopass.merge(*order[2:])) == whole


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", HARD)
def test_the_bits_of_the_row_in_one_piece(target, name, dtype):
    x = hard(name, N, dtype)
    pair = twopass.merge(*pairs_of(x, AT_SEGMENTS))
    for function in FUNCTIONS:
        got = applied(x, AT_SEGMENTS, pair, function)
        assert_same_bits(got, getattr(target, function)(x), function)
    assert_same_bits(twopass.finish(pair), target.logsumexp(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", (2, 16, 17, 64, 65, 129, 1000, SEGMENT, SEGMENT + 1))
def test_rows_of_every_length(target, n, dtype):
    x = hard("normal_3", 3 * n, dtype).reshape(3, n)
    pair = twopass.pair_sum(x, axis=1)
    for function in FUNCTIONS:
        got = twopass.apply(x, pair, function)
        assert_same_bits(got, getattr(target, function)(x, axis=1), function)
    assert_same_bits(twopass.finish(pair), target.logsumexp(x, axis=1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", HARD)
def test_borders_anywhere_keep_the_bounds(name, dtype):
    x = hard(name, N, dtype)
    pair = functools.reduce(twopass.merge, pairs_of(x, ANYWHERE))
    for function in FUNCTIONS:
        got = applied(x, ANYWHERE, pair, function)
        assert_accurate(function, x, got, want=exact_hard(function, name, N, dtype))
    want = exact_hard("logsumexp", name, N, dtype)
    assert_accurate("logsumexp", x, twopass.finish(pair), want=want)


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("sign", (1, -1))
@pytest.mark.parametrize("eighths", (8, 9, 11, 13, 15, 16, 24))
def test_chunks_with_different_shifts(dtype, sign, eighths):
    """Near a border of the grid of shifts, neighbouring chunks are counted from different ones."""
    widest = 2.0**16 if dtype == "float32" else 2.0**45
    x = (sign * widest * eighths / 8 + hard("normal_3", 3000, "float64") * 8).astype(dtype)
    x[:1000] -= 30  # so that chunks have different maxima; all of them show in the result
    borders = (0, 1000, 2000, 3000)
    for order in itertools.permutations(pairs_of(x, borders)):
        pair = functools.reduce(twopass.merge, order)
        for function in FUNCTIONS:
            assert_accurate(function, x, applied(x, borders, pair, function))
        assert_accurate("logsumexp", x, twopass.finish(pair))


SPECIAL = {
    "NaN": np.nan,
    "+inf": np.inf,
    "-inf": -np.inf,
    "-1e30": -1e30,
    "1e30": 1e30,
}


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("names", [*itertools.product(("ordinary", *SPECIAL), repeat=2)], ids=str)
def test_special_chunks(target, names, dtype):
    """Chunks full of one value, next to each other and to ordinary ones, as in the whole row."""
    parts = [np.full(100, SPECIAL.get(name, 0), dtype) for name in names]
    for part, name in zip(parts, names, strict=True):
        if name == "ordinary":
            part[:] = hard("normal_3", 100, dtype)
    x = np.concatenate(parts)
    with strict():
        pair = twopass.merge(*map(twopass.pair_sum, parts))
        assert pair == twopass.merge(*map(twopass.pair_sum, reversed(parts)))
        for function in FUNCTIONS:
            got = np.concatenate([twopass.apply(part, pair, function) for part in parts])
            want = getattr(target, function)(x)
            np.testing.assert_allclose(got, want, rtol=2e-7 if dtype == "float32" else 1e-15)
        np.testing.assert_allclose(twopass.finish(pair), target.logsumexp(x), rtol=2e-7)


def test_one_special_value_among_others(target):
    for value in SPECIAL.values():
        x = hard("normal_3", 1000, "float32").copy()
        x[700] = value
        pair = twopass.merge(*pairs_of(x, (0, 300, 650, 1000)))
        for function in FUNCTIONS:
            got = applied(x, (0, 300, 650, 1000), pair, function)
            np.testing.assert_allclose(got, getattr(target, function)(x), rtol=2e-7)


def doubled(pair, times):
    for _ in range(times):
        pair = twopass.merge(pair, pair)
    return pair


@pytest.mark.parametrize("times", (20, 29, 30, 31, 33, 62, 63, 64, 65, 100, 200))
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sum_doubled_again_and_again(dtype, times):
    x = hard("normal_3", 1000, dtype)
    once = twopass.pair_sum(x)
    often = doubled(once, times)
    assert (often.hi, often.exponent) == (once.hi, once.exponent + times)
    want = float(exact_hard("logsumexp", "normal_3", 1000, dtype).hi) + times * np.log(2)
    assert abs(float(twopass.finish(often)) - want) <= 3 * np.finfo(dtype).eps * want


# Chunks of float64 whose sums have different exponents, all digits in use.
OFFSETS = (-60, -25, -3, 0, 4, 22, 45)
CHUNKS = [hard("normal_3", 50 + k, "float64") + offset for k, offset in enumerate(OFFSETS)]
per_example = settings(
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def copies(most):
    """Some of the chunks, each with the number of times it is doubled."""
    return st.lists(
        st.tuples(st.sampled_from(range(len(CHUNKS))), st.integers(0, most)), min_size=1
    )


def pairs_of_copies(parts):
    return [doubled(twopass.pair_sum(CHUNKS[k]), times) for k, times in parts]


def merged(pairs, random):
    """Merge in any order and grouping."""
    pairs = list(pairs)
    while len(pairs) > 1:
        random.shuffle(pairs)
        group = random.randint(2, 4)
        pairs = [*pairs[group:], twopass.merge(*pairs[:group])]
    return pairs[0]


@per_example
@given(copies(20), st.randoms(use_true_random=False))
def test_any_order_and_grouping_gives_the_same_state(parts, random):
    """Up to 2^29 chunks."""
    pairs = pairs_of_copies(parts)
    whole = twopass.merge(*pairs)
    assert merged(pairs, random) == whole
    halves = [part for k, times in parts for part in [(k, max(0, times - 1))] * (1 + (times > 0))]
    assert merged(pairs_of_copies(halves), random) == whole


@functools.cache
def exact_sum(k):
    """Of the exponentials of a chunk."""
    return mp.fsum(mp.exp(mp.mpf(float(x))) for x in CHUNKS[k])


def number(pair):
    """The sum that a pair stands for."""
    digits, exponent = pair.state["digits"][0].tolist(), int(pair.state["exponent"][0])
    return sum(digit * Fraction(2) ** (exponent - 32 * k) for k, digit in enumerate(digits))


@per_example
@given(copies(200), st.randoms(use_true_random=False))
def test_any_number_of_chunks_keeps_the_bounds(parts, random):
    pairs = pairs_of_copies(parts)
    total = sum(number(twopass.pair_sum(CHUNKS[k])) * 2**times for k, times in parts)
    with mp.workprec(400):
        want = mp.log(mp.fsum(exact_sum(k) * 2**times for k, times in parts))
        for pair in (merged(pairs, random), twopass.merge(*pairs)):
            assert abs(number(pair) / total - 1) < 2.0**-85
            assert abs(twopass.finish(pair) - want) <= 2 * np.finfo(float).eps * max(1, abs(want))


def test_rows_that_need_carrying_beside_rows_that_do_not():
    few, many = (doubled(twopass.pair_sum(CHUNKS[3]), times).state for times in (2, 30))
    rows = np.stack([np.repeat(many, 8), np.repeat(few, 8)])
    got = _pairs.add_states(rows, (1,))
    assert got[1, 0] == _pairs.add_states(rows[1], (0,))[0]
    assert got[0, 0]["digits"].max() < 2**40
    assert got[0, 0] == _pairs.add_states(rows[0], (0,))[0]


def test_nothing_is_the_neutral_element():
    nothing = twopass.pair_sum(np.empty(0, np.float32))
    assert twopass.finish(nothing) == -np.inf
    assert twopass.merge(nothing, nothing) == nothing
    for value in (0, 1e30, np.nan, np.inf, -np.inf):
        pair = twopass.pair_sum(np.array([value], np.float32))
        assert twopass.merge(nothing, pair) == twopass.merge(pair, nothing) == pair
    rows = twopass.pair_sum(np.empty((3, 0)), axis=1)
    assert (twopass.finish(rows) == -np.inf).all()
    assert twopass.pair_sum(np.empty((0, 3)), axis=1).shape == (0, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", (0, 1, 2, -1, None, (0, 2), (2, 1), (), (0, 1, 2)), ids=str)
def test_axes(target, axis, dtype):
    x = hard("normal_3", 5 * 6 * 70, dtype).reshape(5, 6, 70)
    for array in (x, np.asfortranarray(x), x[::-1, :, ::2], x.astype(x.dtype.newbyteorder())):
        pair = twopass.pair_sum(array, axis)
        for function in FUNCTIONS:
            got, want = twopass.apply(array, pair, function), getattr(target, function)(array, axis)
            assert_accurate(function, array, got, axis)
            assert got.shape == want.shape
        got = twopass.finish(pair)
        if axis != ():  # rows of one element, of which finish knows the exponential only
            assert_same_bits(got, target.logsumexp(array, axis))
        assert twopass.finish(pair, keepdims=True).shape == pair.shape


def test_scalars_and_integers(target):
    pair = twopass.pair_sum(3)
    assert pair.dtype == np.float64
    assert twopass.apply(3, pair) == 1
    assert abs(twopass.finish(pair) - 3) < 1e-15
    ints = np.arange(10)
    assert_same_bits(twopass.apply(ints, twopass.pair_sum(ints)), target.softmax(ints))


def test_the_parts_of_a_pair():
    x = hard("normal_3", 1000, "float64")
    pair = twopass.pair_sum(x)
    assert 0.5 <= pair.hi < 1
    assert abs(pair.lo) <= np.spacing(pair.hi) / 2
    assert pair.exponent.dtype == np.int64
    total = np.exp(x.astype(np.longdouble)).sum()
    got = np.ldexp(pair.hi.astype(np.longdouble) + pair.lo, pair.exponent)
    assert abs(got / total - 1) < 1e-16 + 8 * np.finfo(np.longdouble).eps
    far = twopass.pair_sum(x + 1e15)
    assert abs(far.shift - 1e15) <= 2.0**42
    assert np.isnan(twopass.pair_sum(np.array([np.nan, 1])).hi)
    assert twopass.pair_sum(np.array([np.inf, 1])).hi == np.inf
    assert twopass.pair_sum(np.array([-np.inf])).hi == 0


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(protocol):
    pair = twopass.pair_sum(hard("normal_3", 6000, "float32").reshape(2, 3000), axis=1)
    data = pickle.dumps(pair, protocol)
    assert pickle.loads(data) == pair
    assert len(data) < 1500


def test_what_does_not_fit():
    x = np.zeros((3, 4), np.float32)
    pair = twopass.pair_sum(x, axis=1)
    assert pair != twopass.pair_sum(x, axis=0)
    assert pair != "pair"
    with pytest.raises(ValueError, match="at least one"):
        twopass.merge()
    for misused, name in (
        (lambda: twopass.finish(x), "^pair .*, not ndarray"),
        (lambda: twopass.merge(x, x), "merge .*, not ndarray"),
        (lambda: twopass.merge(pair, None), "merge .*, not NoneType"),
        (lambda: twopass.merge([pair, pair]), "merge .*, not list"),
        (lambda: twopass.apply(pair, x), "^pair .*, not ndarray"),
    ):
        with pytest.raises(TypeError, match=name) as caught:
            misused()
        assert "must be a PairSum (from pair_sum)" in str(caught.value)
    for other in (x.astype(float), x[:2]):
        with pytest.raises(ValueError, match="do not fit together"):
            twopass.merge(pair, twopass.pair_sum(other, axis=1))
    with pytest.raises(TypeError, match="float64"):
        twopass.apply(x.astype(float), pair)
    with pytest.raises(ValueError, match="shape"):
        twopass.apply(x[:2], pair)
    with pytest.raises(ValueError, match="logsumexp"):
        twopass.apply(x, pair, "logsumexp")
    for wrong in (np.zeros(3, complex), np.zeros(3, np.longdouble)):
        with pytest.raises(TypeError, match="no kernel"):
            twopass.pair_sum(wrong)
    with pytest.raises(TypeError):
        twopass.pair_sum(np.array(["a"]))
    with pytest.raises(np.exceptions.AxisError):
        twopass.pair_sum(x, axis=2)
