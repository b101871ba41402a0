# Pairs in public: the sum of a chunk of each row, and the results of a chunk from the sum of the whole row.
#
# Design note
# A. A State is what travels: 48 bytes a row. States are added up in _pairs.py by adding their digits, which is
#    exact (sums.pxi, E). So a row whose chunks end at segments gets the bits of the row in one piece.
# B. Every segment begins with the reference of its own first block: its pair depends on nothing outside of it.
# C. A whole row is never at hand, so that what looks at the row again (log_sum_near_zero) is left out.

cdef struct State:                  # _pairs.STATE: a sum of exponentials, total * e^shift
    Total total
    double shift                    # 0 within the range of the reduction; NaN, +inf, or -inf (no term at all) say all


cdef bint total_of(const Row[elem]* row, Total* total) noexcept nogil:
    """The sum of a chunk's segments. False: something needs a shift."""
    cdef Recipe recipe = Recipe(False, False, False)
    cdef Pair pair
    cdef double e = -INFINITY
    cdef Py_ssize_t s
    total[0] = empty_total()
    for s in range(segments(row.n)):
        if not sum_segments[elem](row, s, s + 1, &recipe, NAN, NULL, &pair - s):
            return False
        add_pair(total, pair)
        e = fmax(e, pair.e)
    pair = pair_of(total, e)
    return row.shift != 0 or not is_out_of_range[elem](&pair, NULL)


cdef void sum_chunk(Row[elem] row, State* state) noexcept nogil:
    cdef double most
    state.shift = 0
    if row.n > 0 and total_of[elem](&row, &state.total):
        return
    state.shift = most = exact_largest[elem](&row)
    state.total = empty_total()
    if isfinite(most):
        state.shift = row.shift = origin_for[elem](most, NULL)
        total_of[elem](&row, &state.total)


cdef inline Pair scaled_pair(const State* state, double margin) noexcept nogil:
    """The pair whose sum lies in [2^(margin - 1), 2^margin)."""
    cdef Pair pair = pair_of(&state.total, state.total.exponent)
    cdef int size
    frexp(pair.hi, &size)
    return pair_of(&state.total, state.total.exponent + size - margin)


cdef Normalizer normalizer_for(int function, Row[elem] row, const State* state) noexcept nogil:
    cdef Normalizer norm = Normalizer(0, NAN, NAN, NAN, state.shift, 0, False) # as in settle
    cdef Pair total
    if isfinite(state.shift):
        row.shift = state.shift
        row.n = 0                                           # of the whole row nothing is known
        total = scaled_pair(state, Kind[elem].margin())
        find_normalizer[elem](&row, &total, function, &norm)
    return norm


cdef void each_chunk(int function, const Job* job, State* states, const elem* _) noexcept nogil:
    """Sum each row's chunk (LOGSUMEXP), or write the results of it."""
    cdef FpState fp
    fp.set_aside()
    cdef Py_ssize_t r, x_offset, y_offset
    cdef Row[elem] row
    cdef Normalizer norm
    for r in range(job.rows):
        locate(job, r, &x_offset, &y_offset)
        row = row_of(<const elem*> (job.x + x_offset), job.x_stride, job.n)
        if function == LOGSUMEXP:
            sum_chunk[elem](row, &states[r])
            continue
        norm = normalizer_for[elem](function, row, &states[r])
        if isfinite(states[r].shift):
            row.shift = states[r].shift
        write_segments[elem](function, &row, 0, segments(row.n), NULL, NULL, <elem*> (job.y + y_offset),
                             job.y_stride, &norm, job.streaming)


cdef void finish_each(const State* states, elem* y, Py_ssize_t count) noexcept nogil:
    cdef FpState fp
    fp.set_aside()
    cdef Py_ssize_t r
    cdef Normalizer norm
    for r in range(count):
        norm = normalizer_for[elem](LOGSUMEXP, row_of(<const elem*> NULL, 1, 0), &states[r])
        y[r] = Kind[elem].storage(norm.hi + norm.lo)


cdef Job chunk_job(ndarray x, ndarray y):
    """The rows of x, the reduced axis last, and those of y."""
    cdef Job job
    cdef Py_ssize_t size = item_size(PyArray_TYPE(x))
    cdef int d
    job.ndim = x.ndim - 1
    job.x, job.y = PyArray_BYTES(x), PyArray_BYTES(y)
    job.n = x.shape[job.ndim]
    job.x_stride, job.y_stride = x.strides[job.ndim] // size, y.strides[job.ndim] // size
    job.rows = 1
    for d in range(job.ndim):
        job.shape[d], job.x_steps[d], job.y_steps[d] = x.shape[d], x.strides[d], y.strides[d]
        job.rows *= x.shape[d]
    job.streaming = job.y_stride == 1 and PyArray_NBYTES(y) > LLC
    return job


cdef void run_chunks(int function, ndarray x, ndarray states, ndarray y):
    cdef Job job = chunk_job(x, y)
    cdef State* state = <State*> PyArray_BYTES(states)
    cdef int dtype = PyArray_TYPE(x)
    with nogil:
        if dtype == NPY_FLOAT:
            each_chunk[float](function, &job, state, NULL)
        elif dtype == NPY_DOUBLE:
            each_chunk[double](function, &job, state, NULL)
        else:
            each_chunk[half](function, &job, state, NULL)


def sum_pairs(ndarray x, ndarray states):
    """Fill `states` with the sum of each row of a chunk.

    Parameters
    ----------
    x : ndarray of float16, float32 or float64
        Aligned, native byte order, with the reduced axis last.
    states : ndarray of _pairs.STATE
        Contiguous, of the shape of `x` without its last axis.
    """
    run_chunks(LOGSUMEXP, x, states, x)


def apply_pairs(int function, ndarray x, ndarray states, ndarray y):
    """Write softmax (0) or log_softmax (1) of a chunk to `y`, given the sums of the whole rows.

    Parameters
    ----------
    function : int
        0 softmax, 1 log_softmax.
    x, states : ndarray
        As for `sum_pairs`.
    y : ndarray
        Of the shape and dtype of `x`, elsewhere in memory.
    """
    run_chunks(function, x, states, y)


def finish_pairs(ndarray states, ndarray y):
    """Write the log-sum-exp of each state to `y`: contiguous, float16, float32 or float64."""
    cdef const State* state = <const State*> PyArray_BYTES(states)
    cdef void* out = PyArray_BYTES(y)
    cdef Py_ssize_t count = PyArray_SIZE(y)
    if PyArray_TYPE(y) == NPY_FLOAT:
        finish_each[float](state, <float*> out, count)
    elif PyArray_TYPE(y) == NPY_DOUBLE:
        finish_each[double](state, <double*> out, count)
    else:
        finish_each[half](state, <half*> out, count)


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
