"""The simulation behind docs/scaling.md: small cases by hand, and the page's table."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model():
    spec = spec_from_file_location("scale_model", ROOT / "tools" / "scale_model.py")
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize(
    ("workers", "chunks", "tasks", "depth", "messages"),
    [
        (1, 1, 3, 1, 0),
        # Half of four sums come from the other worker, to which the whole sum returns.
        (2, 4, 9, 1, 3),
        # 16 + 1 sums meet in two tasks, these in a third one.
        (1, 17, 37, 2, 0),
        # Each chunk has a worker: 15 of 16 sums are sent, the 17th alone is where it has to be,
        # and from there to the root; the whole sum goes to 16.
        (17, 17, 37, 2, 32),
        # A worker without a chunk is told nothing.
        (9, 2, 5, 1, 2),
    ],
)
def test_tasks_and_messages(model, workers, chunks, tasks, depth, messages):
    run = model.simulate(100 * chunks, workers, 100, model.Constants())
    assert (run.tasks, run.depth, run.messages) == (tasks, depth, messages)
    assert run.message_bytes == messages * model.Constants().message_bytes


def test_seconds_of_one_chunk(model):
    """The formula, term by term, with constants that tell the terms apart."""
    const = model.Constants(sum=1, apply=10, task=1e3, merge=1e4, message=1e5, move=1e6)
    run = model.simulate(1, 1, 1, const)
    first, second = 1 + 1e6, 10 + 2e6
    assert run.ideal == first + second
    assert run.seconds == run.ideal + 2 * const.task + 2 * const.message + const.merge


def rows():
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8").replace("**", "")
    return re.findall(r"^\| [\d,]+ \| \d+ MiB .*%.*$", page, re.M)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[2:20])
def test_table_of_the_page(model, row):
    workers, chunk = (int(cell.split()[0].replace(",", "")) for cell in row.split("|")[1:3])
    assert model.row(10**12, workers, chunk << 18) == row


def test_page_has_the_whole_table():
    assert len(rows()) == 12
