"""Tables that are folders: each module of a package is an entry, so that a new file is one."""

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def modules(package: str, path: Iterable[str], first: Iterable[str]) -> list[ModuleType]:
    """Import all modules of a package: those named first in that order, then the rest by name."""
    first = tuple(first)
    rest = {module.name for module in iter_modules(path)}.difference(first)
    return [import_module(f"{package}.{name}") for name in (*first, *sorted(rest))]
