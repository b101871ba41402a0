"""Child processes: what happens at import can be tried only in a fresh interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import twopass

TARGETS = tuple(twopass.targets().values())
RUNNABLE = [target.name for target in TARGETS if not target.obstacle]
UNSUPPORTED = [target.name for target in TARGETS if not target.supported]

# An editable install finds the package by a hook of its own, before it looks into any folder.
NO_HOOK = """
import sys
sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__name__ != "MesonpyMetaFinder"]
"""


def run(
    code: str, *folders: Path, path: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `code` with `folders` first on its path and with these of our variables alone."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TWOPASS_", "OMP_NUM_THREADS"))
    }
    if path is not None:
        environment["PATH"] = path
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    environment["PYTHONPATH"] = os.pathsep.join([*map(str, folders), *inherited])
    return subprocess.run(
        [sys.executable, "-B", "-c", (NO_HOOK if folders else "") + code],
        env=environment | variables,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def output(code: str, *folders: Path, path: str | None = None, **variables: str) -> str:
    """Return what `code` prints; it must succeed and say nothing on standard error."""
    done = run(code, *folders, path=path, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def last_line(code: str, *folders: Path, **variables: str) -> str:
    """Return the last line of standard error of `code`, which must fail, by an exception."""
    done = run(code, *folders, **variables)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def copy_package(folder: Path) -> Path:
    """Copy the package into `folder`, to be damaged; return the folder of its modules."""
    copy = folder / "twopass"
    copy.mkdir()
    for file in Path(twopass.__file__).parent.glob("*.py"):
        shutil.copy(file, copy)
    for name in ("cpu", *(target.name for target in TARGETS if target.compiled)):
        shutil.copy(find_spec(f"twopass._{name}").origin, copy)
    return copy


def binary(package: Path, name: str) -> Path:
    """Return the file of a compiled module of a copied package."""
    (file,) = package.glob(f"_{name}.*")
    return file
