"""Prove the gate: it passes a commit that changes nothing, and stops one that is 1.3 times slower.

Run by `tox -e bench-gate-proof`; it builds three commits and measures each, which takes minutes.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLANTED = """

def _planted(self):
    from time import perf_counter

    def softmax(*args, **options):
        start = perf_counter()
        result = self.module.softmax(*args, **options)
        end = start + 1.3 * (perf_counter() - start)
        while perf_counter() < end:
            pass
        return result

    return softmax


Target.softmax = property(_planted)
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """HEAD, the same again with another comment, and a commit that waits."""
    folder = tmp_path_factory.mktemp("gate") / "twopass"
    git("clone", "--quiet", ROOT, folder, folder=ROOT)
    git("tag", "base", folder=folder)
    commit(folder, "nothing", "\n# nothing\n")
    commit(folder, "planted", PLANTED)
    return folder


def git(*arguments: object, folder: Path) -> None:
    identity = ("-c", "user.name=gate", "-c", "user.email=gate@localhost")
    subprocess.run(["git", *identity, *map(str, arguments)], cwd=folder, check=True)


def commit(folder: Path, name: str, code: str) -> None:
    with (folder / "src/twopass/_targets.py").open("a") as file:
        file.write(code)
    git("commit", "--quiet", "--all", "--message", name, folder=folder)
    git("tag", name, folder=folder)


def gate(folder: Path, head: str, *arguments: str) -> subprocess.CompletedProcess:
    git("checkout", "--quiet", head, folder=folder)
    command = [sys.executable, ROOT / "tools/bench_gate.py", *arguments]
    return subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def test_no_change_passes(clone):
    done = gate(clone, "nothing", "base")
    assert done.returncode == 0, done.stderr


def test_a_planted_slowdown_fails(clone):
    done = gate(clone, "planted", "nothing")
    assert done.returncode == 1
    verdict = re.search(r"slower by 1\.15 .*: (.*)", done.stderr)
    assert verdict, done.stderr
    assert set(re.findall(r"\w+\.time_\w+", verdict[1])) == {"Softmax.time_softmax"}


def test_measuring_nothing_fails(clone):
    done = gate(clone, "nothing", "base", "--bench", "no such benchmark")
    assert done.returncode == 1
    assert "nothing was measured" in done.stderr
