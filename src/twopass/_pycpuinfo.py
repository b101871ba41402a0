"""py-cpuinfo's reading of ``/proc/cpuinfo``, without everything else that it does.

``import cpuinfo`` runs ``uname -p`` (through ``platform.uname()[5]``) and loads multiprocessing;
``cpuinfo.get_cpu_info()`` starts more processes, executes machine code that it assembles, and
sleeps a second. None of this may happen when twopass is imported. Its parser is sound, so it runs
here as a private copy that can import only what is lent to it: whatever else it tries, as another
version may, ends as an ImportError and means that py-cpuinfo has nothing to say.
"""

from __future__ import annotations

import builtins
import os
import re
import sys
from importlib.machinery import PathFinder
from types import SimpleNamespace
from typing import Any, NamedTuple

_FIRST_CPU = 16384  # bytes; a CPU's paragraph has 1 to 3 KiB, and servers have hundreds of them


class Identity(NamedTuple):
    """Which CPU this is, as the kernel tells it."""

    vendor: str
    family: int
    model: int
    brand: str
    flags: frozenset[str]


def identify() -> Identity | None:
    """Return what py-cpuinfo reads in ``/proc/cpuinfo``, None where it cannot be had.

    Only Linux has a complete list of flags in a file: elsewhere py-cpuinfo would start processes.
    """
    if sys.platform != "linux":
        return None
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            text = file.read(_FIRST_CPU).split("\n\n")[0]
        info = _parse(text)
        return Identity(
            vendor=str(info.get("vendor_id_raw", "")),
            family=int(info.get("family", 0)),
            model=int(info.get("model", 0)),
            brand=str(info.get("brand_raw", "")),
            flags=frozenset(info["flags"]),
        )
    except Exception:  # absent, broken, another module of that name: the probe alone decides
        return None


def _parse(text: str) -> dict[str, Any]:
    names = _private_copy()
    source = names["DataSource"]
    source.has_proc_cpuinfo = staticmethod(lambda: True)
    source.cat_proc_cpuinfo = staticmethod(lambda: (0, text))
    info: dict[str, Any] = names["_get_cpu_info_from_proc_cpuinfo"]()
    return info


def _private_copy() -> dict[str, Any]:
    """Execute cpuinfo/cpuinfo.py into a namespace of its own; ``sys.modules`` stays as it is."""
    package: Any = PathFinder.find_spec("cpuinfo")
    module: Any = PathFinder.find_spec("cpuinfo.cpuinfo", package.submodule_search_locations)
    code = module.loader.get_code("cpuinfo.cpuinfo")
    names = {
        "__name__": "cpuinfo.cpuinfo",
        "__builtins__": {**vars(builtins), "__import__": _lend},
    }
    exec(code, names)
    return names


def _lend(name: str, *_: object) -> Any:
    if name not in _LENT:
        raise ImportError(f"{name} is not lent to py-cpuinfo")
    return _LENT[name]


_machine = os.uname().machine if hasattr(os, "uname") else ""
_LENT: dict[str, Any] = {
    "os": os,
    "re": re,
    "sys": sys,
    "ctypes": SimpleNamespace(),
    "multiprocessing": SimpleNamespace(cpu_count=os.cpu_count),
    "platform": SimpleNamespace(
        architecture=lambda: ("64bit", ""),
        machine=lambda: _machine,
        system=lambda: "Linux",
        uname=lambda: ("",) * 6,
    ),
}
