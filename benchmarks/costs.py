"""What twopass costs besides time per element: import, memory, size, error."""

import importlib.util
import os

import numpy as np

from .common import ALGORITHMS, DTYPES, SHAPES, TARGETS, call, runnable, scores


def timeraw_import():
    """Import time over NumPy's."""
    return "import twopass", "import numpy"


timeraw_import.version = "1"
timeraw_import.number = 1


class Memory:
    params = [TARGETS, [name for name in ALGORITHMS if name != "limit"]]
    param_names = ["target", "algorithm"]
    version = "1"

    def setup(self, target, algorithm):
        self.call = call("softmax", target, algorithm, "float32", "16Mi")

    def peakmem_softmax(self, *parameters):
        self.call()


class Extension:
    params = [TARGETS]
    param_names = ["target"]
    unit = "bytes"
    version = "1"

    def setup(self, target):
        self.module = importlib.util.find_spec(f"twopass._{target}")
        if self.module is None:
            raise NotImplementedError

    def track_extension_size(self, target):
        return os.path.getsize(self.module.origin)


class Accuracy:
    """Largest error against long double, over inputs that are hard for sums of float."""

    params = [TARGETS, DTYPES]
    param_names = ["target", "dtype"]
    unit = "ULP"
    version = "1"

    def setup(self, target, dtype):
        self.softmax = runnable(target).softmax

    def track_max_ulp(self, target, dtype):
        return max(max_ulp(self.softmax(x), x) for x in hard_inputs(dtype))


def hard_inputs(dtype):
    """Yield ordinary scores, equal ones, and one that stands above a long tail."""
    yield scores(SHAPES["1Mi"][0], dtype)
    yield np.ones(100_000, dtype)
    tail = np.full(100_000, -8, dtype)
    tail[0] = 0
    yield tail


def max_ulp(got, x):
    terms = np.exp(x.astype(np.longdouble) - x.max())
    exact = terms / terms.sum()
    return float(
        np.max(abs(got - exact) / np.spacing(exact.astype(got.dtype)).astype(np.longdouble))
    )
