"""The machine code of a module uses its target's registers, and does nothing when it is loaded.

That no module uses wider registers than its target's stands with the other facts about what is
installed, in test_packaging.py.
"""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from child import TARGETS

from twopass import _cpu

COMPILED = [target.name for target in TARGETS if target.compiled]
KERNELS = [f"{start}_{name}" for name in COMPILED for start in ("", "bench._probe")]
REGISTERS = {"skylake_x": "%zmm", "broadwell": "%ymm", "zen2": "%ymm", "generic": "%xmm"}

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files"),
    pytest.mark.skipif(_cpu.machine() != "x86_64", reason="knows x86-64 instructions"),
    pytest.mark.skipif(not shutil.which("objdump"), reason="objdump is not installed"),
]


def binary(module: str) -> Path:
    return Path(find_spec(f"twopass.{module}").origin)


def objdump(*arguments: object) -> str:
    command = ["objdump", "--wide", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout


@pytest.mark.parametrize("module", KERNELS)
def test_a_target_uses_its_registers(module):
    """A vector header that falls back to the baseline would be slow, right and unnoticed."""
    register = next(r for name, r in REGISTERS.items() if module.endswith(f"_{name}"))
    packed = re.compile(rf"\tv?(fmadd\w+|mul|add)p[sd] .*{register}\d")
    assert len(packed.findall(objdump("--disassemble", binary(module)))) > 100


def constructors(file: Path) -> list[str]:
    """Disassemble each function that the loader calls, up to its first return."""
    size, start = re.search(r" \.init_array +(\w+) +(\w+)", objdump("-h", file)).groups()
    section = range(int(start, 16), int(start, 16) + int(size, 16))
    relocation = re.compile(r"^(\w+) R_X86_64_RELATIVE +\*ABS\*\+0x(\w+)", re.MULTILINE)
    slots = {int(slot, 16): int(code, 16) for slot, code in relocation.findall(objdump("-R", file))}
    return [code_at(slots[slot], file) for slot in section[::8]]


def code_at(start: int, file: Path) -> str:
    range_ = f"--start-address={start}", f"--stop-address={start + 256}"
    return objdump("--disassemble", *range_, file).partition("\tret")[0]


@pytest.mark.parametrize("module", ["_cpu", *KERNELS])
def test_loading_a_module_leaves_the_floating_point_mode_alone(module):
    assert not any("ldmxcsr" in code for code in constructors(binary(module)))


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
def test_the_check_sees_a_constructor_that_changes_it(tmp_path):
    """Linking with -ffast-math adds one that flushes subnormal numbers of the whole process."""
    source, library = tmp_path / "fast.c", tmp_path / "fast.so"
    source.write_text(
        "__attribute__((constructor)) static void fast(void) { __builtin_ia32_ldmxcsr(0x9FC0); }",
        encoding="ascii",
    )
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    assert any("ldmxcsr" in code for code in constructors(library))
