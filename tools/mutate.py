"""Mutants: small faults planted in the numerics, one at a time, that the tests have to find.

Each goes into a copy of the repository, is built for one target and given to the quick tests. The
score is taken without the stored digest, which sees any change of a bit and cannot say which result
is right; survivors are shown to it, to tell what changes a result from what does not. A survivor
is a missing test, or tools/mutants.json explains it. (mutmut and cosmic-ray mutate Python alone,
mull what clang compiles, and universalmutator declarations and docstrings, too.)
Needs a CPU with AVX2, g++, git, meson, ninja, cython and what the tests need.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
EXPLAINED = ROOT / "tools/mutants.json"
PACKAGE = Path("src/twopass")
TARGET = "zen2"
# What is compiled for the target, but for what serves benchmarks alone; and the numerics in Python.
SOURCES = (
    *("_pairs.py", "_reference.py", "kernels/**/*.p[yx]?"),
    *("kernels/**/avx2.hpp", "kernels/**/constants.hpp", "kernels/**/vec.hpp"),
)
NO_NUMERICS = ("probe.pyx",)
# Those first that find most in the least time.
TESTS = (
    *("shapes", "accuracy", "special", "hard", "laws", "operands", "tails", "scipy_parity", "bits"),
    *("pairs", "properties", "vec"),
)
DIGEST = ("tests/test_bits.py", "-k", "stored_digest")

Rewrite = str | Callable[[str], str]
Rule = tuple[str, re.Pattern[str], Rewrite]

BRACKET = r"\((?:[^()]|\([^()]*\))*\)"
# A name, a number, an element, a call or a bracket: all of it.
ATOM = rf"((?:\w[\w.]*(?:\[[^\[\]]*\])*(?:{BRACKET})?|{BRACKET})(?!\w|[.(\[]|\*\*))"
PLUS, EXTREME = rf"\({ATOM} \+ {ATOM}\)", rf"\b(?:[vf]|std::)?(?:min|max)\({ATOM}, {ATOM}\)"
CONSTANT = ("True", "False")
INTEGER = r"(?<![\w.])\d+(?![\w.])"
DECIMAL = r"(?<![\w.])\d+\.\d*(?:e[-+]?\d+)?"
HEX = r"(?<![\w.])0x[\da-f]+(?:\.[\da-f]+)?"


def another_digit(number: str) -> str:
    """Change the fifth digit, or the last: a relative error of 1e-5 or more."""
    at = [m.start() for m in re.finditer(r"\d", number.split("e-")[0])][:6][-1]
    return f"{number[:at]}{(int(number[at]) + 1) % 10}{number[at + 1 :]}"


def rules(operator: str, *rows: tuple[str, Rewrite]) -> list[Rule]:
    return [(operator, re.compile(pattern), rewrite) for pattern, rewrite in rows]


def swaps(operator: str, *pairs: tuple[str, str]) -> list[Rule]:
    """Each of two words for the other one."""
    edge = {True: r"\b", False: ""}
    words = [*pairs, *((b, a) for a, b in pairs)]
    return rules(
        operator,
        *((edge[a[0].isalpha()] + re.escape(a) + edge[a[-1].isalpha()], b) for a, b in words),
    )


# What is looked for and what comes in its place, where {1} is the first group of what was found.
# Operators stand between spaces, which tells them from pointers, templates and signs.
RULES = (
    *swaps("sign", (" + ", " - "), (" += ", " -= ")),
    *rules("sign", (r"(?<=[(=])( ?)-(?=[\w(])", "{1}"), (r"(?<=(?:, |n ))-(?=[\w(])", "")),
    *swaps("comparison", (" < ", " <= "), (" > ", " >= "), (" == ", " != ")),
    *swaps("negation", (" < ", " >= "), (" > ", " <= ")),
    *rules("negation", (r"\bnot ", ""), (r"(?<=[( ])!(?=\w)", "")),
    *swaps("logic", (" and ", " or "), (" && ", " || "), (" & ", " | ")),
    *rules("condition", *((r"^( *(?:el)?if )\S.*(?=: *$)", "{1}" + value) for value in CONSTANT)),
    *rules("condition", *((r" if [^:]+? else ", f" if {value} else ") for value in CONSTANT)),
    *rules("boundary", (INTEGER, lambda n: str(int(n) + 1))),
    *rules("boundary", (rf"{ATOM} // {ATOM}", "(({1} + {2} - 1) // {2})")),
    *rules("boundary", (r"(?<=range\()(.+)(?=\):)", "{1} - 1")),
    *rules("scale", (DECIMAL, "(2 * {0})"), (rf"{HEX}p[-+]?\d+", "(2 * {0})")),
    *rules("digit", (DECIMAL, another_digit), (HEX, another_digit)),
    *swaps("extreme", ("min(", "max("), ("fmin(", "fmax(")),
    *rules("extreme", (EXTREME, "{1}"), (EXTREME, "{2}")),
    *rules("term", (rf" [-+] {ATOM}(?! [*/])", ""), (rf"{ATOM} [-+] (?={ATOM})", "")),
    *rules("factor", (rf" [*/] {ATOM}", "")),
    *rules(
        "statement", (r"^( +)(?!cdef|return|if|for|while)\S+ \S?= [^;]*[^;,({\[ ] *$", "{1}pass")
    ),
    *rules("statement", (r"^( +)[a-z_]\w*(?:\[\w+\])?\([^=;]*\) *$", "{1}pass")),
    *rules("statement", (r"(?<=[;{] )[\w.\[\]]+ \S?= [^;{}]*(?=;)", "")),
    *rules("order", (rf"{PLUS} \+ {PLUS}", "((({1} + {2}) + {3}) + {4})")),
    *rules("order", (rf"{ATOM} \+ {PLUS}", "(({1} + {2}) + {3})")),
    *swaps("exit", ("return True", "return False"), ("continue", "break")),
    *swaps("half", ("hi", "lo"), ("high", "low"), (".a", ".b")),
)
QUIET = {  # what is not code: comments, strings, preprocessor lines
    ".hpp": re.compile(r'//[^\n]*|"[^"\n]*"|^#.*', re.MULTILINE),
    "": re.compile(r'"""[\s\S]*?"""|"[^"\n]*"|\'[^\'\n]*\'|#[^\n]*'),
}
DECLARES = re.compile(
    r"\s*(?:(?:def|class|import|cimport|from|include|raise|using|struct|static_assert)\b|@"
    r"|c(?:p|type)?def\b[^=]*$|cdef .*\bnoexcept\b|\w+: \S+$)"
)


class Mutant(NamedTuple):
    path: Path
    line: int
    number: int
    operator: str
    before: str
    after: str

    @property
    def name(self) -> str:
        return f"{self.path.relative_to(PACKAGE)}:{self.line}:{self.number}"

    @property
    def change(self) -> str:
        return f"{self.before.strip()} -> {self.after.strip()}"


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every change of every line that computes something."""
    text = (ROOT / path).read_text()
    quiet = QUIET.get(path.suffix, QUIET[""])
    code = quiet.sub(lambda m: re.sub(r"[^\n]", " " if m[0][0] in "#/" else "_", m[0]), text)
    lines = zip(text.splitlines(), code.splitlines(), strict=True)
    for line, (before, visible) in enumerate(lines, 1):
        if DECLARES.match(visible):
            continue
        found = {
            before[: m.start()] + replacement(m, before, rewrite) + before[m.end() :]: operator
            for operator, pattern, rewrite in reversed(RULES)
            for m in pattern.finditer(visible)
        }
        for number, (after, operator) in enumerate(sorted(found.items()), 1):
            if after != before:
                yield Mutant(path, line, number, operator, before, after)


def replacement(match: re.Match[str], line: str, rewrite: Rewrite) -> str:
    if callable(rewrite):
        return rewrite(match[0])
    return rewrite.format(*(line[slice(*match.span(i))] for i in range(match.re.groups + 1)))


def spread(mutants: list[Mutant], seed: int) -> Iterator[Mutant]:
    """All of them at random, but so that files, operators and lines come in turn."""
    left = random.Random(seed).sample(mutants, len(mutants))
    taken: Counter[object] = Counter()
    while left:
        chosen = min(left, key=lambda m: taken[m.path] + taken[m.operator] + taken[m.path, m.line])
        left.remove(chosen)
        taken.update((chosen.path, chosen.operator, (chosen.path, chosen.line)))
        yield chosen


class Laboratory:
    """A copy of the repository with a build of one target."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.build = folder / "tree", folder / "build"
        command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        for name in subprocess.check_output(command, cwd=ROOT, text=True).split("\0"):
            if (ROOT / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name)
        setup = ("meson", "setup", self.build, self.tree, "-Dbuildtype=plain", "-Doptimization=1")
        subprocess.run(setup, check=True, stdout=subprocess.DEVNULL)
        targets = ("ninja", "-C", self.build, "-t", "targets", "all")
        outputs = subprocess.check_output(targets, text=True)
        named = rf"^(src\S*/_(?:{TARGET}|cpu)\.[^/:]*(?:so|pyd)):"
        self.outputs = [Path(name) for name in re.findall(named, outputs, re.MULTILINE)]
        modules = self.compiled()
        if modules is None:
            sys.exit("the unchanged sources do not compile")
        self.original = modules
        self.install(modules)
        self.limit: float | None = None
        start = time.monotonic()
        for tests in (DIGEST, suite(self.tree)):
            if killer := self.killer(tests):
                sys.exit(f"the unchanged sources fail {killer}")
        self.limit = 2 * (time.monotonic() - start) + 60

    def verdict(self, mutant: Mutant) -> str:
        """What came of a mutant."""
        path = self.tree / mutant.path
        original = path.read_text()
        lines = original.splitlines(keepends=True)
        lines[mutant.line - 1] = mutant.after + "\n"
        path.write_text("".join(lines))
        try:
            in_python = path.suffix == ".py"
            modules = self.interpreted(path) if in_python else self.compiled()
            if modules is None:
                return "does not compile"
            if modules == self.original and not in_python:
                return "same machine code"
            self.install(modules)
            if killer := self.killer(suite(path)):
                return f"killed by {killer}"
            return f"SURVIVED, {'another' if self.killer(DIGEST) else 'the same'} digest"
        finally:
            path.write_text(original)

    def compiled(self) -> dict[str, bytes] | None:
        """The modules of the sources as they are now; None: they do not compile."""
        if not succeeds("ninja", "-C", self.build, *self.outputs):
            return None
        return {output.name: (self.build / output).read_bytes() for output in self.outputs}

    def interpreted(self, path: Path) -> dict[str, bytes] | None:
        return self.original if succeeds(sys.executable, "-m", "py_compile", path) else None

    def install(self, modules: dict[str, bytes]) -> None:
        for name, content in modules.items():
            (self.tree / PACKAGE / name).write_bytes(content)

    def killer(self, tests: tuple[str, ...]) -> str | None:
        """Return the first test that fails."""
        command = (sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-q", "-x", *tests)
        options = ("-p", "no:cacheprovider", "--hypothesis-profile=ci")  # no example is kept
        variables = {"PYTHONPATH": str(self.tree / "src"), "TWOPASS_TARGET": TARGET}
        log = self.tree / "log"
        with log.open("w") as output:
            try:
                code = subprocess.run(
                    (*command, *options),
                    cwd=self.tree,
                    env=os.environ | variables,
                    stdout=output,
                    stderr=output,
                    timeout=self.limit,
                ).returncode
            except subprocess.TimeoutExpired:
                return "timeout"
        if code == 0:
            return None
        named = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", log.read_text(), re.MULTILINE)
        return named[1] if named else f"exit code {code}"


def suite(path: Path) -> tuple[str, ...]:
    """All tests but the stored digest, those first that are named after the file."""
    names = sorted(TESTS, key=lambda name: name not in path.stem)
    return (*(f"tests/test_{name}.py" for name in names), "-k", "not stored_digest")


def succeeds(*command: object) -> bool:
    quiet = subprocess.DEVNULL
    return subprocess.run(list(map(str, command)), stdout=quiet, stderr=quiet).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40, help="how many mutants to judge")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--only", default="", metavar="PLACE", help="FILE, FILE:LINE or one mutant")
    parser.add_argument("--list", action="store_true", help="name them and try none")
    options = parser.parse_args()
    paths = sorted(path for pattern in SOURCES for path in (ROOT / PACKAGE).glob(pattern))
    mutants = [
        mutant
        for path in paths
        if path.name not in NO_NUMERICS
        for mutant in mutants_of(path.relative_to(ROOT))
        if f"{mutant.name}:".startswith(f"{options.only}:" if options.only else "")
    ]
    if not mutants:
        parser.error(f"no mutant at {options.only}: --list names them")
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name}  {mutant.operator}  {mutant.change}")
        return
    explained = json.loads(EXPLAINED.read_text())
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        laboratory = Laboratory(Path(folder))
        for mutant in spread(mutants, options.seed):
            start = time.monotonic()
            verdict = laboratory.verdict(mutant)
            reasons = [why for part, why in explained.items() if part in mutant.change]
            if verdict.startswith("SURVIVED") and reasons:
                verdict = f"explained, {verdict.removeprefix('SURVIVED, ')}: {reasons[0]}"
            print(f"{mutant.name}  {mutant.operator}  {mutant.change}")
            print(f"    {verdict}  ({time.monotonic() - start:.0f} s)", flush=True)
            tally[re.split("[ ,]", verdict)[0]] += 1
            judged = tally["killed"] + tally["explained"] + tally["SURVIVED"]
            if judged == options.count:
                break
    print(
        f"{tally['killed']} of {judged} killed, {tally['explained']} explained, "
        f"{tally['SURVIVED']} survived; not counted: {tally['does']} that do not compile, "
        f"{tally['same']} with the same machine code"
    )
    sys.exit(tally["SURVIVED"] > 0)


if __name__ == "__main__":
    main()
