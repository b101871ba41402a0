# The face of every compiled target module; the build installs one copy beside each of them.
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ALGORITHMS: tuple[str, ...]
PASSES: tuple[str, ...]

def configure(*, llc: int, stream: float = ...) -> None: ...
def extexp(x: NDArray[np.floating[Any]]) -> tuple[NDArray[Any], NDArray[Any]]: ...
def limit(x: NDArray[np.floating[Any]], out: NDArray[np.floating[Any]]) -> float: ...
def run_pass(name: str, x: NDArray[np.floating[Any]], out: NDArray[np.floating[Any]]) -> float: ...
def sum_pairs(x: NDArray[np.floating[Any]], states: NDArray[Any]) -> None: ...
def apply_pairs(
    function: int, x: NDArray[np.floating[Any]], states: NDArray[Any], y: NDArray[np.floating[Any]]
) -> None: ...
def finish_pairs(states: NDArray[Any], y: NDArray[np.floating[Any]]) -> None: ...
def split_pairs(
    states: NDArray[Any], hi: NDArray[Any], lo: NDArray[Any], exponent: NDArray[Any]
) -> None: ...
def softmax(
    x: ArrayLike,
    axis: int | tuple[int, ...] | None = None,
    *,
    out: NDArray[Any] | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
) -> Any: ...
def log_softmax(
    x: ArrayLike,
    axis: int | tuple[int, ...] | None = None,
    *,
    out: NDArray[Any] | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
) -> Any: ...
def logsumexp(
    a: ArrayLike,
    axis: int | tuple[int, ...] | None = None,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    return_sign: bool = False,
    *,
    out: NDArray[Any] | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
) -> Any: ...
