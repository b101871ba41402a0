"""The order of the kernels' files (kernels/README.md), kept by their texts alone."""

import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import twopass
from twopass import functions

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tools"))
import kernel_graph  # noqa: E402

KERNELS = kernel_graph.KERNELS
SOURCES = {source.name: source for source in kernel_graph.read()}
NEEDS = {name: source.needs(SOURCES.values()) for name, source in SOURCES.items()}
UNITS = [name for name in SOURCES if name.endswith(".pyx")]
FILES = [*(KERNELS / name for name in SOURCES), *sorted(KERNELS.glob("vec/*.hpp"))]

each_source = pytest.mark.parametrize("name", SOURCES)
each_unit = pytest.mark.parametrize("unit", UNITS)

# Comments and docstrings, but for those of Python functions: these speak to users.
COMMENT = {
    ".hpp": re.compile(r"//.*"),
    ".pyx": re.compile(r'(?s:^""".*?""")|#(?! (?:cython|distutils):).*', re.MULTILINE),
    ".pxd": re.compile(r'""".*?"""|#[^\n]*', re.DOTALL),
}
COMMENT[".pxi"] = COMMENT[".pxd"]
NAME = re.compile(r"\b(\w*[A-Za-z]_\w+|_\w+|\w+(?=\())")  # what is written like code
TEXTS = (".md", ".py", ".pyx", ".pxd", ".pxi", ".hpp", ".build")
FILE = re.compile(r"\b(?:\w+/)*\w+\.(?:pyx|pxd|pxi|hpp)\b")

EXAMPLE = "kernels/functions/rms_norm.pxd"  # the function that docs/contributing.md adds

# What comments say beside names of the kernels: mathematics, the package's modules, its algorithms.
OTHER_NAMES = {
    *("atanh", "ln", "log", "round", "sqrt"),
    *(path.stem for path in (ROOT / "src" / "twopass").glob("*.py")),
    *(f"{module}_{target}" for target in twopass.targets() for module in ("", "_probe")),
    *functions.ALGORITHMS,
}


def read(path):
    return path.read_text(encoding="utf-8")


def comments(path):
    return "\n".join(COMMENT[path.suffix].findall(read(path)))


def code(path):
    pattern = COMMENT[".hpp"] if path.suffix == ".hpp" else kernel_graph.TEXT
    return pattern.sub("", read(path))


@pytest.fixture(scope="module")
def known():
    """Every word of the kernels' code."""
    return OTHER_NAMES.union(*(re.findall(r"\w+", code(path)) for path in FILES))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_comments_name_what_there_is(path, known):
    assert [name for name in NAME.findall(comments(path)) if name not in known] == []


def test_readme_names_what_there_is(known):
    words = re.findall(r"`([^`\n]+)`", read(KERNELS / "README.md"))
    names = [name for text in words if "/" not in text for name in NAME.findall(text)]
    assert len(names) > 20
    assert [name for name in names if name not in known] == []


@pytest.mark.parametrize("folder", ("src", "docs", "tests", "tools"))
def test_the_files_that_are_named_are_there(folder):
    """A name may leave out the folders before it."""
    there = [f"/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "src").rglob("*.*")]
    texts = [path for path in (ROOT / folder).rglob("*") if path.suffix in TEXTS]
    named = {(path.name, name) for path in texts for name in FILE.findall(read(path))}
    assert named
    lost = {(text, name) for text, name in named if not any(f.endswith(f"/{name}") for f in there)}
    assert {name for _, name in lost} <= {EXAMPLE}, lost


def test_a_name_is_defined_once():
    """In what is shared: .pxd and .pxi."""
    shared = [source for name, source in SOURCES.items() if name not in UNITS]
    names = [name for source in shared for name in source.defines]
    assert len(names) > 100
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_the_graph_goes_one_way():
    TopologicalSorter(kernel_graph.graph()).prepare()  # CycleError tells the cycle


@each_source
def test_what_is_inlined_needs_nothing_out_of_line(name):
    if name.endswith(".pxd"):
        assert [needed for needed in NEEDS[name] if not needed.endswith(".pxd")] == []
        assert SOURCES[name].includes == []


@each_unit
def test_what_is_out_of_line_comes_before_what_needs_it(unit):
    before = []
    for name in SOURCES[unit].includes:
        needed = [file for file in NEEDS[name] if file.endswith(".pxi")]
        assert [file for file in needed if file not in before] == [], name
        before.append(name)
    assert before


@each_source
def test_cimports_from_the_kernels_are_what_is_used(name):
    """Each file has its own, and does not live on those of a file that is included before it."""
    cimported = {file: names for file, names in SOURCES[name].cimports.items() if file in SOURCES}
    used = {file: names for file, names in NEEDS[name].items() if file.endswith(".pxd")}
    assert cimported == used


@each_source
def test_cimports_from_elsewhere_are_used(name):
    assert set().union(*SOURCES[name].cimports.values()) - SOURCES[name].words == set()


# ---- Numbers -----------------------------------------------------------------------------------

ENUM = re.compile(r"^cdef enum (?:Function|Storage):.*\n((?:    .*\n)+)", re.MULTILINE)
TABLE = code(KERNELS / "table.pxi")
NUMBER = rf"(?:{'|'.join(re.findall(r'[A-Z_]+', ''.join(ENUM.findall(TABLE))))}|NPY_[A-Z]+\d*)"
OPERATOR = r"(?:[=!]=|[<>]=?|\bin \(?)"
COMPARISON = re.compile(
    rf"{OPERATOR} *{NUMBER}\b|\b{NUMBER} *{OPERATOR}|\b(?:function|storage) *{OPERATOR}"
)
# The probe takes float and double alone and refuses all others, so no `else` can mean a third one.
PROBED = {"NPY_FLOAT", "NPY_DOUBLE"}


def test_only_the_table_compares_numbers_of_functions_and_storage_types():
    assert len(COMPARISON.findall(TABLE)) > 6
    found = {
        (path.name, match[0])
        for path in FILES
        if path.name != "table.pxi"
        for match in COMPARISON.finditer(code(path))
    }
    assert {(name, text) for name, text in found if name != "probe.pyx"} == set()
    assert {re.findall(r"\w+$", text)[0] for _, text in found} <= PROBED


@pytest.mark.parametrize(
    "line",
    (
        "if function == LOGSUMEXP:",
        "if SOFTMAX != rule:",
        "elif storage < 2:",
        "x = PyArray_TYPE(a) == NPY_FLOAT16",
        "if number in (NPY_FLOAT, NPY_DOUBLE):",
        "if storage_of(a) != NONE:",
    ),
)
def test_the_search_finds_one(line):
    assert COMPARISON.search(line)


# ---- Tools -------------------------------------------------------------------------------------


def test_the_oldest_tools_are_those_that_the_project_names():
    """As far as they decide about the build: tools/oldest.txt pins what pyproject.toml requires."""
    pyproject = read(ROOT / "pyproject.toml")
    required = re.findall(r'"([\w-]+>=[\d.]+)"', re.search(r"^requires = .*$", pyproject, re.M)[0])
    pinned = re.findall(r"^[\w-]+==[\d.]+$", read(ROOT / "tools" / "oldest.txt"), re.MULTILINE)
    assert len(pinned) == 4
    assert sorted(pinned) == sorted(requirement.replace(">=", "==") for requirement in required)
    for tool in ("meson-python", "meson", "Cython"):
        floors = set(re.findall(rf"\b{tool}>=([\d.]+)", pyproject + read(ROOT / "tox.ini")))
        assert len(floors) == 1, tool
