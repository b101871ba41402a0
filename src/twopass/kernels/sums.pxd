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
# E. Total. The pairs of a row are added up exactly, as integers (drive/totals.pxi).
from twopass.kernels.vec cimport Kind, Vec, elem, sum_of_lanes

cdef enum:
    BLOCK_VECTORS = 8
    SEGMENT = 65536

cdef struct Pair:
    double hi, lo                   # the sum is (hi + lo) * 2^e
    double e                        # an integer
    bint calm                       # whether all terms of its whole blocks are (exp.pxd)

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


cdef inline void add_block(Kind[elem] kind, Vec[elem] block, Vec[double]* a, Vec[double]* b) noexcept nogil:
    """Add a block's lanes to the lane sums: two vectors of lanes, or for double one of (a + b)."""
    cdef Vec[double] s, v
    if elem is double:
        s = a[0] + block
        v = s - a[0]
        b[0] = b[0] + ((a[0] - (s - v)) + (block - v))
        a[0] = s
    else:
        a[0] = a[0] + kind.low(block)
        b[0] = b[0] + kind.high(block)


cdef inline Pair join_lanes(Kind[elem] kind, Vec[double] a, Vec[double] b, double e) noexcept nogil:
    cdef double[8] hi
    cdef double[8] lo
    cdef double error
    cdef int k
    cdef Pair p
    p.e = e
    p.lo = 0
    p.calm = False
    if elem is double:
        kind.store(<double*> hi, a)
        kind.store(<double*> lo, b)
        p.hi = hi[0]
        p.lo = lo[0]
        for k in range(1, 8):
            p.hi = two_sum(p.hi, hi[k], &error)
            p.lo += lo[k] + error
    else:
        p.hi = sum_of_lanes(a + b)
    return p


cdef inline void join_each_float(const Vec[double]* lanes, double* hi) noexcept nogil:
    """join_lanes for eight rows at a time, each a lane of the vectors; lanes i and i + 8 have been added up."""
    cdef Kind[double] kind
    kind.store(hi, ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7])))


cdef inline void join_each_double(const Vec[double]* lanes, const Vec[double]* rests, double* hi, double* lo) noexcept nogil:
    """The same for float64."""
    cdef Vec[double] sum = lanes[0], rest = rests[0], v, error
    cdef Kind[double] kind
    cdef Py_ssize_t lane
    for lane in range(1, 8):
        v = sum + lanes[lane]
        error = (sum - (v - (v - sum))) + (lanes[lane] - (v - sum))
        rest = rest + (rests[lane] + error)
        sum = v
    kind.store(hi, sum)
    kind.store(lo, rest)
