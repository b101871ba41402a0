# The algorithms: which passes, in which order. Every one ends in the same bits.
#
#     three_pass_recompute   largest, sum, write terms again          the paper's Algorithm 1
#     three_pass_reload      largest, sum and keep, scale             the paper's Algorithm 2
#     two_pass               sum, write terms again                   the paper's Algorithm 3
#     two_pass_reload        sum and keep, scale                      one exponential an element, two passes
#     online                 sum with a running maximum, write again  Milakov and Gimelshein 2018

cdef struct Recipe:
    bint largest_first
    bint keep_terms
    bint eager

cdef enum:
    AUTO = -1

cdef Recipe[5] RECIPES
RECIPES[0] = Recipe(True, False, False)
RECIPES[1] = Recipe(True, True, False)
RECIPES[2] = Recipe(False, False, False)
RECIPES[3] = Recipe(False, True, False)
RECIPES[4] = Recipe(False, False, True)

ALGORITHMS = ("three_pass_recompute", "three_pass_reload", "two_pass", "two_pass_reload", "online")


cdef inline Py_ssize_t segments(Py_ssize_t n) noexcept nogil:
    return (n + SEGMENT - 1) // SEGMENT


cdef bint sum_segments(
    const Row[elem]* row, Py_ssize_t first, Py_ssize_t last, const Recipe* recipe, double e, char* terms, Pair* pairs
) noexcept nogil:
    """Pass 1 over segments first..last of a row; e is the reference to begin with or NaN. False: see sum_segment."""
    cdef Py_ssize_t s, start, end = min(row.n, last * SEGMENT), term_size = 64 // Kind[elem].lanes()
    if recipe.largest_first:
        e = reference_for(largest[elem](row, first * SEGMENT, end), Kind[elem].widest(), Kind[elem].margin())
    for s in range(first, last):
        start = s * SEGMENT
        pairs[s].e = e
        if not sum_segment[elem](row, start, min(row.n, start + SEGMENT),
                                 terms + start * term_size if recipe.keep_terms else NULL,
                                 recipe.eager, &pairs[s]):
            return False
        e = pairs[s].e
    return True


cdef Pair merge_all(const Pair* pairs, Py_ssize_t count) noexcept nogil:
    cdef Total total = empty_total()
    cdef double e = pairs[0].e
    cdef Py_ssize_t s
    if count == 1:
        return pairs[0]
    for s in range(count):
        add_pair(&total, pairs[s])
        e = fmax(e, pairs[s].e)
    return pair_of(&total, e)


cdef inline bint is_out_of_range(const Pair* total, const elem* _) noexcept nogil:
    """Whether a row's largest element lies below the range of the reduction (-inf does)."""
    return (total.e <= reference_for(-INFINITY, Kind[elem].widest(), Kind[elem].margin())
            and total.hi < exp2i(Kind[elem].margin() - 1))


cdef double exact_largest(const Row[elem]* row) noexcept nogil:
    """The maximum, or NaN where there is one. For the rare rows that are not summed as they are."""
    cdef double most = -INFINITY, v
    cdef Py_ssize_t i
    for i in range(row.n):
        v = scalar(row.x[i * row.stride])
        if v != v:
            return v
        most = fmax(most, v)
    return most


cdef double log_sum_near_zero(const Row[elem]* row, double value) noexcept nogil:
    """log(sum(exp(x))), known to be nearly 0, from the largest elements and the rest: max + log(count + rest / e^max).

    The sum itself is nearly 1 and has rounded away what tells it from 1. Where the rest outweighs the largest elements,
    rounding their exponentials matters more, and the logarithm of the sum is as good as any.
    """
    cdef Row[elem] others = row[0]
    cdef Recipe recipe = Recipe(False, False, False)
    cdef Total total = empty_total()
    cdef Pair part, sum
    cdef Py_ssize_t i, s, start, count = 0
    cdef double most, top, error
    others.skip = most = largest[elem](row, 0, row.n)
    for i in range(row.n):
        count += scalar(row.x[i * row.stride]) == most
    top = term_of[elem](most, 0, NULL)
    if count * top < 0.5:
        return value
    for s in range(segments(row.n)):
        start = s * SEGMENT
        part.e = NAN
        sum_segment[elem](&others, start, min(row.n, start + SEGMENT), NULL, False, &part)
        add_pair(&total, part)
    part = pair_of(&total, 0)
    sum.e = 0
    sum.hi = two_sum(count, (part.hi + part.lo) / top, &sum.lo)
    log_of_pair(&sum, &part.hi, &part.lo)
    most = two_sum(most, part.hi, &error)
    return most + (error + part.lo)


cdef inline void find_normalizer(
    const Row[elem]* row, const Pair* sum, int function, Normalizer* norm
) noexcept nogil:
    """What a row's sum says of its results."""
    cdef double error
    cdef Pair total
    norm.e = sum.e
    norm.total = sum.hi + sum.lo
    norm.scale = norm.least = norm.hi = norm.lo = 0
    norm.calm = sum.hi <= Kind[elem].calm_sum()
    if function == SOFTMAX:
        norm.scale = reciprocal(sum.hi, sum.lo)
        norm.least = Kind[elem].least_term(sum.hi)
        return
    if row.n == 1:                                      # exactly
        norm.hi = scalar(row.x[0]) - row.shift
    else:
        total = sum[0]
        if elem is double:
            normalize(&total)
        log_of_pair(&total, &norm.hi, &norm.lo)
    if function == LOGSUMEXP:
        norm.hi = two_sum(row.shift, norm.hi, &error)
        norm.lo += error


cdef inline double origin_for(double largest, const elem* _) noexcept nogil:
    """Where to count the elements of a row from that lies beyond the range of the reduction: near its maximum, and on
    a grid, so that chunks of a row mostly agree."""
    cdef double step = Kind[elem].widest() / 4
    if elem is half:
        return largest              # 65504 rounds to an origin that is no half, and no distance from it would be one
    return nearbyint(largest / step) * step


cdef bint settle(
    Row[elem]* row, int function, bint summed, const Pair* total, Normalizer* norm
) noexcept nogil:
    """What pass 2 needs, from the pair of the row.

    False: elements lie beyond the range of the reduction. The row's shift has been set near its maximum, and
    it is to be summed again. The subtraction is exact for whatever still shows in the result.
    """
    cdef double most
    if summed and (row.shift != 0 or not is_out_of_range[elem](total, NULL)):
        find_normalizer[elem](row, total, function, norm)
        return True
    most = exact_largest[elem](row)
    if isfinite(most):
        row.shift = origin_for[elem](most, NULL)
        return False
    norm[0] = Normalizer(0, NAN, NAN, NAN, most, 0, False)      # the usual formulas then give scipy's special values
    return True


cdef void write_segments(
    int function, const Row[elem]* row, Py_ssize_t first, Py_ssize_t last, char* terms, const Pair* pairs,
    elem* y, Py_ssize_t stride, const Normalizer* norm, bint streaming
) noexcept nogil:
    """Pass 2 over segments first..last of a row, the last one first: the end of x is what the caches still hold."""
    cdef Py_ssize_t s, start, end, term_size = 64 // Kind[elem].lanes()
    cdef char* kept = NULL
    cdef bint calm
    for s in range(last - 1, first - 1, -1):
        start = s * SEGMENT
        end = min(row.n, start + SEGMENT)
        if terms is not NULL:
            kept = terms + start * term_size
            if pairs[s].e != norm.e:
                rescale_terms[elem](kept, end - start, pairs[s].e - norm.e, NULL)
        calm = norm.calm and pairs is not NULL and pairs[s].calm and pairs[s].e == norm.e
        write_range[elem](function, row, start, end, kept, y, stride, norm, streaming, calm)
    if streaming:
        store_fence()
