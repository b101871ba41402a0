"""Compare the stubs with the compiled modules that this CPU can import (mypy's stubtest)."""

import sys

from mypy.stubtest import parse_options, test_stubs

import twopass

# What Cython adds and what is private needs no stub: everything in a stub must be there and agree.
runnable = [f"twopass._{name}" for name, target in twopass.targets().items() if target.supported]
sys.exit(test_stubs(parse_options(["--ignore-missing-stub", "twopass._cpu", *runnable])))
