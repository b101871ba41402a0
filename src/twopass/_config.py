"""What twopass found on this machine, for people and for bug reports."""

from __future__ import annotations

import platform
import sys
from typing import Any, Literal, overload

import numpy as np

from twopass import _cpu
from twopass._detect import detect
from twopass._importing import importing
from twopass._targets import active, targets
from twopass._threads import get_num_threads

_PATIENCE = 10.0  # seconds for py-cpuinfo, which sleeps one


@overload
def show_config(mode: Literal["stdout"] = ...) -> None: ...
@overload
def show_config(mode: Literal["dicts"]) -> dict[str, Any]: ...
def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Show the CPU, the targets and which of them is active, the threads and the versions.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, optional
        Print it, or return it as nested dictionaries.

    Returns
    -------
    dict or None
        None if it was printed.

    Notes
    -----
    The section "py-cpuinfo" is what that package says of its own accord. It takes a second or two,
    in a process of its own, and nothing depends on it; it is empty when the package is absent.
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode must be 'stdout' or 'dicts', not {mode!r}")
    config = {
        "CPU": _cpu_section(),
        "py-cpuinfo": _pycpuinfo_section(),
        "Targets": _targets_section(),
        "Active target": active()._asdict(),
        "Threads": get_num_threads(),
        "Versions": _versions(),
    }
    if mode == "dicts":
        return config
    print("\n".join(_lines(config)))
    return None


def _cpu_section() -> dict[str, Any]:
    return {**detect()._asdict(), "features": sorted(detect().features)}


def _targets_section() -> dict[str, Any]:
    return {
        name: {
            "description": target.description,
            "compiled": target.compiled,
            "supported": target.supported,
            "active": name == active().name,
            "obstacle": target.obstacle,
        }
        for name, target in targets().items()
    }


def _versions() -> dict[str, str]:
    with importing:
        from importlib.metadata import PackageNotFoundError, version

    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "absent"

    return {
        "twopass": installed("twopass"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "py-cpuinfo": installed("py-cpuinfo"),
        **_cpu.build(),
    }


def _pycpuinfo_section() -> dict[str, Any]:
    """Ask `cpuinfo.get_cpu_info` in another process, which may crash, hang or start more."""
    with importing:
        import json
        import subprocess

    try:
        answer = subprocess.run(
            [sys.executable, "-m", "cpuinfo", "--json"],
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE,
        )
        info = json.loads(answer.stdout)
        return {key: info[key] for key in _PYCPUINFO_KEYS if key in info}
    except Exception:  # whatever is wrong with it, the rest of the report stands
        return {}


_PYCPUINFO_KEYS = (
    *("vendor_id_raw", "brand_raw", "family", "model", "stepping", "hz_actual_friendly"),
    *("l1_data_cache_size", "l2_cache_size", "l3_cache_size", "cpuinfo_version_string"),
)


def _lines(config: dict[str, Any], indent: str = "") -> list[str]:
    """Return nested dictionaries as indented lines."""
    lines = []
    for key, value in config.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        else:
            text = " ".join(value) if isinstance(value, list) else value
            lines.append(f"{indent}{key}: {text}")
    return lines
