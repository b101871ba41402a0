# The functions, as the drivers know them: a rule is what a function makes of the sum of a row, in pass 2.
#
# This is where a function of functions/ is entered: a line in each list that it belongs to. Cython keeps the line of
# the type at hand, so that a driver is compiled once for each rule, and none of them names one.
from twopass.kernels.functions.log_softmax cimport (
    LogSoftmax, log_softmax_amend, log_softmax_amends, log_softmax_numbers, log_softmax_result, log_softmax_settle,
    log_softmax_special,
)
from twopass.kernels.functions.logsumexp cimport LogSumExp, logsumexp_settle, logsumexp_special, logsumexp_value
from twopass.kernels.functions.softmax cimport (
    Softmax, softmax_numbers, softmax_of_term, softmax_settle, softmax_special,
)
from twopass.kernels.functions.weighted_logsumexp cimport (
    WeightedLogSumExp, weighted_logsumexp_settle, weighted_logsumexp_special, weighted_logsumexp_value,
)
from twopass.kernels.reductions.expsum cimport ExpSum, exp_term
from twopass.kernels.reductions.weighted cimport WeightedSum, weighted_term
from twopass.kernels.sums cimport Pair
from twopass.kernels.vec cimport Frame, Kind, Row, Vec, elem

cdef enum:
    NUMBERS = 4                     # that result takes of a row, at most

# What pass 1 sums up: exponentials, or what a rule says by itself.
ctypedef fused Reduction:
    ExpSum
    WeightedSum

ctypedef fused ExpReduction:        # exponentials, which need a reference
    ExpSum
    WeightedSum

ctypedef fused WeightedReduction:   # take weights, and rows never as they lie
    WeightedSum

# What pass 2 does with it.
ctypedef fused Rule:
    Softmax
    LogSoftmax
    LogSumExp
    WeightedLogSumExp

# What is common to some of them.
ctypedef fused ExpRule:             # reduce by a sum of exponentials,
    Softmax
    LogSoftmax
    LogSumExp
    WeightedLogSumExp

ctypedef fused WeightedRule:        # of those, one with weights
    WeightedLogSumExp

ctypedef fused ShortRule:           # have short rows worked on together
    Softmax
    LogSoftmax
    LogSumExp

ctypedef fused TermRule:            # write from terms, whose shift and floor are their first two numbers
    Softmax

ctypedef fused AmendingRule:        # look at the largest element of what they wrote
    LogSoftmax

ctypedef fused ReducingRule:        # have one number a row for a result
    LogSumExp
    WeightedLogSumExp

ctypedef fused SignedRule:          # of those, the ones that have a sign as well
    WeightedLogSumExp

ctypedef fused LogRule:             # of those, the logarithm of an ExpSum, which near 0 wants a second look at the row
    LogSumExp

cdef union AnyRule:                 # the rule of a row between two steps (drive/steps.pxi)
    Softmax softmax
    LogSoftmax log_softmax
    LogSumExp logsumexp
    WeightedLogSumExp weighted_logsumexp


cdef inline Vec[elem] addend(
    Kind[elem] kind, const Reduction* how, Vec[elem] x, Vec[elem] w, const Frame[elem]* frame, Vec[elem]* seen, bint calm
) noexcept nogil:
    """What the elements of a vector, with their weights, add to the sum. `seen` remembers what a frame does not suit."""
    if Reduction is ExpSum:
        return exp_term(kind, x, frame, seen, calm)
    elif Reduction is WeightedSum:
        return weighted_term(kind, x, w, frame, seen, calm)


cdef inline Vec[elem] weights_at(Kind[elem] kind, const Reduction* how, const elem* w, Py_ssize_t place) noexcept nogil:
    """The weights of a vector, for a reduction that has some; w may be NULL for others."""
    if Reduction is WeightedSum:
        return kind.load(w + place)
    else:
        return kind.splat(0)


cdef inline void settle_rule(
    Kind[elem] kind, Rule* rule, const Row[elem]* row, const Pair* sum, double alone
) noexcept nogil:
    """What pass 2 needs to know, from the sum of the row; `alone` is its only element, or NaN."""
    if Rule is Softmax:
        softmax_settle(kind, rule, row, sum, alone)
    elif Rule is LogSoftmax:
        log_softmax_settle(kind, rule, row, sum, alone)
    elif Rule is LogSumExp:
        logsumexp_settle(kind, rule, row, sum, alone)
    elif Rule is WeightedLogSumExp:
        weighted_logsumexp_settle(kind, rule, row, sum, alone)


cdef inline void settle_special(Kind[elem] kind, Rule* rule, double most) noexcept nogil:
    """The same for a row whose maximum is infinite or NaN."""
    if Rule is Softmax:
        softmax_special(rule, most)
    elif Rule is LogSoftmax:
        log_softmax_special(rule, most)
    elif Rule is LogSumExp:
        logsumexp_special(rule, most)
    elif Rule is WeightedLogSumExp:
        weighted_logsumexp_special(rule, most)


cdef inline void numbers_of(Kind[elem] kind, const Rule* rule, double* numbers) noexcept nogil:
    """The numbers of a row that `result` takes, in vectors of one row or of many columns."""
    if Rule is Softmax:
        softmax_numbers(kind, rule, numbers)
    elif Rule is LogSoftmax:
        log_softmax_numbers(kind, rule, numbers)


cdef inline Vec[elem] result_of_term(
    Kind[elem] kind, const Rule* rule, const Vec[elem]* numbers, Vec[elem] t, bint calm
) noexcept nogil:
    if Rule is Softmax:
        return softmax_of_term(kind, numbers, t, calm)
    else:
        return t


cdef inline Vec[elem] result_of(
    Kind[elem] kind, const Rule* rule, const Vec[elem]* numbers, Vec[elem] x
) noexcept nogil:
    if Rule is LogSoftmax:
        return log_softmax_result(kind, numbers, x)
    else:
        return x


cdef inline bint amends(Kind[elem] kind, const Rule* rule, double x) noexcept nogil:
    """Whether a result is to be computed another way, when x is the largest element that one was written for."""
    if Rule is LogSoftmax:
        return log_softmax_amends(kind, rule, x)
    else:
        return False


cdef inline void amend(
    Kind[elem] kind, const Rule* rule, double x, elem* y, Py_ssize_t n, Py_ssize_t stride
) noexcept nogil:
    if Rule is LogSoftmax:
        log_softmax_amend(kind, rule, x, y, n, stride)


cdef inline double value_of(Kind[elem] kind, const Rule* rule) noexcept nogil:
    """The result of a function that has one number a row."""
    if Rule is LogSumExp:
        return logsumexp_value(rule)
    elif Rule is WeightedLogSumExp:
        return weighted_logsumexp_value(rule)
    else:
        return 0
