# The exponential as a (mantissa, exponent) pair: the paper's ExtExp (section 4), written once for all targets.
#
#     e^x = m * 2^n,   n = round(x log2 e),   m = e^(x - n ln 2) in [0.70, 1.42]
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

cdef extern from "vec.hpp" nogil:
    const double LOG2_E
    const double LN_2


cdef inline double reference_for(double largest, double widest, double margin) noexcept nogil:
    """The reference that suits a row whose largest element is given; far ones and NaN are cut off."""
    return nearbyint(fmax(fmin(largest, widest), -widest) * LOG2_E) - margin


cdef inline double shift_for(double e, const elem* _) noexcept nogil:
    return Kind[elem].magic() - e


cdef inline double floor_for(double e, const elem* _) noexcept nogil:
    """The x whose term is the smallest that is still a normal number."""
    return (e + Kind[elem].lowest()) * LN_2


cdef inline Vec[elem] exp_poly(Vec[elem] r) noexcept nogil:
    """e^r for |r| <= ln(2)/2, by Horner's rule. Coefficients: tools/coefficients.py."""
    cdef Vec[elem] p
    if elem is double:                                          # degree 11: off by 2^-55.8
        p = vfma(Kind[elem].splat(2.5100404824318008e-08), r, Kind[elem].splat(2.762011358004812e-07))
        p = vfma(p, r, Kind[elem].splat(2.7557268419352836e-06))
        p = vfma(p, r, Kind[elem].splat(2.480152124310193e-05))
        p = vfma(p, r, Kind[elem].splat(0.0001984126986307978))
        p = vfma(p, r, Kind[elem].splat(0.001388888891724774))
        p = vfma(p, r, Kind[elem].splat(0.008333333333330056))
        p = vfma(p, r, Kind[elem].splat(0.04166666666662406))
        p = vfma(p, r, Kind[elem].splat(0.16666666666666669))
        p = vfma(p, r, Kind[elem].splat(0.5000000000000001))
    else:                                                       # degree 6: off by 2^-28.2
        p = vfma(Kind[elem].splat(0.0013820945750921965), r, Kind[elem].splat(0.008368683978915215))
        p = vfma(p, r, Kind[elem].splat(0.04166826605796814))
        p = vfma(p, r, Kind[elem].splat(0.1666652113199234))
        p = vfma(p, r, Kind[elem].splat(0.4999999403953552))
    p = vfma(p, r, Kind[elem].splat(1.0))
    return vfma(p, r, Kind[elem].splat(1.0))


cdef inline Vec[elem] term(Vec[elem] x, Vec[elem] shift, Vec[elem] floor, Vec[elem]* z) noexcept nogil:
    """t = m * 2^(n - E), where shift = magic - E; z = magic + (n - E) tells how large it is.

    The floor turns -inf and all that lies far below into the smallest term, and leaves NaN alone.
    """
    cdef Vec[elem] bounded = vmax(floor, x)
    z[0] = vfma(bounded, Kind[elem].splat(LOG2_E), shift)
    return vtimes_exp2(exp_poly[elem](vreduce_arg(bounded, z[0] - shift)), z[0])
