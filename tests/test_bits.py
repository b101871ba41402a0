"""The same bits: on every target with FMA, for every algorithm, thread count, layout and batch."""

import digest
import numpy as np
import pytest
from oracle import (
    ALGORITHMS,
    DTYPES,
    ELEMENTWISE,
    FMA_TARGETS,
    FUNCTIONS,
    REDUCING,
    SEGMENT,
    assert_same_bits,
    call,
    hard,
)


def need_fma(target):
    if target.name not in FMA_TARGETS:
        pytest.skip("promised for targets with FMA")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_stored_digest(target, algorithm):
    """What bits.json says, on every machine; `python tests/digest.py --write` renews it."""
    need_fma(target)
    assert (
        digest.differences(digest.digests(target, digest.short_corpus(), algorithm=algorithm)) == []
    )


@pytest.mark.slow
def test_stored_digest_of_long_rows(target):
    need_fma(target)
    for name, x in digest.long_corpus():
        for options in (
            *({"algorithm": algorithm} for algorithm in ALGORITHMS),
            *({"threads": threads} for threads in range(1, 9)),
        ):
            found = digest.digests(target, [(name, x)], **options)
            assert digest.differences(found) == [], options


def test_the_digest_sees_one_bit():
    x = hard("normal_3", 1000, "float32").copy()
    before = digest.digest(x)
    x[700] = np.nextafter(x[700], np.float32(0))
    assert digest.digest(x) != before


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_threads(target, function, dtype, algorithm):
    """One long row, rows in a batch, columns: however many threads share the work."""
    long = hard("normal_3", 10 * SEGMENT + 77, dtype)
    rows, columns = long[: 4 * 50_021].reshape(4, -1), long[:400_000].reshape(-1, 4)
    for x, axis in ((long, 0), (rows, 1), (columns, 0)):
        want = call(target, function, x, axis, algorithm=algorithm, threads=1)
        for threads in (2, 3, 5, 8):
            got = call(target, function, x, axis, algorithm=algorithm, threads=threads)
            assert_same_bits(got, want, f"{x.shape} with {threads} threads")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_thread_counts_one_to_eight(target, function, dtype):
    x = hard("stairs", 9 * SEGMENT + 1, dtype)
    want = call(target, function, x, threads=1)
    for threads in range(1, 9):
        assert_same_bits(call(target, function, x, threads=threads), want, f"{threads} threads")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("levels", ((1, 0.5, 0, 0.25), (0, 1, 0, 0)), ids=str)
def test_rows_out_of_range_that_threads_share(target, function, dtype, levels):
    """What one of them is shifted by is no matter of the next one."""
    n = 5 * SEGMENT + 40
    x = hard("normal_3", n, dtype) + np.array(levels, dtype)[:, None] * np.finfo(dtype).max / 2
    x = x.astype(dtype)
    want = np.array([call(target, function, row, threads=1) for row in x])
    for algorithm in ALGORITHMS:
        got = call(target, function, x, algorithm=algorithm, threads=5)
        assert_same_bits(got, want, algorithm)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", (0, 1, 5, 17, 100, 128, 129, 1000, 5000, SEGMENT + 300))
def test_a_row_alone_and_in_a_batch(target, function, dtype, n):
    """Whatever its neighbours are, and however many."""
    for height in (2, 3, 8, 17) if n <= SEGMENT else (2, 3):
        x = hard("uniform_1000", height * n, dtype).reshape(height, n)
        for algorithm in ALGORITHMS:
            got = call(target, function, x, algorithm=algorithm)
            for row, result in zip(x, got, strict=True):
                alone = call(target, function, row, algorithm=algorithm)
                assert_same_bits(result, alone, f"{height} rows, {algorithm}")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape",
    ((3, 5), (100, 17), (17, 100), (129, 70), (1000, 3), (2, 70_001), (70_001, 2), (6, 7, 50)),
    ids=str,
)
def test_an_axis_and_the_same_axis_moved(target, function, dtype, shape):
    x = hard("normal_3", int(np.prod(shape)), dtype).reshape(shape)
    for axis in range(x.ndim - 1):
        last = np.ascontiguousarray(np.moveaxis(x, axis, -1))
        for algorithm in ALGORITHMS:
            got = call(target, function, x, axis, algorithm=algorithm)
            want = call(target, function, last, -1, algorithm=algorithm)
            want = want if function in REDUCING else np.moveaxis(want, -1, axis)
            got, want = np.ascontiguousarray(got), np.ascontiguousarray(want)
            assert_same_bits(got, want, f"axis {axis}, {algorithm}")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("dtype", "edge"), [("float32", 2.0**16), ("float64", 2.0**45)])
@pytest.mark.parametrize("n", (16, 64, 100, 1000))
def test_a_row_below_the_range_and_one_just_within(target, function, dtype, edge, n):
    """The reference of one would do for the other, which has another one when it is alone."""
    steps = np.linspace(0, 1, n)
    x = np.array([6 - edge - steps, -1 - edge - 15 * steps] * 150, dtype)
    alone = np.array([call(target, function, row) for row in x])
    assert_same_bits(call(target, function, x), alone, "rows")
    columns = call(target, function, np.ascontiguousarray(x.T), 0)
    assert_same_bits(np.ascontiguousarray(np.transpose(columns)), alone, "columns")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("first", (-np.inf, -200.0, 200.0))
def test_columns_that_are_not_what_their_first_block_promised(target, function, dtype, first):
    x = hard("normal_3", 700 * 300, dtype).reshape(700, 300).copy()
    x[:200, ::2] += np.dtype(dtype).type(first)
    got = np.ascontiguousarray(call(target, function, x, 0))
    want = call(target, function, np.ascontiguousarray(x.T))
    assert_same_bits(got, np.ascontiguousarray(np.transpose(want)))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_several_axes_and_one_long_one(target, function, dtype):
    x = hard("normal_3", 6 * 7 * 50, dtype).reshape(6, 7, 50)
    flat = call(target, function, x.reshape(6, 350))
    assert_same_bits(np.ravel(call(target, function, x, (1, 2))), np.ravel(flat))
    flat = call(target, function, x.ravel())
    assert_same_bits(np.ravel(call(target, function, x, None)), np.ravel(flat))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", (40, 1000, SEGMENT + 40))
def test_alignments(target, function, dtype, n):
    x = hard("normal_3", n, dtype)
    room = np.empty((n + 64) * x.itemsize + 64, np.uint8)
    for algorithm in ALGORITHMS:
        want = call(target, function, x, algorithm=algorithm)
        for shift in (0, 1, x.itemsize, 3 * x.itemsize, 16, 32, 33):
            moved = room[shift : shift + x.nbytes].view(dtype)
            moved[:] = x
            got = call(target, function, moved, algorithm=algorithm)
            assert_same_bits(got, want, f"byte {shift}")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_in_place_and_repeated(target, function, dtype):
    x = hard("normal_3", 100_003, dtype)
    first = call(target, function, x)
    for _ in range(3):
        assert_same_bits(call(target, function, x), first)
    if function in ELEMENTWISE:
        y = x.copy()
        assert_same_bits(call(target, function, y, out=y), first)
