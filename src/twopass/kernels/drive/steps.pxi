# One row in steps: what drive/row.pxi does at a stretch, with pauses in which threads share the work.
from libc.math cimport NAN

from twopass.kernels.job cimport Job, locate
from twopass.kernels.memory cimport row_of
from twopass.kernels.rules cimport AnyRule, ReducingRule, Rule
from twopass.kernels.sums cimport Pair
from twopass.kernels.vec cimport Kind, Row, elem

cdef struct Halfway:                # what is known of a row between two steps
    Pair* pairs                     # of its segments
    double shift
    AnyRule rule


cdef inline Row[elem] row_at(
    Kind[elem] kind, const Job* job, const Halfway* halfway, Py_ssize_t index, elem** y
) noexcept nogil:
    cdef Py_ssize_t x_offset, y_offset
    cdef Row[elem] row
    locate(job, index, &x_offset, &y_offset)
    y[0] = <elem*> (job.y + y_offset)
    row = row_of(kind, <const elem*> (job.x + x_offset), job.x_stride, job.n)
    row.shift = halfway.shift
    return row


cdef bint sum_step(
    Kind[elem] kind, Rule* rule, const Job* job, Halfway* halfway, Py_ssize_t index, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    cdef elem* y
    cdef Row[elem] row = row_at(kind, job, halfway, index, &y)
    return sum_segments(kind, rule, &job.recipe, &row, first, last, NAN, <char*> y, halfway.pairs + first)


cdef bint settle_step(
    Kind[elem] kind, Rule* rule, const Job* job, Halfway* halfway, Py_ssize_t index, bint summed
) noexcept nogil:
    cdef elem* y
    cdef Row[elem] row = row_at(kind, job, halfway, index, &y)
    cdef Pair total = merge_all(halfway.pairs, segments(job.n))
    cdef bint done = settle(kind, rule, &row, summed, &total)
    halfway.shift = row.shift
    if Rule in ReducingRule:
        if done:
            y[0] = value_of_row(kind, rule, &row)
    return done


cdef void write_step(
    Kind[elem] kind, Rule* rule, const Job* job, Halfway* halfway, Py_ssize_t index, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    cdef elem* y
    cdef Row[elem] row = row_at(kind, job, halfway, index, &y)
    if Rule not in ReducingRule:
        write_segments(kind, rule, &row, first, last, <char*> y if job.recipe.keep_terms else NULL, halfway.pairs + first,
                       y, job.y_stride, job.streaming)
