# The two scalar functions that a row ends in, in twice the precision of double and with the same bits
# everywhere (the C library's log differs between CPUs).
from libc.math cimport fma, frexp, ldexp

from twopass.kernels.sums cimport Pair, two_sum
from twopass.kernels.vec cimport LN_2


cdef inline double reciprocal(double hi, double lo) noexcept nogil:
    """1 / (hi + lo), correctly rounded but for a tiny fraction of the cases."""
    cdef double q = 1 / hi
    return fma(q, fma(-q, hi, 1) - q * lo, q)


cdef inline void log_of_pair(const Pair* p, double* hi, double* lo) noexcept nogil:
    """log((p.hi + p.lo) * 2^p.e) as hi + lo.

    With p.hi = m * 2^k, m in [sqrt(1/2), sqrt(2)): log m = 2 atanh(s), s = (m - 1) / (m + 1), and s is
    carried with its rounding error, so that the series has to supply only the digits from s^3 on.
    """
    cdef int k
    cdef bint small
    cdef double m = frexp(p.hi, &k), rest, num, den, den_error, s, s_error, z, series, error, high, low, n
    small = m < 0.7071067811865476
    m *= 1 + small                                              # no branch: it would be a toss-up
    k -= small
    rest = ldexp(p.lo, -k) if p.lo != 0 else 0
    num = m - 1
    den = two_sum(m, 1, &den_error)
    s = num / den
    s_error = ((fma(-s, den, num) + rest) - s * (den_error + rest)) / den
    z = s * s
    series = 2.0 / 23
    series = fma(series, z, 2.0 / 21)
    series = fma(series, z, 2.0 / 19)
    series = fma(series, z, 2.0 / 17)
    series = fma(series, z, 2.0 / 15)
    series = fma(series, z, 2.0 / 13)
    series = fma(series, z, 2.0 / 11)
    series = fma(series, z, 2.0 / 9)
    series = fma(series, z, 2.0 / 7)
    series = fma(series, z, 2.0 / 5)
    series = fma(series, z, 2.0 / 3)
    n = p.e + k
    high = n * LN_2
    low = fma(n, LN_2, -high) + n * 2.3190468138462996e-17
    high = two_sum(high, 2 * s, &error)
    low += error + (2 * s_error + s * z * series)
    hi[0] = high + low
    lo[0] = (high - hi[0]) + low
