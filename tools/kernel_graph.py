"""Draw what needs what in kernels/: python tools/kernel_graph.py | tred | dot -Tsvg > kernels.svg.

An arrow leads from a file to one whose names it uses: cimported from a .pxd, or as they are from a
.pxi. tests/test_structure.py holds the kernels to their order with the same parser.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent

KERNELS = Path(__file__).parents[1] / "src" / "twopass" / "kernels"

TEXT = re.compile(r'""".*?"""|"[^"\n]*"|#[^\n]*', re.DOTALL)  # what is not code
INCLUDE = re.compile(r'^include "(.*)"$', re.MULTILINE)
CIMPORT = re.compile(r"^from ([\w.]+) cimport (\([^)]*\)|.*)$", re.MULTILINE)
STATEMENT = re.compile(r"^(?=\w)", re.MULTILINE)
TYPE = re.compile(r"(?:cdef |ctypedef )?(struct|union|enum|fused|cppclass)\b ?(\w*)")


class Source:
    """A file of the kernels: what it defines, uses, cimports and includes.

    A function stands as "name(" among the names, so that a variable may be called like one.
    """

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        code = TEXT.sub("", text)
        self.name = path.relative_to(KERNELS).as_posix()
        self.includes = INCLUDE.findall(text)
        self.cimports = {
            _file(module): set(re.findall(r"\w+", names)) for module, names in CIMPORT.findall(code)
        }
        body = CIMPORT.sub("", code)
        self.defines = set(_defined(body)) - {""}
        self.words = set(re.findall(r"(?<![.\w])\w+\(?", body))
        self.words |= {word.rstrip("(") for word in self.words}

    def needs(self, sources: Iterable["Source"]) -> dict[str, set[str]]:
        """Return the names that it uses from .pxd and .pxi files, by file."""
        used = {
            other.name: self.words & other.defines - self.defines
            for other in sources
            if other.name != self.name and not other.name.endswith(".pyx")
        }
        return {file: {name.rstrip("(") for name in names} for file, names in used.items() if names}


def _file(module: str) -> str:
    """Return the file behind a module of the kernels; others stay what they are."""
    inside = module.removeprefix("twopass.kernels.")
    return module if inside == module else inside.replace(".", "/") + ".pxd"


def _defined(code: str) -> Iterable[str]:
    """Yield what the statements of a file, or of an extern block, define."""
    for statement in STATEMENT.split(code):
        head, _, body = statement.partition("\n")
        if head.startswith("cdef extern"):
            yield from _defined(dedent(body))
        elif found := TYPE.match(head):
            yield found[2]
            if found[1] == "enum":
                yield from re.findall(r"^    (\w+)", body, re.MULTILINE)
        elif found := re.match(r"[^=(]*?(\w+)\(", head):
            yield found[1] + "("
        else:
            yield from re.findall(r"(\w+) =", head) or head.split()[-1:]


def read() -> list[Source]:
    """Return every Cython file of the kernels."""
    suffixes = (".pyx", ".pxd", ".pxi")
    return [Source(path) for path in sorted(KERNELS.rglob("*")) if path.suffix in suffixes]


def graph() -> dict[str, list[str]]:
    """Return the files that each file needs."""
    sources = read()
    return {source.name: list(source.needs(sources)) for source in sources}


if __name__ == "__main__":
    print("digraph kernels {")
    for file, needed in graph().items():
        print(*(f'  "{file}" -> "{other}";' for other in needed), sep="\n")
    print("}")
