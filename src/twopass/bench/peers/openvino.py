"""OpenVINO: the face of oneDNN, which the paper calls DNNL, that a Python program can have."""

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from twopass.bench.cases import Case
from twopass.bench.peer import Array, Call, Peer
from twopass.functions import TABLE


def _bind(case: Case, x: Array, out: Array) -> Call:
    ov, operators = import_module("openvino"), import_module("openvino.opset13")
    parameter = operators.parameter(list(case.shape), np.dtype(case.dtype).type)
    node = getattr(operators, case.function)(parameter, case.axis)
    options = {
        "INFERENCE_NUM_THREADS": case.threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": case.dtype.replace("float", "f"),
    }
    model = ov.Model([node], [parameter], "twopass")
    request = ov.Core().compile_model(model, "CPU", options).create_infer_request()
    request.set_input_tensor(ov.Tensor(x, shared_memory=True))
    request.set_output_tensor(ov.Tensor(out, shared_memory=True))
    # The arrays live as long as the call.
    return partial(_infer, request, (x, out))


def _infer(request: Any, _arrays: tuple[Array, Array]) -> None:
    request.infer()


PEER = Peer(
    "openvino",
    dict.fromkeys((row.name for row in TABLE if not row.reduces), _bind),
    {"linestyle": ":"},
    dtypes=("float16", "float32"),
)
