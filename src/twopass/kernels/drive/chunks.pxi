# Pairs in public: the sum of a chunk of each row, and the results of a chunk from the sum of the whole row.
#
# Design note
# A. A State is what travels: 48 bytes a row. States are added up in _pairs.py by adding their digits, which is
#    exact (drive/totals.pxi). So a row whose chunks end at segments gets the bits of the row in one piece.
# B. Every segment begins with the reference of its own first block: its pair depends on nothing outside of it.
# C. A whole row is never at hand, so that what looks at the row again (log_sum_near_zero) is left out.
from libc.math cimport INFINITY, NAN, fmax, frexp, isfinite

from twopass.kernels.algorithms cimport Recipe
from twopass.kernels.job cimport Job, row_at
from twopass.kernels.memory cimport row_of, shift_row
from twopass.kernels.reductions.expsum cimport is_out_of_range
from twopass.kernels.rules cimport Rule, settle_rule, settle_special, value_of
from twopass.kernels.sums cimport Pair
from twopass.kernels.vec cimport Kind, Row, elem

cdef struct State:                  # _pairs.STATE: a sum of exponentials, total * e^shift
    Total total
    double shift                    # 0 within the range of the reduction; NaN, +inf, or -inf (no term at all) say all


cdef inline bint total_of(Kind[elem] kind, const Row[elem]* row, Total* total) noexcept nogil:
    """The sum of a chunk's segments. False: something needs a shift."""
    cdef Recipe plain = Recipe(False, False, False)
    cdef Pair pair
    cdef double e = -INFINITY
    cdef Py_ssize_t s
    total[0] = empty_total()
    for s in range(segments(row.n)):
        if not sum_by(kind, EXP_SUM, &plain, row, s, s + 1, NAN, NULL, &pair):
            return False
        add_pair(total, pair)
        e = fmax(e, pair.e)
    pair = pair_of(total, e)
    return row.shift != 0 or not is_out_of_range(kind, &pair)


cdef inline void sum_chunk(Kind[elem] kind, Row[elem] row, State* state) noexcept nogil:
    cdef double most
    state.shift = 0
    if row.n > 0 and total_of(kind, &row, &state.total):
        return
    state.shift = most = exact_largest(kind, &row)
    state.total = empty_total()
    if isfinite(most):
        state.shift = origin_for(kind, most)
        shift_row(kind, &row, state.shift)
        total_of(kind, &row, &state.total)


cdef inline Pair scaled_pair(const State* state, double margin) noexcept nogil:
    """The pair whose sum lies in [2^(margin - 1), 2^margin)."""
    cdef Pair pair = pair_of(&state.total, state.total.exponent)
    cdef int size
    frexp(pair.hi, &size)
    return pair_of(&state.total, state.total.exponent + size - margin)


cdef inline void settle_state(Kind[elem] kind, Rule* rule, const State* state) noexcept nogil:
    """As settle, from the sum of a row that is not at hand."""
    cdef Row[elem] nowhere = row_of(kind, <const elem*> NULL, 1, 0)
    cdef Pair total
    if not isfinite(state.shift):
        settle_special(kind, rule, state.shift)
        return
    nowhere.shift = state.shift
    total = scaled_pair(state, kind.margin())
    settle_rule(kind, rule, &nowhere, &total, NAN)


cdef void sum_chunks(Kind[elem] kind, const Job* job, State* states) noexcept nogil:
    cdef Py_ssize_t r
    cdef elem* y
    for r in range(job.rows):
        sum_chunk(kind, row_at(kind, job, r, &y), &states[r])


cdef void apply_states(Kind[elem] kind, Rule* rule, const Job* job, const State* states) noexcept nogil:
    """The results of each row's chunk."""
    cdef Py_ssize_t r
    cdef Row[elem] row
    cdef elem* y
    for r in range(job.rows):
        row = row_at(kind, job, r, &y)
        settle_state(kind, rule, &states[r])
        if isfinite(states[r].shift):
            shift_row(kind, &row, states[r].shift)
        write_segments(kind, rule, &row, 0, segments(row.n), NULL, NULL, y, job.y_stride, job.streaming)


cdef void finish_states(Kind[elem] kind, Rule* rule, const State* states, elem* y, Py_ssize_t n) noexcept nogil:
    """The results of rows that are reduced to a number."""
    cdef Py_ssize_t r
    for r in range(n):
        settle_state(kind, rule, &states[r])
        y[r] = kind.rounded(value_of(kind, rule))
