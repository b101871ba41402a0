# softmax: y = term / sum of terms, from terms that were kept or are computed a second time.
from libc.math cimport NAN

from twopass.kernels.exp cimport floor_for, shift_for
from twopass.kernels.logarithm cimport reciprocal
from twopass.kernels.sums cimport Pair, normalize
from twopass.kernels.vec cimport Kind, Row, Vec, elem

cdef struct Softmax:                # what pass 2 needs to know of a row:
    double e                        # the reference of its terms,
    double scale                    # 1 / their sum; NaN in a row with special values,
    double least                    # the largest term whose result is 0,
    bint calm                       # whether the results of calm terms are normal numbers


cdef inline void softmax_settle(
    Kind[elem] kind, Softmax* rule, const Row[elem]* row, const Pair* sum, double alone
) noexcept nogil:
    cdef Pair total = sum[0]
    if elem is double:                          # else a tie would fall as hi and lo happen to divide the sum
        normalize(&total)
    rule.e = total.e
    rule.scale = reciprocal(total.hi, total.lo)
    rule.least = kind.least_term(total.hi)
    rule.calm = total.hi <= kind.calm_sum()


cdef inline void softmax_special(Softmax* rule, double most) noexcept nogil:
    rule[0] = Softmax(0, NAN, NAN, False)


cdef inline void softmax_numbers(Kind[elem] kind, const Softmax* rule, double* numbers) noexcept nogil:
    numbers[0] = shift_for(kind, rule.e)
    numbers[1] = floor_for(kind, rule.e)
    numbers[2] = rule.scale
    numbers[3] = rule.least


cdef inline Vec[elem] softmax_of_term(Kind[elem] kind, const Vec[elem]* numbers, Vec[elem] t, bint calm) noexcept nogil:
    return t * numbers[2] if calm else kind.scaled(t, numbers[2], numbers[3])
