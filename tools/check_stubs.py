"""Compare the stub with the compiled module that has one (mypy's stubtest).

What the modules of the targets export stands in _targets.py; tests/test_signatures.py compares.
"""

import sys

from mypy.stubtest import parse_options, test_stubs

# What Cython adds and what is private needs no stub: everything in a stub must be there and agree.
sys.exit(test_stubs(parse_options(["--ignore-missing-stub", "twopass._cpu"])))
