"""A Linux wheel as far as it goes without a container: built, repaired, installed and tested.

The container's job is an old C library. What this machine's wheel asks for is printed, and what
`auditwheel` makes of it is installed in a fresh environment and tested away from the sources.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ("test_special.py", "test_dispatch.py", "test_import.py", "test_packaging.py")


def main() -> None:
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", folder / "built", ROOT)
    (built,) = (folder / "built").iterdir()
    run("auditwheel", "show", built)
    run("auditwheel", "repair", "-w", folder / "repaired", built)
    (repaired,) = (folder / "repaired").iterdir()
    venv.create(folder / "fresh", with_pip=True)
    python = folder / "fresh/bin/python"
    run(python, "-m", "pip", "install", "--quiet", f"{repaired}[test]")
    tests = (ROOT / "tests" / name for name in TESTS)
    run(python, "-m", "pytest", "-c", ROOT / "pyproject.toml", *tests, cwd=folder)
    print(f"{repaired.name} works in an environment of its own")


def run(*command: object, **options) -> None:
    subprocess.run(list(map(str, command)), check=True, **options)


if __name__ == "__main__":
    main()
