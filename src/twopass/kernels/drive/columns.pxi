# Rows that lie side by side: the reduced axis is not the last one, and the next element in memory belongs to
# another row ("column" below). Nothing is transposed: a vector holds one element each of 16 (8) columns.
#
# Design note
# A. The additions are those of a single row (sums.pxd), done vertically. A column has 16 (8) lane sums; lane l
#    gets block_sum of elements l, l + 16, l + 32, ... of each block, whole rows of memory apart. So a column
#    has the same bits as if it were contiguous.
# B. A tile is up to TILE vectors of columns, worked on together: memory is read in runs of a KiB.
# C. Every column has its own reference. All begin with a guess, the largest one of the tile before; the first tile
#    with those that suit its first block. Where that does not suit them, each gets that of its own maximum. A tile for
#    which that does not do either (it holds a NaN, +inf or an element beyond the reduction's range) is done column by
#    column, as rows with a stride.
# D. No terms are kept between the passes: in the output or beside it, storing and loading them in runs of a KiB took
#    longer than computing each exponential a second time (docs/performance.md).
from libc.math cimport INFINITY, NAN, fmax
from libc.string cimport memset

from twopass.kernels.exp cimport floor_for, frame_for, guess_from, reference_for, shift_for
from twopass.kernels.job cimport Job
from twopass.kernels.memory cimport fetch, put, row_of, vectors
from twopass.kernels.rules cimport (
    NUMBERS, AmendingRule, ExpRule, ReducingRule, Rule, TermRule, addend, amend, amends, numbers_of,
)
from twopass.kernels.sums cimport BLOCK_VECTORS, SEGMENT, Pair, add_block, join_each_double, join_each_float
from twopass.kernels.vec cimport Frame, Kind, Row, Vec, elem, prefetch, store_fence

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
    Kind[elem] kind, const elem* x, Py_ssize_t step, Py_ssize_t count, Py_ssize_t left, const Frame[elem]* frame,
    Vec[elem]* seen, bint calm
) noexcept nogil:
    """What a lane gets from a block: block_sum, of at most eight elements."""
    cdef Vec[elem] t[BLOCK_VECTORS]
    cdef Py_ssize_t k
    for k in range(count):
        t[k] = addend(kind, EXP_SUM, x + k * step, left, frame, seen, calm)
    return sum_of_few(kind, t, count)


cdef bint sum_tile(
    Kind[elem] kind, const elem* x, Py_ssize_t pitch, Py_ssize_t n, Py_ssize_t columns, const double* e, Pair* pairs,
    bint calm
) noexcept nogil:
    """Pass 1 over a segment of a tile: the pairs of its columns, for references e. False: one does not suit.

    With `calm`, whole vectors of columns are taken for calm, until one is not.
    """
    cdef Py_ssize_t width = kind.lanes(), block = BLOCK_VECTORS * width, i = 0, k, lane, c, left, rows, count
    cdef Vec[elem] seen = kind.splat(0), strays = seen, total
    cdef Kind[double] wide
    cdef Frame[elem] frames[TILE]
    cdef Vec[double] a[TILE_COLUMNS]
    cdef Vec[double] b[TILE_COLUMNS]
    cdef const elem* p
    for c in range(vectors(columns, width)):
        frames[c] = frame_of_columns(kind, e + c * width)
        for lane in range(width):
            a[c * width + lane] = b[c * width + lane] = wide.splat(0)
    while i < n:
        rows = min(block, n - i)
        for lane in range(min(width, rows)):
            for c in range(vectors(columns, width)):
                left = columns - c * width
                p = x + (i + lane) * pitch + c * width
                count = vectors(rows - lane, width)
                if not (calm and left >= width):
                    total = column_sum(kind, p, width * pitch, count, left, &frames[c], &seen, False)
                elif count == BLOCK_VECTORS:
                    for k in range(BLOCK_VECTORS):
                        prefetch(p + (1 + k * width) * pitch)           # the next lane's
                    total = column_sum(kind, p, width * pitch, BLOCK_VECTORS, width, &frames[c], &strays, True)
                else:
                    total = column_sum(kind, p, width * pitch, count, width, &frames[c], &strays, True)
                add_block(kind, total, &a[c * width + lane], &b[c * width + lane])
        if calm and kind.strayed(strays):
            return sum_tile(kind, x, pitch, n, columns, e, pairs, False)
        i += rows
    for c in range(vectors(columns, width)):
        join_columns(kind, &a[c * width], &b[c * width], e + c * width, calm and columns - c * width >= width,
                     pairs + c * width)
    return not kind.tripped(seen, frames[0].limit)


cdef inline Frame[elem] frame_of_columns(Kind[elem] kind, const double* e) noexcept nogil:
    """frame_for, for the columns of a vector."""
    cdef double shifts[16]
    cdef double floors[16]
    cdef Py_ssize_t j
    cdef Frame[elem] frame = frame_for(kind, 0)
    for j in range(kind.lanes()):
        shifts[j] = shift_for(kind, e[j])
        floors[j] = floor_for(kind, e[j])
    frame.shift = kind.pack(shifts)
    frame.floor = kind.pack(floors)
    return frame


cdef inline void join_columns(
    Kind[elem] kind, Vec[double]* a, Vec[double]* b, const double* e, bint calm, Pair* pairs
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
    for j in range(kind.lanes()):
        pairs[j].hi = hi[j]
        pairs[j].lo = lo[j] if elem is double else 0
        pairs[j].e = e[j]
        pairs[j].calm = calm


cdef bint sum_columns(
    Kind[elem] kind, const elem* x, Py_ssize_t pitch, Py_ssize_t n, Py_ssize_t columns, const double* e, Pair* totals
) noexcept nogil:
    """Pass 1 over a tile."""
    cdef Total sums[TILE_COLUMNS]
    cdef Py_ssize_t s, j
    for s in range(segments(n)):
        if not sum_tile(kind, x + s * SEGMENT * pitch, pitch, min(SEGMENT, n - s * SEGMENT), columns, e, totals, True):
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
    Kind[elem] kind, const elem* x, Py_ssize_t pitch, Py_ssize_t n, Py_ssize_t columns, double* largest
) noexcept nogil:
    """The maximum of each column; NaNs are passed over, or give NaN."""
    cdef Py_ssize_t width = kind.lanes(), i, c
    cdef Vec[elem] most[TILE]
    for c in range(vectors(columns, width)):
        most[c] = kind.splat(-INFINITY)
    for i in range(n):
        for c in range(vectors(columns, width)):
            most[c] = kind.max(fetch(kind, x + i * pitch + c * width, columns - c * width), most[c])
    for c in range(vectors(columns, width)):
        kind.unpack(largest + c * width, most[c])


cdef struct Columns:                # of a tile, in pass 2
    Py_ssize_t whole                # vectors of them,
    Py_ssize_t rest                 # and how many are left
    bint streaming


cdef inline void write_tile(
    Kind[elem] kind, const Rule* rule, bint calm, const Job* job, const elem* x, elem* y, const Columns* tile,
    const Vec[elem]* numbers, Vec[elem]* top
) noexcept nogil:
    """Pass 2 over a tile, from the last row of memory to the first."""
    cdef Py_ssize_t width = kind.lanes(), i, c
    cdef const elem* p
    cdef elem* place
    for i in range(job.n - 1, -1, -1):
        p = x + i * job.x_stride
        place = y + i * job.y_stride
        for c in range(tile.whole):
            prefetch(p + (c * width - ROWS_AHEAD * job.x_stride))
            put(kind, place + c * width, width,
                result(kind, rule, numbers + c * NUMBERS, p + c * width, NULL, width, calm, &top[c]), tile.streaming)
        if tile.rest > 0:
            c = tile.whole
            put(kind, place + c * width, tile.rest,
                result(kind, rule, numbers + c * NUMBERS, p + c * width, NULL, tile.rest, False, &top[c]), False)


cdef void write_columns(
    Kind[elem] kind, const Rule* rules, const Job* job, const elem* x, elem* y, Py_ssize_t columns, bint calm
) noexcept nogil:
    """Pass 2 over a tile. With `calm`, the terms of whole vectors are."""
    cdef Py_ssize_t width = kind.lanes(), c, j
    cdef Vec[elem] numbers[TILE * NUMBERS]
    cdef Vec[elem] top[TILE]
    cdef double tops[TILE_COLUMNS]
    cdef size_t size = width * sizeof(elem)
    cdef bint aligned = <size_t> y % size == 0 and job.y_stride * sizeof(elem) % size == 0
    cdef Columns tile = Columns(columns // width, columns % width, job.streaming and aligned)
    for c in range(vectors(columns, width)):
        pack_numbers(kind, rules + c * width, &numbers[c * NUMBERS])
        top[c] = kind.splat(-INFINITY)
    if Rule in TermRule:                            # with a literal, each loop has only what it needs
        if calm:
            write_tile(kind, rules, True, job, x, y, &tile, numbers, top)
        else:
            write_tile(kind, rules, False, job, x, y, &tile, numbers, top)
    else:
        write_tile(kind, rules, False, job, x, y, &tile, numbers, top)
    if Rule in AmendingRule:
        for c in range(vectors(columns, width)):
            kind.unpack(tops + c * width, top[c])
        for j in range(columns):
            if amends(kind, &rules[j], tops[j]):
                amend(kind, &rules[j], tops[j], y + j, job.n, job.y_stride)
    if tile.streaming:
        store_fence()


cdef inline void pack_numbers(Kind[elem] kind, const Rule* rules, Vec[elem]* numbers) noexcept nogil:
    """What `result` takes, for the columns of a vector."""
    cdef double of_column[NUMBERS]
    cdef double of_columns[NUMBERS * 16]
    cdef Py_ssize_t j, k
    for j in range(kind.lanes()):
        numbers_of(kind, &rules[j], of_column)
        for k in range(NUMBERS):
            of_columns[k * 16 + j] = of_column[k]
    for k in range(NUMBERS):
        numbers[k] = kind.pack(&of_columns[k * 16])


cdef bint sum_as_guessed(
    Kind[elem] kind, const Job* job, const elem* x, Py_ssize_t columns, const double* e, Pair* totals
) noexcept nogil:
    """Pass 1 over a tile, for references that may not suit it."""
    cdef bint suits = sum_columns(kind, x, job.x_stride, job.n, columns, e, totals)
    cdef Py_ssize_t j
    for j in range(columns):
        suits = suits and totals[j].hi >= kind.least_sum()
    return suits


cdef bint sum_with_references(
    Kind[elem] kind, const Job* job, const elem* x, Py_ssize_t columns, double* guess, Pair* totals
) noexcept nogil:
    """Pass 1 over a tile, and the references it takes. False: it has to be done column by column."""
    cdef Py_ssize_t width = kind.lanes(), rows = min(job.n, BLOCK_VECTORS * width), j
    cdef double e[TILE_COLUMNS]
    if job.recipe.largest_first:
        rows = job.n
    elif guess[0] == guess[0]:
        for j in range(TILE_COLUMNS):
            e[j] = guess[0]
        if sum_as_guessed(kind, job, x, columns, e, totals):
            return True
        rows = job.n
    while True:
        largest_of_columns(kind, x, job.x_stride, rows, columns, e)
        guess[0] = -INFINITY
        for j in range(vectors(columns, width) * width):        # lanes that are left over, too: -inf is no reference
            e[j] = reference_for(kind, e[j])
            guess[0] = fmax(guess[0], e[j])
        guess[0] = guess_from(kind, guess[0])
        if rows == job.n:
            return sum_columns(kind, x, job.x_stride, job.n, columns, e, totals)
        if sum_as_guessed(kind, job, x, columns, e, totals):
            return True
        rows = job.n


cdef void run_tile(
    Kind[elem] kind, Rule* rule, const Job* job, const elem* x, elem* y, Py_ssize_t columns, double* guess, Pair* pairs
) noexcept nogil:
    """Both passes over a tile."""
    cdef Pair totals[TILE_COLUMNS]
    cdef Rule rules[TILE_COLUMNS]
    cdef Row[elem] row
    cdef Py_ssize_t j, whole = columns // kind.lanes() * kind.lanes()
    cdef double no_guess = NAN
    cdef bint calm = True, settled = False
    if Rule in ExpRule:
        settled = sum_with_references(kind, job, x, columns, guess, totals)
    for j in range(columns, vectors(columns, kind.lanes()) * kind.lanes()):     # lanes that are left over
        memset(&rules[j], 0, sizeof(rules[j]))
    for j in range(columns):
        row = row_of(kind, x + j, job.x_stride, job.n)
        settled = settled and settle(kind, &rules[j], &row, True, &totals[j])
        if Rule in TermRule:
            calm = calm and (rules[j].calm and totals[j].calm or j >= whole)
        if Rule in ReducingRule:
            if settled:
                y[j * job.y_column_step] = value_of_row(kind, &rules[j], &row)
    if not settled:
        guess[0] = NAN
        for j in range(columns):
            row = row_of(kind, x + j, job.x_stride, job.n)
            run_row(kind, rule, job, &row, y + j * job.y_column_step, &no_guess, NULL, pairs)
    elif Rule not in ReducingRule:
        write_columns(kind, rules, job, x, y, columns, calm)
