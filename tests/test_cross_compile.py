"""The kernels through the compilers of other systems, as far as Debian has them; none is run here.

g++-aarch64-linux-gnu compiles the NEON target. clang stands for macOS, clang in the mode that takes
MSVC's flags for clang-cl, and mingw-w64 for the C++ library and the types of Windows.
"""

import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from twopass._targets import AVX2, AVX512

SOURCES = Path(__file__).parents[1] / "src"
KERNELS = SOURCES / "twopass" / "kernels"
UNITS = ("face", "probe")  # what becomes a module of each target
ARM = "aarch64-linux-gnu-g++"
GNU = ("-std=c++17", "-ffp-contract=off", "-fno-math-errno")
# The mode alone would choose Windows, whose headers are not to be had.
MSVC = (
    *("--driver-mode=cl", "--target=x86_64-linux-gnu"),
    *("/O2", "/fp:precise", "/clang:-ffp-contract=off", "/clang:-std=c++17"),
)
PYTHON = ("-I", np.get_include(), "-I", sysconfig.get_path("include"))

# Header -> instruction sets, MSVC's name for them.
HEADERS = {
    "avx512.hpp": (AVX512, ["/arch:AVX512"]),
    "avx2.hpp": (AVX2, ["/arch:AVX2"]),
    "sse2.hpp": ((), []),
    "generic.hpp": ((), []),
}

linux = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="needs the headers of Linux on x86-64",
)
each_header = pytest.mark.parametrize("header", HEADERS)
each_unit = pytest.mark.parametrize("unit", UNITS)


def needs(compiler: str):
    return pytest.mark.skipif(not shutil.which(compiler), reason=f"{compiler} is not installed")


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Path:
    """The C++ that Cython makes of the kernels, and a file that is nothing but their vectors."""
    pytest.importorskip("Cython")
    folder = tmp_path_factory.mktemp("generated")
    cython = [sys.executable, "-m", "cython", "-3", "--cplus", "-Werror", "-I", SOURCES]
    for unit in UNITS:
        name = ("--module-name", f"twopass.{unit}")
        run(*cython, *name, KERNELS / f"{unit}.pyx", "-o", folder / f"{unit}.cpp")
    (folder / "vectors.cpp").write_text('#include "vec.hpp"\n')
    return folder


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def chosen(header: str) -> tuple[str, ...]:
    return f'-DTWOPASS_VEC="{header}"', "-I", str(KERNELS / "vec")


def isa(header: str) -> list[str]:
    return [f"-m{name}" for name in HEADERS[header][0]]


def test_cython_has_nothing_to_warn_of(generated):
    """The version that is installed: tox's `oldest` builds with the oldest one."""
    assert all((generated / f"{unit}.cpp").stat().st_size for unit in UNITS)


@needs(ARM)
@each_unit
def test_neon_kernels_are_vector_code_with_fused_multiply_add(generated, unit):
    """This machine's Python headers are near enough."""
    task = ("-O3", "-fPIC", "-c", f"{unit}.cpp", "-o", f"{unit}.o")
    run(ARM, *GNU, *chosen("neon.hpp"), *PYTHON, *task, cwd=generated)
    code = run("aarch64-linux-gnu-objdump", "--disassemble", generated / f"{unit}.o")
    for lanes in ("4s", "2d"):
        assert re.search(rf"fmla\tv\d+\.{lanes}", code)


@linux
@needs("clang++")
@each_header
@each_unit
def test_clang_takes_the_kernels(generated, unit, header):
    task = ("-fsyntax-only", f"{unit}.cpp")
    run("clang++", *GNU, *isa(header), *chosen(header), *PYTHON, *task, cwd=generated)


@linux
@needs("clang")
@each_header
@each_unit
def test_clang_takes_the_kernels_by_the_flags_of_msvc(generated, unit, header):
    task = ("/Zs", f"{unit}.cpp")
    arch = HEADERS[header][1]
    run("clang", *MSVC, *arch, *chosen(header), *PYTHON, *task, cwd=generated)


@needs("x86_64-w64-mingw32-g++")
@each_header
def test_mingw_takes_the_vectors(generated, header):
    """And not the kernels, since the Python headers of another system do not fit."""
    task = ("-O2", "-c", "vectors.cpp", "-o", "vectors.o")
    run("x86_64-w64-mingw32-g++", *GNU, *isa(header), *chosen(header), *task, cwd=generated)
