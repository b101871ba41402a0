"""How many CPUs this process may use: its affinity, and the quotas of its control groups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

# Version 2 and version 1 of control groups: the controller as /proc/self/cgroup names it, where its
# groups are mounted, and the files of a group that hold its quota and period.
HIERARCHIES = (
    ("", "sys/fs/cgroup", ("cpu.max",)),
    ("cpu", "sys/fs/cgroup/cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us")),
)


def usable_cpus() -> int:
    """Return the CPUs of the affinity, or fewer if a quota allows no more."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cpus = os.cpu_count() or 1
    return math.ceil(min(cpus, cgroup_quota()))


def cgroup_quota(root: str = "/") -> float:
    """Return the CPUs that the control groups of this process allow; inf where nothing limits them.

    A group is limited by its own quota and by those of all its parents.
    """
    return min(
        _quota([f"{root}/{mount}{group}/{file}" for file in files])
        for controller, mount, files in HIERARCHIES
        for group in _with_parents(_group(controller, root))
    )


def _group(controller: str, root: str) -> str:
    """Return the path of this process's group, that of the root where it is not to be found."""
    try:
        for line in _read(f"{root}/proc/self/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                return path
    except (OSError, ValueError):
        pass
    return "/"


def _with_parents(group: str) -> Iterator[str]:
    """Every group from this one to the root.

    In a container, what is mounted may be the group itself: its path does not exist below, and the
    root is what counts.
    """
    while group:
        yield group
        group = group.rpartition("/")[0]
    yield ""


def _quota(files: list[str]) -> float:
    try:
        quota, period = map(int, " ".join(map(_read, files)).split())
        return quota / period if min(quota, period) > 0 else math.inf
    except (OSError, ValueError, OverflowError):  # absent, or "max": no limit
        return math.inf


def _read(file: str) -> str:
    # The one codec that needs no import, and any path of a group.
    with open(file, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()
