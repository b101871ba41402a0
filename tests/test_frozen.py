"""A program frozen by PyInstaller finds the targets, which are imported by computed names."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from child import RUNNABLE

import twopass

PROGRAM = """
import numpy as np
import twopass
print(twopass.active_target().name, twopass.__version__, twopass.softmax(np.zeros(4)).tolist())
"""


def test_pyinstaller_is_told_of_the_hook():
    hooks = [entry for entry in entry_points(group="pyinstaller40") if "twopass" in entry.value]
    if not hooks:
        pytest.skip("twopass is not installed")
    folders = hooks[0].load()()
    assert [name for folder in folders for name in os.listdir(folder) if name == "hook-twopass.py"]


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """The program as a folder that needs no Python."""
    pytest.importorskip("PyInstaller")
    folder = tmp_path_factory.mktemp("frozen")
    program = folder / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "-m", "PyInstaller", "--onedir", "--noconfirm", str(program)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)
    return folder / "dist" / "program" / "program"


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_frozen_program(name, frozen: Path):
    done = subprocess.run(
        [frozen],
        env={"TWOPASS_TARGET": name},
        cwd=frozen.parent,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == f"{name} {twopass.__version__} {[0.25] * 4}"


def test_a_frozen_program_carries_no_probe(frozen: Path):
    compiled = [file.name.partition(".")[0] for file in frozen.parent.rglob("_*")]
    assert {f"_{name}" for name in RUNNABLE} <= set(compiled)
    assert not [name for name in compiled if "probe" in name]
