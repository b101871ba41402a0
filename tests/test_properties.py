"""What holds for every input, on inputs that hypothesis looks for."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracle import (
    ALGORITHMS,
    DTYPES,
    ELEMENTWISE,
    FUNCTIONS,
    REDUCING,
    assert_accurate,
    assert_same_bits,
    bound,
    call,
    exact,
)

quick = settings(
    deadline=None,
    derandomize=True,
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
each = pytest.mark.parametrize("dtype", DTYPES)
each_function = pytest.mark.parametrize("function", FUNCTIONS)
algorithms = st.sampled_from(ALGORITHMS)


def rows(dtype, finite=False, most=150):
    """Rows of any floats at all, or of scores near each other, where all of them count."""
    width = np.dtype(dtype).itemsize * 8
    any_float = st.floats(width=width, allow_nan=not finite, allow_infinity=not finite)
    score = st.floats(-16, 16, width=width)
    return st.one_of(
        hnp.arrays(dtype, st.integers(1, most), elements=elements)
        for elements in (any_float, score)
    )


@quick
@given(st.data())
@each
@each_function
def test_any_row(target, function, dtype, data):
    x, algorithm = data.draw(rows(dtype)), data.draw(algorithms)
    assert_accurate(function, x, call(target, function, x, algorithm=algorithm))


@quick
@given(st.data())
@each
@each_function
def test_any_shape_axis_and_strides(target, function, dtype, data):
    shape = data.draw(hnp.array_shapes(max_dims=4, max_side=20))
    quarters = st.integers(-64, 64).map(lambda i: i / 4)
    x = data.draw(hnp.arrays(dtype, shape, elements=quarters))
    x = x[data.draw(hnp.basic_indices(shape, allow_ellipsis=False))]
    x = x.transpose(data.draw(st.permutations(range(np.ndim(x)))))
    axes = [None, (), *range(-np.ndim(x), np.ndim(x))]
    axis = data.draw(st.sampled_from(axes))
    got = call(target, function, x, axis, algorithm=data.draw(algorithms))
    assert_accurate(function, np.array(x), got, axis)


@quick
@given(st.data())
@each
def test_an_exact_shift_changes_nothing_but_roundings(target, dtype, data):
    """Multiples of 1/4 shifted by an integer: exact, so that softmax is the same function."""
    small = st.integers(-64, 64)
    x = data.draw(hnp.arrays(np.int64, st.integers(1, 300), elements=small)) / 4
    most = 200 if dtype == "float16" else 100_000
    shift = data.draw(st.integers(-most, most))
    x, shifted = x.astype(dtype), (x + shift).astype(dtype)
    algorithm = data.draw(algorithms)
    for function in ELEMENTWISE:
        got = call(target, function, shifted, algorithm=algorithm)
        assert_accurate(function, shifted, got, want=exact(function, x))


@quick
@given(st.data())
@each
@each_function
def test_order_changes_nothing_but_roundings(target, function, dtype, data):
    x = data.draw(rows(dtype, finite=True))
    order = np.array(data.draw(st.permutations(range(len(x)))))
    got = np.asarray(call(target, function, x[order], algorithm=data.draw(algorithms)))
    want = exact(function, x)
    if function in ELEMENTWISE:
        got = got[np.argsort(order)]
    assert_accurate(function, x, got, want=want)


@quick
@given(st.data())
@each
def test_nan_anywhere_is_nan_everywhere(target, dtype, data):
    x = data.draw(rows(dtype))
    x[data.draw(st.integers(0, len(x) - 1))] = np.nan
    for function in FUNCTIONS:
        assert np.isnan(call(target, function, x, algorithm=data.draw(algorithms))).all()


@quick
@given(st.data())
@each
def test_minus_infinity_is_padding(target, dtype, data):
    x, algorithm = data.draw(rows(dtype)), data.draw(algorithms)
    before, after = data.draw(st.integers(0, 200)), data.draw(st.integers(0, 200))
    padded = np.full(before + len(x) + after, -np.inf, dtype)
    inside = slice(before, before + len(x))
    padded[inside] = x
    for function in FUNCTIONS:
        got = call(target, function, padded, algorithm=algorithm)
        got = got if function in REDUCING else got[inside]
        assert_accurate(function, x, got)


@quick
@given(st.data())
@each
@each_function
def test_axis_and_its_names(target, function, dtype, data):
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=3))
    x = data.draw(hnp.arrays(dtype, shape, elements=st.floats(-16, 16, width=16)))
    axis = data.draw(st.integers(0, x.ndim - 1))
    want = call(target, function, x, axis)
    for name in (axis - x.ndim, (axis,)):
        assert_same_bits(call(target, function, x, name), want)
    everything = call(target, function, x, tuple(range(x.ndim)))
    assert_same_bits(everything, call(target, function, x, None))


@quick
@given(st.data())
@each
def test_softmax_adds_up_to_one_and_keeps_the_order(target, dtype, data):
    x = data.draw(rows(dtype, finite=True))
    got = target.softmax(x, algorithm=data.draw(algorithms)).astype(float)
    step = np.spacing(got.astype(dtype)).astype(float)
    assert abs(got.sum() - 1) <= (bound("softmax", got.astype(dtype)) * step).sum() + 1e-12
    ordered = got[np.argsort(x, kind="stable")]
    assert (np.diff(ordered) >= -8 * step.max()).all()
    assert (got >= 0).all() and (got <= 1).all()
