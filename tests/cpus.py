"""CPUs to pretend: what their CPUID leaves hold, as published dumps show them."""

from __future__ import annotations

import struct
from typing import NamedTuple

EXTENDED = 0x80000000
YMM_STATE, ZMM_STATE = 0x7, 0xE7  # XCR0 of systems that know AVX, AVX-512

Registers = tuple[int, int, int, int]
Leaves = dict[tuple[int, int], Registers]


class Machine(NamedTuple):
    """A CPU and its operating system."""

    leaves: Leaves
    xcr0: int

    def cpuid(self, leaf: int, subleaf: int) -> Registers:
        return self.leaves.get((leaf, subleaf), (0, 0, 0, 0))

    def without(self, leaf: int, register: int, bit: int) -> Machine:
        """Return this machine with one bit hidden, as a hypervisor may do."""
        registers = list(self.leaves[leaf, 0])
        registers[register] &= ~(1 << bit)
        return self._replace(leaves={**self.leaves, (leaf, 0): tuple(registers)})


def machine(
    vendor: str,
    brand: str,
    signature: int,
    ecx1: int,
    ebx7: int,
    ecx_extended: int,
    *,
    xcr0: int,
    highest: int = 0x16,
    more: Leaves,
) -> Machine:
    ebx, edx, ecx = struct.unpack("<3I", vendor.encode())
    text = struct.unpack("<12I", brand.encode().ljust(48, b"\0"))
    leaves = {
        (0, 0): (highest, ebx, ecx, edx),
        (1, 0): (signature, 0, ecx1, 0xBFEBFBFF),
        (7, 0): (0, ebx7, 0, 0),
        (EXTENDED, 0): (EXTENDED + 0x1E, 0, 0, 0),
        (EXTENDED + 1, 0): (0, 0, ecx_extended, 0x2C100800),
        **{(EXTENDED + 2 + i, 0): text[4 * i : 4 * i + 4] for i in range(3)},
    }
    return Machine(leaves | more, xcr0)


INTEL_CACHES = {  # 32 KiB, instructions, 1 MiB, 19.25 MiB in 11 ways
    (4, 0): (0x1C004121, 0x01C0003F, 0x3F, 0),
    (4, 1): (0x1C004122, 0x01C0003F, 0x3F, 0),
    (4, 2): (0x1C004143, 0x03C0003F, 0x3FF, 0),
    (4, 3): (0x1C07C163, 0x0280003F, 0x6FFF, 4),
}
AMD_CACHES = {  # 32 KiB, instructions, 512 KiB, 16 MiB
    (EXTENDED + 0x1D, 0): (0x4121, 0x01C0003F, 0x3F, 0),
    (EXTENDED + 0x1D, 1): (0x4122, 0x01C0003F, 0x3F, 0),
    (EXTENDED + 0x1D, 2): (0x4143, 0x01C0003F, 0x3FF, 2),
    (EXTENDED + 0x1D, 3): (0x1C163, 0x03C0003F, 0x3FFF, 1),
}
AMD_OLDER_CACHES = {  # the same, but an L3 of 256 MiB as the whole package has
    (EXTENDED + 5, 0): (0, 0, 0x20080140, 0x20080140),
    (EXTENDED + 6, 0): (0, 0, 0x02006140, 0x08009140),
}

SKYLAKE_X = machine(
    "GenuineIntel",
    "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz",
    *(0x00050654, 0x7FFEFBFF, 0xD39FFFFB, 0x121),
    xcr0=0x2FF,
    more=INTEL_CACHES,
)
BROADWELL = machine(
    "GenuineIntel",
    "       Intel(R) Core(TM) i7-5500U CPU @ 2.40GHz",
    *(0x000306D4, 0x7FFAFBBF, 0x021C27AB, 0x121),
    xcr0=YMM_STATE,
    highest=0x14,
    more=INTEL_CACHES,
)
ROME = machine(
    "AuthenticAMD",
    "AMD EPYC 7742 64-Core Processor",
    *(0x00830F10, 0x7ED8320B, 0x219C91A9, 0x75C237FF),
    xcr0=YMM_STATE,
    highest=0x10,
    more=AMD_CACHES | AMD_OLDER_CACHES,
)
NEHALEM = machine(
    "GenuineIntel",
    "Intel(R) Core(TM) i7 CPU 920 @ 2.67GHz",
    *(0x000106A5, 0x0098E3BD, 0, 0x1),
    xcr0=0,
    highest=0xB,
    more=INTEL_CACHES,
)
# A virtual machine of a Skylake server whose AVX-512 is switched off: the model stays.
SKYLAKE_WITHOUT_AVX512 = SKYLAKE_X._replace(
    leaves={**SKYLAKE_X.leaves, (7, 0): (0, 0x021C27AB, 0, 0)}, xcr0=YMM_STATE
)
