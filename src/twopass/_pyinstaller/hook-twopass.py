"""PyInstaller's hook: the targets, which are imported by computed names, and the version.

No program needs their probes, which stay behind.
"""

from PyInstaller.utils.hooks import copy_metadata

from twopass._targets import compiled

hiddenimports = [f"twopass._{name}" for name in compiled()]
datas = copy_metadata("twopass")
