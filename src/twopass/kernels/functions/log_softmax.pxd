# log_softmax: y = x - log(sum), the logarithm in two parts.
from libc.math cimport fmax

from twopass.kernels.exp cimport term_of
from twopass.kernels.reductions.expsum cimport log_of_sum
from twopass.kernels.sums cimport Pair
from twopass.kernels.vec cimport Kind, Row, Vec, elem

cdef struct LogSoftmax:             # what pass 2 needs to know of a row:
    double hi, lo                   # its log-sum-exp, hi + lo,
    double e                        # the reference of its terms,
    double total                    # and their sum


cdef inline void log_softmax_settle(
    Kind[elem] kind, LogSoftmax* rule, const Row[elem]* row, const Pair* sum, double alone
) noexcept nogil:
    log_of_sum(kind, sum, alone, &rule.hi, &rule.lo)
    rule.e = sum.e
    rule.total = sum.hi + sum.lo


cdef inline void log_softmax_special(LogSoftmax* rule, double most) noexcept nogil:
    rule[0] = LogSoftmax(most, 0, 0, 0)


cdef inline void log_softmax_numbers(Kind[elem] kind, const LogSoftmax* rule, double* numbers) noexcept nogil:
    numbers[0] = rule.hi
    numbers[1] = kind.rest_after(rule.hi) + rule.lo


cdef inline Vec[elem] log_softmax_result(Kind[elem] kind, const Vec[elem]* numbers, Vec[elem] x) noexcept nogil:
    """Rounding must not make it positive."""
    cdef Vec[elem] zero = kind.splat(0)
    return zero - kind.max(zero, (numbers[0] - x) + numbers[1])


cdef inline bint log_softmax_amends(Kind[elem] kind, const LogSoftmax* rule, double x) noexcept nogil:
    """Whether an element outweighs all others of its row so far that its result is nearly 0."""
    return x - rule.hi > -4 * kind.epsilon()


cdef inline void log_softmax_amend(
    Kind[elem] kind, const LogSoftmax* rule, double x, elem* y, Py_ssize_t n, Py_ssize_t stride
) noexcept nogil:
    """The result of such an element, among n results all others of which are far from 0.

    It is -log(1 + rest / term), and rounding the exponential of the element itself does not show, as it does in
    x - log(sum).
    """
    cdef double own = term_of(kind, x, rule.e), rest = fmax(0, (rule.total - own) / own)
    cdef Py_ssize_t i
    for i in range(n):
        if kind.value(y[i * stride]) > -1:
            y[i * stride] = kind.rounded(0 - rest * (1 - rest * (0.5 - rest / 3)))
