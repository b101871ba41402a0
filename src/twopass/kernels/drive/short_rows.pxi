# Rows of at most one block, GROUP at a time: one after the other would wait for its own sum before it could go on.
from libc.math cimport NAN

from twopass.kernels.exp cimport frame_for
from twopass.kernels.job cimport Job
from twopass.kernels.memory cimport fetch, put, row_of, vectors
from twopass.kernels.rules cimport NUMBERS, ReducingRule, Rule, TermRule, addend, numbers_of, result_of_term, settle_rule
from twopass.kernels.sums cimport BLOCK_VECTORS, Pair, add_block, join_each_double, join_each_float, join_lanes
from twopass.kernels.vec cimport Frame, Kind, Row, Vec, elem, prefetch, transpose

cdef enum:
    GROUP = 8                       # rows, a lane of double each


cdef inline bint sum_group(
    Kind[elem] kind, const elem* const* x, Py_ssize_t n, double guess, bint* calm, Vec[elem]* t, Pair* totals
) noexcept nogil:
    """Pass 1 over GROUP rows, whose terms go to t, BLOCK_VECTORS a row. False: the guess does not suit.

    With `calm`, whole vectors are taken for calm, until one is not.
    """
    cdef Vec[double] lanes[GROUP]
    cdef Vec[double] rest[GROUP]
    cdef Kind[double] wide
    cdef Frame[elem] frame = frame_for(kind, guess)
    cdef Vec[elem] seen = kind.splat(0), strays = seen, v
    cdef Py_ssize_t width = kind.lanes(), number = vectors(n, width), r, k, left
    for r in range(GROUP):
        for k in range(number):
            left = n - k * width
            prefetch(<const char*> (x[r] + k * width) + AHEAD)
            v = fetch(kind, x[r] + k * width, left)
            if calm[0] and left >= width:
                t[r * BLOCK_VECTORS + k] = addend(kind, EXP_SUM, v, v, &frame, &strays, True)
            else:
                t[r * BLOCK_VECTORS + k] = addend(kind, EXP_SUM, v, v, &frame, &seen, False)
        lanes[r] = rest[r] = wide.splat(0)
        add_block(kind, sum_of_few(kind, &t[r * BLOCK_VECTORS], number), &lanes[r], &rest[r])
        if elem is not double:
            lanes[r] = lanes[r] + rest[r]
    if kind.strayed(strays) or kind.tripped(seen, frame.limit):
        calm[0] = False
        return False
    join_group(kind, lanes, rest, guess, totals)
    for r in range(GROUP):
        if not totals[r].hi >= kind.least_sum():
            return False
    return True


cdef bint sum_short_rows(
    Kind[elem] kind, const elem* const* x, Py_ssize_t n, double guess, bint* calm, Vec[elem]* t, Pair* totals
) noexcept nogil:
    """The same. With a literal the loops over a row are unrolled: worth it for 64 and 128 floats, the heads of attention."""
    cdef Py_ssize_t block = BLOCK_VECTORS * kind.lanes()
    if n == block // 2:
        return sum_group(kind, x, block // 2, guess, calm, t, totals)
    if n == block:
        return sum_group(kind, x, block, guess, calm, t, totals)
    return sum_group(kind, x, n, guess, calm, t, totals)


cdef inline bint run_short_rows(
    Kind[elem] kind, Rule* rule, const Job* job, const elem* const* x, elem* const* y, double guess, bint* calm
) noexcept nogil:
    """Both passes over GROUP rows. False: the guess does not suit."""
    cdef Vec[elem] t[GROUP * BLOCK_VECTORS]
    cdef Pair totals[GROUP]
    cdef Py_ssize_t r
    if not sum_short_rows(kind, x, job.n, guess, calm, t, totals):
        return False
    for r in range(GROUP):
        finish_short_row(kind, rule, x[r], y[r], &totals[r], &t[r * BLOCK_VECTORS], calm[0], job.n)
    return True


cdef inline void join_group(
    Kind[elem] kind, Vec[double]* lanes, Vec[double]* rest, double e, Pair* totals
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
    Kind[elem] kind, Rule* rule, const elem* x, elem* y, const Pair* total, const Vec[elem]* t, bint calm, Py_ssize_t n
) noexcept nogil:
    """What follows the sum of a row, whose terms are at hand."""
    cdef Row[elem] row = row_of(kind, x, 1, n)
    cdef Py_ssize_t width = kind.lanes(), k, whole
    cdef double of_row[NUMBERS]
    cdef Vec[elem] numbers[NUMBERS]
    settle_rule(kind, rule, &row, total, kind.value(x[0]) if n == 1 else NAN)
    if Rule in ReducingRule:
        y[0] = value_of_row(kind, rule, &row)
    elif Rule in TermRule:
        numbers_of(kind, rule, of_row)
        for k in range(NUMBERS):
            numbers[k] = kind.splat(of_row[k])
        whole = n // width if calm and rule.calm else 0
        for k in range(whole):
            kind.store(y + k * width, result_of_term(kind, rule, numbers, t[k], True))
        for k in range(whole, vectors(n, width)):
            put(kind, y + k * width, n - k * width, result_of_term(kind, rule, numbers, t[k], False), False)
    else:
        write_flat(kind, rule, x, NULL, y, n, False, 0)


cdef inline bint run_short_row(
    Kind[elem] kind, Rule* rule, const Job* job, const elem* x, elem* y, double guess
) noexcept nogil:
    """The same for one row."""
    cdef Vec[elem] t[BLOCK_VECTORS]
    cdef Kind[double] wide
    cdef Frame[elem] frame = frame_for(kind, guess)
    cdef Vec[elem] seen = kind.splat(0), block
    cdef Vec[double] a = wide.splat(0), b = a
    cdef Pair total
    block = partial_block_sum(kind, EXP_SUM, x, NULL, job.n, &frame, &seen, t, NULL)
    add_block(kind, block, &a, &b)
    total = join_lanes(kind, a, b, guess)
    if kind.tripped(seen, frame.limit) or not total.hi >= kind.least_sum():
        return False
    finish_short_row(kind, rule, x, y, &total, t, False, job.n)
    return True
