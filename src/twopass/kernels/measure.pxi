# What benchmarks and tests need beside the functions: the bare memory traffic, single passes, bare pairs.

PASSES = ("max", "sum_exp", "exp_store", "exp_write", "scale", "pair_sum", "pair_write")


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
    cdef Py_ssize_t size = PyArray_SIZE(x), n = x.shape[x.ndim - 1] if x.ndim > 0 else size
    cdef double found
    if n < SEGMENT:
        n *= SEGMENT // n           # several rows at a time: the same traffic, without a cost for each
    with nogil:
        if PyArray_TYPE(x) == NPY_FLOAT:
            found = move_rows[float](<const float*> PyArray_BYTES(x), <float*> PyArray_BYTES(out), n, size)
        else:
            found = move_rows[double](<const double*> PyArray_BYTES(x), <double*> PyArray_BYTES(out), n, size)
    return found


cdef double move_rows(const elem* x, elem* y, Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    cdef bint streaming = size * sizeof(elem) > LLC
    cdef double most = -INFINITY
    cdef Py_ssize_t i = 0
    while i < size:
        most = fmax(most, move[elem](x + i, y + i, min(n, size - i), streaming))
        i += n
    return most


cdef double move(const elem* x, elem* y, Py_ssize_t n, bint streaming) noexcept nogil:
    """Read a row, then copy it segment by segment from the last to the first, as the kernels do."""
    cdef Row[elem] row = row_of(x, 1, n)
    cdef Py_ssize_t s, i, end, head, width = Kind[elem].lanes()
    cdef double most = largest[elem](&row, 0, n)
    for s in range(segments(n) - 1, -1, -1):
        i = s * SEGMENT
        end = min(n, i + SEGMENT)
        head = unaligned_head(y + i, end - i) if streaming else 0
        memcpy(y + i, x + i, head * sizeof(elem))
        i += head
        while i < end:
            prefetch(<const char*> (x + i) + AHEAD)
            put[elem](y + i, end - i, fetch[elem](x + i, end - i), streaming)
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
    cdef double found
    with nogil:
        if PyArray_TYPE(x) == NPY_FLOAT:
            found = sweep[float](index, <const float*> PyArray_BYTES(x), <float*> PyArray_BYTES(out), PyArray_SIZE(x))
        else:
            found = sweep[double](index, <const double*> PyArray_BYTES(x), <double*> PyArray_BYTES(out), PyArray_SIZE(x))
    return found


cdef double sweep(int index, const elem* x, elem* y, Py_ssize_t n) noexcept nogil:
    cdef FpState state
    state.set_aside()
    cdef Row[elem] row = row_of(x, 1, n)
    cdef Normalizer norm = Normalizer(reference_for(4, Kind[elem].widest(), Kind[elem].margin()), 1, 1, 0, 0, 0, True)
    cdef Py_ssize_t s
    cdef Pair pair
    cdef bint streaming = n * sizeof(elem) > LLC
    if index == 0:
        return largest[elem](&row, 0, n)
    cdef double found = 0
    for s in range(segments(n)):
        pair.e = NAN if index == 5 else norm.e
        pair.calm = True
        if index == 1 or index == 2 or index == 5:
            sum_segment[elem](&row, s * SEGMENT, min(n, (s + 1) * SEGMENT),
                              <char*> (y + s * SEGMENT) if index == 2 else NULL, False, &pair)
            found += pair.hi
        else:
            write_segments[elem](SOFTMAX, &row, s, s + 1, <char*> y if index == 4 else NULL, &pair - s,
                                 y, 1, &norm, streaming and index != 4)
    return found


def _check_pass(ndarray x, ndarray out):
    if not (is_simple(x) and is_simple(out) and PyArray_TYPE(x) == PyArray_TYPE(out) != NPY_FLOAT16
            and PyArray_SIZE(x) == PyArray_SIZE(out) > 0):
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
    _check_pass(x, m)
    if PyArray_TYPE(x) == NPY_FLOAT:
        pairs_of[float](<float*> PyArray_BYTES(x), <float*> PyArray_BYTES(m), <float*> PyArray_BYTES(n), PyArray_SIZE(x))
    else:
        pairs_of[double](<double*> PyArray_BYTES(x), <double*> PyArray_BYTES(m), <double*> PyArray_BYTES(n),
                         PyArray_SIZE(x))
    return m, n


cdef void pairs_of(const elem* x, elem* m, elem* n, Py_ssize_t count) noexcept nogil:
    cdef FpState state
    state.set_aside()
    cdef Py_ssize_t i, k
    cdef Vec[elem] magic = Kind[elem].splat(Kind[elem].magic()), calm = Kind[elem].splat(Kind[elem].calm()), v, z, exponent
    cdef Vec[elem] whole = Kind[elem].splat(1.5 / Kind[elem].epsilon())       # adding it rounds to integers
    for k in range(vectors(count, Kind[elem].lanes())):
        i = k * Kind[elem].lanes()
        v = fetch[elem](x + i, count - i)
        z = vfma(v, Kind[elem].splat(LOG2_E), magic)
        exponent = (z - magic + whole) - whole
        put[elem](m + i, count - i, exp_at[elem](vreduce_arg(v, z - magic), (z - exponent) + calm), False)
        put[elem](n + i, count - i, exponent, False)
