# logsumexp with weights: y = log|sum|, and the sign of the sum; two numbers a row.
from libc.math cimport INFINITY, NAN, fabs

from twopass.kernels.logarithm cimport log_of_pair
from twopass.kernels.sums cimport Pair, normalize, two_sum
from twopass.kernels.vec cimport Kind, Row, elem, exp2i

cdef enum:
    DOUBTFUL = 2                    # for a sign: the row is to be computed another way

cdef struct WeightedLogSumExp:
    double hi, lo                   # y = hi + lo
    double sign


cdef inline void weighted_logsumexp_settle(
    Kind[elem] kind, WeightedLogSumExp* rule, const Row[elem]* row, const Pair* sum, double alone
) noexcept nogil:
    """The logarithm, unless it is nearly 0, or of so little beside the terms that they have nearly cancelled."""
    cdef double error
    cdef Pair size = sum[0]
    normalize(&size)                # where terms cancel, lo may outweigh hi
    rule.sign = 1
    if size.hi < 0:
        size.hi, size.lo, rule.sign = -size.hi, -size.lo, -1
    if not size.hi > exp2i(kind.lowest() / 2):
        rule[0] = WeightedLogSumExp(NAN, 0, DOUBTFUL)
        return
    log_of_pair(&size, &rule.hi, &rule.lo)
    rule.hi = two_sum(row.shift, rule.hi, &error)
    rule.lo += error
    if fabs(rule.hi) < 4 * kind.epsilon():
        rule.sign = DOUBTFUL


cdef inline void weighted_logsumexp_special(WeightedLogSumExp* rule, double most) noexcept nogil:
    """Rows with an infinity or NaN beside weights of both signs are rare enough; without a term it is log(0)."""
    rule[0] = WeightedLogSumExp(-INFINITY, 0, 0) if most == -INFINITY else WeightedLogSumExp(NAN, 0, DOUBTFUL)


cdef inline double weighted_logsumexp_value(const WeightedLogSumExp* rule) noexcept nogil:
    return rule.hi + rule.lo
