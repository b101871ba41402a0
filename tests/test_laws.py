"""The laws (laws.py), on cases that hypothesis draws."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import LAWS, OUTS, Case
from oracle import ALGORITHMS
from structured import LAYOUTS, batches, seeds, weights

drawn = settings(
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def cases(draw, target):
    x, seed = draw(batches()), draw(seeds)
    return Case(
        target,
        x,
        weights(np.random.default_rng(seed), x.shape, x.dtype.name),
        draw(st.sampled_from(ALGORITHMS)),
        draw(st.sampled_from([1, 2, None])),
        draw(st.sampled_from([*LAYOUTS])),
        draw(st.sampled_from(OUTS)),
        seed,
    )


@pytest.mark.parametrize("law", LAWS)
@drawn
@given(data=st.data())
def test_law(target, law, data):
    LAWS[law](data.draw(cases(target)))
