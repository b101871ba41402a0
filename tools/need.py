"""Install Debian packages whose commands are missing; where that cannot be done, say which."""

import os
import shutil
import subprocess
import sys

PROVIDERS = {
    "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
    "g++": "g++",
    "qemu-aarch64": "qemu-user",
    "qemu-x86_64": "qemu-user",
    "valgrind": "valgrind",
}

missing = sorted({PROVIDERS[name] for name in sys.argv[1:] if not shutil.which(name)})
if missing:
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"needs {', '.join(missing)}: sudo apt-get install {' '.join(missing)}")
    subprocess.run(["apt-get", "-qq", "update"], check=True)
    command = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", *missing]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
