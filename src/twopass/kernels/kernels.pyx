# distutils: language = c++
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True, embedsignature=True
"""The kernels of one target: compiled once for each, under the names twopass._skylake_x, twopass._zen2 and so on.

Design note
-----------
Read in this order; each file is one idea.

vec.pxi         the vector type: 512 logical bits on every ISA
exp.pxi         e^x as m * 2^n, and terms m * 2^(n - E): why nothing overflows without a max pass
sums.pxi        lanes, blocks, segments and the pairs they end in: why the bits are the same everywhere
rows.pxi        a row as blocks, wherever its elements lie
passes.pxi      one sweep over a row: THE TWO PASSES are sum_segment and write_range
logarithm.pxi   the scalar end of a row
algorithms.pxi  the five algorithms as sequences of passes
jobs.pxi        a row of an array from beginning to end
columns.pxi     rows that lie side by side, a lane each (the axis is not the last)
run.pxi         many of them
plan.pxi        from NumPy to jobs; which algorithm, when
pairs.pxi       the pair in public: rows that are larger than one array
measure.pxi     what the benchmarks need beside: single passes, the limit
"""
from cpython.long cimport PyLong_AsLongAndOverflow
from libc.math cimport INFINITY, NAN, fabs, floor, fma, fmax, fmin, frexp, isfinite, ldexp, log2, nearbyint
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from numpy cimport (
    NPY_DOUBLE, NPY_FLOAT, NPY_FLOAT16, PyArray_BYTES, PyArray_DIMS, PyArray_EMPTY, PyArray_ISCARRAY,
    PyArray_ISCARRAY_RO, PyArray_NBYTES, PyArray_NDIM, PyArray_SIZE, PyArray_TYPE, import_array,
    ndarray, npy_intp,
)

from twopass import _api

import_array()

include "vec.pxi"
include "exp.pxi"
include "sums.pxi"
include "rows.pxi"
include "logarithm.pxi"
include "passes.pxi"
include "algorithms.pxi"
include "jobs.pxi"
include "columns.pxi"
include "run.pxi"
include "plan.pxi"
include "pairs.pxi"
include "measure.pxi"

# Fewer elements than this never go to threads (_threads.SHARE is half of it); up to LOCKED, a call is over before
# another thread could make use of the GIL.
cdef Py_ssize_t QUICK = 1 << 19, LOCKED = 1 << 14


cdef inline bint fits(ndarray out, int ndim, const npy_intp* shape, ndarray x) noexcept:
    """Whether results of a shape can go to out as they come: it is x itself, or elsewhere."""
    cdef char* a = PyArray_BYTES(out)
    cdef char* b = PyArray_BYTES(x)
    cdef Py_ssize_t size = PyArray_NBYTES(out), x_size = PyArray_NBYTES(x)
    cdef int d
    if not (PyArray_ISCARRAY(out) and PyArray_TYPE(out) == PyArray_TYPE(x) and PyArray_NDIM(out) == ndim):
        return False
    for d in range(ndim):
        if PyArray_DIMS(out)[d] != shape[d]:
            return False
    return a + size <= b or b + x_size <= a or (a == b and size == x_size)


cdef dict NUMBERS = {name: number for number, name in enumerate(ALGORITHMS)} | {"auto": AUTO}


cdef bint divide(
    ndarray a, object axis, Py_ssize_t* outer, Py_ssize_t* n, Py_ssize_t* inner, npy_intp* kept
) noexcept:
    """The lengths of what comes before an axis, of the axis and of what comes behind, and the shape without it.
    False: there is no such axis."""
    cdef int ndim = PyArray_NDIM(a), overflow = 0, d
    cdef long at
    outer[0] = inner[0] = 1
    n[0] = PyArray_SIZE(a)
    if axis is None:
        return True
    if type(axis) is not int:
        return False
    at = PyLong_AsLongAndOverflow(axis, &overflow)
    if at < 0:
        at += ndim
    if overflow != 0 or not 0 <= at < ndim:
        return False
    for d in range(ndim):
        if d < at:
            kept[d] = PyArray_DIMS(a)[d]
            outer[0] *= kept[d]
        elif d > at:
            kept[d - 1] = PyArray_DIMS(a)[d]
            inner[0] *= kept[d - 1]
    n[0] = PyArray_DIMS(a)[at]
    return True


cdef object quick(int function, object x, object axis, object out, object algorithm, object threads):
    """The common case without Python-level work: a contiguous array, over one axis or all. None: not this case."""
    cdef ndarray source, target
    cdef int dtype, ndim
    cdef bint done
    cdef Py_ssize_t outer, inner
    cdef npy_intp[MAX_DIMS] kept
    cdef npy_intp* shape
    cdef Job job
    cdef object number = NUMBERS.get(algorithm) if type(algorithm) is str else None
    if (type(x) is not ndarray or not is_simple(<ndarray> x) or number is None
            or not (threads is None or type(threads) is int and threads > 0)):
        return None
    source = <ndarray> x
    dtype = PyArray_TYPE(source)
    ndim = PyArray_NDIM(source)
    if ndim == 0 or not 0 < PyArray_SIZE(source) < QUICK:
        return None
    if not divide(source, axis, &outer, &job.n, &inner, kept):
        return None
    shape = PyArray_DIMS(source)
    if function == LOGSUMEXP:
        ndim = 0 if axis is None else ndim - 1
        shape = kept
    if out is None:
        target = PyArray_EMPTY(ndim, shape, dtype, 0)
    elif type(out) is ndarray and fits(<ndarray> out, ndim, shape, source):
        target = <ndarray> out
    else:
        return None
    job.rows = job.shape[0] = outer
    job.x = PyArray_BYTES(source)
    job.y = PyArray_BYTES(target)
    job.ndim = job.y_column_step = 1
    job.columns = inner if inner > 1 else 0
    job.x_stride = inner
    job.y_stride = 1 if function == LOGSUMEXP else inner
    job.x_steps[0] = job.n * inner * item_size(dtype)
    job.y_steps[0] = inner * item_size(dtype) if function == LOGSUMEXP else job.x_steps[0]
    job.function = function
    choose(&job, dtype, number, job.x == job.y)
    divide_columns(&job, dtype)
    if PyArray_SIZE(source) <= LOCKED:
        done = run_rows_of(dtype, &job, 0, job.rows)
    else:
        with nogil:
            done = run_rows_of(dtype, &job, 0, job.rows)
    if not done:
        raise MemoryError(NO_SPACE)
    return target[()] if out is None and ndim == 0 else target


def softmax(x, axis=None, *, out=None, algorithm="auto", threads=None):
    """
    Softmax: ``exp(x) / sum(exp(x))`` along an axis, without overflow.

    Parameters
    ----------
    x : array_like
        Scores, of any shape. float16, float32 and float64 keep their dtype (float16 is computed in
        float32); integers and bool become float64; longdouble and complex take a slow path.
    axis : int or tuple of ints, optional
        The axis or axes whose elements sum to 1. Default: all of them.
    out : ndarray, optional
        Where to put the result: of the result's shape and dtype; may be `x` itself.
    algorithm : str, optional
        One of ``three_pass_recompute``, ``three_pass_reload``, ``two_pass``, ``two_pass_reload``,
        ``online``, or ``auto`` (the default), the fastest for this size and CPU. All give the same bits.
    threads : int, optional
        How many threads may share the work. Default: `get_num_threads()` for large inputs.

    Returns
    -------
    ndarray
        Probabilities, of the shape of `x`. At most 8 ULP from the exact values.

    Raises
    ------
    TypeError
        For a dtype that is not numeric, a masked array, or an axis that is not an integer.
    ValueError
        For an unknown algorithm, a repeated axis, or an `out` of the wrong shape or dtype.
    numpy.exceptions.AxisError
        For an axis that `x` does not have.

    See Also
    --------
    log_softmax, logsumexp

    Notes
    -----
    The algorithm is Algorithm 3 of Dukhan and Ablavatski, *The Two-Pass Softmax Algorithm* (2020),
    section 5. Rows with NaN or +inf are all NaN, as in SciPy; no warning is given.

    Examples
    --------
    >>> import numpy as np, twopass
    >>> twopass.softmax(np.array([1.0, 2.0, 3.0])).round(4)
    array([0.09  , 0.2447, 0.6652])
    """
    y = quick(SOFTMAX, x, axis, out, algorithm, threads)
    return _api.elementwise(Plan, SOFTMAX, x, axis, out, algorithm, threads) if y is None else y


def log_softmax(x, axis=None, *, out=None, algorithm="auto", threads=None):
    """
    Logarithm of softmax: ``x - log(sum(exp(x)))`` along an axis, exact where softmax underflows.

    Parameters
    ----------
    x : array_like
        Scores, as for `softmax`.
    axis : int or tuple of ints, optional
        The axis or axes to reduce over. Default: all of them.
    out : ndarray, optional
        Where to put the result: of the result's shape and dtype; may be `x` itself.
    algorithm : str, optional
        As for `softmax`; those that keep exponentials read the scores instead.
    threads : int, optional
        How many threads may share the work. Default: `get_num_threads()` for large inputs.

    Returns
    -------
    ndarray
        Log-probabilities y, of the shape of `x`, within ``3 * eps * max(1, |y|)``.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for `softmax`.

    See Also
    --------
    softmax, logsumexp

    Examples
    --------
    >>> import numpy as np, twopass
    >>> twopass.log_softmax(np.array([0.0, -1000.0]))
    array([    0., -1000.])
    """
    y = quick(LOG_SOFTMAX, x, axis, out, algorithm, threads)
    return _api.elementwise(Plan, LOG_SOFTMAX, x, axis, out, algorithm, threads) if y is None else y


def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False, *, out=None, algorithm="auto", threads=None):
    """
    Logarithm of the sum of exponentials, ``log(sum(exp(a)))``, along an axis, without overflow.

    Parameters
    ----------
    a : array_like
        Exponents, of any shape; dtypes as for `softmax`.
    axis : int or tuple of ints, optional
        The axis or axes to reduce over. Default: all of them.
    b : array_like, optional
        Weights: ``log(sum(b * exp(a)))``; broadcast with `a`; may be negative. Takes the slow path.
    keepdims : bool, optional
        Keep the reduced axes with length 1.
    return_sign : bool, optional
        Return the sign of the sum, too, and the logarithm of its magnitude. Takes the slow path.
    out : ndarray, optional
        Where to put the result: of the result's shape and dtype.
    algorithm : str, optional
        As for `softmax`; only how the sum is taken matters.
    threads : int, optional
        How many threads may share the work. Default: `get_num_threads()` for large inputs.

    Returns
    -------
    result : ndarray or scalar
        y, within ``3 * eps * max(1, |y|)``.
    sign : ndarray or scalar
        Only with `return_sign`.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for `softmax`.

    See Also
    --------
    softmax, log_softmax

    Examples
    --------
    >>> import numpy as np, twopass
    >>> float(twopass.logsumexp(np.array([1000.0, 1000.0])))
    1000.6931471805599
    """
    y = None
    if b is None and not keepdims and not return_sign:
        y = quick(LOGSUMEXP, a, axis, out, algorithm, threads)
    if y is None:
        return _api.logsumexp(Plan, a, axis, b, keepdims, return_sign, out, algorithm, threads)
    return y
