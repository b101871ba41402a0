# logsumexp: y = log(sum), one number a row.
from twopass.kernels.reductions.expsum cimport log_of_sum
from twopass.kernels.sums cimport Pair, two_sum
from twopass.kernels.vec cimport Kind, Row, elem

cdef struct LogSumExp:
    double hi, lo                   # y = hi + lo


cdef inline void logsumexp_settle(
    Kind[elem] kind, LogSumExp* rule, const Row[elem]* row, const Pair* sum, double alone
) noexcept nogil:
    cdef double error
    log_of_sum(kind, sum, alone, &rule.hi, &rule.lo)
    rule.hi = two_sum(row.shift, rule.hi, &error)
    rule.lo += error


cdef inline void logsumexp_special(LogSumExp* rule, double most) noexcept nogil:
    rule[0] = LogSumExp(most, 0)


cdef inline double logsumexp_value(const LogSumExp* rule) noexcept nogil:
    return rule.hi + rule.lo
