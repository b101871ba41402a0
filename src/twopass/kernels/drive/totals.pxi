# Totals: the pairs of a row added up exactly, as integers, so that nothing depends on who added which.
#
# Digits of 32 bits stand on a grid that is the same for all rows. The first one is that of the largest pair; what lies
# below the fourth is cut off, which is less than 2^-96 of the largest pair from each, and the same wherever the pair
# stands in the row.
from libc.math cimport floor, fmax, frexp, ldexp
from libc.stdint cimport int64_t

from twopass.kernels.sums cimport Pair, two_sum

cdef enum:
    DIGITS = 4
    DIGIT_BITS = 32                 # the other half of the int64 is room for 2^31 pairs

cdef struct Total:                  # the sum of digits[k] * 2^(exponent - 32 k)
    int64_t[DIGITS] digits
    int64_t exponent                # a multiple of 32


cdef inline Total empty_total() noexcept nogil:
    cdef Total total
    cdef int k
    for k in range(DIGITS):
        total.digits[k] = 0
    total.exponent = -(1LL << 62)
    return total


cdef inline void raise_total(Total* total, int64_t exponent) noexcept nogil:
    """Move the digits down to make room for a larger pair."""
    cdef int64_t places = min(DIGITS, (exponent - total.exponent) // DIGIT_BITS)
    cdef int k
    for k in range(DIGITS - 1, -1, -1):
        total.digits[k] = total.digits[k - places] if k >= places else 0
    total.exponent = exponent


cdef inline void add_digits(Total* total, double value, double e) noexcept nogil:
    cdef double rest = ldexp(value, <int> fmax(e - total.exponent, -4096))
    cdef int64_t digit
    cdef int k
    for k in range(DIGITS):
        digit = <int64_t> rest
        total.digits[k] += digit
        rest = (rest - digit) * 2.0**DIGIT_BITS


cdef void add_pair(Total* total, Pair p) noexcept nogil:
    """The associative operation that all splitting of rows rests on."""
    cdef int size
    cdef int64_t exponent
    frexp(p.hi, &size)
    exponent = <int64_t> (DIGIT_BITS * floor((p.e + size - 1) / DIGIT_BITS))
    if exponent > total.exponent:
        raise_total(total, exponent)
    add_digits(total, p.hi, p.e)
    add_digits(total, p.lo, p.e)


cdef Pair pair_of(const Total* total, double e) noexcept nogil:
    """A total as the pair with exponent e."""
    cdef int64_t carry = 0
    cdef double[DIGITS] digits
    cdef double error, weight = 1
    cdef int k, scale = <int> (total.exponent - e)
    cdef Pair p = Pair(0, 0, e, False)
    for k in range(DIGITS - 1, -1, -1):
        carry += total.digits[k]
        digits[k] = <double> (carry & 0xFFFFFFFFLL)
        carry >>= DIGIT_BITS
    p.hi = carry * 2.0**DIGIT_BITS
    for k in range(DIGITS):
        p.hi = two_sum(p.hi, digits[k] * weight, &error)
        p.lo += error
        weight *= 2.0**-DIGIT_BITS
    p.hi = ldexp(two_sum(p.hi, p.lo, &error), scale)
    p.lo = ldexp(error, scale)
    return p
