"""The NEON target compiled on any machine, by Debian's cross compiler g++-aarch64-linux-gnu."""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

KERNELS = Path(__file__).parents[1] / "src" / "twopass" / "kernels"
COMPILER = "aarch64-linux-gnu-g++"

pytestmark = pytest.mark.skipif(not shutil.which(COMPILER), reason=f"{COMPILER} is not installed")


@pytest.fixture(scope="module")
def neon_object(tmp_path_factory) -> Path:
    """The kernels, compiled as the build does; this machine's Python headers are near enough."""
    pytest.importorskip("Cython")
    folder = tmp_path_factory.mktemp("neon")
    cython = [sys.executable, "-m", "cython", "-3", "--cplus", "--module-name", "twopass._neon"]
    run(*cython, KERNELS / "kernels.pyx", "-o", folder / "neon.cpp")
    run(
        *(COMPILER, "-std=c++17", "-O3", "-fPIC", "-ffp-contract=off", "-fno-math-errno"),
        *('-DTWOPASS_VEC="neon.hpp"', "-I", KERNELS / "vec"),
        *("-I", np.get_include(), "-I", sysconfig.get_path("include")),
        *("-c", folder / "neon.cpp", "-o", folder / "neon.o"),
    )
    return folder / "neon.o"


def run(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_neon_kernels_are_vector_code_with_fused_multiply_add(neon_object):
    code = run("aarch64-linux-gnu-objdump", "--disassemble", neon_object)
    for lanes in ("4s", "2d"):
        assert re.search(rf"fmla\tv\d+\.{lanes}", code)
