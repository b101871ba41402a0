"""Other libraries' softmax, called the fastest way each offers: bound input, preallocated output.

Adding a peer is one function and one row of `PEERS`.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from numpy.typing import NDArray

from twopass.bench.cases import Case

Array = NDArray[Any]
Call = Callable[[], object]


def installed() -> list[str]:
    """Return the peers that can be imported here."""
    return [name for name in PEERS if find_spec(name) is not None]


def call(name: str, case: Case, x: Array, out: Array) -> Call:
    """Return a callable of no arguments that runs a peer on `x`, with the threads of the case."""
    return PEERS[name](case, x, out)


def _scipy(case: Case, x: Array, out: Array) -> Call:
    # Takes no output and no threads.
    return partial(getattr(import_module("scipy.special"), case.function), x, axis=case.axis)


def _torch(case: Case, x: Array, out: Array) -> Call:
    torch = import_module("torch")
    torch.set_num_threads(case.threads)
    function = getattr(torch, case.function)
    return partial(function, torch.from_numpy(x), case.axis, out=torch.from_numpy(out))


def _onnxruntime(case: Case, x: Array, out: Array) -> Call:
    ort = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # silent about float16 running through casts
    # Else its threads go on turning for a while, on the CPUs of whoever is next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = ort.InferenceSession(onnx_model(case), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y", "cpu", 0, out.dtype.type, out.shape, out.ctypes.data)
    # The session and the arrays live as long as the call.
    return partial(_run_bound, session, binding, (x, out))


def _run_bound(session: Any, binding: Any, _arrays: tuple[Array, Array]) -> None:
    session.run_with_iobinding(binding)


def _openvino(case: Case, x: Array, out: Array) -> Call:
    # The face of oneDNN, which the paper calls DNNL, that a Python program can have.
    if case.dtype == "float64" or case.function == "logsumexp":
        raise ValueError(f"openvino does not compute {case.function} in {case.dtype}")
    ov = import_module("openvino")
    core = ov.Core()
    model = core.read_model(onnx_model(case))
    model.reshape(list(case.shape))
    options = {
        "INFERENCE_NUM_THREADS": case.threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": case.dtype.replace("float", "f"),
    }
    request = core.compile_model(model, "CPU", options).create_infer_request()
    request.set_input_tensor(ov.Tensor(x, shared_memory=True))
    request.set_output_tensor(ov.Tensor(out, shared_memory=True))
    return partial(_infer, request, (x, out))


def _infer(request: Any, _arrays: tuple[Array, Array]) -> None:
    request.infer()


PEERS: dict[str, Callable[[Case, Array, Array], Call]] = {
    "scipy": _scipy,
    "torch": _torch,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}


# A model of one node, written as protocol-buffer bytes: the onnx package is not needed for that.
# Field numbers are those of onnx.proto; a length-delimited field has wire type 2, an integer 0.

ONNX_OPERATORS = {
    "softmax": "Softmax",
    "log_softmax": "LogSoftmax",
    "logsumexp": "ReduceLogSumExp",
}
ONNX_TYPES = {"float32": 1, "float16": 10, "float64": 11}
INT, INTS = 2, 7  # AttributeProto.AttributeType
OPSET = 13  # the last one with the reduced axes as an attribute


def onnx_model(case: Case) -> bytes:
    """Return the bytes of an ONNX model that maps x to y = function(x) along the case's axis."""
    reduces = case.function == "logsumexp"
    attributes = (
        [_attribute("axes", 8, INTS, case.axis), _attribute("keepdims", 3, INT, 0)]
        if reduces
        else [_attribute("axis", 3, INT, case.axis)]
    )
    node = b"".join(
        [_field(1, b"x"), _field(2, b"y"), _field(4, ONNX_OPERATORS[case.function].encode())]
        + [_field(5, attribute) for attribute in attributes]
    )
    rank = len(case.shape)
    graph = b"".join(
        [
            _field(1, node),
            _field(2, b"twopass"),
            _field(11, _tensor(b"x", case.dtype, rank)),
            _field(12, _tensor(b"y", case.dtype, rank - reduces)),
        ]
    )
    operators = _field(1, b"") + _field(2, OPSET)
    return _field(1, 8) + _field(8, operators) + _field(7, graph)  # IR version, opset, graph


def _tensor(name: bytes, dtype: str, rank: int) -> bytes:
    dimensions = b"".join(_field(1, _field(2, b"%s%d" % (name, i))) for i in range(rank))
    tensor = _field(1, ONNX_TYPES[dtype]) + _field(2, dimensions)
    return _field(1, name) + _field(2, _field(1, tensor))


def _attribute(name: str, value_field: int, kind: int, value: int) -> bytes:
    return _field(1, name.encode()) + _field(value_field, value) + _field(20, kind)


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(n: int) -> bytes:
    groups = []
    while n > 127:
        groups.append(n & 127 | 128)
        n >>= 7
    return bytes([*groups, n])
