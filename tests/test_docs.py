"""The examples in README, in the documentation's pages and in the public docstrings."""

import doctest
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import twopass
from twopass import _cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NEED_DASK = ("dask", "scaling")
# Modules with examples, and what they need.
MODULES = {
    "twopass.bench.paper.effect": _cli.EXTRA,
    "twopass.bench.portability": _cli.EXTRA,
    "twopass.dask": ("dask.array",),
}
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


@pytest.mark.filterwarnings("ignore::EncodingWarning:matplotlib.font_manager")
@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    for package in MODULES[name]:
        pytest.importorskip(package)
    failed, attempted = doctest.testmod(import_module(name))
    assert attempted and not failed
