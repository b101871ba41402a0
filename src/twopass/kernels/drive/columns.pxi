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
from libc.math cimport INFINITY, NAN, fabs, fmax
from libc.string cimport memset

from twopass.kernels.exp cimport floor_for, frame_for, guess_from, reference_for, shift_for
from twopass.kernels.job cimport Job, column_of
from twopass.kernels.memory cimport adjusted, fetch, put, spread, vectors
from twopass.kernels.reductions.expsum cimport is_out_of_range
from twopass.kernels.rules cimport (
    NUMBERS, AmendingRule, ExpRule, ReducingRule, Reduction, Rule, TermRule, WeightedReduction, WeightedRule, addend,
    amend, amends, numbers_of, settle_rule,
)
from twopass.kernels.sums cimport BLOCK_VECTORS, SEGMENT, Pair, add_block, join_each_double, join_each_float
from twopass.kernels.vec cimport Frame, Kind, Operand, Row, Vec, elem, exp2i, prefetch, store_fence, uchar

cdef enum:
    TILE = 16                       # vectors
    TILE_COLUMNS = 256              # of them, at most
    TILE_ELEMENTS = 1 << 22         # at most, so that Ctrl-C is heard
    ROWS_AHEAD = 4                  # of the second pass, to be prefetched


cdef inline Py_ssize_t tile_columns(Py_ssize_t n, Py_ssize_t width) noexcept nogil:
    return width * max(1, min(TILE, TILE_ELEMENTS // (n * width)))


cdef inline Py_ssize_t tiles(const Job* job, Py_ssize_t wide) noexcept nogil:
    return (job.columns + wide - 1) // wide


cdef Vec[elem] adjusted_columns(
    Kind[elem] kind, const Row[elem]* tile, Py_ssize_t i, Py_ssize_t column, Py_ssize_t left
) noexcept nogil:
    """Element i of a vector of columns, or of what is left of one, with -inf for the others, as operands have it."""
    cdef Vec[elem] v = fetch(kind, tile.x + i * tile.stride + column, left)
    cdef Operand[elem] bias = tile.bias
    cdef Operand[uchar] where = tile.where
    bias.stride, where.stride = bias.step, where.step
    if bias.p is not NULL:
        bias.p += i * tile.bias.stride + column * bias.step
    if where.p is not NULL:
        where.p += i * tile.where.stride + column * where.step
    v = adjusted(kind, tile, v, &bias, &where, left)
    return v if left >= kind.lanes() else kind.first(v, left)


cdef inline Vec[elem] column_vector(
    Kind[elem] kind, const Row[elem]* tile, bint plain, Py_ssize_t i, Py_ssize_t column, Py_ssize_t left
) noexcept nogil:
    """The same. `plain`, a literal where it matters, is the tile's: without operands there is no question about them."""
    if plain:
        return fetch(kind, tile.x + i * tile.stride + column, left)
    return adjusted_columns(kind, tile, i, column, left)


cdef inline Vec[elem] column_weights(
    Kind[elem] kind, const Row[elem]* tile, bint plain, Py_ssize_t i, Py_ssize_t column, Py_ssize_t left
) noexcept nogil:
    if plain or tile.weights.p is NULL:
        return kind.splat(0)
    return spread(kind, tile.weights.p + i * tile.weights.stride + column * tile.weights.step, tile.weights.step, left)


cdef inline Vec[elem] column_sum(
    Kind[elem] kind, const Reduction* how, const Row[elem]* tile, bint plain, Py_ssize_t i, Py_ssize_t column,
    Py_ssize_t number, Py_ssize_t left, const Frame[elem]* frame, Vec[elem]* seen, bint calm
) noexcept nogil:
    """What a lane gets from a block: block_sum, of at most eight elements from i on."""
    cdef Vec[elem] t[BLOCK_VECTORS]
    cdef Py_ssize_t k, at
    for k in range(number):
        at = i + k * kind.lanes()
        t[k] = addend(kind, how, column_vector(kind, tile, plain, at, column, left),
                      column_weights(kind, tile, plain, at, column, left), frame, seen, calm)
    return sum_of_few(kind, t, number)


cdef bint sum_tile(
    Kind[elem] kind, const Reduction* how, const Row[elem]* tile, Py_ssize_t start, Py_ssize_t end, Py_ssize_t columns,
    const double* e, Pair* pairs, bint calm
) noexcept nogil:
    if Reduction not in WeightedReduction:
        if tile.plain:
            return sum_tile_as(kind, how, tile, True, start, end, columns, e, pairs, calm)
    return sum_tile_as(kind, how, tile, False, start, end, columns, e, pairs, calm)


cdef inline bint sum_tile_as(
    Kind[elem] kind, const Reduction* how, const Row[elem]* tile, bint plain, Py_ssize_t start, Py_ssize_t end,
    Py_ssize_t columns, const double* e, Pair* pairs, bint calm
) noexcept nogil:
    """Pass 1 over a segment of a tile: the pairs of its columns, for references e. False: one does not suit.

    With `calm`, whole vectors of columns are taken for calm, until one is not.
    """
    cdef Py_ssize_t width = kind.lanes(), block = BLOCK_VECTORS * width, i = start, k, lane, c, left, rows, number
    cdef Vec[elem] seen = kind.splat(0), strays = seen, total
    cdef Kind[double] wide
    cdef Frame[elem] frames[TILE]
    cdef Vec[double] a[TILE_COLUMNS]
    cdef Vec[double] b[TILE_COLUMNS]
    for c in range(vectors(columns, width)):
        frames[c] = frame_of_columns(kind, e + c * width)
        for lane in range(width):
            a[c * width + lane] = b[c * width + lane] = wide.splat(0)
    while i < end:
        rows = min(block, end - i)
        for lane in range(min(width, rows)):
            for c in range(vectors(columns, width)):
                left = columns - c * width
                number = vectors(rows - lane, width)
                if not (plain and calm and left >= width):
                    total = column_sum(kind, how, tile, plain, i + lane, c * width, number, left, &frames[c], &seen, False)
                elif number == BLOCK_VECTORS:
                    for k in range(BLOCK_VECTORS):
                        prefetch(tile.x + (i + lane + 1 + k * width) * tile.stride + c * width)     # the next lane's
                    total = column_sum(kind, how, tile, plain, i + lane, c * width, BLOCK_VECTORS, width, &frames[c],
                                       &strays, True)
                else:
                    total = column_sum(kind, how, tile, plain, i + lane, c * width, number, width, &frames[c], &strays,
                                       True)
                add_block(kind, total, &a[c * width + lane], &b[c * width + lane])
        if calm and kind.strayed(strays):
            return sum_tile(kind, how, tile, start, end, columns, e, pairs, False)
        i += rows
    for c in range(vectors(columns, width)):
        join_columns(kind, &a[c * width], &b[c * width], e + c * width, plain and calm and columns - c * width >= width,
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
    Kind[elem] kind, const Reduction* how, const Row[elem]* tile, Py_ssize_t columns, const double* e, Pair* totals
) noexcept nogil:
    """Pass 1 over a tile."""
    cdef Total sums[TILE_COLUMNS]
    cdef Py_ssize_t s, j
    for s in range(segments(tile.n)):
        if not sum_tile(kind, how, tile, s * SEGMENT, min(tile.n, (s + 1) * SEGMENT), columns, e, totals, True):
            return False
        if tile.n <= SEGMENT:
            return True
        for j in range(columns):
            if s == 0:
                sums[j] = empty_total()
            add_pair(&sums[j], totals[j])
    for j in range(columns):
        totals[j] = pair_of(&sums[j], e[j])
    return True


cdef void largest_of_columns(
    Kind[elem] kind, const Row[elem]* tile, Py_ssize_t n, Py_ssize_t columns, double* most
) noexcept nogil:
    """The maximum of the first n elements of each column; NaNs are passed over, or give NaN."""
    cdef Py_ssize_t width = kind.lanes(), i, c
    cdef Vec[elem] tops[TILE]
    for c in range(vectors(columns, width)):
        tops[c] = kind.splat(-INFINITY)
    for i in range(n):
        for c in range(vectors(columns, width)):
            tops[c] = kind.max(column_vector(kind, tile, tile.plain, i, c * width, columns - c * width), tops[c])
    for c in range(vectors(columns, width)):
        kind.unpack(most + c * width, tops[c])


cdef struct Columns:                # of a tile, in pass 2
    Py_ssize_t whole                # vectors of them,
    Py_ssize_t rest                 # and how many are left
    bint streaming


cdef inline void write_tile(
    Kind[elem] kind, const Rule* rule, bint calm, const Job* job, const Row[elem]* tile, bint plain, elem* y,
    const Columns* shape, const Vec[elem]* numbers, Vec[elem]* top
) noexcept nogil:
    """Pass 2 over a tile, from the last row of memory to the first."""
    cdef Py_ssize_t width = kind.lanes(), i, c
    cdef elem* place
    for i in range(job.n - 1, -1, -1):
        place = y + i * job.y_stride
        for c in range(shape.whole):
            prefetch(tile.x + (i - ROWS_AHEAD) * tile.stride + c * width)
            put(kind, place + c * width, width,
                result_from(kind, rule, numbers + c * NUMBERS, column_vector(kind, tile, plain, i, c * width, width), calm,
                            &top[c]), shape.streaming)
        if shape.rest > 0:
            c = shape.whole
            put(kind, place + c * width, shape.rest,
                result_from(kind, rule, numbers + c * NUMBERS,
                            column_vector(kind, tile, plain, i, c * width, shape.rest), False, &top[c]), False)


cdef void write_columns(
    Kind[elem] kind, const Rule* rules, const Job* job, const Row[elem]* tile, elem* y, Py_ssize_t columns, bint calm
) noexcept nogil:
    """Pass 2 over a tile. With `calm`, the terms of whole vectors are."""
    cdef Py_ssize_t width = kind.lanes(), c, j
    cdef Vec[elem] numbers[TILE * NUMBERS]
    cdef Vec[elem] top[TILE]
    cdef double tops[TILE_COLUMNS]
    cdef size_t size = width * sizeof(elem)
    cdef bint aligned = <size_t> y % size == 0 and job.y_stride * sizeof(elem) % size == 0
    cdef Columns shape = Columns(columns // width, columns % width, job.streaming and aligned)
    for c in range(vectors(columns, width)):
        pack_numbers(kind, rules + c * width, &numbers[c * NUMBERS])
        top[c] = kind.splat(-INFINITY)
    if not tile.plain:                              # with literals, each loop has only what it needs
        write_tile(kind, rules, False, job, tile, False, y, &shape, numbers, top)
    elif Rule in TermRule and calm:
        write_tile(kind, rules, True, job, tile, True, y, &shape, numbers, top)
    else:
        write_tile(kind, rules, False, job, tile, True, y, &shape, numbers, top)
    if Rule in AmendingRule:
        for c in range(vectors(columns, width)):
            kind.unpack(tops + c * width, top[c])
        for j in range(columns):
            if amends(kind, &rules[j], tops[j]):
                amend(kind, &rules[j], tops[j], y + j, job.n, job.y_stride)
    if shape.streaming:
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
    Kind[elem] kind, const Reduction* how, const Row[elem]* tile, Py_ssize_t columns, const double* e, Pair* totals
) noexcept nogil:
    """Pass 1 over a tile, for references that may not suit it."""
    cdef bint suits = sum_columns(kind, how, tile, columns, e, totals)
    cdef Py_ssize_t j
    for j in range(columns):
        suits = suits and fabs(totals[j].hi) >= kind.least_sum()
    return suits


cdef bint sum_with_references(
    Kind[elem] kind, const Reduction* how, const Job* job, const Row[elem]* tile, Py_ssize_t columns, double* guess,
    Pair* totals
) noexcept nogil:
    """Pass 1 over a tile, and the references it takes. False: it has to be done column by column."""
    cdef Py_ssize_t width = kind.lanes(), rows = min(job.n, BLOCK_VECTORS * width), j
    cdef double e[TILE_COLUMNS]
    if job.recipe.largest_first:
        rows = job.n
    elif guess[0] == guess[0]:
        for j in range(TILE_COLUMNS):
            e[j] = guess[0]
        if sum_as_guessed(kind, how, tile, columns, e, totals):
            return True
        rows = job.n
    while True:
        largest_of_columns(kind, tile, rows, columns, e)
        guess[0] = -INFINITY
        for j in range(vectors(columns, width) * width):        # lanes that are left over, too: -inf is no reference
            e[j] = reference_for(kind, e[j])
            guess[0] = fmax(guess[0], e[j])
        guess[0] = guess_from(kind, guess[0])
        if rows == job.n:
            return sum_columns(kind, how, tile, columns, e, totals)
        if sum_as_guessed(kind, how, tile, columns, e, totals):
            return True
        rows = job.n


cdef inline bint sum_tile_of(
    Kind[elem] kind, Rule* rule, const Job* job, const Row[elem]* tile, Py_ssize_t columns, double* guess, Pair* totals
) noexcept nogil:
    """The same by the reduction of a rule; what is no sum of exponentials is done column by column."""
    cdef Py_ssize_t j
    cdef bint some = True
    if Rule in WeightedRule:
        if not sum_with_references(kind, WEIGHTED_SUM, job, tile, columns, guess, totals):
            return False
        for j in range(columns):            # an element of weight 0 may have decided the reference: rows leave it out
            some = some and fabs(totals[j].hi) > exp2i(kind.lowest() / 2)
        return some
    elif Rule in ExpRule:
        return sum_with_references(kind, EXP_SUM, job, tile, columns, guess, totals)
    else:
        return False


cdef void run_tile(
    Kind[elem] kind, Rule* rule, const Job* job, const Row[elem]* tile, elem* y, Py_ssize_t columns, double* guess,
    Pair* pairs
) noexcept nogil:
    """Both passes over a tile."""
    cdef Pair totals[TILE_COLUMNS]
    cdef Rule rules[TILE_COLUMNS]
    cdef Row[elem] row
    cdef Py_ssize_t j, whole = columns // kind.lanes() * kind.lanes()
    cdef double no_guess = NAN
    cdef bint calm = True, settled = sum_tile_of(kind, rule, job, tile, columns, guess, totals)
    for j in range(columns, vectors(columns, kind.lanes()) * kind.lanes()):     # lanes that are left over
        memset(&rules[j], 0, sizeof(rules[j]))
    for j in range(columns if settled else 0):
        if job.n > 1 and not is_out_of_range(kind, &totals[j]):
            settle_rule(kind, &rules[j], tile, &totals[j], NAN)     # as settle; of the column itself nothing is needed
        else:
            row = column_of(kind, tile, j)
            settled = settle(kind, &rules[j], &row, True, &totals[j])
            if not settled:
                break
        if not job.plain:
            row = column_of(kind, tile, j)
            put_lse(kind, &row, True, &totals[j])
        if Rule in TermRule:
            calm = calm and (rules[j].calm and totals[j].calm or j >= whole)
    if Rule in ReducingRule:
        for j in range(columns if settled else 0):
            if needs_second_look(kind, &rules[j]):
                row = column_of(kind, tile, j)
            put_value(kind, &rules[j], job, &row, y + j * job.y_column_step)
    if not settled:
        guess[0] = NAN
        for j in range(columns):
            row = column_of(kind, tile, j)
            run_row(kind, rule, job, &row, y + j * job.y_column_step, &no_guess, NULL, pairs)
    elif Rule not in ReducingRule:
        write_columns(kind, rules, job, tile, y, columns, calm)
