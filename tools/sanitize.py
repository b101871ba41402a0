"""The kernels' tests under AddressSanitizer and UndefinedBehaviorSanitizer, then under valgrind.

A sanitized build goes to FOLDER, beside the installed twopass and before it on the path; valgrind
runs the installed one, on targets that it emulates. The sanitizers do not look into masked loads
and stores, at a row's end; valgrind does, and so do the tests' guard pages, on every target.
Needs gcc, valgrind, meson, ninja and cython.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ("test_special", "test_tails", "test_shapes", "test_out")
QUICK = ("test_tails",)

# Every function, dtype and algorithm at the lengths where blocks and vectors end.
MEMCHECK = """
import numpy as np, twopass
from twopass.functions import ALGORITHMS, DTYPES, NAMES
rng = np.random.default_rng(0)
for dtype in DTYPES:
    for n in (1, 7, 8, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000, 5_001):
        for shape, axis in (((n,), 0), ((3, n), 1), ((n, 3), 0), ((n, 33), 0)):
            if n > 1000 and len(shape) > 1:
                continue
            x = rng.normal(size=shape).astype(dtype)
            x.flat[0] = -np.inf
            for name in NAMES:
                for algorithm in ALGORITHMS:
                    y = getattr(twopass, name)(x, axis, algorithm=algorithm, threads=1)
                    assert np.nansum(y) == np.nansum(y)  # depends on every element
"""
# What valgrind and the sanitizers have to see: unwritten elements, and a vector past the end.
UNWRITTEN = "import numpy as np, twopass; twopass.softmax(np.empty(1000))"
OVERLONG = """
import numpy as np, twopass
from numpy.lib.stride_tricks import as_strided
twopass.softmax(as_strided(np.ones(5000), (5008,)))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for the sanitized build")
    parser.add_argument("--quick", action="store_true", help="no valgrind, and one file of tests")
    options = parser.parse_args()
    sanitize(options.folder.resolve(), QUICK if options.quick else TESTS)
    if not options.quick:
        for target in ("generic", "broadwell"):
            memcheck(target)


def sanitize(folder: Path, tests: tuple[str, ...]) -> None:
    build, site = folder / "build", folder / "site"
    setup = ["meson", "setup", "--reconfigure"] if build.exists() else ["meson", "setup"]
    run(
        *(*setup, build, ROOT, "-Dbuildtype=debugoptimized", "-Doptimization=1"),
        *("-Db_sanitize=address,undefined", "-Db_lundef=false"),
        *(f"-Dpython.platlibdir={site}", "--prefix", folder),
    )
    run("meson", "install", "-C", build, "--quiet")
    libraries = [
        subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    sanitized = {
        "LD_PRELOAD": " ".join(libraries),
        "PYTHONPATH": site,
        # Python itself leaks at exit; the tests of guard pages want their signals.
        "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    planted = run(sys.executable, "-c", OVERLONG, check=False, stderr=subprocess.PIPE, **sanitized)
    if b"heap-buffer-overflow" not in planted.stderr:
        sys.exit(f"AddressSanitizer did not see what was planted: {planted.stderr.decode()}")
    run(
        *(sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "-p", "no:cacheprovider"),
        *(ROOT / f"tests/{name}.py" for name in tests),
        **sanitized,
    )


def memcheck(target: str) -> None:
    if not complaints(UNWRITTEN, target):
        sys.exit("valgrind did not see what was planted")
    if found := complaints(MEMCHECK, target):
        sys.exit("\n\n".join(found))
    print(f"valgrind has nothing to say about {target}")


def complaints(code: str, target: str) -> list[str]:
    """Return valgrind's errors in functions of twopass: Python and NumPy have some of their own."""
    with tempfile.NamedTemporaryFile("r") as log:
        run(
            *("valgrind", "--quiet", f"--log-file={log.name}", sys.executable, "-c", code),
            PYTHONMALLOC="malloc",
            TWOPASS_TARGET=target,
        )
        errors = re.split(r"==\d+== \n", log.read())
    return [error for error in errors if f"twopass/_{target}." in error]


def run(
    *command: object, check: bool = True, stderr: int | None = None, **variables: object
) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    words = list(map(str, command))
    return subprocess.run(words, check=check, stderr=stderr, env=environment)


if __name__ == "__main__":
    main()
