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
    GROUP = 8                       # short rows that are worked on together, a lane of double each

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
        value = log_sum_near_zero[elem](row, value)
    return Kind[elem].storage(value)


cdef inline bint sum_row(
    const Job* job, const Row[elem]* row, double* guess, char* terms, Pair* pairs, Pair* total
) noexcept nogil:
    """Pass 1 over a row, begun with the reference that suited the row before: rows of an array are much alike."""
    cdef Py_ssize_t count = segments(row.n)
    if sum_segments[elem](row, 0, count, &job.recipe, guess[0], terms, pairs):
        total[0] = merge_all(pairs, count)
        if total.hi >= Kind[elem].least_sum():
            guess[0] = guess_from[elem](total.e, NULL)
            return True
    guess[0] = NAN
    if not sum_segments[elem](row, 0, count, &job.recipe, NAN, terms, pairs):
        return False
    total[0] = merge_all(pairs, count)
    guess[0] = guess_from[elem](total.e, NULL)
    return True


cdef inline void run_row(
    const Job* job, const Row[elem]* place, elem* y, double* guess, char* scratch, Pair* pairs
) noexcept nogil:
    cdef Row[elem] row = place[0]
    cdef char* terms = scratch if job.scratch else <char*> y
    cdef Normalizer norm
    cdef Pair total
    cdef bint summed = sum_row[elem](job, &row, guess, terms, pairs, &total)
    while not settle[elem](&row, job.function, summed, &total, &norm):
        guess[0] = NAN
        summed = sum_row[elem](job, &row, guess, terms, pairs, &total)
    if job.function == LOGSUMEXP:
        y[0] = log_sum[elem](&row, &norm)
    else:
        write_segments[elem](job.function, &row, 0, segments(row.n), kept_terms(job, terms, &norm), pairs,
                             y, job.y_stride, &norm, job.streaming)


cdef inline bint run_short_rows(
    const Job* job, const elem* const* x, elem* const* y, double guess, bint* calm, Py_ssize_t n
) noexcept nogil:
    """Both passes over GROUP rows of at most one block, whose terms stay where they are. False: the guess does not suit.

    One row after the other would wait for its own sum before it could go on. With `calm`, whole vectors are taken for
    calm, until one is not.
    """
    cdef Vec[elem] t[GROUP * BLOCK_VECTORS]
    cdef Vec[double] lanes[GROUP]
    cdef Vec[double] rest[GROUP]
    cdef Frame[elem] frame = frame_for[elem](guess, NULL)
    cdef Vec[elem] seen = Kind[elem].splat(0), strays = seen
    cdef Py_ssize_t width = Kind[elem].lanes(), count = vectors(n, width), r, k, left
    cdef Pair totals[GROUP]
    for r in range(GROUP):
        for k in range(count):
            left = n - k * width
            prefetch(<const char*> (x[r] + k * width) + AHEAD)
            if calm[0] and left >= width:
                t[r * BLOCK_VECTORS + k] = counted[elem](x[r] + k * width, width, &frame, &strays, NULL, True)
            else:
                t[r * BLOCK_VECTORS + k] = counted[elem](x[r] + k * width, left, &frame, &seen, NULL, False)
        lanes[r] = rest[r] = Kind[double].splat(0)
        add_block[elem](sum_of_few[elem](&t[r * BLOCK_VECTORS], count), &lanes[r], &rest[r])
        if elem is not double:
            lanes[r] = lanes[r] + rest[r]
    if vstrayed(strays) or vtripped(seen, frame.limit):
        calm[0] = False
        return False
    join_group[elem](lanes, rest, guess, totals, NULL)
    for r in range(GROUP):
        if not totals[r].hi >= Kind[elem].least_sum():
            return False
    for r in range(GROUP):
        finish_short_row[elem](job, x[r], y[r], &totals[r], &t[r * BLOCK_VECTORS], calm[0], n)
    return True


cdef inline void join_group(
    Vec[double]* lanes, Vec[double]* rest, double e, Pair* totals, const elem* _
) noexcept nogil:
    """join_lanes, for GROUP rows at a time."""
    cdef double hi[GROUP]
    cdef double lo[GROUP]
    cdef Py_ssize_t r
    transpose(lanes)
    if elem is double:
        transpose(rest)
        join_each_double(lanes, rest, hi, lo)
    else:
        join_each_float(lanes, hi)
    for r in range(GROUP):
        totals[r] = Pair(hi[r], lo[r] if elem is double else 0, e, False)


cdef inline void finish_short_row(
    const Job* job, const elem* x, elem* y, const Pair* total, const Vec[elem]* t, bint calm, Py_ssize_t n
) noexcept nogil:
    """What follows the sum of a row, whose terms are at hand."""
    cdef Row[elem] row = row_of(x, 1, n)
    cdef Normalizer norm
    cdef Py_ssize_t width = Kind[elem].lanes(), k, whole
    cdef Vec[elem] scale, least
    find_normalizer[elem](&row, total, job.function, &norm)
    if job.function == LOGSUMEXP:
        y[0] = log_sum[elem](&row, &norm)
    elif job.function == LOG_SOFTMAX:
        write_flat[elem](LOG_SOFTMAX, x, NULL, y, n, &norm, False, 0)
    else:
        scale, least = Kind[elem].splat(norm.scale), Kind[elem].splat(norm.least)
        whole = n // width if calm and norm.calm else 0
        for k in range(whole):
            vstore(y + k * width, t[k] * scale)
        for k in range(whole, vectors(n, width)):
            put[elem](y + k * width, n - k * width, vscaled(t[k], scale, least), False)


cdef inline bint run_short_row(const Job* job, const elem* x, elem* y, double guess) noexcept nogil:
    """The same for one row."""
    cdef Vec[elem] t[BLOCK_VECTORS]
    cdef Frame[elem] frame = frame_for[elem](guess, NULL)
    cdef Vec[elem] seen = Kind[elem].splat(0), block
    cdef Vec[double] a = Kind[double].splat(0), b = a
    cdef Pair total
    block = partial_block_sum[elem](x, job.n, &frame, &seen, t, NULL)
    add_block[elem](block, &a, &b)
    total = join_lanes[elem](a, b, guess, NULL)
    if vtripped(seen, frame.limit) or not total.hi >= Kind[elem].least_sum():
        return False
    finish_short_row[elem](job, x, y, &total, t, False, job.n)
    return True
