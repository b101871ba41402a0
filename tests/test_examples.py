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
