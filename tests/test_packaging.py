"""What is installed: metadata, stubs, size, and machine code of the right instruction sets."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import twopass
from twopass import _targets, functions

PACKAGE = Path(twopass.__file__).parent
SOURCES = Path(__file__).parents[1] / "src" / "twopass"
COMPILED = [name for name, target in twopass.targets().items() if target.compiled]
PROBES = [f"bench._probe_{name}" for name in COMPILED]
MODULES = ["_cpu", *(f"_{name}" for name in COMPILED), *PROBES]
BASELINE_TOO_WIDE = r"%[yz]mm"
TOO_WIDE = {"skylake_x": r"(?!)", "broadwell": r"%zmm", "zen2": r"%zmm"}

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")


def binary(module: str) -> Path:
    return Path(importlib.util.find_spec(f"twopass.{module}").origin)


def run(tool: str, *arguments: object) -> str:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout


def test_version():
    assert twopass.__version__ == importlib.metadata.version("twopass")


def test_requirements_are_numpy_and_cpuinfo_alone():
    required = importlib.metadata.requires("twopass")
    names = {re.match(r"[\w-]+", line)[0] for line in required if "extra ==" not in line}
    assert names == {"numpy", "py-cpuinfo"}


def test_every_function_of_a_target_is_public(target):
    assert set(functions.NAMES) <= vars(target.module).keys()


def test_typing_information_is_installed():
    """The modules of the targets have none of their own: _targets.py says what they export."""
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "_cpu.pyi").is_file()


def test_wheel_stays_small():
    files = {*PACKAGE.rglob("*.py"), *map(binary, MODULES)}
    assert sum(len(zlib.compress(file.read_bytes())) for file in files) < 3 * 2**20


def test_no_bytecode_of_the_source_tree_is_installed():
    """meson takes no pattern: its list of folders to leave out has to name each one."""
    folders = (file.parent.relative_to(SOURCES) for file in SOURCES.rglob("__init__.py"))
    build = (SOURCES / "meson.build").read_text()
    assert not [f for f in folders if f"'{(f / '__pycache__').as_posix()}'" not in build]


@linux
@pytest.mark.parametrize("module", MODULES)
def test_a_module_exports_its_init_function_alone(module):
    """A weak symbol with AVX code in it could stand in for another module's."""
    symbols = run("nm", "--dynamic", "--defined-only", binary(module)).split()
    assert symbols[2::3] == [f"PyInit_{module.rpartition('.')[2]}"]


@linux
@pytest.mark.parametrize("module", MODULES)
def test_no_register_wider_than_the_targets(module):
    code = run("objdump", "--disassemble", "--no-show-raw-insn", binary(module))
    assert "\tret" in code
    target = re.sub(r"^(bench\._probe)?_", "", module)
    assert not re.search(TOO_WIDE.get(target, BASELINE_TOO_WIDE), code)


@linux
@pytest.mark.skipif("broadwell" not in COMPILED, reason="flags of x86-64")
def test_compiler_flags_are_the_features_of_the_check():
    """What the compiler may use for a target is what the CPU is asked for, bit for bit."""
    build = (SOURCES / "meson.build").read_text()
    avx2, avx512 = (
        re.findall(r"'(-m\w+)'", line) for line in re.findall(r"avx.*= (.*-m.*)", build)
    )
    assert instruction_sets(*avx2) == set(map(macro, _targets.AVX2))
    assert instruction_sets(*avx2, *avx512) == set(map(macro, _targets.AVX512))


def instruction_sets(*options: str) -> set[str]:
    """What the compiler announces under these options alone; CRC32 is a part of SSE 4.2."""
    announced, baseline = (
        set(
            re.findall(
                r"#define (__\w+__) 1\n", run("g++", *flags, "-dM", "-E", "-x", "c++", os.devnull)
            )
        )
        for flags in (options, ())
    )
    return announced - baseline - {"__CRC32__"}


def macro(feature: str) -> str:
    return f"__{feature.upper().replace('.', '_')}__"
