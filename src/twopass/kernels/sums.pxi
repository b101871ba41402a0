# Sums of terms, the same on every target, and the pair they end in.
#
# Design note
# A. Lane. Element i of a row is added up in lane i mod 16 (double: i mod 8).
# B. Block. The eight elements that a lane gets from 128 (64) consecutive ones are added as a tree in the
#    type of the row: three roundings deep, and no more additions than a chain would take.
# C. Lane sum. Block sums are added up in float64; for float64 rows in a compensated pair of float64.
#    Plain float32 lanes would be wrong by thousands of ULP after a million elements.
# D. Segment. After 65536 elements the lanes are joined, in one fixed order, into a Pair. Whoever divides a
#    row (threads, chunks of an array, machines) does so at segments.
# E. Total. The pairs of a row are added up exactly, as integers: digits of 32 bits on a grid that is the
#    same for all rows. Integers may be added in any order and grouping, so nothing depends on who added
#    which. The first digit is that of the largest pair; what lies below the fourth is cut off, which is
#    less than 2^-96 of the largest pair from each, and the same wherever the pair stands in the row.

cdef enum:
    BLOCK_VECTORS = 8
    SEGMENT = 65536
    DIGITS = 4
    DIGIT_BITS = 32                 # the other half of the int64 is room for 2^31 pairs

cdef struct Pair:
    double hi, lo                   # the sum is (hi + lo) * 2^e
    double e                        # an integer
    bint calm                       # whether all terms of its whole blocks are (exp.pxi)

cdef struct Total:                  # the sum of digits[k] * 2^(exponent - 32 k)
    int64_t[DIGITS] digits
    int64_t exponent                # a multiple of 32


cdef inline double two_sum(double a, double b, double* error) noexcept nogil:
    cdef double s = a + b
    cdef double v = s - a
    error[0] = (a - (s - v)) + (b - v)
    return s


cdef inline void normalize(Pair* p) noexcept nogil:
    """Give a sum the form that pair_of gives it, hi being all of it rounded: the logarithm's last bits depend on it."""
    cdef double all = p.hi + p.lo
    p.lo -= all - p.hi
    p.hi = all


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


cdef inline void add_block(Vec[elem] block, Vec[double]* a, Vec[double]* b) noexcept nogil:
    """Add a block's lanes to the lane sums: two vectors of lanes, or for double one of (a + b)."""
    cdef Vec[double] s, v
    if elem is double:
        s = a[0] + block
        v = s - a[0]
        b[0] = b[0] + ((a[0] - (s - v)) + (block - v))
        a[0] = s
    else:
        a[0] = a[0] + vlow(block)
        b[0] = b[0] + vhigh(block)


cdef inline Pair join_lanes(Vec[double] a, Vec[double] b, double e, const elem* _) noexcept nogil:
    cdef double[8] hi
    cdef double[8] lo
    cdef double error
    cdef int k
    cdef Pair p
    p.e = e
    p.lo = 0
    p.calm = False
    if elem is double:
        vstore(<double*> hi, a)
        vstore(<double*> lo, b)
        p.hi = hi[0]
        p.lo = lo[0]
        for k in range(1, 8):
            p.hi = two_sum(p.hi, hi[k], &error)
            p.lo += lo[k] + error
    else:
        p.hi = vsum(a + b)
    return p


cdef inline void join_each_float(const Vec[double]* lanes, double* hi) noexcept nogil:
    """join_lanes for eight rows at a time, each a lane of the vectors; lanes i and i + 8 have been added up."""
    vstore(hi, ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7])))


cdef inline void join_each_double(const Vec[double]* lanes, const Vec[double]* rests, double* hi, double* lo) noexcept nogil:
    """The same for float64."""
    cdef Vec[double] sum = lanes[0], rest = rests[0], v, error
    cdef Py_ssize_t lane
    for lane in range(1, 8):
        v = sum + lanes[lane]
        error = (sum - (v - (v - sum))) + (lanes[lane] - (v - sum))
        rest = rest + (rests[lane] + error)
        sum = v
    vstore(hi, sum)
    vstore(lo, rest)
