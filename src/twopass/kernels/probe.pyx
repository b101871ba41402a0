# distutils: language = c++
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True, embedsignature=True
"""What benchmarks and tests of one target need beside its functions: single passes, the bare memory traffic, bare pairs
and every vector operation. A module of its own (twopass.bench._probe_zen2 and so on), so that no program carries it
along.
"""
from libc.math cimport INFINITY, NAN, fmax
from libc.string cimport memcpy

from numpy cimport (
    NPY_DOUBLE, NPY_FLOAT, NPY_FLOAT16, PyArray_BYTES, PyArray_DIMS, PyArray_EMPTY, PyArray_ISCARRAY, PyArray_SIZE,
    PyArray_TYPE, import_array, ndarray,
)

from twopass.kernels.exp cimport exp_at, reference_for
from twopass.kernels.functions.softmax cimport Softmax
from twopass.kernels.memory cimport fetch, put, row_of, unaligned_head, vectors
from twopass.kernels.sums cimport SEGMENT, Pair
from twopass.kernels.vec cimport (
    LOG2_E, FpState, Frame, Kind, Row, Vec, elem, half, prefetch, store_fence, sum_of_lanes, transpose,
)

import_array()

include "drive/totals.pxi"
include "drive/stage.pxi"
include "drive/passes.pxi"
include "drive/row.pxi"

PASSES = ("max", "sum_exp", "exp_store", "exp_write", "scale", "pair_sum", "pair_write")

cdef Py_ssize_t LLC = 32 << 20        # set once by configure()


def configure(*, llc, **tuning):
    """Tell this build about the last-level cache, as its target is told; nothing else matters here."""
    global LLC
    LLC = llc


def limit(ndarray x, ndarray out):
    """Move the bytes that a softmax over the last axis cannot avoid: read a row, read it again, write it.

    What is larger than the last-level cache is written past it. The second reading of a short row is from the caches.

    Parameters
    ----------
    x, out : ndarray of float32 or float64
        Contiguous, of one size and dtype. `out` receives a copy of `x`.

    Returns
    -------
    float
        The maximum: what the first reading is good for.
    """
    _check_pass(x, out)
    cdef Kind[float] of_float
    cdef Kind[double] of_double
    cdef Py_ssize_t size = PyArray_SIZE(x), n = x.shape[x.ndim - 1] if x.ndim > 0 else size
    cdef double found
    if n < SEGMENT:
        n *= SEGMENT // n           # several rows at a time: the same traffic, without a cost for each
    with nogil:
        if PyArray_TYPE(x) == NPY_FLOAT:
            found = move_rows(of_float, <const float*> PyArray_BYTES(x), <float*> PyArray_BYTES(out), n, size)
        else:
            found = move_rows(of_double, <const double*> PyArray_BYTES(x), <double*> PyArray_BYTES(out), n, size)
    return found


cdef double move_rows(Kind[elem] kind, const elem* x, elem* y, Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    cdef bint streaming = size * sizeof(elem) > LLC
    cdef double most = -INFINITY
    cdef Py_ssize_t i = 0
    while i < size:
        most = fmax(most, move(kind, x + i, y + i, min(n, size - i), streaming))
        i += n
    return most


cdef double move(Kind[elem] kind, const elem* x, elem* y, Py_ssize_t n, bint streaming) noexcept nogil:
    """Read a row, then copy it segment by segment from the last to the first, as the kernels do."""
    cdef Row[elem] row = row_of(kind, x, 1, n)
    cdef Py_ssize_t s, i, end, head, width = kind.lanes()
    cdef double most = largest(kind, &row, 0, n)
    for s in range(segments(n) - 1, -1, -1):
        i = s * SEGMENT
        end = min(n, i + SEGMENT)
        head = unaligned_head(kind, y + i, end - i) if streaming else 0
        memcpy(y + i, x + i, head * sizeof(elem))
        i += head
        while i < end:
            prefetch(<const char*> (x + i) + AHEAD)
            put(kind, y + i, end - i, fetch(kind, x + i, end - i), streaming)
            i += width
    if streaming:
        store_fence()
    return most


def run_pass(str name, ndarray x, ndarray out):
    """Run one pass of the algorithms over a row, to be timed.

    Parameters
    ----------
    name : str
        One of PASSES. `scale` takes `out` for the kept terms and scales them in place.
    x, out : ndarray of float32 or float64
        Contiguous, of one size and dtype, without special values.

    Returns
    -------
    float
        What a reading pass found, so that no compiler can leave it out; 0 from a writing pass.
    """
    _check_pass(x, out)
    if name not in PASSES:
        raise ValueError(f"pass {name!r} is not one of {', '.join(PASSES)}")
    cdef int index = PASSES.index(name)
    cdef Kind[float] of_float
    cdef Kind[double] of_double
    cdef Py_ssize_t n = PyArray_SIZE(x)
    cdef double found
    with nogil:
        if PyArray_TYPE(x) == NPY_FLOAT:
            found = sweep(of_float, index, <const float*> PyArray_BYTES(x), <float*> PyArray_BYTES(out), n)
        else:
            found = sweep(of_double, index, <const double*> PyArray_BYTES(x), <double*> PyArray_BYTES(out), n)
    return found


cdef double sweep(Kind[elem] kind, int index, const elem* x, elem* y, Py_ssize_t n) noexcept nogil:
    cdef FpState state
    state.set_aside()
    cdef Row[elem] row = row_of(kind, x, 1, n)
    cdef Softmax rule = Softmax(reference_for(kind, 4), 1, 0, True)
    cdef Py_ssize_t s
    cdef Pair pair
    cdef bint streaming = n * sizeof(elem) > LLC
    if index == 0:
        return largest(kind, &row, 0, n)
    cdef double found = 0
    for s in range(segments(n)):
        pair.e = NAN if index == 5 else rule.e
        pair.calm = True
        if index == 1 or index == 2 or index == 5:
            sum_segment(kind, EXP_SUM, &row, s * SEGMENT, min(n, (s + 1) * SEGMENT),
                        <char*> (y + s * SEGMENT) if index == 2 else NULL, False, &pair)
            found += pair.hi
        else:
            write_segments(kind, &rule, &row, s, s + 1, <char*> y if index == 4 else NULL, &pair,
                           y, 1, streaming and index != 4)
    return found


def _check_pass(ndarray x, ndarray out):
    if not (PyArray_ISCARRAY(x) and PyArray_ISCARRAY(out) and PyArray_TYPE(x) in (NPY_FLOAT, NPY_DOUBLE)
            and PyArray_TYPE(x) == PyArray_TYPE(out) and PyArray_SIZE(x) == PyArray_SIZE(out) > 0):
        raise ValueError("x and out must be contiguous float32 or float64 arrays of one dtype and size")


def extexp(ndarray x):
    """The paper's ExtExp: ``exp(x) = m * 2**n`` for each element.

    Parameters
    ----------
    x : ndarray of float32 or float64
        One-dimensional and contiguous; finite values within the range of the reduction.

    Returns
    -------
    m, n : ndarray
        The mantissas, in about [0.70, 1.42], and the exponents: whole numbers of the dtype of `x`.
    """
    cdef ndarray m = PyArray_EMPTY(1, PyArray_DIMS(x), PyArray_TYPE(x), 0)
    cdef ndarray n = PyArray_EMPTY(1, PyArray_DIMS(x), PyArray_TYPE(x), 0)
    cdef Kind[float] of_float
    cdef Kind[double] of_double
    _check_pass(x, m)
    if PyArray_TYPE(x) == NPY_FLOAT:
        pairs_of(of_float, <float*> PyArray_BYTES(x), <float*> PyArray_BYTES(m), <float*> PyArray_BYTES(n),
                 PyArray_SIZE(x))
    else:
        pairs_of(of_double, <double*> PyArray_BYTES(x), <double*> PyArray_BYTES(m), <double*> PyArray_BYTES(n),
                 PyArray_SIZE(x))
    return m, n


cdef void pairs_of(Kind[elem] kind, const elem* x, elem* m, elem* n, Py_ssize_t number) noexcept nogil:
    cdef FpState state
    state.set_aside()
    cdef Py_ssize_t i, k
    cdef Vec[elem] magic = kind.splat(kind.magic()), calm = kind.splat(kind.calm()), v, z, exponent
    cdef Vec[elem] whole = kind.splat(1.5 / kind.epsilon())       # adding it rounds to integers
    for k in range(vectors(number, kind.lanes())):
        i = k * kind.lanes()
        v = fetch(kind, x + i, number - i)
        z = kind.fma(v, kind.splat(LOG2_E), magic)
        exponent = (z - magic + whole) - whole
        put(kind, m + i, number - i, exp_at(kind, kind.reduce_arg(v, z - magic), (z - exponent) + calm), False)
        put(kind, n + i, number - i, exponent, False)
