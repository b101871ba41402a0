"""Tell PyInstaller what its own analysis cannot see: the entry point `pyinstaller40` names this."""

from __future__ import annotations

import os


def get_hook_dirs() -> list[str]:
    """Return the folder of the hook."""
    return [os.path.dirname(__file__)]
