# The sum of exponentials: what pass 1 does with a vector for softmax, log_softmax and logsumexp.
from libc.math cimport INFINITY

from twopass.kernels.exp cimport calm_term, reference_for, term
from twopass.kernels.logarithm cimport log_of_pair
from twopass.kernels.sums cimport Pair, normalize
from twopass.kernels.vec cimport Frame, Kind, Vec, elem, exp2i

cdef struct ExpSum:                 # names the reduction; it needs to know nothing
    bint nothing


cdef inline Vec[elem] exp_term(
    Kind[elem] kind, Vec[elem] x, const Frame[elem]* frame, Vec[elem]* seen, bint calm
) noexcept nogil:
    """The terms of a vector.

    With `calm`, a literal at every call, they are taken for calm, and `seen` tells strayed; without it, tripped.
    """
    cdef Vec[elem] z, t
    if calm:
        t = calm_term(kind, x, frame.shift, &z)
        seen[0] = kind.stray(seen[0], z, frame.first)
    else:
        t = term(kind, x, frame.shift, frame.floor, &z)
        seen[0] = kind.watch(seen[0], z, frame.limit)
    return t


cdef inline bint is_out_of_range(Kind[elem] kind, const Pair* total) noexcept nogil:
    """Whether a row's largest element lies below the range of the reduction (-inf does)."""
    return total.e <= reference_for(kind, -INFINITY) and total.hi < exp2i(kind.margin() - 1)


cdef inline void log_of_sum(Kind[elem] kind, const Pair* sum, double alone, double* hi, double* lo) noexcept nogil:
    """The log-sum-exp of a row, less its shift, as hi + lo. `alone` is its element, if it has only one, else NaN."""
    cdef Pair total = sum[0]
    hi[0], lo[0] = alone, 0
    if alone != alone:
        if elem is double:
            normalize(&total)
        log_of_pair(&total, hi, lo)
