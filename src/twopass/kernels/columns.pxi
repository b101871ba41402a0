# Rows that lie side by side: the reduced axis is not the last one, and the next element in memory belongs to
# another row ("column" below). Nothing is transposed: a vector holds one element each of 16 (8) columns.
#
# Design note
# A. The additions are those of a single row (sums.pxi), done vertically. A column has 16 (8) lane sums; lane l
#    gets block_sum of elements l, l + 16, l + 32, ... of each block, whole rows of memory apart. So a column
#    has the same bits as if it were contiguous.
# B. A tile is up to TILE vectors of columns, worked on together: memory is read in runs of a KiB.
# C. Every column has its own reference. All begin with a guess, the largest one of the tile before; the first tile
#    with those that suit its first block. Where that does not suit them, each gets that of its own maximum. A tile for
#    which that does not do either (it holds a NaN, +inf or an element beyond the reduction's range) is done column by
#    column, as rows with a stride.
# D. No terms are kept between the passes: in the output or beside it, storing and loading them in runs of a KiB took
#    longer than computing each exponential a second time (docs/performance.md).

cdef enum:
    TILE = 16                       # vectors
    TILE_COLUMNS = 256              # of them, at most
    TILE_ELEMENTS = 1 << 22         # at most, so that Ctrl-C is heard
    ROWS_AHEAD = 4                  # of the second pass, to be prefetched


cdef inline Py_ssize_t tile_columns(Py_ssize_t n, Py_ssize_t width) noexcept nogil:
    return width * max(1, min(TILE, TILE_ELEMENTS // (n * width)))


cdef inline Py_ssize_t tiles(const Job* job, Py_ssize_t wide) noexcept nogil:
    return (job.columns + wide - 1) // wide


cdef inline Vec[elem] column_sum(
    const elem* x, Py_ssize_t step, Py_ssize_t count, Py_ssize_t left, const Frame[elem]* frame, Vec[elem]* seen, bint calm
) noexcept nogil:
    """What a lane gets from a block: block_sum, of at most eight elements."""
    cdef Vec[elem] t[BLOCK_VECTORS]
    cdef Py_ssize_t k
    for k in range(count):
        t[k] = counted[elem](x + k * step, left, frame, seen, NULL, calm)
    return sum_of_few[elem](t, count)


cdef bint sum_tile(
    const elem* x, Py_ssize_t pitch, Py_ssize_t n, Py_ssize_t columns, const double* e, Pair* pairs, bint calm
) noexcept nogil:
    """Pass 1 over a segment of a tile: the pairs of its columns, for references e. False: one does not suit.

    With `calm`, whole vectors of columns are taken for calm, until one is not.
    """
    cdef Py_ssize_t width = Kind[elem].lanes(), block = BLOCK_VECTORS * width, i = 0, k, lane, c, left, rows, count
    cdef Vec[elem] seen = Kind[elem].splat(0), strays = seen, total
    cdef Frame[elem] frames[TILE]
    cdef Vec[double] a[TILE_COLUMNS]
    cdef Vec[double] b[TILE_COLUMNS]
    cdef const elem* p
    for c in range(vectors(columns, width)):
        frames[c] = frame_of_columns[elem](e + c * width, NULL)
        for lane in range(width):
            a[c * width + lane] = b[c * width + lane] = Kind[double].splat(0)
    while i < n:
        rows = min(block, n - i)
        for lane in range(min(width, rows)):
            for c in range(vectors(columns, width)):
                left = columns - c * width
                p = x + (i + lane) * pitch + c * width
                count = vectors(rows - lane, width)
                if not (calm and left >= width):
                    total = column_sum[elem](p, width * pitch, count, left, &frames[c], &seen, False)
                elif count == BLOCK_VECTORS:
                    for k in range(BLOCK_VECTORS):
                        prefetch(p + (1 + k * width) * pitch)           # the next lane's
                    total = column_sum[elem](p, width * pitch, BLOCK_VECTORS, width, &frames[c], &strays, True)
                else:
                    total = column_sum[elem](p, width * pitch, count, width, &frames[c], &strays, True)
                add_block[elem](total, &a[c * width + lane], &b[c * width + lane])
        if calm and vstrayed(strays):
            return sum_tile[elem](x, pitch, n, columns, e, pairs, False)
        i += rows
    for c in range(vectors(columns, width)):
        join_columns[elem](&a[c * width], &b[c * width], e + c * width, calm and columns - c * width >= width,
                           pairs + c * width, NULL)
    return not vtripped(seen, frames[0].limit)


cdef inline Frame[elem] frame_of_columns(const double* e, const elem* _) noexcept nogil:
    """frame_for, for the columns of a vector."""
    cdef double shifts[16]
    cdef double floors[16]
    cdef Py_ssize_t j
    cdef Frame[elem] frame = frame_for[elem](0, NULL)
    for j in range(Kind[elem].lanes()):
        shifts[j] = shift_for[elem](e[j], NULL)
        floors[j] = floor_for[elem](e[j], NULL)
    frame.shift = Kind[elem].pack(shifts)
    frame.floor = Kind[elem].pack(floors)
    return frame


cdef inline void join_columns(
    Vec[double]* a, Vec[double]* b, const double* e, bint calm, Pair* pairs, const elem* _
) noexcept nogil:
    """join_lanes, for the columns of a vector."""
    cdef double hi[16]
    cdef double lo[16]
    cdef Py_ssize_t lane, j
    if elem is double:
        join_each_double(a, b, hi, lo)
    else:
        for lane in range(8):
            a[lane] = a[lane] + a[lane + 8]
            b[lane] = b[lane] + b[lane + 8]
        join_each_float(a, hi)
        join_each_float(b, <double*> hi + 8)
    for j in range(Kind[elem].lanes()):
        pairs[j].hi = hi[j]
        pairs[j].lo = lo[j] if elem is double else 0
        pairs[j].e = e[j]
        pairs[j].calm = calm


cdef bint sum_columns(
    const elem* x, Py_ssize_t pitch, Py_ssize_t n, Py_ssize_t columns, const double* e, Pair* totals
) noexcept nogil:
    """Pass 1 over a tile."""
    cdef Total sums[TILE_COLUMNS]
    cdef Py_ssize_t s, j
    for s in range(segments(n)):
        if not sum_tile[elem](x + s * SEGMENT * pitch, pitch, min(SEGMENT, n - s * SEGMENT), columns, e, totals, True):
            return False
        if n <= SEGMENT:
            return True
        for j in range(columns):
            if s == 0:
                sums[j] = empty_total()
            add_pair(&sums[j], totals[j])
    for j in range(columns):
        totals[j] = pair_of(&sums[j], e[j])
    return True


cdef void largest_of_columns(
    const elem* x, Py_ssize_t pitch, Py_ssize_t n, Py_ssize_t columns, double* largest
) noexcept nogil:
    """The maximum of each column; NaNs are passed over, or give NaN."""
    cdef Py_ssize_t width = Kind[elem].lanes(), i, c
    cdef Vec[elem] most[TILE]
    for c in range(vectors(columns, width)):
        most[c] = Kind[elem].splat(-INFINITY)
    for i in range(n):
        for c in range(vectors(columns, width)):
            most[c] = vmax(fetch[elem](x + i * pitch + c * width, columns - c * width), most[c])
    for c in range(vectors(columns, width)):
        Kind[elem].unpack(largest + c * width, most[c])


cdef struct Columns:                # of a tile, in pass 2
    Py_ssize_t whole                # vectors of them,
    Py_ssize_t rest                 # and how many are left
    bint streaming


cdef inline void write_tile(
    int function, bint calm, const Job* job, const elem* x, elem* y, const Columns* tile,
    const Vec[elem]* first, const Vec[elem]* second, const Vec[elem]* scale, const Vec[elem]* least, Vec[elem]* top
) noexcept nogil:
    """Pass 2 over a tile, from the last row of memory to the first. Leaves the columns' maxima in `top`, for log_softmax."""
    cdef Py_ssize_t width = Kind[elem].lanes(), i, c
    cdef const elem* p
    cdef elem* place
    for i in range(job.n - 1, -1, -1):
        p = x + i * job.x_stride
        place = y + i * job.y_stride
        for c in range(tile.whole):
            prefetch(p + (c * width - ROWS_AHEAD * job.x_stride))
            if function == LOG_SOFTMAX:
                top[c] = vmax(vload(p + c * width), top[c])
            put[elem](place + c * width, width,
                      result[elem](function, p + c * width, NULL, width, first[c], second[c], scale[c], least[c], calm),
                      tile.streaming)
        if tile.rest > 0:
            c = tile.whole
            if function == LOG_SOFTMAX:
                top[c] = vmax(fetch[elem](p + c * width, tile.rest), top[c])
            put[elem](place + c * width, tile.rest,
                      result[elem](function, p + c * width, NULL, tile.rest, first[c], second[c], scale[c], least[c], False),
                      False)


cdef void write_columns(
    const Job* job, const elem* x, elem* y, Py_ssize_t columns, const Normalizer* norms, bint calm
) noexcept nogil:
    """Pass 2 over a tile. With `calm`, the terms of whole vectors are."""
    cdef Py_ssize_t width = Kind[elem].lanes(), c
    cdef Vec[elem] first[TILE]
    cdef Vec[elem] second[TILE]
    cdef Vec[elem] scale[TILE]
    cdef Vec[elem] least[TILE]
    cdef Vec[elem] top[TILE]
    cdef double tops[TILE_COLUMNS]
    cdef Py_ssize_t j
    cdef size_t size = width * sizeof(elem)
    cdef bint aligned = <size_t> y % size == 0 and job.y_stride * sizeof(elem) % size == 0
    cdef Columns tile = Columns(columns // width, columns % width, job.streaming and aligned)
    for c in range(vectors(columns, width)):
        pack_normalizers[elem](job.function, norms + c * width, &first[c], &second[c], &scale[c], &least[c], NULL)
        top[c] = Kind[elem].splat(-INFINITY)
    if job.function == LOG_SOFTMAX:                 # with literals, each loop has only what it needs
        write_tile[elem](LOG_SOFTMAX, False, job, x, y, &tile, first, second, scale, least, top)
        for c in range(vectors(columns, width)):
            Kind[elem].unpack(tops + c * width, top[c])
        for j in range(columns):
            if is_nearly_all[elem](tops[j], &norms[j], NULL):
                write_nearly_all[elem](tops[j], y + j, job.n, job.y_stride, &norms[j])
    elif calm:
        write_tile[elem](SOFTMAX, True, job, x, y, &tile, first, second, scale, least, NULL)
    else:
        write_tile[elem](SOFTMAX, False, job, x, y, &tile, first, second, scale, least, NULL)
    if tile.streaming:
        store_fence()


cdef inline void pack_normalizers(
    int function, const Normalizer* norms, Vec[elem]* first, Vec[elem]* second, Vec[elem]* scale, Vec[elem]* least,
    const elem* _
) noexcept nogil:
    """What `result` takes, for the columns of a vector."""
    cdef double firsts[16]
    cdef double seconds[16]
    cdef double scales[16]
    cdef double leasts[16]
    cdef Py_ssize_t j
    for j in range(Kind[elem].lanes()):
        unfold[elem](function, &norms[j], &firsts[j], &seconds[j], NULL)
        scales[j] = norms[j].scale
        leasts[j] = norms[j].least
    first[0] = Kind[elem].pack(firsts)
    second[0] = Kind[elem].pack(seconds)
    scale[0] = Kind[elem].pack(scales)
    least[0] = Kind[elem].pack(leasts)


cdef bint sum_as_guessed(
    const Job* job, const elem* x, Py_ssize_t columns, const double* e, Pair* totals
) noexcept nogil:
    """Pass 1 over a tile, for references that may not suit it."""
    cdef bint suits = sum_columns[elem](x, job.x_stride, job.n, columns, e, totals)
    cdef Py_ssize_t j
    for j in range(columns):
        suits = suits and totals[j].hi >= Kind[elem].least_sum()
    return suits


cdef bint sum_with_references(
    const Job* job, const elem* x, Py_ssize_t columns, double* guess, Pair* totals
) noexcept nogil:
    """Pass 1 over a tile, and the references it takes. False: it has to be done column by column."""
    cdef Py_ssize_t width = Kind[elem].lanes(), rows = min(job.n, BLOCK_VECTORS * width), j
    cdef double e[TILE_COLUMNS]
    if job.recipe.largest_first:
        rows = job.n
    elif guess[0] == guess[0]:
        for j in range(TILE_COLUMNS):
            e[j] = guess[0]
        if sum_as_guessed[elem](job, x, columns, e, totals):
            return True
        rows = job.n
    while True:
        largest_of_columns[elem](x, job.x_stride, rows, columns, e)
        guess[0] = -INFINITY
        for j in range(vectors(columns, width) * width):        # lanes that are left over, too: -inf is no reference
            e[j] = reference_for(e[j], Kind[elem].widest(), Kind[elem].margin())
            guess[0] = fmax(guess[0], e[j])
        guess[0] = guess_from[elem](guess[0], NULL)
        if rows == job.n:
            return sum_columns[elem](x, job.x_stride, job.n, columns, e, totals)
        if sum_as_guessed[elem](job, x, columns, e, totals):
            return True
        rows = job.n


cdef void run_tile(
    const Job* job, const elem* x, elem* y, Py_ssize_t columns, double* guess, char* space
) noexcept nogil:
    """Both passes over a tile."""
    cdef Pair totals[TILE_COLUMNS]
    cdef Normalizer norms[TILE_COLUMNS]
    cdef Row[elem] row
    cdef Py_ssize_t j
    cdef double no_guess = NAN
    cdef bint calm = True, settled = sum_with_references[elem](job, x, columns, guess, totals)
    for j in range(TILE_COLUMNS):
        norms[j] = Normalizer(0, 0, 0, 0, 0, 0, False)
    for j in range(columns):
        row = row_of(x + j, job.x_stride, job.n)
        settled = settled and settle[elem](&row, job.function, True, &totals[j], &norms[j])
        calm = calm and (norms[j].calm and totals[j].calm or j >= columns // Kind[elem].lanes() * Kind[elem].lanes())
        if settled and job.function == LOGSUMEXP:
            y[j * job.y_column_step] = log_sum[elem](&row, &norms[j])
    if not settled:
        guess[0] = NAN
        for j in range(columns):
            row = row_of(x + j, job.x_stride, job.n)
            run_row[elem](job, &row, y + j * job.y_column_step, &no_guess, NULL, <Pair*> space)
    elif job.function != LOGSUMEXP:
        write_columns[elem](job, x, y, columns, norms, calm)
