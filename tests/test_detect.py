"""What CPUID, XCR0, /proc/cpuinfo and /sys say becomes the right Cpu; on pretended machines too."""

import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
from cpus import (
    BROADWELL,
    EXTENDED,
    NEHALEM,
    ROME,
    SKYLAKE_WITHOUT_AVX512,
    SKYLAKE_X,
    YMM_STATE,
    ZMM_STATE,
)
from hypothesis import given
from hypothesis import strategies as st

from twopass import _cpu, _detect, _pycpuinfo
from twopass._detect import FEATURES, UNKNOWN_CACHES, Cpu, combine, decode
from twopass._pycpuinfo import Identity
from twopass._targets import AVX2, AVX512

WIDE = {name for name, row in FEATURES.items() if row.state}
X86 = _cpu.machine() == "x86_64"


def decoded(machine) -> Cpu:
    return decode(machine.cpuid, machine.xcr0)


@pytest.mark.parametrize(
    ("machine", "vendor", "family", "model", "brand"),
    [
        (SKYLAKE_X, "GenuineIntel", 6, 85, "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz"),
        (BROADWELL, "GenuineIntel", 6, 61, "Intel(R) Core(TM) i7-5500U CPU @ 2.40GHz"),
        (ROME, "AuthenticAMD", 23, 49, "AMD EPYC 7742 64-Core Processor"),
        (NEHALEM, "GenuineIntel", 6, 26, "Intel(R) Core(TM) i7 CPU 920 @ 2.67GHz"),
    ],
)
def test_identity(machine, vendor, family, model, brand):
    cpu = decoded(machine)
    assert cpu[:5] == ("x86_64", vendor, family, model, brand)
    assert cpu.source == "probe"


@pytest.mark.parametrize(
    ("machine", "features"),
    [
        (SKYLAKE_X, set(AVX512)),
        (SKYLAKE_WITHOUT_AVX512, set(AVX2)),
        (BROADWELL, set(AVX2)),
        (ROME, set(AVX2)),
        (NEHALEM, {"sse3", "ssse3", "sse4.1", "sse4.2", "popcnt"}),
    ],
)
def test_features(machine, features):
    assert decoded(machine).features == features


@pytest.mark.parametrize(
    ("xcr0", "usable"),
    [
        (0, set(AVX512) - WIDE),  # OSXSAVE off
        (0b001, set(AVX512) - WIDE),  # x87 alone
        (0b011, set(AVX512) - WIDE),  # no upper halves of YMM
        (0b101, set(AVX512) - WIDE),  # no XMM
        (YMM_STATE, set(AVX2)),
        (0x67, set(AVX2)),  # each of AVX-512's three parts missing in turn
        (0xA7, set(AVX2)),
        (0xC7, set(AVX2)),
        (ZMM_STATE, set(AVX512)),
    ],
)
def test_the_operating_system_has_to_save_the_registers(xcr0, usable):
    assert decoded(SKYLAKE_X._replace(xcr0=xcr0)).features == usable


@pytest.mark.parametrize("name", FEATURES)
def test_each_bit_stands_for_one_feature(name):
    row = FEATURES[name]
    cpu = decoded(SKYLAKE_X.without(row.leaf, row.register, row.bit))
    assert cpu.features == set(FEATURES) - {name}


def test_leaves_past_the_last_one_are_not_believed():
    """A CPU may answer there with another leaf's registers; here each of their bits is set."""

    real = {0: (1, 0, 0, 0), 1: SKYLAKE_X.leaves[1, 0], EXTENDED: (EXTENDED, 0, 0, 0)}
    cpu = decode(lambda leaf, subleaf: real.get(leaf, (0xFFFFFFFF,) * 4), ZMM_STATE)
    from_leaf_1 = {name for name, row in FEATURES.items() if row.leaf == 1}
    assert cpu.features == from_leaf_1
    assert (cpu.brand, cpu.l1d, cpu.l2, cpu.llc) == ("", *UNKNOWN_CACHES.values())


@pytest.mark.parametrize(
    ("machine", "caches"),
    [
        (SKYLAKE_X, (32 << 10, 1 << 20, 11 * 28672 * 64)),
        (ROME, (32 << 10, 512 << 10, 16 << 20)),
    ],
)
def test_caches(machine, caches):
    cpu = decoded(machine)
    assert (cpu.l1d, cpu.l2, cpu.llc) == caches


def test_caches_when_amds_topology_is_hidden():
    cpu = decoded(ROME.without(EXTENDED + 1, 2, 22))
    assert (cpu.l1d, cpu.l2, cpu.llc) == (32 << 10, 512 << 10, 256 << 20)


def test_the_last_cache_may_be_the_second():
    leaves = {key: value for key, value in SKYLAKE_X.leaves.items() if key != (4, 3)}
    assert decoded(SKYLAKE_X._replace(leaves=leaves)).llc == 1 << 20


def test_a_list_of_caches_without_end():
    endless = {(4, subleaf): SKYLAKE_X.leaves[4, 2] for subleaf in range(1000)}
    assert decoded(SKYLAKE_X._replace(leaves=SKYLAKE_X.leaves | endless)).l2 == 1 << 20


@given(registers=st.dictionaries(st.integers(0, 40), st.integers(0, 2**32 - 1)), xcr0=st.integers())
def test_any_registers_give_a_cpu(registers, xcr0):
    """Hypervisors answer strangely; without the right XCR0 nothing wide may come out of it."""

    def cpuid(leaf, subleaf):
        start = (leaf * 7 + subleaf) % 41
        return tuple(registers.get((start + i) % 41, 0) for i in range(4))

    cpu = decode(cpuid, xcr0 & ~0x4)
    assert not cpu.features & WIDE
    assert min(cpu.l1d, cpu.l2, cpu.llc) > 0


def test_arm():
    cpu = _detect.decode_arm(_detect.HWCAP_ASIMD | 1, {1: 64 << 10, 2: 1 << 20})
    assert (cpu.machine, cpu.features, cpu.llc) == ("aarch64", {"neon"}, 1 << 20)
    assert not _detect.decode_arm(1, {}).features


def test_caches_from_files(tmp_path):
    described = [("1", "Data", "64K"), ("1", "Instruction", "48K"), ("2", "Unified", "2048K")]
    for number, (level, kind, size) in enumerate(described):
        folder = tmp_path / f"index{number}"
        folder.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(text + "\n", encoding="ascii")
    assert _detect._sysfs_caches(str(tmp_path)) == {1: 64 << 10, 2: 2 << 20}
    (tmp_path / "index0" / "size").write_text("?", encoding="ascii")
    assert _detect._sysfs_caches(str(tmp_path)) == {}
    assert _detect._sysfs_caches(str(tmp_path / "absent")) == {}


# ---- py-cpuinfo names, the probe vetoes ---------------------------------------------------------

PROBE = decoded(BROADWELL)
FLAGS = frozenset(row.linux for row in FEATURES.values())  # of a CPU that has everything
TOLD = Identity("GenuineIntel", 6, 61, "A Broadwell", FLAGS)


def test_pycpuinfo_names_the_cpu_and_adds_nothing():
    cpu = combine(PROBE, TOLD)
    assert (cpu.brand, cpu.source) == ("A Broadwell", "py-cpuinfo+probe")
    assert cpu.features == PROBE.features == set(AVX2)


def test_a_flag_that_the_kernel_hides_is_not_used():
    cpu = combine(PROBE, TOLD._replace(flags=FLAGS - {"bmi1", "abm"}))
    assert cpu.features == set(AVX2) - {"bmi", "lzcnt"}


@pytest.mark.parametrize(
    "told",
    [
        None,
        TOLD._replace(vendor="AuthenticAMD", flags=frozenset()),
        TOLD._replace(family=15, flags=frozenset()),
        TOLD._replace(model=85, flags=frozenset()),
    ],
)
def test_what_pycpuinfo_says_of_another_machine_is_ignored(told):
    assert combine(PROBE, told) == PROBE


def test_arm_flags():
    probe = _detect.decode_arm(_detect.HWCAP_ASIMD, {})
    assert combine(probe, Identity("", 0, 0, "", frozenset({"fp", "asimd"}))).features == {"neon"}
    assert combine(probe, Identity("", 0, 0, "", frozenset({"fp"}))).features == set()


@pytest.mark.skipif(not X86 or sys.platform != "linux", reason="reads the flags of an x86 Linux")
def test_this_machine_against_its_kernel():
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    fields = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines())
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    cpu = decode(_cpu.cpuid, _cpu.xcr0())
    if (cpu.vendor, str(cpu.model)) != (fields["vendor_id"], fields["model"]):
        pytest.skip("an emulator shows its host's /proc/cpuinfo")
    flags = set(fields["flags"].split())
    assert cpu.features == {name for name, row in FEATURES.items() if row.linux in flags}
    assert cpu.brand == " ".join(fields["model name"].split())
    assert str(cpu.family) == fields["cpu family"]


@pytest.mark.skipif(X86, reason="this machine has the CPUID instruction")
def test_no_cpuid_instruction():
    assert _cpu.xcr0() == 0
    with pytest.raises(OSError, match="CPUID"):
        _cpu.cpuid(0, 0)


def test_detect_answers_once():
    assert _detect.detect() is _detect.detect()
    assert _detect.detect().machine == _cpu.machine()


def test_without_pycpuinfo(monkeypatch):
    monkeypatch.setattr(PathFinder, "find_spec", lambda *_: None)
    assert _pycpuinfo.identify() is None


def test_pycpuinfo_is_lent_nothing_that_starts_a_process():
    for name in ("subprocess", "multiprocessing.process", "time", "_posixsubprocess"):
        with pytest.raises(ImportError, match="not lent"):
            _pycpuinfo._lend(name)
