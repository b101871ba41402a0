"""The table of special values: NaN, infinities, extremes and subnormals, without a warning."""

import numpy as np
import pytest
from oracle import (
    ALGORITHMS,
    DTYPES,
    ELEMENTWISE,
    FUNCTIONS,
    SEGMENT,
    assert_accurate,
    call,
    hard,
    strict,
)

INF, NAN = np.inf, np.nan
LN2 = float(np.log(2))

# input, softmax, log_softmax, logsumexp; MAX stands for the largest number of the dtype
MAX = "max"
TABLE = [
    ([NAN], [NAN], [NAN], NAN),
    ([1, NAN, 2], [NAN] * 3, [NAN] * 3, NAN),
    ([NAN, INF], [NAN] * 2, [NAN] * 2, NAN),
    ([NAN, -INF], [NAN] * 2, [NAN] * 2, NAN),
    ([INF, -INF, NAN], [NAN] * 3, [NAN] * 3, NAN),
    ([INF], [NAN], [NAN], INF),
    ([INF, 0], [NAN] * 2, [NAN, -INF], INF),
    ([INF, INF, 1], [NAN] * 3, [NAN, NAN, -INF], INF),
    ([INF, -INF], [NAN] * 2, [NAN, -INF], INF),
    ([INF, MAX], [NAN] * 2, [NAN, -INF], INF),
    ([-INF], [NAN], [NAN], -INF),
    ([-INF, -INF], [NAN] * 2, [NAN] * 2, -INF),
    ([-INF, 3], [0, 1], [-INF, 0], 3),
    ([2, -INF, 2], [0.5, 0, 0.5], [-LN2, -INF, -LN2], 2 + LN2),
    ([MAX, MAX], [0.5] * 2, [-LN2] * 2, MAX),
    (["-max", "-max"], [0.5] * 2, [-LN2] * 2, "-max"),
    ([MAX, "-max"], [1, 0], [0, -INF], MAX),
    ([MAX, -INF], [1, 0], [0, -INF], MAX),
    (["-max", -INF], [1, 0], [0, -INF], "-max"),
    ([89, 89], [0.5] * 2, [-LN2] * 2, 89 + LN2),
    ([-104, -104], [0.5] * 2, [-LN2] * 2, -104 + LN2),
    ([710, 710], [0.5] * 2, [-LN2] * 2, 710 + LN2),
    ([-746, -746], [0.5] * 2, [-LN2] * 2, -746 + LN2),
    ([0.0, -0.0], [0.5] * 2, [-LN2] * 2, LN2),
    (["tiny", "-tiny"], [0.5] * 2, [-LN2] * 2, LN2),
    ([7], [1], [0], 7),
]


def number(value, dtype):
    info = np.finfo(dtype)
    names = {"max": info.max, "tiny": info.smallest_subnormal}
    names |= {f"-{name}": -v for name, v in names.items()}
    return names.get(value, value)


def numbers(values, dtype):
    return np.array([number(v, dtype) for v in values], dtype)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: ",".join(map(str, row[0])))
def test_table(target, algorithm, dtype, row):
    x = numbers(row[0], dtype)
    for function, values in zip(FUNCTIONS, row[1:], strict=True):
        want = numbers(values if isinstance(values, list) else [values], dtype)
        with strict():
            got = np.ravel(call(target, function, x, algorithm=algorithm))
        assert got.dtype == dtype
        finite = np.isfinite(want)
        np.testing.assert_array_equal(got[~finite], want[~finite])
        limit = 2 * np.finfo(dtype).eps * np.maximum(1, abs(want[finite]))
        assert (abs(got[finite] - want[finite]) <= limit).all()


SUBNORMAL = [(-90, 8.19401e-40), (-103.97, 1.4e-45)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("x, want", SUBNORMAL)
def test_subnormal_results_are_not_flushed(target, algorithm, x, want):
    x = np.array([0, x], np.float32)
    with strict():
        one, small = target.softmax(x, algorithm=algorithm)
        log_one, log_small = target.log_softmax(x, algorithm=algorithm)
        total = target.logsumexp(x, algorithm=algorithm)
    assert one == 1 and log_small == x[1] and abs(log_one) <= 2 * np.float32(want)
    np.testing.assert_allclose([small, total], np.float32(want), rtol=1e-5)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("special", (NAN, INF, -INF))
@pytest.mark.parametrize("n", (1, 2, 17, 130, 1000, SEGMENT + 40))
def test_one_special_value_anywhere(target, algorithm, dtype, special, n):
    """First, last, at each border that kernels have, and among ordinary scores."""
    places = {0, 1, 7, 8, 15, 16, 63, 64, 127, 128, 129, n // 2, SEGMENT - 1, SEGMENT, n - 1}
    for i in sorted(p for p in places if p < n):
        x = hard("normal_3", n, dtype).copy()
        x[i] = special
        for function in FUNCTIONS:
            with strict():
                got = call(target, function, x, algorithm=algorithm)
            if n > 1000:  # an exact value for each place would take long: the pattern will do
                check_pattern(function, special, i, got)
            else:
                assert_accurate(function, x, got)


def check_pattern(function, special, i, got):
    others = np.delete(np.ravel(got), i) if function in ELEMENTWISE else np.ravel(got)
    if np.isnan(special):
        assert np.isnan(got).all()
    elif special < 0:
        assert np.isfinite(others).all()
        assert function == "logsumexp" or got[i] == (0 if function == "softmax" else -INF)
    elif function == "softmax":
        assert np.isnan(got).all()
    else:
        assert (others == (INF if function == "logsumexp" else -INF)).all()
        assert function == "logsumexp" or np.isnan(got[i])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", (0, 1))
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_special_row_leaves_its_neighbours_alone(target, function, dtype, axis):
    for width in (1, 5, 20, 150):
        x = hard("normal_3", 40 * width, dtype).reshape(40, width).copy()
        for i, row in enumerate(TABLE):
            values = numbers(row[0], dtype)[:width]
            x[i + i // 2, : len(values)] = values
        x = np.ascontiguousarray(x if axis else x.T)
        for algorithm in ALGORITHMS:
            with strict():
                got = call(target, function, x, axis, algorithm=algorithm)
            assert_accurate(function, x, got, axis)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_rows_padded_with_minus_infinity(target, function, dtype, algorithm):
    """Padding in front, behind and by whole segments counts for nothing."""
    for before, n, after in ((1, 5, 0), (0, 5, 300), (300, 5, 300), (SEGMENT + 3, 100, SEGMENT)):
        x = np.full(before + n + after, -INF, dtype)
        x[before : before + n] = hard("normal_3", n, dtype)
        with strict():
            got = call(target, function, x, algorithm=algorithm)
        assert_accurate(function, x, got)
