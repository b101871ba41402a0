# The face of every compiled target module; the build installs one copy beside each of them.
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ALGORITHMS: tuple[str, ...]
PASSES: tuple[str, ...]

def configure(*, l2: int, llc: int, **tuning: float) -> None: ...
def extexp(x: NDArray[np.floating[Any]]) -> tuple[NDArray[Any], NDArray[Any]]: ...
def limit(x: NDArray[np.floating[Any]], out: NDArray[np.floating[Any]]) -> None: ...
def run_pass(
    name: str, x: NDArray[np.floating[Any]], out: NDArray[np.floating[Any]]
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
