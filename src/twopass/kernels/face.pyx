# distutils: language = c++
# cython: language_level=3
# cython: freethreading_compatible=True, embedsignature=True
"""The kernels of one target: compiled once for each, under the names twopass._skylake_x, twopass._zen2 and so on.

This is their face in Python: functions, plans and pairs. kernels/README.md walks a row from here to the store.
"""
from cpython.long cimport PyLong_AsLongAndOverflow
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from numpy cimport (
    PyArray_BYTES, PyArray_DIMS, PyArray_EMPTY, PyArray_ISCARRAY, PyArray_ISCARRAY_RO, PyArray_ITEMSIZE, PyArray_NBYTES,
    PyArray_NDIM, PyArray_SIZE, PyArray_TYPE, import_array, ndarray, npy_intp,
)

from twopass.kernels.algorithms cimport AUTO, TWO_PASS
from twopass.kernels.job cimport (
    MAX_DIMS, OPERANDS, Axis, Job, add_axis, add_columns, add_operand, axis_of, begin_job, expect_operands,
)
from twopass.kernels.sums cimport Pair

from twopass import _api, functions

import_array()

include "drive/totals.pxi"
include "drive/stage.pxi"
include "drive/passes.pxi"
include "drive/row.pxi"
include "drive/short_rows.pxi"
include "drive/columns.pxi"
include "drive/rows.pxi"
include "drive/choose.pxi"
include "drive/steps.pxi"
include "drive/chunks.pxi"
include "table.pxi"

# Fewer elements than this never go to threads (_threads.SHARE is half of it); up to LOCKED, a call is over before
# another thread could make use of the GIL.
cdef Py_ssize_t QUICK = 1 << 19, LOCKED = 1 << 14

cdef dict NUMBERS_OF = {name: number for number, name in enumerate(functions.ALGORITHMS)} | {"auto": AUTO}

cdef tuple NO_OPERANDS = (None, None, None, None)
NO_SPACE = "no memory for the work space of a row"


def configure(*, llc, stream=1.0):
    """Tell this build about the machine: the last-level cache in bytes, and the number of its row in the table of targets.

    Results larger than the last-level cache bypass it, as long as no terms are kept in their place; `auto` does that
    for results of up to `stream` times the last-level cache.
    """
    global LLC, STREAM
    LLC, STREAM = llc, stream


cdef class Plan:
    """Rows of an array, a function of theirs, and the way to compute it: what threads share.

    Parameters
    ----------
    function : int
        Its number in the table of functions.
    x : ndarray of float16, float32 or float64
        Aligned, native byte order, not empty, with the reduced axis last.
    y : ndarray
        The output: of x's dtype and shape, or without the last axis for a function that has one number a row.
    algorithm : int
        An index into ALGORITHMS; -1 is ``auto``.
    aliased : bool
        Whether x and y are the same memory.
    scale : float, optional
        A factor of x, representable in x's dtype.
    bias, weights : ndarray, optional
        Of x's shape (by strides of 0, where they are broadcast) and dtype. The weights are finite.
    where : ndarray of bool, optional
        Of x's shape.
    lse : ndarray, optional
        Of x's shape, with a stride of 0 along its last axis: receives the log-sum-exp of each row.
    signs : ndarray, optional
        For the function that has signs: laid out like y.
    """

    cdef Job job
    cdef Halfway halfway
    cdef int function, storage
    cdef object arrays
    cdef Py_ssize_t elements

    def __cinit__(
        self, Py_ssize_t function, ndarray x, ndarray y, Py_ssize_t algorithm, bint aliased, *, double scale=1, bias=None,
        weights=None, where=None, lse=None, ndarray signs=None,
    ):
        cdef Task task = task_of(&self.job)
        task.algorithm, task.aliased = algorithm, aliased
        self.arrays = (x, y, bias, weights, where, lse, signs)
        self.elements = PyArray_SIZE(x)
        self.function, self.storage = function, storage_of(x)
        lay_out(&self.job, x, y, True, (bias, weights, where, lse), scale, signs)
        call(function, self.storage, CHOOSE, &task)
        self.halfway.pairs = <Pair*> malloc(max(1, segments(self.job.n)) * sizeof(Pair))
        if self.halfway.pairs is NULL:
            raise MemoryError(NO_SPACE)

    def __dealloc__(self):
        free(self.halfway.pairs)

    @property
    def rows(self):
        """The number of rows; of tiles, where rows lie side by side."""
        return self.job.rows

    @property
    def length(self):
        """The number of elements in a row or tile."""
        return self.elements // self.job.rows

    @property
    def segments(self):
        """The number of segments in a row: what sum_segments and write_segments count in."""
        return segments(self.job.n)

    @property
    def divisible(self):
        """Whether one row's segments can be worked on by themselves."""
        return not self.job.scratch and self.job.columns == 0

    def run(self, Py_ssize_t first, Py_ssize_t last):
        """Do rows first..last from beginning to end."""
        if not self.take(RUN, 0, first, last, False):
            raise MemoryError(NO_SPACE)

    def sum_segments(self, Py_ssize_t row, Py_ssize_t first, Py_ssize_t last):
        """Pass 1 over segments first..last of a row. False: something needs the shift of `settle`."""
        return self.take(SUM, row, first, last, False)

    def settle(self, Py_ssize_t row, bint summed):
        """Between the passes. False: sum all segments again; the second time is the last."""
        return self.take(SETTLE, row, 0, 0, summed)

    def write_segments(self, Py_ssize_t row, Py_ssize_t first, Py_ssize_t last):
        """Pass 2 over segments first..last of a row; nothing is left to do where it is reduced to a number."""
        self.take(WRITE, row, first, last, False)

    cdef bint take(self, Step step, Py_ssize_t row, Py_ssize_t first, Py_ssize_t last, bint summed) except -1:
        cdef Task task = task_of(&self.job)
        task.halfway = &self.halfway
        task.row, task.first, task.last, task.summed = row, first, last, summed
        with nogil:
            return call(self.function, self.storage, step, &task)


cdef int lay_out(
    Job* job, ndarray x, ndarray y, bint by_columns, tuple operands, double scale, ndarray signs
) except -1:
    """The job of rows that lie along the last axis of x. y has that axis, too, or one number a row."""
    cdef int d, k, last = x.ndim - 1
    cdef bint reduces = y.ndim == last
    cdef Py_ssize_t size = PyArray_ITEMSIZE(x)
    cdef Axis axis = axis_with(x, operands, last, size if reduces else y.strides[last])
    begin_job(job, PyArray_BYTES(x), PyArray_BYTES(y), axis, size)
    if scale != 1 or any(operand is not None for operand in operands):
        expect_operands(job, scale, 0 if signs is None else PyArray_BYTES(signs) - PyArray_BYTES(y))
    for k in range(OPERANDS):
        if operands[k] is not None:
            add_operand(job, k, PyArray_BYTES(operands[k]), axis, PyArray_ITEMSIZE(operands[k]))
    for d in range(last):
        axis = axis_with(x, operands, d, y.strides[d])
        if not (by_columns and add_columns(job, axis, size, reduces)):
            add_axis(job, axis)
    return 0


cdef Axis axis_with(ndarray x, tuple operands, int d, Py_ssize_t y_step) except *:
    """Axis d of x and of what broadcasts against it."""
    cdef Axis axis = axis_of(x.shape[d], x.strides[d], y_step)
    cdef int k
    for k in range(OPERANDS):
        if operands[k] is not None:
            axis.steps[k] = (<ndarray> operands[k]).strides[d]
    return axis


# ---- The short way ---------------------------------------------------------------------------------

cdef inline bint is_simple(ndarray a) noexcept:
    """Contiguous, aligned, native: what quick() takes."""
    return has_kernel(a) and PyArray_ISCARRAY_RO(a)


cdef inline bint suits(ndarray out, int ndim, const npy_intp* shape, ndarray x) noexcept:
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


cdef object quick(int function, bint reduces, object x, object axis, object out, object algorithm, object threads):
    """The common case without Python-level work: a contiguous array, over one axis or all. None: not this case."""
    cdef ndarray source, target
    cdef int storage, ndim
    cdef bint done
    cdef Py_ssize_t outer, n, inner, size, step
    cdef npy_intp[MAX_DIMS] kept
    cdef npy_intp* shape
    cdef Job job
    cdef Axis behind
    cdef Task task
    cdef object number = NUMBERS_OF.get(algorithm) if type(algorithm) is str else None
    if (type(x) is not ndarray or not is_simple(<ndarray> x) or number is None
            or not (threads is None or type(threads) is int and threads > 0)):
        return None
    source = <ndarray> x
    ndim = PyArray_NDIM(source)
    if ndim == 0 or not 0 < PyArray_SIZE(source) < QUICK:
        return None
    if not divide(source, axis, &outer, &n, &inner, kept):
        return None
    shape = PyArray_DIMS(source)
    if reduces:
        ndim = 0 if axis is None else ndim - 1
        shape = kept
    if out is None:
        target = PyArray_EMPTY(ndim, shape, PyArray_TYPE(source), 0)
    elif type(out) is ndarray and suits(<ndarray> out, ndim, shape, source):
        target = <ndarray> out
    else:
        return None
    storage = storage_of(source)
    size = PyArray_ITEMSIZE(source)
    step = inner * size
    begin_job(&job, PyArray_BYTES(source), PyArray_BYTES(target), axis_of(n, step, size if reduces else step), size)
    behind = axis_of(inner, size, size)
    add_axis(&job, axis_of(outer, n * step, step if reduces else n * step))
    if not add_columns(&job, behind, size, reduces):
        add_axis(&job, behind)
    task = task_of(&job)
    task.algorithm, task.aliased = <Py_ssize_t> number, job.x == job.y
    call(function, storage, CHOOSE, &task)
    task.last = job.rows
    if PyArray_SIZE(source) <= LOCKED:
        done = call(function, storage, RUN, &task)
    else:
        with nogil:
            done = call(function, storage, RUN, &task)
    if not done:
        raise MemoryError(NO_SPACE)
    return target[()] if out is None and ndim == 0 else target


# ---- Functions -------------------------------------------------------------------------------------

def softmax(
    x, axis=None, *, out=None, algorithm="auto", threads=None, scale=None, bias=None, where=None, return_lse=False
):
    """
    Softmax: ``exp(x) / sum(exp(x))`` along an axis, without overflow.

    Parameters
    ----------
    x : array_like
        Scores, of any shape. float16, float32 and float64 keep their dtype (float16 is computed in
        float32); integers and bool become float64; longdouble and complex take a slow path.
    axis : int or tuple of ints, optional
        The axis or axes whose elements sum to 1. Default: all of them.
    scale : float, optional
        A factor of the scores: ``softmax`` of ``scale * x + bias``, rounded as NumPy rounds it, without an
        array for it.
    bias : array_like, optional
        Added to the scaled scores; broadcasts against `x`, and widens its dtype as NumPy has it. -inf leaves
        an element out.
    where : array_like of bool, optional
        Broadcasts against `x`; False leaves an element out: its result is 0, also in a row of which nothing is left.
    return_lse : bool, optional
        Return the `logsumexp` of the rows, too.
    out : ndarray, optional
        Where to put the result: of the result's shape and dtype; may be `x` itself.
    algorithm : str, optional
        One of ``three_pass_recompute``, ``three_pass_reload``, ``two_pass``, ``two_pass_reload``,
        ``online``, or ``auto`` (the default), the fastest for this size and CPU. All give the same bits.
    threads : int, optional
        How many threads may share the work. Default: `get_num_threads()` for large inputs.

    Returns
    -------
    y : ndarray
        Probabilities, of the shape of `x`. At most 8 ULP from the exact values.
    lse : ndarray or scalar
        Only with `return_lse`: of the shape of `x` without the reduced axes.

    Raises
    ------
    TypeError
        For a dtype that is not numeric (of `where`: not bool), a masked array, a scale that is not a real number, or
        an axis that is not an integer.
    ValueError
        For an unknown algorithm, a repeated axis, an operand that does not broadcast against `x`, or an `out` of the
        wrong shape or dtype.
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

    Half of each score, and the second one left out:

    >>> y, lse = twopass.softmax([1.0, 2.0, 3.0], scale=0.5, where=[True, False, True], return_lse=True)
    >>> y.round(4)
    array([0.2689, 0.    , 0.7311])
    >>> float(lse.round(4))
    1.8133
    """
    y = None
    if scale is None and bias is None and where is None and not return_lse:
        y = quick(SOFTMAX, False, x, axis, out, algorithm, threads)
    if y is None:
        return _api.elementwise(Plan, SOFTMAX, x, axis, out, algorithm, threads, scale, bias, where, return_lse)
    return y


def log_softmax(
    x, axis=None, *, out=None, algorithm="auto", threads=None, scale=None, bias=None, where=None, return_lse=False
):
    """
    Logarithm of softmax: ``x - log(sum(exp(x)))`` along an axis, exact where softmax underflows.

    Parameters
    ----------
    x : array_like
        Scores, as for `softmax`.
    axis : int or tuple of ints, optional
        The axis or axes to reduce over. Default: all of them.
    scale : float, optional
        A factor of the scores: ``log_softmax`` of ``scale * x + bias``, rounded as NumPy rounds it, without an
        array for it.
    bias : array_like, optional
        Added to the scaled scores; broadcasts against `x`. -inf leaves an element out.
    where : array_like of bool, optional
        Broadcasts against `x`; False leaves an element out: its result is -inf, also in a row of which nothing is left.
    return_lse : bool, optional
        Return the `logsumexp` of the rows, too.
    out : ndarray, optional
        Where to put the result: of the result's shape and dtype; may be `x` itself.
    algorithm : str, optional
        As for `softmax`; those that keep exponentials read the scores instead.
    threads : int, optional
        How many threads may share the work. Default: `get_num_threads()` for large inputs.

    Returns
    -------
    y : ndarray
        Log-probabilities, of the shape of `x`, within ``3 * eps * max(1, |y|)``.
    lse : ndarray or scalar
        Only with `return_lse`: of the shape of `x` without the reduced axes.

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

    A prior that a row of scores has in common, as its logarithm:

    >>> scores, prior = np.zeros((2, 3)), np.array([0.5, 0.25, 0.25])
    >>> np.exp(twopass.log_softmax(scores, axis=1, bias=np.log(prior))).round(4)
    array([[0.5 , 0.25, 0.25],
           [0.5 , 0.25, 0.25]])
    """
    y = None
    if scale is None and bias is None and where is None and not return_lse:
        y = quick(LOG_SOFTMAX, False, x, axis, out, algorithm, threads)
    if y is None:
        return _api.elementwise(Plan, LOG_SOFTMAX, x, axis, out, algorithm, threads, scale, bias, where, return_lse)
    return y


def logsumexp(
    a, axis=None, b=None, keepdims=False, return_sign=False, *, out=None, algorithm="auto", threads=None, scale=None,
    bias=None, where=None
):
    """
    Logarithm of the sum of exponentials, ``log(sum(exp(a)))``, along an axis, without overflow.

    Parameters
    ----------
    a : array_like
        Exponents, of any shape; dtypes as for `softmax`.
    axis : int or tuple of ints, optional
        The axis or axes to reduce over. Default: all of them.
    b : array_like, optional
        Weights: ``log(sum(b * exp(a)))``; broadcast with `a`; may be negative. 0 leaves an element out, whatever it is.
        They widen the dtype of `a` as SciPy has it; a Python number does not.
    keepdims : bool, optional
        Keep the reduced axes with length 1.
    return_sign : bool, optional
        Return the sign of the sum, too, and the logarithm of its magnitude: NaN, else, where the sum is negative.
    scale : float, optional
        A factor of the scores: ``logsumexp`` of ``scale * a + bias``, rounded as NumPy rounds it, without an
        array for it.
    bias : array_like, optional
        Added to the scaled scores; broadcasts against `a`. -inf leaves an element out.
    where : array_like of bool, optional
        Broadcasts against `a`; False leaves an element out. -inf where nothing is left.
    out : ndarray, optional
        Where to put the result: of the result's shape and dtype.
    algorithm : str, optional
        As for `softmax`; only how the sum is taken matters.
    threads : int, optional
        How many threads may share the work. Default: `get_num_threads()` for large inputs.

    Returns
    -------
    result : ndarray or scalar
        y, within ``3 * eps * max(1, |y|)``. Where weighted terms cancel, that times the sum of their sizes over the
        size of their sum.
    sign : ndarray or scalar
        Only with `return_sign`: 1, -1, or 0 where the sum is 0.

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

    The logarithms of a difference of exponentials, and of a mean:

    >>> size, sign = twopass.logsumexp([1001.0, 1000.0], b=[-1, 1], return_sign=True)
    >>> float(size), float(sign)
    (1000.5413248546129, -1.0)
    >>> float(twopass.logsumexp([1000.0, 1000.0], b=0.5))
    1000.0
    """
    y = None
    if b is None and not keepdims and not return_sign and scale is None and bias is None and where is None:
        y = quick(LOGSUMEXP, True, a, axis, out, algorithm, threads)
    if y is None:
        return _api.logsumexp(
            Plan, LOGSUMEXP, a, axis, b, keepdims, return_sign, out, algorithm, threads, scale, bias, where)
    return y


# ---- Pairs -----------------------------------------------------------------------------------------

cdef void run_chunks(int function, Step step, ndarray x, ndarray states, ndarray y):
    cdef Job job
    cdef Task task = task_of(&job)
    cdef int storage = storage_of(x)
    task.states, task.algorithm = <State*> PyArray_BYTES(states), TWO_PASS
    lay_out(&job, x, y, False, NO_OPERANDS, 1, None)
    call(function, storage, CHOOSE, &task)
    with nogil:
        call(function, storage, step, &task)


def sum_pairs(ndarray x, ndarray states):
    """Fill `states` with the sum of each row of a chunk.

    Parameters
    ----------
    x : ndarray of float16, float32 or float64
        Aligned, native byte order, with the reduced axis last.
    states : ndarray of _pairs.STATE
        Contiguous, of the shape of `x` without its last axis.
    """
    run_chunks(LOGSUMEXP, SUM_CHUNKS, x, states, x)


def apply_pairs(Py_ssize_t function, ndarray x, ndarray states, ndarray y):
    """Write the results of a chunk to `y`, given the sums of the whole rows.

    Parameters
    ----------
    function : int
        A function that rewrites rows: its number in the table of functions.
    x, states : ndarray
        As for `sum_pairs`.
    y : ndarray
        Of the shape and dtype of `x`, elsewhere in memory.
    """
    run_chunks(function, APPLY_STATES, x, states, y)


def finish_pairs(ndarray states, ndarray y):
    """Write the log-sum-exp of each state to `y`: contiguous, float16, float32 or float64."""
    cdef Job job
    cdef Task task = task_of(&job)
    task.states, task.last = <State*> PyArray_BYTES(states), PyArray_SIZE(y)
    begin_job(&job, NULL, PyArray_BYTES(y), axis_of(0, 0, 0), PyArray_ITEMSIZE(y))
    call(LOGSUMEXP, storage_of(y), FINISH_STATES, &task)


def split_pairs(ndarray states, ndarray hi, ndarray lo, ndarray exponent):
    """Write the sums of finite states as (hi + lo) * 2**exponent, hi in [1/2, 1): float64, float64 and int64."""
    cdef const State* state = <const State*> PyArray_BYTES(states)
    cdef Py_ssize_t r
    cdef Pair pair
    for r in range(PyArray_SIZE(states)):
        pair = scaled_pair(&state[r], 0)
        (<double*> PyArray_BYTES(hi))[r] = pair.hi
        (<double*> PyArray_BYTES(lo))[r] = pair.lo
        (<int64_t*> PyArray_BYTES(exponent))[r] = <int64_t> pair.e
