"""The examples run as a reader would run them, on each target."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, target: str) -> str:
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=os.environ | {"TWOPASS_TARGET": target},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_digits(target):
    pytest.importorskip("sklearn")
    output = run("digits.py", target.name)
    assert f"target: {target.name}" in output
    assert "ULP of 1" in output


@pytest.mark.parametrize(
    "name, said",
    (
        ("attention.py", "rows were masked altogether"),
        ("free_energies.py", "the state that was never sampled"),
        ("language_model.py", "no log-probability does"),
        ("memory_mapped.py", "the same bits as from memory"),
        ("sinkhorn.py", "a plan for"),
    ),
)
def test_example(target, name, said):
    output = run(name, target.name)
    assert f"target: {target.name}" in output
    assert said in output


def test_chunked_row(target):
    pytest.importorskip("dask.array")
    output = run("chunked_row.py", target.name)
    assert f"target: {target.name}" in output
    verdicts = output.count("the same bits as in one piece")
    assert verdicts == 2 or (
        target.name == "generic" and output.count("within two error bounds") > 0
    )
