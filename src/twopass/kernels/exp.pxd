# The exponential as a (mantissa, exponent) pair: the paper's ExtExp (section 4), written once for all targets.
#
#     e^x = m * 2^n,   n = round(x log2 e),   m = e^(x - n ln 2) in [0.70, 1.42]
#
# Where the CPU looks up eight floats in a register, floats round x log2 e to eighths instead, and
# m = 2^(j/8) * e^r has a table for the first factor and a shorter polynomial for the second.
#
# A whole row shares one exponent E, its *reference*, and each element is kept as its *term*
#
#     t = m * 2^(n - E)
#
# which is exact: a power of two touches no digit. So the bits of a sum of terms do not depend on the
# reference, and a reference may be changed half-way by multiplying what was summed by a power of two.
# The reference keeps the largest term of a row between 2^margin and 2^ceiling (vec.hpp has the numbers):
# no sum overflows, and no term that still shows in the result (float: 149 bits below the largest;
# double: 1074) underflows.
#
# Nearly every row of real scores stays within 2^-64 .. 2^64 (double: 512): its terms are *calm*. They are
# computed without a floor and written without a look at underflow; the one operation that tells whether they
# are calm collects the bits of z that only others set.
from libc.math cimport INFINITY, NAN, fmax, fmin, log2, nearbyint

from twopass.kernels.vec cimport LN_2, LOG2_E, Frame, Kind, Vec, elem


cdef inline double reference_for(Kind[elem] kind, double largest) noexcept nogil:
    """The reference that suits a row whose largest element is given; far ones and NaN are cut off."""
    return nearbyint(fmax(fmin(largest, kind.widest()), -kind.widest()) * LOG2_E) - kind.margin()


cdef inline double guess_from(Kind[elem] kind, double e) noexcept nogil:
    """The reference of a row, for the next one to begin with. NaN, which is none, where it is so low that a row it suits
    would be counted from elsewhere if it were alone (settle in drive/row.pxi)."""
    cdef double lowest = reference_for(kind, -INFINITY)
    return e if e >= lowest + kind.margin() - 1 - log2(kind.least_sum()) else NAN


cdef inline double shift_for(Kind[elem] kind, double e) noexcept nogil:
    return kind.magic() + kind.calm() - e


cdef inline double floor_for(Kind[elem] kind, double e) noexcept nogil:
    """The x whose term is the smallest that is still a normal number."""
    return (e + kind.lowest()) * LN_2


cdef inline Vec[elem] exp_quotient(Kind[elem] kind, Vec[elem] r) noexcept nogil:
    """(e^r - 1) / r for |r| <= ln(2)/2, with a table ln(2)/16, by Horner's rule. See tools/coefficients.py."""
    cdef Vec[elem] q
    if elem is double:                                          # e^r is off by 2^-55.8
        q = kind.fma(kind.coefficient(2.5100404824318008e-08), r, kind.coefficient(2.762011358004812e-07))
        q = kind.fma(q, r, kind.coefficient(2.7557268419352836e-06))
        q = kind.fma(q, r, kind.coefficient(2.480152124310193e-05))
        q = kind.fma(q, r, kind.coefficient(0.0001984126986307978))
        q = kind.fma(q, r, kind.coefficient(0.001388888891724774))
        q = kind.fma(q, r, kind.coefficient(0.008333333333330056))
        q = kind.fma(q, r, kind.coefficient(0.04166666666662406))
        q = kind.fma(q, r, kind.coefficient(0.16666666666666669))
        q = kind.fma(q, r, kind.coefficient(0.5000000000000001))
    elif kind.tabled():                                         # 2^-25.2
        q = kind.fma(kind.coefficient(0.16666898131370544), r, kind.coefficient(0.5000645518302917))
    else:                                                       # 2^-28.2
        q = kind.fma(kind.coefficient(0.0013820945750921965), r, kind.coefficient(0.008368683978915215))
        q = kind.fma(q, r, kind.coefficient(0.04166826605796814))
        q = kind.fma(q, r, kind.coefficient(0.1666652113199234))
        q = kind.fma(q, r, kind.coefficient(0.4999999403953552))
    return kind.fma(q, r, kind.coefficient(1.0))


cdef inline Vec[elem] exp_at(Kind[elem] kind, Vec[elem] r, Vec[elem] z) noexcept nogil:
    """e^r * 2^(k - calm), where z = magic + k."""
    cdef Vec[elem] power, q = exp_quotient(kind, r)
    if kind.tabled():
        power = kind.exp2_eighths(z)
        return kind.fma(power, q * r, power)
    return kind.times_exp2(kind.fma(q, r, kind.coefficient(1.0)), z)


cdef inline Frame[elem] frame_for(Kind[elem] kind, double e) noexcept nogil:
    cdef Frame[elem] frame
    frame.shift = kind.splat(shift_for(kind, e))
    frame.floor = kind.splat(floor_for(kind, e))
    frame.first = kind.splat(kind.magic())                                  # z of the first calm term
    frame.limit = kind.splat(kind.magic() + kind.calm() + kind.ceiling())   # and of the largest
    return frame


cdef inline Vec[elem] calm_term(Kind[elem] kind, Vec[elem] x, Vec[elem] shift, Vec[elem]* z) noexcept nogil:
    """t = m * 2^(n - E), where shift = magic + calm - E; z = magic + calm + (n - E) tells how large it is."""
    z[0] = kind.fma(x, kind.splat(LOG2_E), shift)
    return exp_at(kind, kind.reduce_arg(x, z[0] - shift), z[0])


cdef inline Vec[elem] term(Kind[elem] kind, Vec[elem] x, Vec[elem] shift, Vec[elem] floor, Vec[elem]* z) noexcept nogil:
    """The same where x may be small: the floor turns -inf and all that lies far below into the smallest term, and
    leaves NaN alone."""
    return calm_term(kind, kind.max(floor, x), shift, z)


cdef inline double term_of(Kind[elem] kind, double x, double e) noexcept nogil:
    """The term of one element, as the passes find it."""
    cdef Vec[elem] z
    cdef Frame[elem] frame = frame_for(kind, e)
    return kind.peak(term(kind, kind.splat(x), frame.shift, frame.floor, &z))
