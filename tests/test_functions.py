"""The table of functions is the only list of them, and all that it names is there."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import twopass
from twopass import _reference, _targets
from twopass.bench import exact as exact_module
from twopass.bench.exact import WIDE, exact, normal
from twopass.functions import ALGORITHMS, DTYPES, NAMES, TABLE

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "src" / "twopass" / "functions.py"
SOURCES = sorted({*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")} - {TABLES})
# How many names make a list. Two algorithms or dtypes can be a choice of some.
KINDS = {NAMES: 2, ALGORITHMS: 3, DTYPES: 3}

each_function = pytest.mark.parametrize("function", TABLE, ids=NAMES)


def second_lists(code):
    """Yield the lines of what lists the table's names once more, or asks for one of its functions.

    What a module exports is exempt: type checkers want it spelled out.
    """
    tree = ast.parse(code)
    exported = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "__all__" in map(ast.unparse, node.targets)
    }
    for node in set(ast.walk(tree)) - exported:
        if isinstance(node, ast.Compare):
            asked = [
                constant for part in (node.left, *node.comparators) for constant in names(part)
            ]
            if set(NAMES) & set(asked):
                yield node.lineno
        elif any(len({*names(node)} & {*kind}) >= least for kind, least in KINDS.items()):
            yield node.lineno


def names(node):
    """Return the strings that a literal holds: itself, its elements or its keys."""
    parts = getattr(node, "elts", None) or getattr(node, "keys", None) or [node]
    return [part.value for part in parts if isinstance(part, ast.Constant)]


def test_there_is_no_second_list():
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in SOURCES
        for line in sorted(second_lists(file.read_text(encoding="utf-8")))
    ]
    assert len(SOURCES) > 50
    assert found == []


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("x = ('softmax', 'logsumexp')", [1]),
        ("def f():\n    return {'log_softmax': 1, 'softmax': 2}", [2]),
        ("x = [*('softmax', 'log_softmax'), y]", [1]),
        ("x = {'two_pass', 'auto', 'online', 'two_pass_reload'}", [1]),
        ("x = ['float16', 'float64', 'float32']", [1]),
        ("if function == 'logsumexp':\n    pass", [1]),
        ("if function in ('softmax',):\n    pass", [1]),
        ("x = ('softmax', 'two_pass', 'online', 'float64')", []),
        ("__all__ = ['softmax', 'logsumexp']", []),
        ("f('softmax'), g('logsumexp')", []),
    ],
)
def test_the_search_finds_one(code, lines):
    assert list(second_lists(code)) == lines


@each_function
def test_a_function_can_be_called_everywhere(function):
    assert function.name in twopass.__all__
    assert function.name in _targets.Kernels.__annotations__
    assert isinstance(getattr(_targets.Target, function.name), property)


@each_function
def test_a_function_takes_dask_arrays(function):
    pytest.importorskip("dask.array")
    from twopass import dask

    assert function.name in dask.__all__


@each_function
def test_a_function_has_its_operator(function):
    assert pytest.importorskip("onnx").defs.has(function.onnx)


@each_function
def test_a_function_has_its_history(function):
    suites = (ROOT / "benchmarks" / "functions.py").read_text(encoding="utf-8")
    assert f'    name = "{function.name}"\n' in suites
    assert f"    def time_{function.name}(self" in suites


@each_function
def test_a_bound_is_counted_in_one_way(function):
    bound = function.bound
    assert bool(bound.eps) != bool(bound.ulps and bound.quanta)
    assert not (bound.eps and (bound.ulps or bound.quanta))


@pytest.mark.parametrize(
    ("file", "enum", "want"),
    [("table.pxi", "Function", NAMES), ("algorithms.pxd", "Algorithm", ALGORITHMS)],
)
def test_kernels_count_as_the_table_does(file, enum, want):
    code = (ROOT / "src" / "twopass" / "kernels" / file).read_text(encoding="utf-8")
    body = re.search(rf"cdef enum {enum}:.*\n((?:    .*\n)+)", code)[1]
    assert re.findall(r"^    (\w+)$", body.lower(), re.MULTILINE) == list(want)


@pytest.mark.skipif(not WIDE, reason="long double is no wider")
@each_function
def test_both_oracles_agree(function, monkeypatch):
    """The one in long double, and the one that stands in for it where that is only a double."""
    pytest.importorskip("mpmath")
    assert callable(getattr(_reference, function.oracle))
    x = np.array([normal(300), np.round(normal(300, 1)), normal(300, 2) * 100])
    wide = exact(function.name, x)
    monkeypatch.setattr(exact_module, "WIDE", False)
    precise = exact(function.name, x)
    assert precise.hi.shape == wide.hi.shape
    np.testing.assert_allclose(wide.ulps(precise.hi), abs(precise.rest), atol=0.01)
