"""Rows that were hard once: every law, on each target, in each place, alone and in company."""

import itertools

import hard
import numpy as np
import pytest
import structured
from laws import LAWS, OUTS, Case
from oracle import ALGORITHMS

STORED = hard.stored()


def places(target, x, b, seed):
    """Every layout and every algorithm, not every pair of them."""
    layouts = itertools.cycle(structured.LAYOUTS)
    for algorithm, layout, out in itertools.islice(
        zip(itertools.cycle(ALGORITHMS), layouts, itertools.cycle(OUTS), strict=False),
        len(structured.LAYOUTS),
    ):
        yield Case(target, x, b, algorithm, 2, layout, out, seed)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("entry", STORED, ids=[entry.why for entry in STORED])
def test_hard_rows(target, entry, law):
    rng = np.random.default_rng(entry.seed)
    company = structured.batch(rng, 5, entry.rows.shape[1], entry.rows.dtype.name)
    for x in (entry.rows, np.concatenate([company, entry.rows, company])):
        b = structured.weights(rng, x.shape, x.dtype.name)
        if entry.weights is not None:
            b[: len(entry.weights)] = entry.weights
        for case in places(target, x, b, entry.seed):
            LAWS[law](case)


@pytest.mark.parametrize("dtype", ("float16", "float32", "float64"))
def test_a_stored_row_is_the_same_row(dtype, tmp_path, monkeypatch):
    monkeypatch.setattr(hard, "FILE", tmp_path / "hard.json")
    hard.FILE.write_text("[]")
    rng = np.random.default_rng(0)
    rows = np.concatenate([structured.batch(rng, 30, 20, dtype), np.full((1, 20), -0.0, dtype)])
    entry = hard.Hard("why", rows, structured.weights(rng, rows.shape, dtype), 5)
    hard.add(entry)
    hard.add(entry)
    (read,) = hard.stored()
    np.testing.assert_array_equal(read.rows, rows)
    assert read.rows.dtype == dtype
    assert (np.signbit(read.rows) == np.signbit(rows)).all()
    np.testing.assert_array_equal(read.weights, entry.weights)
    assert (read.why, read.seed) == ("why", 5)
