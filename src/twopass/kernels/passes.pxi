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

cdef enum:
    AHEAD = 8192                    # bytes

cdef struct Normalizer:             # what pass 2 needs to know of a whole row
    double e                        # the reference of its terms,
    double total                    # their sum,
    double scale                    # 1 / total,
    double least                    # the largest term whose result is 0,
    double hi, lo                   # and its log-sum-exp, hi + lo
    bint calm                       # whether the results of calm terms are normal numbers


cdef inline Vec[elem] counted(
    const elem* x, Py_ssize_t left, const Frame[elem]* frame, Vec[elem]* seen, char* terms, bint calm
) noexcept nogil:
    """The terms of a vector, or of the part of it that is left; kept where `terms` is given.

    With `calm`, a literal at every call, whole vectors are taken for calm, and `seen` tells vstrayed; without it, vtripped.
    """
    cdef Vec[elem] z, t
    if calm:
        t = calm_term[elem](vload(x), frame.shift, &z)
        seen[0] = vstray(seen[0], z, frame.first)
    else:
        t = term[elem](fetch[elem](x, left), frame.shift, frame.floor, &z)
        seen[0] = vwatch(seen[0], z, frame.limit)
    if terms is not NULL:
        if calm or left >= Kind[elem].lanes():
            Kind[elem].store_computed(terms, t)
        else:
            Kind[elem].store_computed_part(terms, t, left)
    return t


cdef inline void prefetch_block(const elem* x) noexcept nogil:
    """Ask for what is read AHEAD of this block: a CPU's own prefetching stays within a page, and falls behind."""
    cdef Py_ssize_t line
    for line in range(0, BLOCK_VECTORS * Kind[elem].lanes() * sizeof(elem), 64):
        prefetch(<const char*> x + AHEAD + line)


cdef inline char* at(char* terms, Py_ssize_t offset) noexcept nogil:
    return terms + offset if terms is not NULL else NULL


cdef inline const char* kept_at(const char* terms, Py_ssize_t offset) noexcept nogil:
    return terms + offset if terms is not NULL else NULL


cdef inline Vec[elem] block_sum(
    const elem* x, const Frame[elem]* frame, Vec[elem]* seen, char* terms, bint calm
) noexcept nogil:
    """The sum of a block side by side, lane by lane."""
    cdef Py_ssize_t width = Kind[elem].lanes()
    cdef Vec[elem] a, b, c
    a = counted[elem](x, width, frame, seen, terms, calm)
    a = a + counted[elem](x + width, width, frame, seen, at(terms, 64), calm)
    b = counted[elem](x + 2 * width, width, frame, seen, at(terms, 128), calm)
    b = b + counted[elem](x + 3 * width, width, frame, seen, at(terms, 192), calm)
    a = a + b
    b = counted[elem](x + 4 * width, width, frame, seen, at(terms, 256), calm)
    b = b + counted[elem](x + 5 * width, width, frame, seen, at(terms, 320), calm)
    c = counted[elem](x + 6 * width, width, frame, seen, at(terms, 384), calm)
    c = c + counted[elem](x + 7 * width, width, frame, seen, at(terms, 448), calm)
    return a + (b + c)


cdef inline Vec[elem] sum_of_few(Vec[elem]* t, Py_ssize_t count) noexcept nogil:
    """The tree of block_sum, of at most eight vectors: zeros, or nothing, stand for the missing ones."""
    cdef Py_ssize_t k
    for k in range(count, BLOCK_VECTORS if count > 4 else 4):
        t[k] = Kind[elem].splat(0)
    if count <= 4:
        return (t[0] + t[1]) + (t[2] + t[3])
    return ((t[0] + t[1]) + (t[2] + t[3])) + ((t[4] + t[5]) + (t[6] + t[7]))


cdef inline Vec[elem] partial_block_sum(
    const elem* x, Py_ssize_t n, const Frame[elem]* frame, Vec[elem]* seen, Vec[elem]* t, char* terms
) noexcept nogil:
    """The sum of n elements side by side, less than a block. Fills t."""
    cdef Py_ssize_t width = Kind[elem].lanes(), k, count = vectors(n, width)
    for k in range(count):
        t[k] = counted[elem](x + k * width, n - k * width, frame, seen, at(terms, 64 * k), False)
    return sum_of_few[elem](t, count)


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
            prefetch_block[elem](x)
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


cdef inline Py_ssize_t sum_calm_blocks(
    const elem* x, Py_ssize_t n, double e, char* terms, Vec[double]* a, Vec[double]* b
) noexcept nogil:
    """Whole blocks of n elements side by side, as far as all terms are calm. How many elements that was."""
    cdef Py_ssize_t width = Kind[elem].lanes(), block = BLOCK_VECTORS * width, term_size = 64 // width, i = 0
    cdef Frame[elem] frame = frame_for[elem](e, NULL)
    cdef Vec[elem] seen, total
    while i + block <= n:
        prefetch_block[elem](x + i)
        seen = Kind[elem].splat(0)
        total = block_sum[elem](x + i, &frame, &seen, at(terms, i * term_size), True)
        if vstrayed(seen):
            break
        add_block[elem](total, a, b)
        i += block
    return i


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
    cdef Frame[elem] frame
    cdef Vec[elem] seen, total
    cdef Vec[elem] t[BLOCK_VECTORS]
    cdef double e = pair.e, raised
    cdef bint calm

    if e != e:
        e = reference_for(largest[elem](row, i, min(i + block, end)), Kind[elem].widest(), Kind[elem].margin())
    if is_flat[elem](row) and not eager:        # two calls, so that the one without terms has no question about them
        if terms is NULL:
            i += sum_calm_blocks[elem](row.x + start, end - start, e, NULL, &a, &b)
        else:
            i += sum_calm_blocks[elem](row.x + start, end - start, e, terms, &a, &b)
    calm = end - i < block
    while i < end:
        count = min(block, end - i)
        x = stage[elem](row, i, count, buffer)
        if eager:
            raised = fmax(e, reference_for(largest[elem](row, i, i + count), Kind[elem].widest(), Kind[elem].margin()))
            a = a * Kind[double].splat(exp2i(e - raised))
            b = b * Kind[double].splat(exp2i(e - raised))
            e = raised
        frame = frame_for[elem](e, NULL)
        seen = Kind[elem].splat(0)
        if terms is not NULL:
            target = terms + (i - start) * term_size
        if count == block:
            total = block_sum[elem](x, &frame, &seen, target, False)
        else:
            total = partial_block_sum[elem](x, count, &frame, &seen, t, target)
        if vtripped(seen, frame.limit):
            raised = reference_for(largest[elem](row, i, end), Kind[elem].widest(), Kind[elem].margin())
            if not raised > e:
                return False
            a = a * Kind[double].splat(exp2i(e - raised))
            b = b * Kind[double].splat(exp2i(e - raised))
            if terms is not NULL:
                rescale_terms[elem](terms, i - start, e - raised, NULL)
            e = raised
            calm = False
            continue
        add_block[elem](total, &a, &b)
        i += count
    pair[0] = join_lanes[elem](a, b, e, NULL)
    pair.calm = calm
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
    Vec[elem] first, Vec[elem] second, Vec[elem] scale, Vec[elem] least, bint calm
) noexcept nogil:
    """A vector of results, or what is left of one.

    log_softmax: x - (first + second), which rounding must not make positive.
    softmax: the term, kept or found again with (first, second) = (shift, floor), times the scale.
    """
    cdef Vec[elem] z, t
    if function == LOG_SOFTMAX:
        z = Kind[elem].splat(0)
        return z - vmax(z, (first - fetch[elem](x, left)) + second)
    if calm:
        return scale * (calm_term[elem](vload(x), first, &z) if terms is NULL else Kind[elem].load_computed(terms))
    if terms is NULL:
        t = term[elem](fetch[elem](x, left), first, second, &z)
    elif left >= Kind[elem].lanes():
        t = Kind[elem].load_computed(terms)
    else:
        t = Kind[elem].load_computed_part(terms, left)
    return vscaled(t, scale, least)


cdef inline bint is_nearly_all(double x, const Normalizer* norm, const elem* _) noexcept nogil:
    """Whether an element outweighs all others of its row so far that its log_softmax is nearly 0."""
    return x - norm.hi > -4 * Kind[elem].epsilon()


cdef void write_nearly_all(double x, elem* y, Py_ssize_t n, Py_ssize_t stride, const Normalizer* norm) noexcept nogil:
    """The log_softmax of such an element among n results, all others of which are far from 0.

    It is -log(1 + rest / term), and rounding the exponential of the element itself does not show, as it does in
    x - log(sum).
    """
    cdef double own = term_of[elem](x, norm.e, NULL), rest = fmax(0, (norm.total - own) / own)
    cdef Py_ssize_t i
    for i in range(n):
        if scalar(y[i * stride]) > -1:
            y[i * stride] = Kind[elem].storage(0 - rest * (1 - rest * (0.5 - rest / 3)))


cdef inline void write_flat(
    int function, const elem* x, const char* terms, elem* y, Py_ssize_t n, const Normalizer* norm,
    bint streaming, Py_ssize_t quiet
) noexcept nogil:
    """The results of n elements, side by side; the terms of the first `quiet` ones are calm."""
    cdef Py_ssize_t width = Kind[elem].lanes(), i = 0, whole = n // width * width, size = 64 // width
    cdef double numbers[2]
    unfold[elem](function, norm, &numbers[0], &numbers[1], NULL)
    cdef Vec[elem] first = Kind[elem].splat(numbers[0]), second = Kind[elem].splat(numbers[1])
    cdef Vec[elem] scale = Kind[elem].splat(norm.scale), least = Kind[elem].splat(norm.least)
    cdef Vec[elem] top = Kind[elem].splat(-INFINITY)
    while i + width <= quiet:
        prefetch((<const char*> (x + i) if terms is NULL else terms + i * size) + AHEAD)
        put[elem](y + i, width, result[elem](function, x + i, kept_at(terms, i * size), width,
                                             first, second, scale, least, True), streaming)
        i += width
    while i < whole:
        prefetch((<const char*> (x + i) if terms is NULL else terms + i * size) + AHEAD)
        if function == LOG_SOFTMAX:
            top = vmax(vload(x + i), top)
        put[elem](y + i, width, result[elem](function, x + i, kept_at(terms, i * size), width,
                                             first, second, scale, least, False), streaming)
        i += width
    if whole < n:
        if function == LOG_SOFTMAX:
            top = vmax(fetch[elem](x + whole, n - whole), top)
        put[elem](y + whole, n - whole,
                  result[elem](function, x + whole, kept_at(terms, whole * size), n - whole,
                               first, second, scale, least, False), False)
    if function == LOG_SOFTMAX and is_nearly_all[elem](vpeak(top), norm, NULL):
        write_nearly_all[elem](vpeak(top), y, n, 1, norm)


cdef inline void write_staged(
    int function, const Row[elem]* row, Py_ssize_t start, Py_ssize_t end, const char* terms,
    elem* y, Py_ssize_t stride, const Normalizer* norm
) noexcept nogil:
    """Results of elements that do not lie side by side, or go where they do not, block by block."""
    cdef elem buffer[BLOCK_VECTORS * 16]
    cdef elem results[BLOCK_VECTORS * 16]
    cdef Py_ssize_t block = BLOCK_VECTORS * Kind[elem].lanes(), term_size = 64 // Kind[elem].lanes()
    cdef Py_ssize_t i = start, count
    cdef const elem* x = NULL
    while i < end:
        count = min(block, end - i)
        if terms is NULL:
            x = stage[elem](row, i, count, buffer)
        write_flat[elem](function, x, kept_at(terms, (i - start) * term_size), results, count, norm, False, 0)
        scatter[elem](results, count, y + (i - start) * stride, stride)
        i += count


cdef inline Py_ssize_t unaligned_head(const elem* y, Py_ssize_t n) noexcept nogil:
    """How many elements lie before the first aligned vector."""
    cdef Py_ssize_t size = Kind[elem].lanes() * sizeof(elem)
    return min(n, <Py_ssize_t> ((size - <size_t> y % size) % size // sizeof(elem)))


cdef inline void write_range(
    int function, const Row[elem]* row, Py_ssize_t start, Py_ssize_t end, const char* terms,
    elem* y, Py_ssize_t stride, const Normalizer* norm, bint streaming, bint calm
) noexcept nogil:
    """Pass 2 over elements start..end."""
    cdef Py_ssize_t block = BLOCK_VECTORS * Kind[elem].lanes(), term_size = 64 // Kind[elem].lanes()
    cdef Py_ssize_t n = end - start, head = 0, quiet = n // block * block if calm else 0
    cdef const elem* x = row.x + start
    y += start * stride
    if stride != 1 or not (is_flat[elem](row) or terms is not NULL):
        write_staged[elem](function, row, start, end, terms, y, stride, norm)
        return
    if streaming:
        head = unaligned_head[elem](y, n)
        write_flat[elem](function, x, terms, y, head, norm, False, 0)
        x, y, n, quiet = x + head, y + head, n - head, quiet - head
        terms = kept_at(terms, head * term_size)
    if function == LOG_SOFTMAX:                     # with literals, each loop has only what it needs
        write_flat[elem](LOG_SOFTMAX, x, NULL, y, n, norm, streaming, 0)
    elif terms is NULL:
        write_flat[elem](SOFTMAX, x, NULL, y, n, norm, streaming, quiet)
    else:
        write_flat[elem](SOFTMAX, x, terms, y, n, norm, streaming, quiet)
