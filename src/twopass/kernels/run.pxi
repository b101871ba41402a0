# Many rows at a time.

cdef void run_each_row(
    const Job* job, Py_ssize_t first, Py_ssize_t last, char* space, char* pairs, const elem* _
) noexcept nogil:
    cdef double guess = NAN
    cdef Row[elem] row
    cdef const elem* x[GROUP]
    cdef elem* y[GROUP]
    cdef Py_ssize_t r = first, alone = first, k, x_offset, y_offset
    cdef bint calm = True
    cdef Py_ssize_t block = BLOCK_VECTORS * Kind[elem].lanes()
    cdef bint short = (job.n <= block and job.x_stride == 1 and job.y_stride == 1
                       and not job.recipe.largest_first and not job.recipe.eager
                       and (job.recipe.keep_terms or job.function != SOFTMAX))
    while r < last:
        for k in range(min(GROUP, last - r)):
            locate(job, r + k, &x_offset, &y_offset)
            x[k] = <const elem*> (job.x + x_offset)
            y[k] = <elem*> (job.y + y_offset)
        if short and guess == guess and r >= alone and r + GROUP <= last:
            # With a literal the loops over a row are unrolled: worth it for 64 and 128 floats, the heads of attention.
            if (run_short_rows[elem](job, x, y, guess, &calm, block // 2) if job.n == block // 2
                    else run_short_rows[elem](job, x, y, guess, &calm, block) if job.n == block
                    else run_short_rows[elem](job, x, y, guess, &calm, job.n)):
                r += GROUP
                continue
            alone = r + GROUP
        if not (short and guess == guess and run_short_row[elem](job, x[0], y[0], guess)):
            row = row_of(x[0], job.x_stride, job.n)
            run_row[elem](job, &row, y[0], &guess, space, <Pair*> pairs)
        r += 1


cdef void run_each_tile(
    const Job* job, Py_ssize_t first, Py_ssize_t last, char* pairs, const elem* _
) noexcept nogil:
    cdef double guess = NAN
    cdef Py_ssize_t wide = tile_columns(job.n, Kind[elem].lanes()), count = tiles(job, wide)
    cdef Py_ssize_t t, column, x_offset, y_offset
    for t in range(first, last):
        locate(job, t // count, &x_offset, &y_offset)
        column = t % count * wide
        run_tile[elem](job, <const elem*> (job.x + x_offset) + column,
                       <elem*> (job.y + y_offset) + column * job.y_column_step,
                       min(wide, job.columns - column), &guess, pairs)


cdef bint run_rows(const Job* job, Py_ssize_t first, Py_ssize_t last, const elem* _) noexcept nogil:
    """Rows (or tiles of columns) first..last; False when there is no memory for the work space."""
    cdef FpState state
    state.set_aside()
    cdef Py_ssize_t term_size = 64 // Kind[elem].lanes()
    cdef size_t terms = (job.n * term_size + 63) // 64 * 64 if job.scratch else 0
    cdef char* space = <char*> malloc(terms + segments(job.n) * sizeof(Pair))
    if space is NULL:
        return False
    if job.columns > 0:
        run_each_tile[elem](job, first, last, space, NULL)
    else:
        run_each_row[elem](job, first, last, space, space + terms, NULL)
    free(space)
    return True


cdef bint run_rows_of(int dtype, const Job* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    if dtype == NPY_FLOAT:
        return run_rows[float](job, first, last, NULL)
    if dtype == NPY_DOUBLE:
        return run_rows[double](job, first, last, NULL)
    return run_rows[half](job, first, last, NULL)
