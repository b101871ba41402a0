"""Operands beside x: the bits of the expression that they stand for, and no array of x's size."""

import itertools
import subprocess
import sys
import tracemalloc

import ball
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib.stride_tricks import as_strided
from oracle import (
    ALGORITHMS,
    DTYPES,
    ELEMENTWISE,
    FUNCTIONS,
    REDUCING,
    SEGMENT,
    Guarded,
    assert_same_bits,
    bound,
    call,
    hard,
    in_child,
    strict,
    unfused,
)
from test_special import TABLE, numbers

from twopass.functions import BY_NAME

INF, NAN = np.inf, np.nan

quick = settings(
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
each = pytest.mark.parametrize("dtype", DTYPES)
each_function = pytest.mark.parametrize("function", FUNCTIONS)
needs_mprotect = pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect and fork")


def scores(shape, dtype, seed=0):
    """Deterministic scores, writable."""
    size = int(np.prod(shape))
    return np.roll(hard("normal_3", size, dtype), 17 * seed + seed).reshape(shape).copy()


def mask(shape):
    return scores(shape, "float32", 3) > -2


def weights(shape, dtype, signed=False):
    """Some of them 0."""
    b = scores(shape, dtype, 5)
    b[abs(b) < 0.5] = 0
    return b if signed else abs(b)


def check_bits(target, function, x, axis, operands, what="", **options):
    """One call with operands, and return_lse, against plain calls on what they make of x."""
    beside = {k: v for k, v in operands.items() if k not in ("b", "return_sign")}
    taken = unfused(x, **beside)
    weighted = {"b": operands["b"], "return_sign": True} if "b" in operands else {}
    lse = call(target, "logsumexp", taken, axis, **weighted)
    if function in REDUCING:
        got = call(target, function, x, axis, **beside, **weighted, **options)
        for part, want in zip(np.atleast_1d(got), np.atleast_1d(lse), strict=True):
            assert_same_bits(part, want, what)
        return
    got, got_lse = call(target, function, x, axis, **beside, return_lse=True, **options)
    want = call(target, function, taken, axis)
    want = nothing_is_left(function, x, axis, want, beside.get("where"))
    assert_same_bits(np.ascontiguousarray(got), np.ascontiguousarray(want), what)
    assert_same_bits(got_lse, lse, f"{what}, lse")
    assert_same_bits(
        np.ascontiguousarray(call(target, function, x, axis, **beside)),
        np.ascontiguousarray(want),
        f"{what}, alone",
    )


def nothing_is_left(function, x, axis, want, where):
    """Rows of which a mask leaves nothing are no rows of -inf."""
    if where is None:
        return want
    left = np.broadcast_to(where, x.shape).any(axis, keepdims=True)
    return np.where(left, want, want.dtype.type(BY_NAME[function].of_nothing))


# ---- The bits of the unfused expression ---------------------------------------------------------

SHAPES = ((3, 1), (1, 3), (5, 17), (17, 5), (9, 130), (130, 9), (3, 1000), (700, 70), (4, 6, 33))
# What an operand broadcasts from: a number, a row, a column, all of x.
PLACES = {
    "number": lambda shape: (),
    "row": lambda shape: shape[-1:],
    "column": lambda shape: (*shape[:-1], 1),
    "full": lambda shape: shape,
}


@each_function
@each
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_bits_of_the_unfused_expression(target, function, dtype, shape):
    x = scores(shape, dtype)
    algorithms = itertools.cycle(ALGORITHMS)
    for axis in (*range(-x.ndim, 0), None):
        for scale, bias, where in itertools.product((None, -0.3), (None, *PLACES), (None, *PLACES)):
            operands = {} if scale is None else {"scale": scale}
            if bias:
                operands["bias"] = scores(PLACES[bias](shape), dtype, 1)
            if where:
                operands["where"] = mask(PLACES[where](shape))
            what = f"axis {axis}, scale {scale}, bias {bias}, where {where}"
            check_bits(target, function, x, axis, operands, what, algorithm=next(algorithms))


@each
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_weights_beside_other_operands(target, dtype, shape):
    x = scores(shape, dtype)
    algorithms = itertools.cycle(ALGORITHMS)
    for axis, place, other in itertools.product((*range(-x.ndim, 0), None), PLACES, PLACES):
        operands = {
            "scale": 0.7,
            "bias": scores(PLACES[other](shape), dtype, 1),
            "where": mask(PLACES[place](shape)),
        }
        for signed in (False, True):
            b = weights(PLACES[place](shape), dtype, signed) + np.dtype(dtype).type(
                place == "number"
            )
            for beside in ({}, operands):
                what = f"axis {axis}, b {place}, signed {signed}, beside {[*beside]}"
                options = {"algorithm": next(algorithms)}
                check_bits(target, "logsumexp", x, axis, beside | {"b": b}, what, **options)


def views(x):
    """The same array in other places: strided, reversed, transposed, misaligned, byte-swapped."""
    room = np.zeros((*x.shape[:-1], x.shape[-1] * 3), x.dtype)
    room[..., ::3] = x
    yield "strided", room[..., ::3]
    yield "reversed", x[..., ::-1].copy()[..., ::-1]
    yield "transposed", np.asfortranarray(x)
    if x.dtype != bool:
        moved = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
        moved[...] = x
        yield "misaligned", moved
        yield "byte-swapped", x.astype(x.dtype.newbyteorder())
    frozen = x.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen


@each_function
@each
def test_layouts_of_every_operand(target, function, dtype):
    shape = (40, 150)
    x = scores(shape, dtype)
    operands = {"bias": scores(shape, dtype, 1), "where": mask(shape)}
    if function in REDUCING:
        operands["b"] = weights(shape, dtype, True)
    for axis in (0, 1, (0, 1)):
        options = {"return_sign": True} if function in REDUCING else {}
        want = call(target, function, x, axis, **operands, **options)
        for name, array in [("x", x), *operands.items()]:
            before = array.copy()
            for layout, view in views(array):
                args = {"x": x} | operands | {name: view}
                got = call(target, function, args.pop("x"), axis, **args, **options)
                got, wanted = map(np.ascontiguousarray, map(np.array, (got, want)))
                assert_same_bits(got, wanted, f"{name} {layout}, axis {axis}")
                np.testing.assert_array_equal(view, before)


@st.composite
def anywhere(draw, shape, dtype):
    """An array of a shape, somewhere in memory: a view of a larger one, its axes in any order."""
    steps = [draw(st.sampled_from([1, 1, 2, -1, -3])) for _ in shape]
    order = draw(st.permutations(range(len(shape))))
    room = tuple(n * abs(step) for n, step in zip(shape, steps, strict=True))
    inner = tuple(room[d] for d in order)
    if dtype is bool:
        array = draw(hnp.arrays(bool, inner))
    else:
        kinds = st.floats(-16, 16, width=16) | st.sampled_from([0, -INF, INF, NAN, 30_000])
        array = draw(hnp.arrays(dtype, inner, elements=kinds, fill=st.just(0.25)))
    array = array.transpose(np.argsort(order)) if shape else array
    return array[tuple(slice(None, None, step) for step in steps)]


@st.composite
def broadcastable(draw, shape):
    """A shape that broadcasts to another one."""
    kept = tuple(n if draw(st.booleans()) else 1 for n in shape)
    return kept[draw(st.integers(0, len(kept))) if kept else 0 :]


@st.composite
def calls(draw, function, dtype):
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=20))
    x = draw(anywhere(shape, dtype))
    axes = [
        None,
        (),
        *range(-len(shape), len(shape)),
        tuple(range(len(shape))),
        (-1, 0)[: len(shape)],
    ]
    axes = [a for a in axes if not (a == (-1, 0) and len(shape) < 2)]
    operands = {}
    if draw(st.booleans()):
        operands["scale"] = draw(st.floats(-4, 4))
    if draw(st.booleans()):
        operands["bias"] = draw(anywhere(draw(broadcastable(shape)), dtype))
    if draw(st.booleans()):
        operands["where"] = draw(anywhere(draw(broadcastable(shape)), bool))
    options = {"algorithm": draw(st.sampled_from(ALGORITHMS)), "threads": draw(st.integers(1, 2))}
    return x, draw(st.sampled_from(axes)), operands, options


@quick
@given(st.data())
@each
@each_function
def test_any_call(target, function, dtype, data):
    x, axis, operands, options = data.draw(calls(function, dtype))
    with strict():
        check_bits(target, function, x, axis, operands, **options)


# ---- Bits that nothing else decides -------------------------------------------------------------

LONG = (1 << 20) + 77  # elements that four threads share


@each_function
@each
@pytest.mark.parametrize(
    "shape, axis",
    [((LONG,), 0), ((3, LONG // 3), 1), ((LONG // 5, 5), 0), ((5000, 210), 1)],
    ids=str,
)
def test_threads(target, function, dtype, shape, axis):
    x = scores(shape, dtype)
    for place in ("row", "full"):
        operands = {
            "scale": 0.7,
            "bias": scores(PLACES[place](shape), dtype, 1),
            "where": mask(PLACES[place](shape)),
        }
        for threads in range(1, 5):
            what = f"{place}, {threads} threads"
            check_bits(target, function, x, axis, operands, what, threads=threads)
    if function in REDUCING:
        b = weights(PLACES["full"](shape), dtype, True)
        want = call(target, function, x, axis, b=b, return_sign=True, threads=1)
        for threads in range(2, 5):
            got = call(target, function, x, axis, b=b, return_sign=True, threads=threads)
            assert_same_bits(got, want, f"b, {threads} threads")


@each_function
@each
@pytest.mark.parametrize("n", (1, 5, 17, 128, 129, 1000, SEGMENT + 300))
def test_a_row_alone_and_in_a_batch(target, function, dtype, n):
    """Rows and columns, operands broadcast and full: the bits of each row by itself."""
    height = 3 if n > SEGMENT else 20
    x, bias, where = scores((height, n), dtype), scores(n, dtype, 1), mask((height, n))
    options = {"scale": -1.3}
    if function in REDUCING:
        options["return_sign"] = True
    b = weights(n, dtype, True) + np.dtype(dtype).type(1)
    for algorithm in ALGORITHMS:
        options["algorithm"] = algorithm
        of_all = {"bias": bias} | ({"b": b} if function in REDUCING else {})
        got = call(target, function, x, 1, where=where, **of_all, **options)
        across = {name: array[:, None] for name, array in of_all.items()}
        turned = call(
            target, function, np.ascontiguousarray(x.T), 0, where=where.T, **across, **options
        )
        for i in range(height):
            want = np.array(call(target, function, x[i], where=where[i], **of_all, **options))
            for result in (np.array(got), np.array(turned)):
                rows = (
                    result.T if result.shape == (n, height) and function in ELEMENTWISE else result
                )
                row = rows[:, i] if function in REDUCING else rows[i]
                assert_same_bits(np.ascontiguousarray(row), want, f"row {i}, {algorithm}")


# ---- Weights against the truth ------------------------------------------------------------------


def check_weights(x, b, axis, got, signs):
    """Within the promised bound, times what the terms lose by cancelling."""
    x, b = np.broadcast_arrays(x, b)
    x, b = (np.moveaxis(a, axis, -1).reshape(-1, a.shape[axis]) for a in (x, b))
    eps = float(np.finfo(got.dtype).eps)
    for row, ws, y, sign in zip(x, b, np.ravel(got), np.ravel(signs), strict=True):
        want, true_sign, condition = ball.weighted(row.astype(float), ws.astype(float))
        if condition * eps > 0.01:
            continue  # rounding may decide the sign
        assert sign == true_sign
        error = want.ulps(np.array([y]))
        limit = bound("logsumexp", want.cut(got.dtype)) * condition
        assert error == 0 or error <= limit, f"{y!r}, should be {want.near[0]!r}"


BROADCASTS = [
    ((6, 40), ()),
    ((6, 40), (40,)),
    ((6, 40), (6, 1)),
    ((6, 40), (6, 40)),
    ((40,), (6, 1)),
    ((1, 40), (6, 1)),
    ((6, 1), (1, 40)),
    ((6, 1), (40,)),
    ((6, 1, 5), (1, 40, 5)),
    ((), (6, 40)),
]


@each
@pytest.mark.parametrize("signed", (False, True))
@pytest.mark.parametrize("shapes", BROADCASTS, ids=str)
def test_weights_broadcast_both_ways(target, dtype, shapes, signed):
    x, b = scores(shapes[0], dtype), weights(shapes[1], dtype, signed)
    whole = np.broadcast_shapes(*shapes)
    for axis in range(len(whole)):
        got, signs = call(target, "logsumexp", x, axis, b=b, return_sign=True)
        assert got.dtype == dtype
        assert got.shape == signs.shape == (*whole[:axis], *whole[axis + 1 :])
        check_weights(x, b, axis, got, signs)
        plain = call(target, "logsumexp", x, axis, b=b)
        assert_same_bits(plain, np.where(signs < 0, got.dtype.type(NAN), got))


@each
@pytest.mark.parametrize("kind", ("?", "i1", "u2", "i8", "f2", "f4", "f8"))
def test_weights_of_another_dtype(target, dtype, kind):
    """They count as what SciPy makes of both, whichever is wider."""
    scipy = pytest.importorskip("scipy.special")
    x = scores((7, 130), dtype)
    b = (abs(weights((7, 130), "float64")) * 3).astype(kind)
    for weight in (b, b[0], b[:, :1] + np.array(1, kind), b[0, 0] + np.array(1, kind)):
        got = call(target, "logsumexp", x, 1, b=weight)
        assert got.dtype == scipy.logsumexp(x, 1, b=weight).dtype
        check_weights(x, weight, 1, got, np.sign(np.ones_like(got)))


@each
def test_weights_as_python_numbers_do_not_widen(target, dtype):
    x = scores((7, 130), dtype)
    for b in (2, 0.5, True, -1.5):
        got, sign = call(target, "logsumexp", x, 1, b=b, return_sign=True)
        assert got.dtype == dtype
        check_weights(x, np.float64(b), 1, got, sign)


@each
@pytest.mark.parametrize("size", (2.0**-130, 2.0**-61, 2.0**-60, 2.0**60, 2.0**61, 2.0**100))
def test_weights_far_from_one(target, dtype, size):
    x, b = scores((5, 70), dtype), weights((5, 70), "float64", True) * size
    if dtype != "float16":
        b = b.astype(dtype)
    got, signs = call(target, "logsumexp", x, 1, b=b, return_sign=True)
    check_weights(x, b, 1, got, signs)


@each
def test_small_weights_beside_large_exponents(target, dtype):
    """Rows apart from each other, and of such weights only."""
    tiny = float(np.finfo(dtype).tiny)
    x = np.array([[0, 10, 20], [-20, -10, 0], [0, 0, 0], [5, 5, 5]], dtype)
    b = np.array([[1, tiny, 0], [tiny, 0, 0], [tiny, -tiny / 2, 0], [0, 0, 0]], dtype)
    got, signs = call(target, "logsumexp", x, 1, b=b, return_sign=True)
    check_weights(x, b, 1, got, signs)
    np.testing.assert_array_equal(signs, [1, 1, 1, 0])
    assert got[3] == -INF


@each
def test_terms_that_cancel(target, dtype):
    """Exactly, all but a little, and all of a row: never NaN without a reason."""
    x = np.array([[3, 3, -5], [3, 3, -INF], [0, 0, 0], [2, 1, 0]], dtype)
    b = np.array([[1, -1, 1], [1, -1, 2], [1, 1, -2], [-1, 0, 0]], dtype)
    got, signs = call(target, "logsumexp", x, 1, b=b, return_sign=True)
    np.testing.assert_array_equal(signs, [1, 0, 0, -1])
    np.testing.assert_array_equal(got, np.array([-5, -INF, -INF, 2], dtype))


# ---- Special values -----------------------------------------------------------------------------


@each
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: ",".join(map(str, row[0])))
def test_special_values_beside_operands(target, dtype, algorithm, row):
    """The table, with operands that change nothing, or that undo each other."""
    x = numbers(row[0], dtype)
    zero = np.zeros_like(x)
    for operands in (
        {"scale": 1.0},
        {"bias": zero},
        {"bias": zero[:1]},
        {"where": np.ones(len(x), bool)},
        {"where": True},
        {"scale": 1.0, "bias": zero, "where": np.True_},
        {"scale": -1},
    ):
        taken = -x if operands == {"scale": -1} else x
        for function, values in zip(FUNCTIONS, row[1:], strict=True):
            want = numbers(values if isinstance(values, list) else [values], dtype)
            with strict():
                got = np.ravel(call(target, function, taken, algorithm=algorithm, **operands))
            check_special(got, want)
    total = numbers([row[3]], dtype)
    for b in (1.0, np.ones_like(x), np.array([1], dtype)):
        with strict():
            got, sign = call(target, "logsumexp", x, b=b, return_sign=True, algorithm=algorithm)
        check_special(np.ravel(got), total)
        assert np.isnan(sign) if np.isnan(got) else sign == (got > -INF)


def check_special(got, want):
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    limit = 2 * np.finfo(want.dtype).eps * np.maximum(1, abs(want[finite]))
    assert (abs(got[finite] - want[finite]) <= limit).all()


@each
@pytest.mark.parametrize("special", (NAN, INF, -INF, "max", "-max", 50_000, -50_000))
@pytest.mark.parametrize("n", (2, 3, 20, 150, 1000))
def test_what_is_left_out_never_counts(target, dtype, special, n):
    """Whatever stands beside False and beside weight 0, along both axes."""
    x, kept = scores((40 if n < 100 else 4, n), dtype), np.arange(n) % 3 > 0
    kept[n // 2] = True
    wild = np.where(kept, x, numbers([special], dtype))
    padded = np.where(kept, x, np.dtype(dtype).type(-INF))
    for axis in (0, 1):
        a, filled = (np.ascontiguousarray(part if axis else part.T) for part in (wild, padded))
        where = kept if axis else kept[:, None]
        for function in FUNCTIONS:
            with strict():
                got = call(target, function, a, axis, where=where)
            want = call(target, function, filled, axis)
            assert_same_bits(np.ascontiguousarray(got), np.ascontiguousarray(want), function)
        b = where * a.dtype.type(1)
        with strict():
            got, sign = call(target, "logsumexp", a, axis, b=b, return_sign=True)
        assert (sign == 1).all()
        assert_same_bits(got, call(target, "logsumexp", filled, axis, b=b), "b")
        # The same of a row by itself, whose way through the kernels is another one.
        alone = [target.logsumexp(row, b=kept * row.dtype.type(1)) for row in padded]
        assert_same_bits(got, np.array(alone), "b alone")
        check_weights(filled, np.ones(1), axis, got, sign)


@each
@pytest.mark.parametrize("n", (1, 2, 17, 130, 1000))
@pytest.mark.parametrize("content", (3.0, NAN, INF, -INF))
def test_nothing_left(target, dtype, n, content):
    """0, -inf and -inf where a mask leaves nothing; a row of -inf has no answer."""
    x = np.full((5, n), content, dtype)
    where = np.arange(5)[:, None] % 2 > 0
    neighbours = np.full((2, n), content, dtype)
    for axis in (1, -1, 0):
        a, taken = (x, where) if axis else (x.T, where.T)
        for function, least in (("softmax", 0), ("log_softmax", -INF)):
            with strict():
                got, lse = call(target, function, a, axis, where=taken, return_lse=True)
            got = got if axis else got.T
            assert (got[::2] == least).all() and (lse[::2] == -INF).all()
            assert_same_bits(got[1::2].copy(), call(target, function, neighbours, 1), function)
        with strict():
            got, sign = call(target, "logsumexp", a, axis, where=taken, return_sign=True)
        assert (got[::2] == -INF).all() and (sign[::2] == 0).all()
    for everything in (None, (0, 1)):
        assert (call(target, "softmax", x, everything, where=False) == 0).all()
    row = np.full(n, -INF, dtype)
    assert np.isnan(call(target, "softmax", row, where=True)).all()
    assert np.isnan(call(target, "softmax", np.zeros(n, dtype), bias=-INF)).all()
    assert call(target, "logsumexp", row, where=True) == -INF


@each_function
def test_arrays_without_elements(target, function):
    for shape, axis in itertools.product(((0,), (0, 3), (3, 0)), (-1, 0, None)):
        x, row = np.zeros(shape), np.zeros(shape[-1:])
        operands = {"scale": 2, "bias": row, "where": row < 1}
        got = call(target, function, x, axis, **operands)
        assert_same_bits(got, call(target, function, x, axis))
        if function in ELEMENTWISE:
            _, lse = call(target, function, x, axis, **operands, return_lse=True)
            assert_same_bits(lse, call(target, "logsumexp", x, axis))
        else:
            got, sign = call(target, function, x, axis, b=row, return_sign=True)
            assert (got == -INF).all() and (sign == 0).all()


# ---- Dtypes -------------------------------------------------------------------------------------


@each_function
@pytest.mark.parametrize("x_kind", ("?", "i4", "f2", "f4", "f8", "g", "c8", "c16"))
@pytest.mark.parametrize("bias_kind", ("?", "i2", "i8", "f2", "f4", "f8", "g", "c8"))
def test_a_bias_widens_as_numpy_does(target, function, x_kind, bias_kind):
    """x first, so that scale rounds in the dtype of the result."""
    x = (scores((5, 70), "float64") * 2).astype(x_kind)
    bias = (scores(70, "float64", 1) * 2).astype(bias_kind)
    base = x if x.dtype.kind in "fc" else x.astype(float)
    taken = unfused(base.astype((base + bias).dtype), 0.7, bias)
    got = call(target, function, x, 1, scale=0.7, bias=bias)
    np.testing.assert_array_equal(got, call(target, function, taken, 1), strict=True)


@pytest.mark.parametrize(
    "bias", (1, 1.5, True, np.float32(1.5), np.float64(1.5), np.array(1.5), 1j)
)
def test_a_python_number_as_bias_does_not_widen(target, bias):
    x = scores((5, 70), "float32")
    got = target.softmax(x, 1, bias=bias)
    np.testing.assert_array_equal(got, target.softmax(x + bias, 1), strict=True)


@each
@pytest.mark.parametrize(
    "scale", (2, 0.1, True, 0, -1, INF, NAN, 1e300, np.float64(0.1), np.array(0.1))
)
def test_a_scale_never_widens(target, dtype, scale):
    x = scores((5, 70), dtype)
    with strict():
        got = call(target, "softmax", x, 1, scale=scale)
    assert_same_bits(got, call(target, "softmax", unfused(x, scale), 1))


@each
def test_a_bias_beside_wider_weights(target, dtype):
    """All of them in one dtype, whichever brings it."""
    x, bias = scores((5, 70), dtype), scores(70, dtype, 1)
    b = weights((5, 70), "float64")
    got = target.logsumexp(x, 1, bias=bias, b=b)
    assert_same_bits(got, target.logsumexp(x.astype(float) + bias, 1, b=b))


@each
@pytest.mark.parametrize("place", ("row", "full"))
def test_a_wide_bias_beside_weights(target, dtype, place):
    x, b = scores((5, 70), dtype), weights((5, 70), dtype)
    bias = scores(PLACES[place]((5, 70)), "float64", 1)
    got = target.logsumexp(x, 1, scale=0.3, bias=bias, b=b)
    assert_same_bits(got, target.logsumexp(0.3 * x.astype(float) + bias, 1, b=b.astype(float)))


# ---- Memory -------------------------------------------------------------------------------------


@needs_mprotect
@each_function
@each
def test_guard_pages(target, function, dtype):
    """Every operand next to a page that may not be touched, along rows and columns."""
    shapes = [(1, n) for n in range(1, 140, 3)]
    shapes += [(2, 3), (3, 16), (5, 17), (7, 33), (17, 5), (33, 7), (64, 3), (60, 65), (3, 700)]
    options = {"return_sign": True} if function in REDUCING else {}
    dtypes = {"x": dtype, "bias": dtype, "where": "bool"}
    dtypes |= {"b": dtype} if function in REDUCING else {}

    def work():
        memory = {name: Guarded(1 << 15) for name in dtypes}

        def guarded(name, shape, at_end):
            array = memory[name].place(int(np.prod(shape)), dtypes[name], at_end).reshape(shape)
            array[...] = mask(shape) if name == "where" else scores(shape, dtype)
            return array

        for shape, at_end, place in itertools.product(shapes, (False, True), PLACES):
            x, *arrays = (
                guarded(name, shape if name == "x" else PLACES[place](shape), at_end)
                for name in dtypes
            )
            operands = dict(zip([*dtypes][1:], arrays, strict=True))
            copies = {name: array.copy() for name, array in operands.items()}
            # A row beside x, turned, is a column.
            turned = {name: np.atleast_2d(array).T for name, array in operands.items()}
            for axis in (0, 1, None):
                want = np.array(call(target, function, x.copy(), axis, **copies, **options))
                got = call(target, function, x, axis, threads=1, **operands, **options)
                what = f"{shape}, axis {axis}, {place}"
                assert_same_bits(np.array(got), want, what)
                if axis is not None:
                    got = call(target, function, x.T, 1 - axis, threads=1, **turned, **options)
                    got = np.array(got if function in REDUCING else np.transpose(got))
                    assert_same_bits(np.ascontiguousarray(got), want, f"{what}, turned")

    assert in_child(work) == ""


@pytest.mark.parametrize("function", ELEMENTWISE)
@each
@pytest.mark.parametrize("axis", (0, 1, None))
def test_out_may_be_x_or_an_operand(target, function, dtype, axis):
    shape = (40, 70)
    x, bias = scores(shape, dtype), scores(shape, dtype, 1)
    where = mask(shape)
    operands = {"scale": 0.7, "bias": bias, "where": where}
    want = call(target, function, x, axis, **operands)
    for algorithm in ALGORITHMS:
        options = {"algorithm": algorithm}
        out = x.copy()
        got, _ = call(target, function, out, axis, out=out, return_lse=True, **operands, **options)
        assert got is out
        assert_same_bits(out, want, "x")
        out = bias.copy()
        call(target, function, x, axis, out=out, **operands | {"bias": out}, **options)
        assert_same_bits(out, want, "bias")
        out = x.copy()
        twice = call(target, function, x, axis, bias=x.copy())
        call(target, function, out, axis, bias=out, out=out, **options)
        assert_same_bits(out, twice, "x and bias")


@pytest.mark.parametrize("function", ELEMENTWISE)
@each
@pytest.mark.parametrize("axis", (0, 1, None))
def test_out_may_overlap_an_operand(target, function, dtype, axis):
    """Rows of it, moved by one, or a mask in the bytes that results go to."""
    room = scores((41, 70), dtype, 1)
    x, first = scores((40, 70), dtype), room[:40].copy()
    want = call(target, function, x, axis, bias=first)
    call(target, function, x, axis, bias=room[:40], out=room[1:])
    assert_same_bits(room[1:], want)
    room = scores((40, 70), dtype, 1)
    want = call(target, function, x, axis, bias=room[0].copy())
    call(target, function, x, axis, bias=room[0], out=room)
    assert_same_bits(room, want)
    out = np.zeros((40, 70), dtype)
    bits = out.reshape(-1).view(bool)[: x.size].reshape(x.shape)
    bits[...] = mask(x.shape)
    want = call(target, function, x, axis, where=bits.copy())
    call(target, function, x, axis, where=bits, out=out)
    assert_same_bits(out, want)


def test_operands_may_overlap_themselves_and_x(target):
    windows = as_strided(scores(100, "float64"), (40, 61), (8, 8))
    x = windows.copy()
    for function, axis in itertools.product(FUNCTIONS, (0, 1, None)):
        extra = {"b": abs(windows)} if function in REDUCING else {}
        want = {"b": abs(x)} if function in REDUCING else {}
        got = call(target, function, windows, axis, bias=windows, where=windows > 0, **extra)
        assert_same_bits(got, call(target, function, x, axis, bias=x, where=x > 0, **want))


def test_out_of_logsumexp_may_be_an_operand(target):
    x, row = scores((40, 40), "float64"), scores(40, "float64", 1)
    for name in ("bias", "b"):
        out = abs(row)
        want = target.logsumexp(x, 1, **{name: out.copy()})
        assert target.logsumexp(x, 1, **{name: out}, out=out) is out
        assert_same_bits(out, want)


PEAK = (1500, 1400)
PEAK_OPERANDS = {
    "scale": lambda shape, place: 0.5,
    "bias": lambda shape, place: scores(PLACES[place](shape), "float64"),
    "where": lambda shape, place: mask(PLACES[place](shape)),
    "b": lambda shape, place: weights(PLACES[place](shape), "float64", True) + (place == "number"),
}


@each_function
@pytest.mark.parametrize("axis", (0, 1))
@pytest.mark.parametrize("place", PLACES)
def test_no_array_of_the_size_of_x(target, function, axis, place):
    """Not from NumPy: one array of bool is an eighth of x."""
    x = scores(PEAK, "float64")
    for name, operand in PEAK_OPERANDS.items():
        if name == "b" and function in ELEMENTWISE:
            continue
        options = {name: operand(PEAK, place)}
        options |= {"return_sign": True} if function in REDUCING else {"return_lse": True, "out": x}
        tracemalloc.start()
        try:
            call(target, function, x, axis, **options)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < x.nbytes / 9, f"{name}: {peak / x.nbytes:.2f} of x"


RESIDENT = """
import resource, sys, numpy as np, twopass
x = np.ones((4000, 4001)); row = np.ones(4001); column = np.ones((4000, 1))
full, where = np.ones(x.shape), np.ones(x.shape, bool)
def call(x, row, column, full, where):
    for axis in (0, 1):
        for operand in (row, column, full):
            twopass.logsumexp(x, axis, b=operand, return_sign=True, threads=1)
            twopass.logsumexp(x, axis, bias=operand, scale=2, threads=1)
            options = {"scale": 0.5, "where": where, "return_lse": True, "out": x, "threads": 1}
            twopass.softmax(x, axis, bias=operand, **options)
call(x[:40, :40], row[:40], column[:40], full[:40, :40], where[:40, :40])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
call(x, row, column, full, where)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / x.nbytes)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts kilobytes as Linux does")
def test_no_memory_of_the_size_of_x(target, monkeypatch):
    """Not from anybody: what the process had at most."""
    monkeypatch.setenv("TWOPASS_TARGET", target.name)
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 0.1


# ---- Errors -------------------------------------------------------------------------------------

X = np.arange(6.0).reshape(2, 3)
MASKED = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
WRONG = [
    ("scale", "2", TypeError, r"scale has dtype <U1.*numpy.asarray\(scale, float\)"),
    ("scale", 2j, TypeError, r"scale must be a real number, not 2j: multiply"),
    ("scale", [1.0, 2.0], TypeError, r"scale must be one number.*\(2,\): multiply"),
    ("scale", object(), TypeError, r"scale has dtype object"),
    ("bias", "a", TypeError, r"bias has dtype <U1.*numpy.asarray\(bias, float\)"),
    ("bias", [None] * 3, TypeError, r"bias has dtype object.*numpy.asarray\(bias, float\)"),
    ("bias", np.ones(3, "m8[s]"), TypeError, r"bias has dtype timedelta64"),
    ("bias", MASKED, TypeError, r"masked.*bias\.filled\(-numpy\.inf\)"),
    ("bias", np.ones(4), ValueError, r"bias has shape \(4,\).*'s \(2, 3\).*length 1"),
    ("bias", np.ones((3, 2, 3)), ValueError, r"bias has shape \(3, 2, 3\)"),
    ("bias", np.ones((1, 2, 3)), ValueError, r"bias has shape \(1, 2, 3\)"),
    ("where", np.ones(3), TypeError, r"where has dtype float64: .*where != 0"),
    ("where", [0, 1, 1], TypeError, r"where has dtype int64: .*where != 0"),
    ("where", "yes", TypeError, r"where has dtype <U3: .*where != 0"),
    ("where", MASKED > 1, TypeError, r"masked.*where\.filled\(False\)"),
    ("where", np.ones((2, 2), bool), ValueError, r"where has shape \(2, 2\).*'s \(2, 3\)"),
]


@each_function
@pytest.mark.parametrize("kind", ("f8", "f2", "i4", "g", "c16"))
@pytest.mark.parametrize("name, value, error, message", WRONG, ids=lambda part: str(part)[:20])
def test_errors_name_the_argument(target, function, kind, name, value, error, message):
    x = X.astype(kind)
    with pytest.raises(error, match=message):
        call(target, function, x, **{name: value})
    if function in ELEMENTWISE:
        out = np.full_like(x, 7)
        with pytest.raises(error, match=message):
            call(target, function, x, out=out, **{name: value})
        assert (out == 7).all()


def test_a_bias_may_not_enlarge_a_number(target):
    with pytest.raises(ValueError, match=r"bias has shape \(3,\).*a's \(\)"):
        target.logsumexp(1.0, bias=np.ones(3))


@each_function
def test_none_is_no_operand(target, function):
    got = call(target, function, X, scale=None, bias=None, where=None)
    assert_same_bits(got, call(target, function, X))


@each_function
def test_dask_arrays_take_the_expression_instead(function):
    """What the error says does give the same."""
    da = pytest.importorskip("dask.array")
    import twopass

    call = getattr(twopass, function)
    row = np.array([1.0, 2.0, 3.0])
    operands = {"scale": 2, "bias": row, "where": row > 1}
    operands |= {"b": row, "return_sign": True} if function in REDUCING else {"return_lse": True}
    for name, value in operands.items():
        with pytest.raises(
            TypeError, match=f"^{name} is not supported for Dask arrays: "
        ) as caught:
            call(da.from_array(X), 1, **{name: value})
        remedy = str(caught.value).partition("pass ")[2].partition(", if")[0]
        if remedy:
            import dask

            names = {"dask": dask, "numpy": np, "a": da.from_array(X), "x": da.from_array(X)}
            taken = eval(remedy, names | {name: value})
            got = call(taken, 1).compute()
            np.testing.assert_allclose(got, call(X, 1, **{name: value}), rtol=1e-14)


def test_a_sum_whose_rest_outweighs_it(target):
    """Where terms nearly cancel, the compensation of a float64 sum has more of it than the sum."""
    rng = np.random.default_rng(11371)
    x = np.full((200, 96), -8.744312782)
    b = rng.choice([-1.0, -0.5, 0.5, 1.0, 2.0], x.shape)
    x += rng.choice([0, 2.0**-50, -(2.0**-51)], x.shape)
    got, sign = target.logsumexp(x, 1, b=b, return_sign=True)
    total = b.sum(1)
    clear = total != 0
    assert (sign[clear] == np.sign(total[clear])).all()
    np.testing.assert_allclose(got[clear], np.log(abs(total[clear])) + x[clear, 0], rtol=1e-12)
