# One row in steps: what drive/row.pxi does at a stretch, with pauses in which threads share the work.
from libc.math cimport NAN

from twopass.kernels.job cimport Job, row_at
from twopass.kernels.memory cimport shift_row
from twopass.kernels.rules cimport AnyRule, ReducingRule, Rule
from twopass.kernels.sums cimport Pair
from twopass.kernels.vec cimport Kind, Row, elem

cdef struct Halfway:                # what is known of a row between two steps
    Pair* pairs                     # of its segments
    Py_ssize_t row                  # which one it is that has this
    double shift
    AnyRule rule


cdef inline Row[elem] halfway_row(
    Kind[elem] kind, const Job* job, const Halfway* halfway, Py_ssize_t index, elem** y
) noexcept nogil:
    cdef Row[elem] row = row_at(kind, job, index, y)
    shift_row(kind, &row, halfway.shift if halfway.row == index else 0)
    return row


cdef bint sum_step(
    Kind[elem] kind, Rule* rule, const Job* job, Halfway* halfway, Py_ssize_t index, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    cdef elem* y
    cdef Row[elem] row = halfway_row(kind, job, halfway, index, &y)
    return sum_segments(kind, rule, &job.recipe, &row, first, last, NAN, <char*> y, halfway.pairs + first)


cdef bint settle_step(
    Kind[elem] kind, Rule* rule, const Job* job, Halfway* halfway, Py_ssize_t index, bint summed
) noexcept nogil:
    cdef elem* y
    cdef Row[elem] row = halfway_row(kind, job, halfway, index, &y)
    cdef Pair total = merge_all(halfway.pairs, segments(job.n))
    cdef bint done = settle(kind, rule, &row, summed, &total)
    halfway.row, halfway.shift = index, row.shift
    if done:
        put_lse(kind, &row, summed, &total)
    if Rule in ReducingRule:
        if done:
            put_value(kind, rule, job, &row, y)
    return done


cdef void write_step(
    Kind[elem] kind, Rule* rule, const Job* job, Halfway* halfway, Py_ssize_t index, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    cdef elem* y
    cdef Row[elem] row = halfway_row(kind, job, halfway, index, &y)
    if Rule not in ReducingRule:
        write_segments(kind, rule, &row, first, last, <char*> y if job.recipe.keep_terms else NULL, halfway.pairs + first,
                       y, job.y_stride, job.streaming)
