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
    double least                    # the largest term whose result is 0,
    double hi, lo                   # and its log-sum-exp, hi + lo


cdef inline Vec[elem] counted(
    const elem* x, Py_ssize_t left, Vec[elem] shift, Vec[elem] floor, Vec[elem] limit, Vec[elem]* seen, char* terms
) noexcept nogil:
    """The terms of a vector, or of the part of it that is left; kept where `terms` is given."""
    cdef Vec[elem] z, t
    t = term[elem](fetch[elem](x, left), shift, floor, &z)
    seen[0] = vwatch(seen[0], z, limit)
    if terms is not NULL:
        if left >= Kind[elem].lanes():
            Kind[elem].store_computed(terms, t)
        else:
            Kind[elem].store_computed_part(terms, t, left)
    return t


cdef inline char* at(char* terms, Py_ssize_t offset) noexcept nogil:
    return terms + offset if terms is not NULL else NULL


cdef inline const char* kept_at(const char* terms, Py_ssize_t offset) noexcept nogil:
    return terms + offset if terms is not NULL else NULL


cdef inline Vec[elem] block_sum(
    const elem* x, Py_ssize_t step, Py_ssize_t left, Vec[elem] shift, Vec[elem] floor, Vec[elem] limit,
    Vec[elem]* seen, char* terms, Py_ssize_t terms_step
) noexcept nogil:
    """The sum of eight vectors that lie `step` elements apart, lane by lane."""
    cdef Vec[elem] a, b, c
    a = counted[elem](x, left, shift, floor, limit, seen, terms)
    a = a + counted[elem](x + step, left, shift, floor, limit, seen, at(terms, terms_step))
    b = counted[elem](x + 2 * step, left, shift, floor, limit, seen, at(terms, 2 * terms_step))
    b = b + counted[elem](x + 3 * step, left, shift, floor, limit, seen, at(terms, 3 * terms_step))
    a = a + b
    b = counted[elem](x + 4 * step, left, shift, floor, limit, seen, at(terms, 4 * terms_step))
    b = b + counted[elem](x + 5 * step, left, shift, floor, limit, seen, at(terms, 5 * terms_step))
    c = counted[elem](x + 6 * step, left, shift, floor, limit, seen, at(terms, 6 * terms_step))
    c = c + counted[elem](x + 7 * step, left, shift, floor, limit, seen, at(terms, 7 * terms_step))
    return a + (b + c)


cdef inline Vec[elem] sum_of_eight(const Vec[elem]* t, const elem* _) noexcept nogil:
    """The tree of block_sum."""
    return ((t[0] + t[1]) + (t[2] + t[3])) + ((t[4] + t[5]) + (t[6] + t[7]))


cdef inline Vec[elem] partial_block_sum(
    const elem* x, Py_ssize_t n, Vec[elem] shift, Vec[elem] floor, Vec[elem] limit, Vec[elem]* seen,
    Vec[elem]* t, char* terms
) noexcept nogil:
    """The sum of n elements side by side, less than a block: nothing stands for the missing vectors. Fills t."""
    cdef Py_ssize_t width = Kind[elem].lanes(), k, count = vectors(n, width)
    for k in range(count):
        t[k] = counted[elem](x + k * width, n - k * width, shift, floor, limit, seen, at(terms, 64 * k))
    for k in range(count, BLOCK_VECTORS):
        t[k] = Kind[elem].splat(0)
    if count <= 4:
        return (t[0] + t[1]) + (t[2] + t[3])
    return sum_of_eight[elem](t, NULL)


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
                a = vmax(fetch[elem](x + k * width, count - k * width), a)
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
        shift = Kind[elem].splat(shift_for[elem](e, NULL))
        floor = Kind[elem].splat(floor_for[elem](e, NULL))
        seen = Kind[elem].splat(0)
        if terms is not NULL:
            target = terms + (i - start) * term_size
        if count == block:
            total = block_sum[elem](x, width, width, shift, floor, limit, &seen, target, 64)
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


cdef inline void unfold(
    int function, const Normalizer* norm, double* first, double* second, const elem* _
) noexcept nogil:
    """The first two numbers that `result` takes."""
    if function == LOG_SOFTMAX:
        first[0] = norm.hi
        second[0] = Kind[elem].rest_after(norm.hi) + norm.lo
    else:
        first[0] = shift_for[elem](norm.e, NULL)
        second[0] = floor_for[elem](norm.e, NULL)


cdef inline Vec[elem] result(
    int function, const elem* x, const char* terms, Py_ssize_t left,
    Vec[elem] first, Vec[elem] second, Vec[elem] scale, Vec[elem] least
) noexcept nogil:
    """A vector of results, or what is left of one.

    log_softmax: x - (first + second), which rounding must not make positive.
    softmax: the term, kept or found again with (first, second) = (shift, floor), times the scale.
    """
    cdef Vec[elem] z, t
    if function == LOG_SOFTMAX:
        z = Kind[elem].splat(0)
        return z - vmax(z, (first - fetch[elem](x, left)) + second)
    if terms is NULL:
        t = term[elem](fetch[elem](x, left), first, second, &z)
    elif left >= Kind[elem].lanes():
        t = Kind[elem].load_computed(terms)
    else:
        t = Kind[elem].load_computed_part(terms, left)
    return vscaled(t, scale, least)


cdef inline void write_block(
    int function, const elem* x, const char* terms, elem* y, Py_ssize_t n, const Normalizer* norm, bint streaming
) noexcept nogil:
    """The results of n elements, side by side."""
    cdef Py_ssize_t width = Kind[elem].lanes(), k, whole = n // width
    cdef double numbers[2]
    unfold[elem](function, norm, &numbers[0], &numbers[1], NULL)
    cdef Vec[elem] first = Kind[elem].splat(numbers[0]), second = Kind[elem].splat(numbers[1])
    cdef Vec[elem] scale = Kind[elem].splat(norm.scale), least = Kind[elem].splat(norm.least)
    for k in range(whole):
        put[elem](y + k * width, width,
                  result[elem](function, x + k * width, kept_at(terms, 64 * k), width, first, second, scale, least),
                  streaming)
    if whole * width < n:
        put[elem](y + whole * width, n - whole * width,
                  result[elem](function, x + whole * width, kept_at(terms, 64 * whole), n - whole * width,
                               first, second, scale, least), False)


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
    """Pass 2 over elements start..end."""
    cdef Py_ssize_t block = BLOCK_VECTORS * Kind[elem].lanes(), term_size = 64 // Kind[elem].lanes()
    cdef Py_ssize_t i = start
    if streaming:
        i += unaligned_head[elem](y + start, end - start)
        write_some[elem](function, row, start, i - start, terms, y, stride, norm, False)
    while i < end:
        write_some[elem](function, row, i, min(block, end - i),
                         kept_at(terms, (i - start) * term_size), y, stride, norm, streaming)
        i += block
