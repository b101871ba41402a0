# Sums of terms, the same on every target, and the pair they end in.
#
# Design note
# A. Lane. Element i of a row is added up in lane i mod 16 (double: i mod 8).
# B. Block. The eight elements that a lane gets from 128 (64) consecutive ones are added as a tree in the
#    type of the row: three roundings deep, and no more additions than a chain would take.
# C. Lane sum. Block sums are added up in float64; for float64 rows in a compensated pair of float64.
#    Plain float32 lanes would be wrong by thousands of ULP after a million elements.
# D. Segment. After 65536 elements the lanes are joined, in one fixed order, into a Pair; the pairs of a
#    row are merged from its start to its end. Threads divide a row at segments only, so nothing depends
#    on their number.

cdef enum:
    BLOCK_VECTORS = 8
    SEGMENT = 65536

cdef struct Pair:
    double hi, lo                   # the sum is (hi + lo) * 2^e
    double e                        # an integer


cdef inline double two_sum(double a, double b, double* error) noexcept nogil:
    cdef double s = a + b
    cdef double v = s - a
    error[0] = (a - (s - v)) + (b - v)
    return s


cdef inline void rebase(Pair* p, double e) noexcept nogil:
    """Express a pair with a larger exponent: exact, but for what is too small to matter."""
    cdef double factor = exp2i(p.e - e)
    p.hi *= factor
    p.lo *= factor
    p.e = e


cdef Pair merge(Pair a, Pair b) noexcept nogil:
    """The sum of two pairs: the associative operation that all splitting of rows rests on."""
    cdef double error
    if a.e < b.e:
        rebase(&a, b.e)
    else:
        rebase(&b, a.e)
    a.hi = two_sum(a.hi, b.hi, &error)
    a.lo += b.lo + error
    return a


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
