"""The same on other CPUs for real, as far as qemu's user mode emulates them.

It shows the host's /proc/cpuinfo to its guest and knows no AVX-512: neither may mislead twopass.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import digest
import numpy as np
import pytest
from child import RUNNABLE
from oracle import FMA_TARGETS

import twopass
from twopass import _cpu

QEMU = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="qemu's user mode is Linux'"),
    pytest.mark.skipif(_cpu.machine() != "x86_64", reason="emulates x86-64 on x86-64"),
    pytest.mark.skipif(QEMU is None, reason="qemu-x86_64 (Debian's qemu-user) is not installed"),
]

CPUS = {
    "Nehalem": "generic",
    "Broadwell": "broadwell",
    "EPYC-Rome": "zen2",
    "Skylake-Server": "broadwell",  # the family and model of AVX-512 CPUs, without AVX-512
    "Broadwell,-xsave": "generic",  # AVX2's bit is on and the system does not save its registers
    "Haswell,-fma,-f16c": "generic",
}
CODE = """
import numpy as np, twopass
scores = np.cos(np.arange(1000.0)).astype(np.float32) * 30
print(twopass.active_target().name, scores.tobytes().hex(), twopass.softmax(scores).tobytes().hex())
"""


def emulate(cpu: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run this Python with such arguments on another CPU."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TWOPASS_")}
    return subprocess.run(
        [QEMU, "-cpu", cpu, sys.executable, *map(str, arguments)],
        env=kept | variables,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )


@pytest.mark.parametrize("cpu", CPUS)
def test_target_and_bits(cpu):
    if CPUS[cpu] not in RUNNABLE:
        pytest.skip(f"this host cannot compare with {CPUS[cpu]}")
    done = emulate(cpu, "-c", CODE)
    assert done.returncode == 0, done.stderr
    name, scores, probabilities = done.stdout.split()
    assert name == CPUS[cpu]
    native = twopass.targets()[name].softmax(np.frombuffer(bytes.fromhex(scores), np.float32))
    assert probabilities == native.tobytes().hex()


@pytest.mark.slow
@pytest.mark.parametrize("cpu", [cpu for cpu, name in CPUS.items() if name in FMA_TARGETS])
def test_stored_digest(cpu):
    """The promised bits, by every algorithm."""
    done = emulate(cpu, digest.__file__, "--short")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{CPUS[cpu]}: 0 of ")


@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["Nehalem", "Broadwell", "EPYC-Rome"])
def test_vector_operations(cpu):
    """With the instructions of this CPU alone. A masked load reads a whole vector in qemu."""
    root = Path(__file__).parents[1]
    options = ("-p", "no:cacheprovider", "-c", root / "pyproject.toml", "-k", "not guard_pages")
    done = emulate(
        cpu, "-m", "pytest", *options, root / "tests/test_vec.py", TWOPASS_TARGET=CPUS[cpu]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize(
    ("cpu", "name"),
    [("Nehalem", "broadwell"), ("Broadwell", "skylake_x"), ("Broadwell,-xsave", "zen2")],
)
def test_no_target_beyond_the_cpu(cpu, name):
    done = emulate(cpu, "-c", "import twopass", TWOPASS_TARGET=name)
    assert done.returncode == 1
    assert f"ImportError: TWOPASS_TARGET='{name}' cannot be used, as this CPU" in done.stderr
