"""The examples in README, in the documentation's pages and in the public docstrings."""

import doctest
from pathlib import Path

import numpy as np
import pytest

import twopass

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NEED_DASK = ("dask", "scaling")
FUNCTIONS = [name for name in twopass.__all__ if callable(getattr(twopass, name))]


class Parser(doctest.DocTestParser):
    """The end of a fence is not what an example prints."""

    def parse(self, string, name="<string>"):
        return super().parse(string.replace("```", ""), name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page):
    if page.stem in NEED_DASK:
        pytest.importorskip("dask.array")
    done = doctest.testfile(str(page), module_relative=False, encoding="utf-8", parser=Parser())
    assert done.failed == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring(name):
    function = getattr(twopass, name)
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder(recurse=False).find(
        function, name, module=False, globs={"np": np, "twopass": twopass}
    ):
        runner.run(test)
    assert function.__doc__ and runner.failures == 0
