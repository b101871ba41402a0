# Whole arrays: a job is a set of rows and what to do with them.
#
# Design note
# A. The reduced axis has been moved last by a view; nothing is copied or transposed. The remaining axes are
#    walked like an odometer.
# B. Most rows are worked on whole, many in one go without the GIL. Long ones go through the steps of a Plan
#    instead, so that threads can share a row and Ctrl-C is heard between steps. Both ways give the same
#    bits (sums.pxi, D).

cdef enum:
    MAX_DIMS = 64

cdef struct Job:
    char* x
    char* y
    Py_ssize_t n                    # length of a row
    Py_ssize_t x_stride, y_stride   # along it, in elements
    int ndim                        # of the other axes
    Py_ssize_t[MAX_DIMS] shape
    Py_ssize_t[MAX_DIMS] x_steps    # in bytes
    Py_ssize_t[MAX_DIMS] y_steps
    Py_ssize_t rows
    Py_ssize_t columns              # 0, or how many rows lie side by side (columns.pxi): `rows` are tiles then
    Py_ssize_t y_column_step        # from the result of one to that of the next, in elements
    int function
    Recipe recipe
    bint streaming
    bint scratch                    # keep a row's terms beside the output, not in it


cdef inline void locate(const Job* job, Py_ssize_t index, Py_ssize_t* x, Py_ssize_t* y) noexcept nogil:
    """Byte offsets of a row."""
    cdef int d
    cdef Py_ssize_t at
    x[0] = y[0] = 0
    for d in range(job.ndim - 1, 0, -1):
        at = index % job.shape[d]
        index //= job.shape[d]
        x[0] += at * job.x_steps[d]
        y[0] += at * job.y_steps[d]
    if job.ndim > 0:
        x[0] += index * job.x_steps[0]
        y[0] += index * job.y_steps[0]


cdef inline char* kept_terms(const Job* job, char* terms, const Normalizer* norm) noexcept nogil:
    """Rows with special values (norm.hi tells) are written from x."""
    return terms if job.recipe.keep_terms and isfinite(norm.hi) else NULL


cdef inline elem log_sum(const Row[elem]* row, const Normalizer* norm) noexcept nogil:
    cdef double value = norm.hi + norm.lo
    if fabs(value) < 4 * Kind[elem].epsilon() and row.n > 1 and row.shift == 0:
        value = log_sum_near_zero[elem](row)
    return Kind[elem].storage(value)


cdef inline bint sum_row(
    const Job* job, const Row[elem]* row, double* guess, char* terms, Pair* pairs, Pair* total
) noexcept nogil:
    """Pass 1 over a row, begun with the reference that suited the row before: rows of an array are much alike."""
    cdef Py_ssize_t count = segments(row.n)
    if sum_segments[elem](row, 0, count, &job.recipe, guess[0], terms, pairs):
        total[0] = merge_all(pairs, count)
        if total.hi >= Kind[elem].least_sum():
            guess[0] = total.e
            return True
    guess[0] = NAN
    if not sum_segments[elem](row, 0, count, &job.recipe, NAN, terms, pairs):
        return False
    total[0] = merge_all(pairs, count)
    guess[0] = total.e
    return True


cdef inline void run_row(
    const Job* job, const Row[elem]* place, elem* y, double* guess, char* scratch, Pair* pairs
) noexcept nogil:
    cdef Row[elem] row = place[0]
    cdef char* terms = scratch if job.scratch else <char*> y
    cdef Normalizer norm
    cdef Pair total
    cdef bint summed = sum_row[elem](job, &row, guess, terms, pairs, &total)
    while not settle[elem](&row, job.function, summed, total, &norm):
        guess[0] = NAN
        summed = sum_row[elem](job, &row, guess, terms, pairs, &total)
    if job.function == LOGSUMEXP:
        y[0] = log_sum[elem](&row, &norm)
    else:
        write_segments[elem](job.function, &row, 0, segments(row.n), kept_terms(job, terms, &norm), pairs,
                             y, job.y_stride, &norm, job.streaming)


cdef inline bint run_short_row(const Job* job, const Row[elem]* row, elem* y, double guess) noexcept nogil:
    """Both passes over a row of at most one block, whose terms stay where they are. False: the guess does not suit."""
    cdef Vec[elem] t[BLOCK_VECTORS]
    cdef Vec[elem] limit = Kind[elem].splat(Kind[elem].magic() + Kind[elem].ceiling()), scale, least
    cdef Vec[elem] seen = Kind[elem].splat(0), block
    cdef Vec[double] a = Kind[double].splat(0), b = a
    cdef Py_ssize_t k
    cdef Normalizer norm
    cdef Pair total
    block = partial_block_sum[elem](row.x, row.n, Kind[elem].splat(Kind[elem].magic() - guess),
                                    Kind[elem].splat((guess + Kind[elem].lowest()) * LN_2), limit, &seen, t, NULL)
    add_block[elem](block, &a, &b)
    total = join_lanes[elem](a, b, guess, NULL)
    if vtripped(seen, limit) or not total.hi >= Kind[elem].least_sum():
        return False
    norm = normalizer_of[elem](row, total, job.function)
    if job.function == LOGSUMEXP:
        y[0] = log_sum[elem](row, &norm)
    elif job.function == LOG_SOFTMAX:
        write_block[elem](LOG_SOFTMAX, row.x, NULL, y, row.n, &norm, False)
    else:
        scale = Kind[elem].splat(norm.scale)
        least = Kind[elem].splat(norm.least)
        for k in range(vectors(row.n, Kind[elem].lanes())):
            put[elem](y + k * Kind[elem].lanes(), row.n - k * Kind[elem].lanes(), vscaled(t[k], scale, least), False)
    return True
