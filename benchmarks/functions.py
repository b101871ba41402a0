"""Time per element of each function, by target, algorithm, dtype and shape."""

import os

from .common import ALGORITHMS, DTYPES, SHAPES, TARGETS, PerElement


class Function(PerElement):
    """What the three suites have in common."""

    param_names = ["target", "algorithm", "dtype", "shape"]
    version = "1"
    name: str

    def setup(self, target, algorithm, dtype, shape):
        self.prepare(self.name, target, algorithm, dtype, shape=shape)


class Softmax(Function):
    name = "softmax"
    params = [TARGETS, ALGORITHMS, DTYPES, list(SHAPES)]

    def time_softmax(self, *parameters):
        self.run()


class LogSoftmax(Function):
    name = "log_softmax"
    params = [TARGETS, ALGORITHMS, ["float32", "float64"], ["4Ki", "16Mi", "4096x1000"]]

    def time_log_softmax(self, *parameters):
        self.run()


class LogSumExp(Function):
    name = "logsumexp"
    params = [TARGETS, ALGORITHMS, ["float32", "float64"], ["4Ki", "16Mi", "4096x1000"]]

    def time_logsumexp(self, *parameters):
        self.run()


class Threads(PerElement):
    params = [TARGETS, [1, 2, 4, 8], ["16Mi", "4096x1000"]]
    param_names = ["target", "threads", "shape"]
    version = "1"

    def setup(self, target, threads, shape):
        if threads > usable_cpus():
            raise NotImplementedError
        self.prepare("softmax", target, "auto", "float32", shape=shape, threads=threads)

    def time_softmax(self, *parameters):
        self.run()


def usable_cpus():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
