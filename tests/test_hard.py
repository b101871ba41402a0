"""Rows that were hard once: every law, on each target, in each place, alone and in company."""

import itertools
from dataclasses import replace

import hard
import numpy as np
import pytest
import structured
from laws import LAWS, OUTS, Case
from oracle import ALGORITHMS

STORED = hard.stored()


def in_company(entry):
    """The rows between others of unlike kinds."""
    rng = np.random.default_rng(entry.seed)
    before, after = (
        structured.batch(rng, 2, entry.rows.shape[1], entry.rows.dtype.name) for _ in range(2)
    )
    x = np.concatenate([before, entry.rows, after])
    b = structured.weights(rng, x.shape, x.dtype.name)
    if entry.weights is not None:
        b[2:-2] = entry.weights
    return x, b


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("entry", STORED, ids=[entry.why for entry in STORED])
def test_hard_rows(target, entry, law):
    """Alone by each algorithm; then in each layout, by one algorithm or another."""
    x, b = in_company(entry)
    alone = Case(target, x[2:-2], b[2:-2], seed=entry.seed)
    for algorithm in ALGORITHMS:
        LAWS[law](replace(alone, algorithm=algorithm))
    others = itertools.cycle(ALGORITHMS), itertools.cycle(OUTS)
    for layout, algorithm, out in zip(structured.LAYOUTS, *others, strict=False):
        LAWS[law](Case(target, x, b, algorithm, 2, layout, out, entry.seed))


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
