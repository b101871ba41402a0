"""The campaign (fuzz.py): finds nothing here, and would find what is planted."""

from dataclasses import replace

import fuzz
import hard
import numpy as np
import pytest
from laws import LAWS

import twopass

SEED, CASES = 20251125, 80


def test_campaign(target):
    """The same cases every time; `tox -e fuzz` goes on with others."""
    campaign = fuzz.Campaign(SEED)
    campaign.run(range(CASES), [target])
    assert not campaign.findings, "\n".join(map(str, campaign.findings))
    assert campaign.cases == dict.fromkeys(LAWS, CASES)


class Planted:
    """A target with a fault in one function: `damage` changes its results."""

    def __init__(self, target, function, damage):
        self.name, self.module = target.name, target.module
        for name in ("softmax", "log_softmax", "logsumexp"):
            setattr(self, name, getattr(target, name))
        sound = getattr(target, function)

        def faulty(x, axis=None, *args, out=None, **options):
            result = damage(np.asarray(x), axis, np.asarray(sound(x, axis, *args, **options)))
            if out is None:
                return result[()]
            out[...] = result
            return out

        setattr(self, function, faulty)


def near_zero(x, axis, y):
    """The maximum in place of every result near 0, as it once was."""
    with np.errstate(invalid="ignore"):
        return np.where(abs(y) < 4 * np.finfo(y.dtype).eps, x.max(axis), y).astype(y.dtype)


def five_ulp(x, axis, y):
    """Now and then a result that is off by more than it may be."""
    step = np.where((y > 0.3) & (y < 0.31), 8 * np.spacing(y), 0)
    return (y + step).astype(y.dtype)


def columns_differ(x, axis, y):
    """Other bits along the first axis."""
    return np.nextafter(y, y.dtype.type(0)) if axis == 0 and x.ndim > 1 else y


@pytest.mark.parametrize(
    ("function", "damage", "law", "most"),
    [
        ("logsumexp", near_zero, "probabilities_add_up_to_one", 4),
        ("softmax", five_ulp, "bounds", 8),
        ("log_softmax", columns_differ, "places_are_none", 4),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_planted_is_found_and_shrunk(function, damage, law, most, tmp_path, monkeypatch):
    """And breaks the law again as it is read from hard.json."""
    faulty = Planted(twopass.active_target(), function, damage)
    campaign = fuzz.Campaign(SEED, {law: LAWS[law]})
    campaign.run(range(60), [faulty])
    found = campaign.findings[0]
    assert found.case.x.size <= most
    monkeypatch.setattr(hard, "FILE", tmp_path / "hard.json")
    hard.FILE.write_text(f"[{str(found).splitlines()[-1]}]")
    (entry,) = hard.stored()
    again = replace(found.case, x=entry.rows, seed=entry.seed)
    assert fuzz.broken(LAWS[law], again)


def test_a_seed_and_a_number_are_a_case():
    target = twopass.active_target()
    for number in range(50):
        one, other = (fuzz.drawn(SEED, number, target) for _ in range(2))
        np.testing.assert_array_equal(one.x, other.x)
        np.testing.assert_array_equal(one.b, other.b)
        assert (one.algorithm, one.layout, one.seed) == (other.algorithm, other.layout, other.seed)
    assert not np.array_equal(fuzz.drawn(SEED + 1, 0, target).x, fuzz.drawn(SEED, 0, target).x)
