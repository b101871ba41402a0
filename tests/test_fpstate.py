"""The caller's floating-point environment: it changes no result, and comes back as it was."""

import ctypes
import platform
import shutil
import subprocess

import numpy as np
import pytest
from oracle import ALGORITHMS, DTYPES, FUNCTIONS, assert_same_bits, call, hard

X86 = platform.machine().lower() in ("x86_64", "amd64")
ARM = platform.machine().lower() in ("aarch64", "arm64")

# Control registers and the bits in them: MXCSR holds control and flags, FPCR control alone.
SOURCE = r"""
#include <stdint.h>
#if defined(__x86_64__)
uint64_t get(void) { return __builtin_ia32_stmxcsr(); }
void set(uint64_t v) { __builtin_ia32_ldmxcsr((unsigned)v); }
uint64_t get_flags(void) { return get() & 0x3f; }
void set_flags(uint64_t v) { set((get() & ~0x3fULL) | v); }
#else
uint64_t get(void) { uint64_t v; __asm__ volatile("mrs %0, fpcr" : "=r"(v)); return v; }
void set(uint64_t v) { __asm__ volatile("msr fpcr, %0" :: "r"(v)); }
uint64_t get_flags(void) { uint64_t v; __asm__ volatile("mrs %0, fpsr" : "=r"(v)); return v; }
void set_flags(uint64_t v) { __asm__ volatile("msr fpsr, %0" :: "r"(v)); }
#endif
"""
MODES = {
    "flush_to_zero": 1 << 15 if X86 else 1 << 24,
    "denormals_are_zero": 1 << 6 if X86 else 1 << 24,
    "both": 1 << 15 | 1 << 6 if X86 else 1 << 24,
    "downward": 1 << 13 if X86 else 2 << 22,
    "upward": 2 << 13 if X86 else 1 << 22,
    "toward_zero": 3 << 13 if X86 else 3 << 22,
    "all_of_it": 3 << 13 | 1 << 15 | 1 << 6 if X86 else 7 << 22,
}
# All but inexact, which every rounding raises.
X86_FLAGS = {"invalid": 1, "denormal": 2, "divide": 4, "overflow": 8, "underflow": 16}
ARM_FLAGS = {"invalid": 1, "divide": 2, "overflow": 4, "underflow": 8, "denormal": 128}
FLAGS = X86_FLAGS if X86 else ARM_FLAGS
CONTROL = 0xFFC0 if X86 else 0xFFFFFFFF  # the bits of the register that are no flags


@pytest.fixture(scope="module")
def register(tmp_path_factory):
    """Reads and writes the floating-point control register of this thread."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler or not (X86 or ARM):
        pytest.skip("needs a C compiler for x86-64 or AArch64")
    folder = tmp_path_factory.mktemp("register")
    (folder / "register.c").write_text(SOURCE)
    library = folder / "register.so"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", folder / "register.c", "-o", library], check=True
    )
    register = ctypes.PyDLL(str(library))
    for name in ("get", "get_flags"):
        getattr(register, name).restype = ctypes.c_uint64
    for name in ("set", "set_flags"):
        getattr(register, name).argtypes = (ctypes.c_uint64,)
        getattr(register, name).restype = None
    return register


def inputs(dtype):
    """Ordinary scores, subnormal inputs and results, overflow on the way, special values."""
    low = float(np.log(float(np.finfo(dtype).smallest_subnormal)))
    top = float(np.finfo(dtype).max)
    small = [[0, low + 3, low + 1], [0, 1e-40, -1e-320, 5e-8]]
    special = [[np.nan, 1], [np.inf, 1], [-np.inf] * 3, [-np.inf, 0]]
    extreme = [[top, -top], [top, top], [-top, -top, 0]]
    with np.errstate(all="ignore"):
        rows = [np.array(x, dtype) for x in (*small, *special, *extreme)]
    rows += [hard("normal_3", 300, dtype), hard("stairs", 140_003, dtype)]
    batch = hard("uniform_1000", 4000, dtype).reshape(40, 100)
    return [(row, 0) for row in rows] + [(batch, 0), (batch, 1)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_modes_of_the_caller(target, function, dtype, mode, register):
    """Flushed subnormals and other roundings, as other libraries set them."""
    usual = register.get()
    for x, axis in inputs(dtype):
        for algorithm in ALGORITHMS:
            for threads in (1, 2):
                want = call(target, function, x, axis, algorithm=algorithm, threads=threads)
                register.set(usual | MODES[mode])
                try:
                    got = call(target, function, x, axis, algorithm=algorithm, threads=threads)
                    after = register.get()
                finally:
                    register.set(usual)
                assert after & CONTROL == (usual | MODES[mode]) & CONTROL
                assert_same_bits(got, want, f"{algorithm}, {threads} threads")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_flag_is_raised(target, function, dtype, algorithm, register):
    mask = sum(FLAGS.values())
    for x, axis in inputs(dtype):
        register.set_flags(0)
        call(target, function, x, axis, algorithm=algorithm)
        raised = register.get_flags() & mask
        register.set_flags(0)
        names = [name for name, bit in FLAGS.items() if raised & bit]
        assert not names, f"{names} raised by {x.ravel()[:4]}, shape {x.shape}, axis {axis}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_flags_of_the_caller_stay(target, function, dtype, register):
    """A flag that was up before the call is up after it: somebody may yet ask for it."""
    x, mask = hard("normal_3", 300, dtype), sum(FLAGS.values())
    register.set_flags(mask)
    call(target, function, x)
    after = register.get_flags() & mask
    register.set_flags(0)
    assert after == mask
