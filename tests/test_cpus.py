"""How many threads a call may use: what the environment says, else affinity and control groups."""

import math
import os
import sys

import pytest
from child import last_line, output

from twopass import _cpus
from twopass._cpus import cgroup_quota, usable_cpus

CPUS = usable_cpus()


@pytest.mark.parametrize(
    ("own", "openmp", "want"),
    [
        ("3", "5", 3),
        ("", "5", 5),
        (" ", " 5 ", 5),
        ("", "4,2", 4),
        ("", "6 , 3,1", 6),
        ("", "0", CPUS),
        ("", "-2", CPUS),
        ("", "many", CPUS),
        ("", ",2", CPUS),
        ("", "", CPUS),
    ],
)
def test_number_of_threads_in_the_environment(own, openmp, want):
    variables = {"TWOPASS_NUM_THREADS": own, "OMP_NUM_THREADS": openmp}
    assert output("import twopass; print(twopass.get_num_threads())", **variables) == str(want)


@pytest.mark.parametrize("value", ("0", "-1", "2,1", "many"))
def test_wrong_number_of_threads_in_the_environment(value):
    code = "import twopass; twopass.get_num_threads()"
    said = last_line(code, TWOPASS_NUM_THREADS=value, OMP_NUM_THREADS="2")
    assert said.startswith("ValueError: TWOPASS_NUM_THREADS must be a positive integer, not ")
    assert value in said


V2 = "0::/a.slice/b.scope\n"
V1 = "11:memory:/m\n4:cpu,cpuacct:/docker/c\n1:name=systemd:/s\n"
HYBRID = V1 + "0::/s\n"
ROOT, V1_ROOT = "sys/fs/cgroup", "sys/fs/cgroup/cpu"
QUOTAS = {  # what the process's groups are, the files, and the CPUs that they allow
    "nothing": (None, {}, math.inf),
    "root, its group unknown": (None, {f"{ROOT}/cpu.max": "150000 100000\n"}, 1.5),
    "root of version 1": (
        None,
        {f"{V1_ROOT}/cpu.cfs_quota_us": "200000", f"{V1_ROOT}/cpu.cfs_period_us": "100000"},
        2,
    ),
    "scope": (V2, {f"{ROOT}/a.slice/b.scope/cpu.max": "100000 100000\n"}, 1),
    "parent": (
        V2,
        {
            f"{ROOT}/a.slice/b.scope/cpu.max": "400000 100000",
            f"{ROOT}/a.slice/cpu.max": "50000 100000",
        },
        0.5,
    ),
    "child": (
        V2,
        {
            f"{ROOT}/a.slice/b.scope/cpu.max": "300000 100000",
            f"{ROOT}/a.slice/cpu.max": "max 100000",
            f"{ROOT}/cpu.max": "800000 100000",
        },
        3,
    ),
    "max": (V2, {f"{ROOT}/a.slice/b.scope/cpu.max": "max 100000"}, math.inf),
    "another's": (V2, {f"{ROOT}/other.slice/cpu.max": "100000 100000"}, math.inf),
    "container": ("0::/../x\n", {f"{ROOT}/cpu.max": "100000 100000"}, 1),
    "container, group not mounted": (
        V1,
        {f"{V1_ROOT}/cpu.cfs_quota_us": "250000", f"{V1_ROOT}/cpu.cfs_period_us": "100000"},
        2.5,
    ),
    "version 1": (
        V1,
        {
            f"{V1_ROOT}/docker/c/cpu.cfs_quota_us": "-1",
            f"{V1_ROOT}/docker/c/cpu.cfs_period_us": "100000",
            f"{V1_ROOT}/docker/cpu.cfs_quota_us": "10000",
            f"{V1_ROOT}/docker/cpu.cfs_period_us": "20000",
        },
        0.5,
    ),
    "hybrid": (
        HYBRID,
        {
            f"{V1_ROOT}/docker/c/cpu.cfs_quota_us": "700000",
            f"{V1_ROOT}/docker/c/cpu.cfs_period_us": "100000",
        },
        7,
    ),
    "no colon in sight": ("garbage\n", {f"{ROOT}/cpu.max": "100000 100000"}, 1),
    "garbage": (V2, {f"{ROOT}/a.slice/cpu.max": "a lot", f"{ROOT}/cpu.max": ""}, math.inf),
    "nonsense": (V2, {f"{ROOT}/a.slice/cpu.max": "0 0", f"{ROOT}/cpu.max": "1 -1"}, math.inf),
    "period alone": (V1, {f"{V1_ROOT}/docker/cpu.cfs_period_us": "100000"}, math.inf),
    "any path": ("0::/\udcff\u20ac\n", {f"{ROOT}/\udcff\u20ac/cpu.max": "5 1"}, 5),
}


@pytest.mark.skipif(sys.platform == "win32", reason="reads /proc")
@pytest.mark.parametrize("kind", QUOTAS)
def test_quota_of_control_groups(kind, tmp_path):
    group, files, want = QUOTAS[kind]
    for name, text in (files | {"proc/self/cgroup": group}).items():
        if text is not None:
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(os.fsencode(text))
    assert cgroup_quota(str(tmp_path)) == want


def test_cpus_are_those_of_the_quota(monkeypatch):
    for quota, want in ((0.5, 1), (1, 1), (math.inf, CPUS)):
        monkeypatch.setattr(_cpus, "cgroup_quota", lambda quota=quota: quota)
        assert usable_cpus() == want
