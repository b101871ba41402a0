"""ONNX Runtime on the CPU: a model of one node, which the onnx package writes."""

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from twopass.bench.cases import Case
from twopass.bench.peer import Array, Call, Peer
from twopass.functions import BY_NAME, NAMES

# The last opset with the reduced axes as an attribute, in a format that old runtimes read.
OPSET, IR_VERSION = 13, 8


def _bind(case: Case, x: Array, out: Array) -> Call:
    ort = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # silent about float16 running through casts
    # Else its threads go on turning for a while, on the CPUs of whoever is next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = ort.InferenceSession(_model(case, out), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y", "cpu", 0, out.dtype.type, out.shape, out.ctypes.data)
    # The session and the arrays live as long as the call.
    return partial(_run, session, binding, (x, out))


def _run(session: Any, binding: Any, _arrays: tuple[Array, Array]) -> None:
    session.run_with_iobinding(binding)


def _model(case: Case, out: Array) -> bytes:
    """Return a model that maps x to y = function(x) along the case's axis."""
    helper = import_module("onnx.helper")
    along = {"axes": [case.axis], "keepdims": 0} if case.reduces else {"axis": case.axis}
    node = helper.make_node(BY_NAME[case.function].onnx, ["x"], ["y"], **along)
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(case.dtype))
    x, y = (
        helper.make_tensor_value_info(name, dtype, shape)
        for name, shape in (("x", case.shape), ("y", out.shape))
    )
    graph = helper.make_graph([node], "twopass", [x], [y])
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


PEER = Peer("onnxruntime", dict.fromkeys(NAMES, _bind), {"linestyle": "-."})
