# Many rows at a time.
from libc.math cimport NAN
from libc.stdlib cimport free, malloc

from twopass.kernels.job cimport Job, column_of, locate, row_at
from twopass.kernels.rules cimport Rule, ShortRule, TermRule
from twopass.kernels.sums cimport BLOCK_VECTORS, Pair
from twopass.kernels.vec cimport Kind, Row, elem


cdef inline bint are_short(Kind[elem] kind, Rule* rule, const Job* job) noexcept nogil:
    """Whether rows are worked on together: from terms that stay in registers, where there are any."""
    if Rule in TermRule:
        if not job.recipe.keep_terms:
            return False
    return (Rule in ShortRule and job.plain and job.n <= BLOCK_VECTORS * kind.lanes() and job.x_stride == 1
            and job.y_stride == 1
            and not job.recipe.largest_first and not job.recipe.eager)


cdef void run_each_row(
    Kind[elem] kind, Rule* rule, const Job* job, Py_ssize_t first, Py_ssize_t last, char* space, Pair* pairs
) noexcept nogil:
    cdef double guess = NAN
    cdef Row[elem] row
    cdef const elem* x[GROUP]
    cdef elem* y[GROUP]
    cdef Py_ssize_t r = first, alone = first, k, x_offset, y_offset
    cdef bint calm = True
    cdef bint short = are_short(kind, rule, job)
    while r < last:
        if Rule in ShortRule:
            if short and guess == guess:
                for k in range(min(GROUP, last - r)):
                    locate(job, r + k, &x_offset, &y_offset)
                    x[k] = <const elem*> (job.x + x_offset)
                    y[k] = <elem*> (job.y + y_offset)
                if r >= alone and r + GROUP <= last:
                    if run_short_rows(kind, rule, job, x, y, guess, &calm):
                        r += GROUP
                        continue
                    alone = r + GROUP
                if run_short_row(kind, rule, job, x[0], y[0], guess):
                    r += 1
                    continue
        row = row_at(kind, job, r, &y[0])
        run_row(kind, rule, job, &row, y[0], &guess, space, pairs)
        r += 1


cdef void run_each_tile(
    Kind[elem] kind, Rule* rule, const Job* job, Py_ssize_t first, Py_ssize_t last, Pair* pairs
) noexcept nogil:
    cdef double guess = NAN
    cdef Py_ssize_t wide = tile_columns(job.n, kind.lanes()), number = tiles(job, wide)
    cdef Py_ssize_t t, column
    cdef Row[elem] tile
    cdef elem* y
    for t in range(first, last):
        tile = row_at(kind, job, t // number, &y)
        column = t % number * wide
        tile = column_of(kind, &tile, column)
        run_tile(kind, rule, job, &tile, y + column * job.y_column_step, min(wide, job.columns - column), &guess, pairs)


cdef bint run_rows(Kind[elem] kind, Rule* rule, const Job* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Rows (or tiles of columns) first..last; False when there is no memory for the work space."""
    cdef Py_ssize_t term_size = 64 // kind.lanes()
    cdef size_t terms = (job.n * term_size + 63) // 64 * 64 if job.scratch else 0
    cdef char* space = <char*> malloc(terms + segments(job.n) * sizeof(Pair))
    if space is NULL:
        return False
    if job.columns > 0:
        run_each_tile(kind, rule, job, first, last, <Pair*> (space + terms))
    else:
        run_each_row(kind, rule, job, first, last, space, <Pair*> (space + terms))
    free(space)
    return True
