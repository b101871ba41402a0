"""Softmax, log-softmax and log-sum-exp of Dask arrays, however the reduced axis is chunked.

One tree reduction of sums (48 bytes a row and chunk), then a map. Nothing is rechunked, and every
chunk is read twice: it need not be kept while the others are summed. Install with
``pip install 'twopass[dask]'``.

Where chunks end at multiples of 65536 elements of a row, or the reduced axis is not chunked at all,
the results have the bits of the NumPy functions; elsewhere they keep the same error bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask._task_spec import Alias, GraphNode, Task, TaskRef, convert_legacy_graph
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph
from dask.tokenize import tokenize

import twopass
from twopass import _api, _pairs, _reference

__all__ = ["log_softmax", "logsumexp", "softmax"]

Array = npt.NDArray[Any]
Axis = int | tuple[int, ...] | None
Key = Any  # dask.typing.Key: a name, or a tuple of a name and numbers

FAN_IN = 16  # states that one task of the tree adds up: they are small, and a task costs far more


def softmax(x: da.Array, axis: Axis = None) -> da.Array:
    """
    Softmax of a Dask array: ``exp(x) / sum(exp(x))`` along an axis, without overflow.

    Parameters
    ----------
    x : dask.array.Array
        Scores, chunked in any way: float16, float32, float64, integers or bool. Computed twice, so
        that no chunk has to be kept in between: persist what takes longer to compute than to store.
    axis : int or tuple of ints, optional
        The axis or axes whose elements sum to 1. Default: all of them.

    Returns
    -------
    dask.array.Array
        Probabilities, of the shape and chunks of `x`. Lazy.

    Raises
    ------
    TypeError
        For something else than a Dask array, or a dtype that has no kernel.
    numpy.exceptions.AxisError
        For an axis that `x` does not have.

    See Also
    --------
    twopass.softmax : the same for NumPy arrays.
    log_softmax, logsumexp

    Examples
    --------
    >>> import dask.array as da, twopass.dask
    >>> x = da.linspace(0, 9, 1_000_000, chunks=131_072)
    >>> float(twopass.dask.softmax(x).sum().compute().round(12))
    1.0
    """
    return _elementwise("softmax", x, axis)


def log_softmax(x: da.Array, axis: Axis = None) -> da.Array:
    """
    Logarithm of the softmax of a Dask array: ``x - log(sum(exp(x)))`` along an axis.

    Parameters
    ----------
    x : dask.array.Array
        Scores, as for `softmax`.
    axis : int or tuple of ints, optional
        The axis or axes to reduce over. Default: all of them.

    Returns
    -------
    dask.array.Array
        Log-probabilities, of the shape and chunks of `x`. Lazy.

    Raises
    ------
    TypeError, numpy.exceptions.AxisError
        As for `softmax`.

    See Also
    --------
    twopass.log_softmax : the same for NumPy arrays.
    softmax, logsumexp
    """
    return _elementwise("log_softmax", x, axis)


def logsumexp(x: da.Array, axis: Axis = None, keepdims: bool = False) -> da.Array:
    """
    Logarithm of the sum of exponentials of a Dask array, along an axis. `x` is read once.

    Parameters
    ----------
    x : dask.array.Array
        Exponents; dtypes as for `softmax`.
    axis : int or tuple of ints, optional
        The axis or axes to reduce over. Default: all of them.
    keepdims : bool, optional
        Keep the reduced axes with length 1.

    Returns
    -------
    dask.array.Array
        y, within ``3 * eps * max(1, |y|)``. Lazy.

    Raises
    ------
    TypeError, numpy.exceptions.AxisError
        As for `softmax`.

    See Also
    --------
    twopass.logsumexp : the same for NumPy arrays.
    softmax, log_softmax
    """
    axes, dtype = _check(x, axis)
    meta = np.empty((0,) * x.ndim, dtype)
    if _is_whole(x, axes):
        chunks = tuple((1,) if d in axes else sizes for d, sizes in enumerate(x.chunks))
        y = x.map_blocks(_whole_logsumexp, axis=axes, chunks=chunks, dtype=dtype, meta=meta)
    else:
        y = _sums(x, axes).map_blocks(_finish, axis=axes, to=dtype, dtype=dtype, meta=meta)
    return y if keepdims else y.squeeze(axes)


def _elementwise(function: str, x: da.Array, axis: Axis) -> da.Array:
    axes, dtype = _check(x, axis)
    options = {"dtype": dtype, "meta": np.empty((0,) * x.ndim, dtype)}
    if _is_whole(x, axes):
        return x.map_blocks(_whole, function=function, axis=axes, **options)
    index = tuple(range(x.ndim))
    sums = _sums(x, axes)
    inputs = _read_again(x, sums), index, sums, index
    return da.blockwise(
        _apply, index, *inputs, function=function, axis=axes, align_arrays=False, **options
    )


def _read_again(x: da.Array, sums: da.Array) -> da.Array:
    """
    Return x computed apart from x, and no chunk of it before the sums of its rows are there.

    So a chunk of x can be dropped as soon as it is summed, and none is read again only to wait. The
    names follow from those of `sums`: softmax and log_softmax of one x share what they read again.
    """
    keys = list(flatten(x.__dask_keys__()))
    graph = convert_legacy_graph(dict(x.__dask_optimize__(x.__dask_graph__(), keys)))
    states = _states_needed(graph, dict(zip(keys, _states(x, sums), strict=True)))
    suffix = tokenize(sums.name)
    new = {key: _rename(key, suffix) for key in states}
    again = {}
    for key, state in states.items():
        task = graph.get(key, Alias(new[key], key))  # what a cluster holds already is in no graph
        needed = [k for k in task.dependencies if k in new and k != key]
        task = task.substitute({k: new[k] for k in needed}, key=new[key])
        early = state is not None and all(states[k] != state for k in needed)
        again[new[key]] = Task(new[key], _after, task, TaskRef(state)) if early else task
    name = _rename(x.name, suffix)
    layers = HighLevelGraph.from_collections(name, again, dependencies=[x, sums])
    return da.Array(layers, name, x.chunks, meta=x._meta)


def _states(x: da.Array, sums: da.Array) -> Iterator[Key]:
    """Of each chunk of x, the key of the sums of its rows."""
    for block in np.ndindex(x.numblocks):
        yield (sums.name, *(i if n > 1 else 0 for i, n in zip(block, sums.numblocks, strict=True)))


def _states_needed(
    graph: dict[Key, GraphNode], states: dict[Key, Key | None]
) -> dict[Key, Key | None]:
    """Of each task, the sums that all who use it need; None where they need several."""
    needed: dict[Key, Key | None] = {}
    todo = list(states.items())
    while todo:
        key, state = todo.pop()
        if key in needed:
            if needed[key] in (state, None):
                continue
            state = None
        needed[key] = state
        if key in graph:
            todo += ((k, state) for k in graph[key].dependencies if k in graph)
    return needed


def _rename(key: Key, suffix: str) -> Key:
    if isinstance(key, tuple):
        return _rename(key[0], suffix), *key[1:]
    return f"{key}-{suffix}"


def _sums(x: da.Array, axes: tuple[int, ...]) -> da.Array:
    """States of whole rows (_pairs.STATE): the reduced axes have length 1."""
    return da.reduction(
        x,
        chunk=_sum_chunk,
        aggregate=_add,
        axis=axes,
        keepdims=True,
        dtype=_pairs.STATE,
        meta=np.empty((0,) * x.ndim, _pairs.STATE),
        split_every=FAN_IN,
    )


# What tasks run. A chunk is worked on by one thread: the scheduler knows how many there are.


def _whole(x: Array, function: str, axis: tuple[int, ...]) -> Any:
    return getattr(twopass, function)(x, axis=axis, threads=1)


def _whole_logsumexp(x: Array, axis: tuple[int, ...]) -> Any:
    return twopass.logsumexp(x, axis=axis, keepdims=True, threads=1)


def _sum_chunk(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    return twopass.pair_sum(x, axis).state


def _add(state: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    return _pairs.add_states(state, axis)


def _after(x: Array, state: Array) -> Array:
    return x


def _apply(x: Array, state: Array, function: str, axis: tuple[int, ...]) -> Any:
    return twopass.apply(x, _pairs.PairSum(state, axis, _reference.result_dtype(x.dtype)), function)


def _finish(state: Array, axis: tuple[int, ...], to: np.dtype[Any]) -> Any:
    return twopass.finish(_pairs.PairSum(state, axis, to), keepdims=True)


def _check(x: da.Array, axis: Axis) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the reduced axes and the dtype of the result."""
    if not isinstance(x, da.Array):
        raise TypeError(f"x must be a dask.array.Array, not {type(x).__name__}")
    if hasattr(x, "expr"):
        raise TypeError(
            "x is an expression, as Dask tries them out: "
            "set Dask's option array.query-planning to False before dask.array is imported"
        )
    if not isinstance(x._meta, np.ndarray) or isinstance(x._meta, np.ma.MaskedArray):
        raise TypeError(
            f"the chunks of x must be NumPy arrays, not {type(x._meta).__name__}: "
            "convert them with x.map_blocks"
        )
    axes = _api._axes(axis, x.ndim) if x.ndim else ()
    return axes, _pairs.result_dtype(x.dtype)


def _is_whole(x: da.Array, axes: tuple[int, ...]) -> bool:
    """Whether no row is divided between chunks."""
    return all(x.numblocks[d] == 1 for d in axes)
