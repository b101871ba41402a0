"""Compare the stubs with the compiled modules that this CPU can import (mypy's stubtest)."""

import sys

from mypy.stubtest import parse_options, test_stubs

import twopass

runnable = [name for name, target in twopass.targets().items() if target.supported]
sys.exit(test_stubs(parse_options(["twopass._cpu", *(f"twopass._{name}" for name in runnable)])))
