"""Which CPU this is and what may run on it.

A. A feature counts when CPUID reports it *and* the operating system saves the registers that it
   needs (XCR0). Reading only one of the two ends in an illegal instruction.
B. py-cpuinfo names the CPU and lists the flags that the kernel shows; the probe vetoes: nothing
   becomes usable because py-cpuinfo says so. A flag that the kernel hides (``clearcpuid=``) is not
   used either.
C. Emulators hand the host's ``/proc/cpuinfo`` to their guest. So where py-cpuinfo and CPUID
   disagree about vendor, family or model, py-cpuinfo has read about another machine: ignored.
D. The family and model never decide: virtual machines hide features of every model.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from twopass import _cpu
from twopass._pycpuinfo import Identity, identify

Registers = tuple[int, int, int, int]
Cpuid = Callable[[int, int], Registers]

EAX, EBX, ECX, EDX = range(4)
EXTENDED = 0x80000000  # the leaves from here on have a maximum of their own

YMM = 0x06  # XCR0: the system saves XMM and YMM registers
ZMM = 0xE6  # and the mask registers, the upper halves of ZMM0-15, and ZMM16-31


class Feature(NamedTuple):
    """Where CPUID reports an instruction set, and which XCR0 bits it needs."""

    linux: str  # its name in /proc/cpuinfo
    leaf: int
    register: int
    bit: int
    state: int = 0


# Keyed by the name of the compiler's flag: the feature "avx2" is what -mavx2 lets the compiler use.
FEATURES = {
    "sse3": Feature("pni", 1, ECX, 0),
    "ssse3": Feature("ssse3", 1, ECX, 9),
    "fma": Feature("fma", 1, ECX, 12, YMM),
    "sse4.1": Feature("sse4_1", 1, ECX, 19),
    "sse4.2": Feature("sse4_2", 1, ECX, 20),
    "movbe": Feature("movbe", 1, ECX, 22),
    "popcnt": Feature("popcnt", 1, ECX, 23),
    "xsave": Feature("xsave", 1, ECX, 26),
    "avx": Feature("avx", 1, ECX, 28, YMM),
    "f16c": Feature("f16c", 1, ECX, 29, YMM),
    "bmi": Feature("bmi1", 7, EBX, 3),
    "avx2": Feature("avx2", 7, EBX, 5, YMM),
    "bmi2": Feature("bmi2", 7, EBX, 8),
    "avx512f": Feature("avx512f", 7, EBX, 16, ZMM),
    "avx512dq": Feature("avx512dq", 7, EBX, 17, ZMM),
    "avx512cd": Feature("avx512cd", 7, EBX, 28, ZMM),
    "avx512bw": Feature("avx512bw", 7, EBX, 30, ZMM),
    "avx512vl": Feature("avx512vl", 7, EBX, 31, ZMM),
    "lzcnt": Feature("abm", EXTENDED + 1, ECX, 5),
}
HWCAP_ASIMD = 1 << 1  # AArch64

# Data caches in bytes (level 1, level 2, last level) of a CPU that does not tell.
UNKNOWN_CACHES = {1: 32 << 10, 2: 512 << 10, 3: 8 << 20}


class Cpu(NamedTuple):
    """A CPU as far as twopass needs to know it."""

    machine: str
    vendor: str = ""
    family: int = 0
    model: int = 0
    brand: str = ""
    features: frozenset[str] = frozenset()
    l1d: int = UNKNOWN_CACHES[1]
    l2: int = UNKNOWN_CACHES[2]
    llc: int = UNKNOWN_CACHES[3]  # the one that a core reaches; a large CPU has several
    source: str = "probe"


@cache
def detect() -> Cpu:
    """Return the CPU that this process runs on; no process is started and nothing is written."""
    return combine(_PROBES.get(_cpu.machine(), _probe_other)(), identify())


def combine(probe: Cpu, told: Identity | None) -> Cpu:
    """Let py-cpuinfo name the CPU and hide features; it never adds one (notes B and C above)."""
    if told is None or told[:3] != (probe.vendor, probe.family, probe.model):
        return probe
    return probe._replace(
        brand=told.brand or probe.brand,
        features=frozenset(name for name in probe.features if _linux_name(name) in told.flags),
        source="py-cpuinfo+probe",
    )


def decode(cpuid: Cpuid, xcr0: int) -> Cpu:
    """Return what the CPUID leaves of an x86-64 CPU and the register XCR0 say.

    Parameters
    ----------
    cpuid : callable
        ``cpuid(leaf, subleaf)`` returns (EAX, EBX, ECX, EDX).
    xcr0 : int
        The register states that the operating system saves; 0 without OSXSAVE.
    """
    read = _existing_leaves(cpuid)
    _, *vendor = read(0)
    family, model = _family_and_model(read(1)[EAX])
    l1d, l2, llc = _cache_sizes(_cpuid_caches(read))
    return Cpu(
        machine="x86_64",
        vendor=_text(vendor[0], vendor[2], vendor[1]),
        family=family,
        model=model,
        brand=_text(*(register for leaf in (2, 3, 4) for register in read(EXTENDED + leaf))),
        features=frozenset(
            name
            for name, row in FEATURES.items()
            if read(row.leaf)[row.register] >> row.bit & 1 and row.state & ~xcr0 == 0
        ),
        l1d=l1d,
        l2=l2,
        llc=llc,
    )


def decode_arm(hwcap: int, caches: dict[int, int]) -> Cpu:
    """Return what the AT_HWCAP bits of an AArch64 CPU say; `caches` maps levels to bytes."""
    features = frozenset({"neon"} if hwcap & HWCAP_ASIMD else ())
    l1d, l2, llc = _cache_sizes(caches)
    return Cpu(machine="aarch64", features=features, l1d=l1d, l2=l2, llc=llc)


def _probe_other() -> Cpu:
    return Cpu(machine=_cpu.machine())


_PROBES: dict[str, Callable[[], Cpu]] = {
    "x86_64": lambda: decode(_cpu.cpuid, _cpu.xcr0()),
    "aarch64": lambda: decode_arm(_cpu.arm_hwcap(), _sysfs_caches()),
}


def _linux_name(feature: str) -> str:
    return FEATURES[feature].linux if feature in FEATURES else {"neon": "asimd"}[feature]


def _existing_leaves(cpuid: Cpuid) -> Callable[..., Registers]:
    """Guard `cpuid`: past its last leaf an Intel CPU answers with another leaf's registers."""
    last = {start: cpuid(start, 0)[EAX] for start in (0, EXTENDED)}

    def read(leaf: int, subleaf: int = 0) -> Registers:
        return cpuid(leaf, subleaf) if leaf <= last[leaf & EXTENDED] else (0, 0, 0, 0)

    return read


def _text(*registers: int) -> str:
    """Return the characters that registers hold."""
    raw = struct.pack(f"<{len(registers)}I", *registers)
    return " ".join(raw.replace(b"\0", b"").decode("ascii", "replace").split())


def _family_and_model(signature: int) -> tuple[int, int]:
    family, model = signature >> 8 & 0xF, signature >> 4 & 0xF
    if family in (0x6, 0xF):
        model += (signature >> 16 & 0xF) << 4
    if family == 0xF:
        family += signature >> 20 & 0xFF
    return family, model


def _cpuid_caches(read: Callable[..., Registers]) -> dict[int, int]:
    """Return the bytes of the data cache of each level."""
    amd = read(EXTENDED + 1)[ECX] >> 22 & 1  # "topology extensions": AMD's twin of leaf 4
    caches = {}
    for subleaf in range(16):  # a bound, should a hypervisor never say "no more caches"
        eax, ebx, ecx, _ = read(EXTENDED + 0x1D if amd else 4, subleaf)
        kind, level = eax & 0x1F, eax >> 5 & 0x7
        if kind == 0:
            break
        if kind != 2:  # not an instruction cache
            ways, parts, line = (ebx >> 22) + 1, (ebx >> 12 & 0x3FF) + 1, (ebx & 0xFFF) + 1
            caches[level] = ways * parts * line * (ecx + 1)
    return caches or _older_cpuid_caches(read)


def _older_cpuid_caches(read: Callable[..., Registers]) -> dict[int, int]:
    """Do the same with the leaves that remain when a hypervisor hides AMD's topology."""
    level1, higher = read(EXTENDED + 5), read(EXTENDED + 6)
    return {
        1: (level1[ECX] >> 24) << 10,
        2: (higher[ECX] >> 16) << 10,
        3: (higher[EDX] >> 18) << 19,
    }


def _sysfs_caches(folder: str = "/sys/devices/system/cpu/cpu0/cache") -> dict[int, int]:
    """Do the same from Linux' files, for CPUs whose programs cannot ask themselves."""
    caches = {}
    try:
        for index in sorted(os.listdir(folder)):
            if index.startswith("index") and _line(folder, index, "type") != "Instruction":
                size = _line(folder, index, "size")
                caches[int(_line(folder, index, "level"))] = int(size.removesuffix("K")) << 10
    except (OSError, ValueError):  # virtual machines often leave them out
        return {}
    return caches


def _line(*path: str) -> str:
    with open(os.path.join(*path), encoding="ascii") as file:
        return file.read().strip()


def _cache_sizes(caches: dict[int, int]) -> tuple[int, int, int]:
    """Return level 1, level 2 and the last one; which is level 2 where there is no third."""
    found = {level: size for level, size in caches.items() if size}
    known = UNKNOWN_CACHES | found
    last = max(found, default=0)
    return known[1], known[2], known[last if last > 1 else 3]
