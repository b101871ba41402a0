# The passes: each one sweep over a row. The algorithms (algorithms.pxi) are made of nothing else.
#
#     pass            reads       writes     what for
#     largest         x                      the maximum, for the three-pass algorithms
#     sum_segment     x           (terms)    the pair (S, E) of a segment; keeps the terms when asked to
#     write_terms     x           y          softmax from x: each exponential a second time
#     write_scaled    terms       y          softmax from kept terms: one multiplication
#     write_shifted   x           y          log_softmax

cdef enum:
    SOFTMAX
    LOG_SOFTMAX
    LOGSUMEXP

cdef struct Normalizer:             # what pass 2 needs to know of a whole row
    double e                        # the reference of its terms,
    double scale                    # 1 / (the sum of its terms),
    double hi, lo                   # and its log-sum-exp, hi + lo


cdef inline Vec[elem] counted(
    const elem* x, Py_ssize_t k, Py_ssize_t count, Vec[elem] shift, Vec[elem] floor, Vec[elem] limit,
    Vec[elem]* seen, char* terms
) noexcept nogil:
    """The terms of the k-th vector of a block of `count` elements, kept where `terms` is given."""
    cdef Py_ssize_t width = Kind[elem].lanes(), left = count - k * width
    cdef Vec[elem] z, t
    t = term[elem](fetch[elem](x, k, count), shift, floor, &z)
    seen[0] = vwatch(seen[0], z, limit)
    if terms is not NULL:
        if left >= width:
            Kind[elem].store_computed(terms + 64 * k, t)
        else:
            Kind[elem].store_computed_part(terms + 64 * k, t, left)
    return t


cdef inline Vec[elem] block_sum(
    const elem* x, Py_ssize_t n, Vec[elem] shift, Vec[elem] floor, Vec[elem] limit, Vec[elem]* seen, char* terms
) noexcept nogil:
    """The sum of a whole block, lane by lane. (n is the block's length, known when this is compiled.)"""
    cdef Vec[elem] a, b, c
    a = counted[elem](x, 0, n, shift, floor, limit, seen, terms)
    a = a + counted[elem](x, 1, n, shift, floor, limit, seen, terms)
    b = counted[elem](x, 2, n, shift, floor, limit, seen, terms)
    b = b + counted[elem](x, 3, n, shift, floor, limit, seen, terms)
    a = a + b
    b = counted[elem](x, 4, n, shift, floor, limit, seen, terms)
    b = b + counted[elem](x, 5, n, shift, floor, limit, seen, terms)
    c = counted[elem](x, 6, n, shift, floor, limit, seen, terms)
    c = c + counted[elem](x, 7, n, shift, floor, limit, seen, terms)
    return a + (b + c)


cdef inline Vec[elem] partial_block_sum(
    const elem* x, Py_ssize_t n, Vec[elem] shift, Vec[elem] floor, Vec[elem] limit, Vec[elem]* seen,
    Vec[elem]* t, char* terms
) noexcept nogil:
    """The same tree over fewer elements, with nothing in the place of the missing vectors. Fills t."""
    cdef Py_ssize_t k, count = vectors(n, Kind[elem].lanes())
    for k in range(count):
        t[k] = counted[elem](x, k, n, shift, floor, limit, seen, terms)
    for k in range(count, BLOCK_VECTORS):
        t[k] = Kind[elem].splat(0)
    if count <= 4:
        return (t[0] + t[1]) + (t[2] + t[3])
    return ((t[0] + t[1]) + (t[2] + t[3])) + ((t[4] + t[5]) + (t[6] + t[7]))


cdef double largest(const Row[elem]* row, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """The maximum of elements start..end. NaNs are passed over, or give NaN: sum_segment finds them."""
    cdef elem buffer[BLOCK_VECTORS * 16]
    cdef Py_ssize_t width = Kind[elem].lanes(), block = BLOCK_VECTORS * width
    cdef Py_ssize_t i = start, k, count
    cdef const elem* x
    cdef Vec[elem] a = Kind[elem].splat(-INFINITY), b = a, c = a, d = a
    while i < end:
        count = min(block, end - i)
        x = stage[elem](row, i, count, buffer)
        if count == block:
            a = vmax(vload(x), a)
            b = vmax(vload(x + width), b)
            c = vmax(vload(x + 2 * width), c)
            d = vmax(vload(x + 3 * width), d)
            a = vmax(vload(x + 4 * width), a)
            b = vmax(vload(x + 5 * width), b)
            c = vmax(vload(x + 6 * width), c)
            d = vmax(vload(x + 7 * width), d)
        else:
            for k in range(vectors(count, width)):
                a = vmax(fetch[elem](x, k, count), a)
        i += count
    return vpeak(vmax(vmax(a, b), vmax(c, d)))


cdef void rescale_terms(char* terms, Py_ssize_t count, double by, const elem* _) noexcept nogil:
    """Multiply kept terms by 2^by, in two steps that cannot underflow by themselves."""
    cdef double least = 2 * Kind[elem].lowest(), half_way = floor(fmax(by, least) / 2)
    cdef Vec[elem] f = Kind[elem].splat(exp2i(half_way)), g = Kind[elem].splat(exp2i(fmax(by, least) - half_way))
    cdef Py_ssize_t width = Kind[elem].lanes(), k, whole = count // width
    for k in range(whole):
        Kind[elem].store_computed(terms + 64 * k, (Kind[elem].load_computed(terms + 64 * k) * f) * g)
    if whole * width < count:
        terms += 64 * whole
        count -= whole * width
        Kind[elem].store_computed_part(terms, (Kind[elem].load_computed_part(terms, count) * f) * g, count)


cdef inline bint sum_segment(
    const Row[elem]* row, Py_ssize_t start, Py_ssize_t end, char* terms, bint eager, Pair* pair
) noexcept nogil:
    """Pass 1 over one segment: its pair, and its terms where `terms` is given.

    pair.e is the reference to begin with, or NaN to let the first block choose. A reference that
    proves too small is raised, at most once: the exact scaling makes good what was summed before
    (`online` looks at every block's maximum instead). False: the row holds a NaN, an infinity or
    elements beyond the reduction's range.
    """
    cdef elem buffer[BLOCK_VECTORS * 16]
    cdef Py_ssize_t width = Kind[elem].lanes(), block = BLOCK_VECTORS * width, term_size = 64 // width
    cdef Py_ssize_t i = start, count
    cdef const elem* x
    cdef char* target = NULL
    cdef Vec[double] a = Kind[double].splat(0), b = a
    cdef Vec[elem] limit = Kind[elem].splat(Kind[elem].magic() + Kind[elem].ceiling())
    cdef Vec[elem] shift, floor, seen, total
    cdef Vec[elem] t[BLOCK_VECTORS]
    cdef double e = pair.e, raised

    if e != e:
        e = reference_for(largest[elem](row, i, min(i + block, end)), Kind[elem].widest(), Kind[elem].margin())
    while i < end:
        count = min(block, end - i)
        x = stage[elem](row, i, count, buffer)
        if eager:
            raised = fmax(e, reference_for(largest[elem](row, i, i + count), Kind[elem].widest(), Kind[elem].margin()))
            a = a * Kind[double].splat(exp2i(e - raised))
            b = b * Kind[double].splat(exp2i(e - raised))
            e = raised
        shift = Kind[elem].splat(Kind[elem].magic() - e)
        floor = Kind[elem].splat((e + Kind[elem].lowest()) * LN_2)
        seen = Kind[elem].splat(0)
        if terms is not NULL:
            target = terms + (i - start) * term_size
        if count == block:
            total = block_sum[elem](x, block, shift, floor, limit, &seen, target)
        else:
            total = partial_block_sum[elem](x, count, shift, floor, limit, &seen, t, target)
        if vtripped(seen, limit):
            raised = reference_for(largest[elem](row, i, end), Kind[elem].widest(), Kind[elem].margin())
            if not raised > e:
                return False
            a = a * Kind[double].splat(exp2i(e - raised))
            b = b * Kind[double].splat(exp2i(e - raised))
            if terms is not NULL:
                rescale_terms[elem](terms, i - start, e - raised, NULL)
            e = raised
            continue
        add_block[elem](total, &a, &b)
        i += count
    pair[0] = join_lanes[elem](a, b, e, NULL)
    return True


cdef inline void write_block(
    int function, const elem* x, const char* terms, elem* y, Py_ssize_t n, const Normalizer* norm, bint streaming
) noexcept nogil:
    """The results of n elements, side by side."""
    cdef Py_ssize_t width = Kind[elem].lanes(), count = vectors(n, width), k
    cdef Vec[elem] shift, floor, z, scale, hi, lo, zero
    if function == LOG_SOFTMAX:     # x - log(sum), with the rounding errors of the two kept from making it positive
        hi = Kind[elem].splat(norm.hi)
        lo = Kind[elem].splat(Kind[elem].rest_after(norm.hi) + norm.lo)
        zero = Kind[elem].splat(0)
        for k in range(count):
            put[elem](y, k, n, zero - vmax(zero, (hi - fetch[elem](x, k, n)) + lo), streaming)
        return
    scale = Kind[elem].splat(norm.scale)
    if terms is not NULL:
        for k in range(n // width):
            put[elem](y, k, n, Kind[elem].load_computed(terms + 64 * k) * scale, streaming)
        if n % width != 0:
            k = n // width
            put[elem](y, k, n, Kind[elem].load_computed_part(terms + 64 * k, n % width) * scale, streaming)
        return
    shift = Kind[elem].splat(Kind[elem].magic() - norm.e)
    floor = Kind[elem].splat((norm.e + Kind[elem].lowest()) * LN_2)
    for k in range(count):
        put[elem](y, k, n, term[elem](fetch[elem](x, k, n), shift, floor, &z) * scale, streaming)


cdef inline void write_some(
    int function, const Row[elem]* row, Py_ssize_t i, Py_ssize_t n, const char* terms,
    elem* y, Py_ssize_t stride, const Normalizer* norm, bint streaming
) noexcept nogil:
    """At most a block of results."""
    cdef elem buffer[BLOCK_VECTORS * 16]
    cdef elem results[BLOCK_VECTORS * 16]
    cdef Py_ssize_t block = BLOCK_VECTORS * Kind[elem].lanes()
    cdef const elem* x = NULL
    if terms is NULL:
        x = stage[elem](row, i, n, buffer)
    if stride != 1:
        write_block[elem](function, x, terms, results, n, norm, False)
        scatter[elem](results, n, y + i * stride, stride)
    elif n == block:                # its length is known to the compiler
        write_block[elem](function, x, terms, y + i, block, norm, streaming)
    else:
        write_block[elem](function, x, terms, y + i, n, norm, False)


cdef inline Py_ssize_t unaligned_head(const elem* y, Py_ssize_t n) noexcept nogil:
    """How many elements lie before the first aligned vector."""
    cdef Py_ssize_t size = Kind[elem].lanes() * sizeof(elem)
    return min(n, <Py_ssize_t> ((size - <size_t> y % size) % size // sizeof(elem)))


cdef inline void write_range(
    int function, const Row[elem]* row, Py_ssize_t start, Py_ssize_t end, const char* terms,
    elem* y, Py_ssize_t stride, const Normalizer* norm, bint streaming
) noexcept nogil:
    """Pass 2 over elements start..end, from the last to the first: the end of x is what the caches still hold."""
    cdef Py_ssize_t width = Kind[elem].lanes(), block = BLOCK_VECTORS * width, term_size = 64 // width
    cdef Py_ssize_t first = start, i
    if streaming:
        first += unaligned_head[elem](y + start, end - start)
    i = first + (end - first - 1) // block * block
    while i >= first and i < end:
        write_some[elem](function, row, i, min(block, end - i),
                         terms + (i - start) * term_size if terms is not NULL else NULL, y, stride, norm, streaming)
        i -= block
    if first > start:
        write_some[elem](function, row, start, first - start, terms, y, stride, norm, False)
