"""An AArch64 Python with twopass in it, in one folder of a machine of another kind.

Debian's arm64 packages are unpacked, not installed; wheels of NumPy and pytest join them; twopass
is cross-compiled. FOLDER/usr/bin/python runs it all under qemu-aarch64, child processes too.
Needs a Debian 12 with qemu-user and g++-aarch64-linux-gnu, meson, ninja and cython on the PATH, and
a NumPy of this machine, which cython reads the declarations of.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "3.11"
PACKAGES = (
    *(f"python{VERSION}", f"python{VERSION}-minimal", f"libpython{VERSION}"),
    *(f"libpython{VERSION}-{part}" for part in ("dev", "minimal", "stdlib")),
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libffi8", "libssl3", "libcrypt1"),
    *("libbz2-1.0", "liblzma5", "libsqlite3-0", "libuuid1", "libtinfo6"),
)
SITE = f"usr/local/lib/python{VERSION}/dist-packages"
WHEELS = ("numpy", "py-cpuinfo", "pytest", "hypothesis", "mpmath")

# sys.executable is this script, so that a test's child processes are emulated as well.
PYTHON = """#!/bin/sh
exec qemu-aarch64 -L {root} -0 "$0" {root}/usr/bin/python{version} "$@"
"""
CROSS_FILE = """
[binaries]
cpp = 'aarch64-linux-gnu-g++'
strip = 'aarch64-linux-gnu-strip'
python = '{root}/usr/bin/python'
numpy-config = ['{root}/usr/bin/python', '-m', 'numpy._configtool']

[built-in options]
cpp_args = ['-I{root}/usr/include', '-I{root}/usr/include/python{version}']

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what is there is kept, twopass is built anew")
    root = parser.parse_args().folder.resolve()
    python = root / "usr/bin/python"
    if not python.exists():
        unpack(root)
        python.write_text(PYTHON.format(root=root, version=VERSION))
        python.chmod(0o755)
    build(root)
    run(python, "-c", "import twopass; twopass.show_config()")


def unpack(root: Path) -> None:
    """Fetch from the system's sources, with a state of its own: its architectures do not change."""
    apt = root / "apt"
    for folder in ("lists/partial", "cache/archives/partial", "packages"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",
        "Dir::State::Lists": apt / "lists",
        "Dir::State::Status": os.devnull,
        "Dir::Cache": apt / "cache",
        "Debug::NoLocking": "1",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    run("apt-get", *options, "-qq", "update")
    run("apt-get", *options, "-qq", "download", *PACKAGES, cwd=apt / "packages")
    for package in (apt / "packages").glob("*.deb"):
        run("dpkg", "-x", package, root)
    target = ("--python-version", VERSION, "--implementation", "cp", "--only-binary", ":all:")
    platform = ("--platform", "manylinux_2_28_aarch64", "--platform", "manylinux2014_aarch64")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-warn-conflicts")
    run(*pip, *target, *platform, "--target", root / SITE, *WHEELS)


def build(root: Path) -> None:
    work = root / "build"
    shutil.rmtree(work, ignore_errors=True)
    cross = root / "cross.ini"
    cross.write_text(CROSS_FILE.format(root=root, version=VERSION))
    source = Path(__file__).resolve().parents[1]
    site = f"-Dpython.platlibdir={root / SITE}"
    run("meson", "setup", work, source, "--cross-file", cross, "--prefix", root / "usr", site)
    run("meson", "install", "-C", work, "--quiet")


def run(*command: object, **options: object) -> None:
    subprocess.run(list(map(str, command)), check=True, **options)


if __name__ == "__main__":
    main()
