# The passes: each one sweep over a row. The algorithms are made of nothing else.
#
#     pass            reads       writes     what for
#     largest         x                      the maximum, for the three-pass algorithms
#     sum_segment     x           (terms)    PASS 1: the pair of a segment; keeps the terms when asked to
#     write_range     x or terms  y          PASS 2: the results
from libc.math cimport INFINITY, floor, fmax, isfinite

from twopass.kernels.exp cimport calm_term, frame_for, reference_for, term
from twopass.kernels.memory cimport (
    at, fetch, is_flat, kept_at, put, scatter, unaligned_head, vectors,
)
from twopass.kernels.rules cimport (
    NUMBERS, AmendingRule, ExpReduction, Reduction, Rule, TermRule, WeightedReduction, addend, amend, amends, numbers_of,
    result_of, result_of_term, weights_at,
)
from twopass.kernels.sums cimport BLOCK_VECTORS, Pair, add_block, join_lanes
from twopass.kernels.vec cimport Frame, Kind, Row, Vec, elem, exp2i, prefetch

cdef enum:
    AHEAD = 8192                    # bytes


cdef inline void prefetch_block(Kind[elem] kind, const elem* x) noexcept nogil:
    """Ask for what is read AHEAD of this block: a CPU's own prefetching stays within a page, and falls behind."""
    cdef Py_ssize_t line
    for line in range(0, BLOCK_VECTORS * kind.lanes() * sizeof(elem), 64):
        prefetch(<const char*> x + AHEAD + line)


cdef inline Vec[elem] addend_kept(
    Kind[elem] kind, const Reduction* how, const elem* x, const elem* w, Py_ssize_t k, Py_ssize_t n,
    const Frame[elem]* frame, Vec[elem]* seen, char* terms, bint calm
) noexcept nogil:
    """What vector k of n elements side by side adds to their sum; kept where `terms` is given."""
    cdef Py_ssize_t place = k * kind.lanes(), left = n - place
    cdef Vec[elem] v = kind.load(x + place) if calm else fetch(kind, x + place, left)
    cdef Vec[elem] t = addend(kind, how, v, weights_at(kind, how, w, place), frame, seen, calm)
    if terms is not NULL:
        if calm or left >= kind.lanes():
            kind.store_terms(terms + 64 * k, t)
        else:
            kind.store_terms_part(terms + 64 * k, t, left)
    return t


cdef inline Vec[elem] block_sum(
    Kind[elem] kind, const Reduction* how, const elem* x, const elem* w, const Frame[elem]* frame, Vec[elem]* seen,
    char* terms, bint calm
) noexcept nogil:
    """The sum of a block side by side, lane by lane."""
    cdef Py_ssize_t block = BLOCK_VECTORS * kind.lanes()
    cdef Vec[elem] a, b, c
    a = addend_kept(kind, how, x, w, 0, block, frame, seen, terms, calm)
    a = a + addend_kept(kind, how, x, w, 1, block, frame, seen, terms, calm)
    b = addend_kept(kind, how, x, w, 2, block, frame, seen, terms, calm)
    b = b + addend_kept(kind, how, x, w, 3, block, frame, seen, terms, calm)
    a = a + b
    b = addend_kept(kind, how, x, w, 4, block, frame, seen, terms, calm)
    b = b + addend_kept(kind, how, x, w, 5, block, frame, seen, terms, calm)
    c = addend_kept(kind, how, x, w, 6, block, frame, seen, terms, calm)
    c = c + addend_kept(kind, how, x, w, 7, block, frame, seen, terms, calm)
    return a + (b + c)


cdef inline Vec[elem] sum_of_few(Kind[elem] kind, Vec[elem]* t, Py_ssize_t number) noexcept nogil:
    """The tree of block_sum, of at most eight vectors: zeros, or nothing, stand for the missing ones."""
    cdef Py_ssize_t k
    for k in range(number, BLOCK_VECTORS if number > 4 else 4):
        t[k] = kind.splat(0)
    if number <= 4:
        return (t[0] + t[1]) + (t[2] + t[3])
    return ((t[0] + t[1]) + (t[2] + t[3])) + ((t[4] + t[5]) + (t[6] + t[7]))


cdef inline Vec[elem] partial_block_sum(
    Kind[elem] kind, const Reduction* how, const elem* x, const elem* w, Py_ssize_t n, const Frame[elem]* frame,
    Vec[elem]* seen, Vec[elem]* t, char* terms
) noexcept nogil:
    """The sum of n elements side by side, less than a block. Fills t."""
    cdef Py_ssize_t k, number = vectors(n, kind.lanes())
    for k in range(number):
        t[k] = addend_kept(kind, how, x, w, k, n, frame, seen, terms, False)
    return sum_of_few(kind, t, number)


cdef double largest(Kind[elem] kind, const Row[elem]* row, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """The maximum of elements start..end. NaNs are passed over, or give NaN: sum_segment finds them."""
    cdef elem buffer[BLOCK_VECTORS * 16]
    cdef Py_ssize_t width = kind.lanes(), block = BLOCK_VECTORS * width
    cdef Py_ssize_t i = start, k, number
    cdef const elem* x
    cdef Vec[elem] a = kind.splat(-INFINITY), b = a, c = a, d = a
    while i < end:
        number = min(block, end - i)
        x = stage(kind, row, i, number, buffer)
        if number == block:
            prefetch_block(kind, x)
            a = kind.max(kind.load(x), a)
            b = kind.max(kind.load(x + width), b)
            c = kind.max(kind.load(x + 2 * width), c)
            d = kind.max(kind.load(x + 3 * width), d)
            a = kind.max(kind.load(x + 4 * width), a)
            b = kind.max(kind.load(x + 5 * width), b)
            c = kind.max(kind.load(x + 6 * width), c)
            d = kind.max(kind.load(x + 7 * width), d)
        else:
            for k in range(vectors(number, width)):
                a = kind.max(fetch(kind, x + k * width, number - k * width), a)
        i += number
    return kind.peak(kind.max(kind.max(a, b), kind.max(c, d)))


cdef void rescale_terms(Kind[elem] kind, char* terms, Py_ssize_t n, double by) noexcept nogil:
    """Multiply kept terms by 2^by, in two steps that cannot underflow by themselves."""
    cdef double least = 2 * kind.lowest(), half_way = floor(fmax(by, least) / 2)
    cdef Vec[elem] f = kind.splat(exp2i(half_way)), g = kind.splat(exp2i(fmax(by, least) - half_way))
    cdef Py_ssize_t width = kind.lanes(), k, whole = n // width
    for k in range(whole):
        kind.store_terms(terms + 64 * k, (kind.load_terms(terms + 64 * k) * f) * g)
    if whole * width < n:
        terms += 64 * whole
        n -= whole * width
        kind.store_terms_part(terms, (kind.load_terms_part(terms, n) * f) * g, n)


cdef inline double reference_of(
    Kind[elem] kind, const Reduction* how, const Row[elem]* row, Py_ssize_t start, Py_ssize_t end
) noexcept nogil:
    """The reference that suits elements start..end; a sum of something else than exponentials is taken as it is."""
    if Reduction in ExpReduction:
        return reference_for(kind, largest(kind, row, start, end))
    else:
        return 0


cdef inline Py_ssize_t sum_calm_blocks(
    Kind[elem] kind, const Reduction* how, const Row[elem]* row, bint flat, Py_ssize_t start, Py_ssize_t end, double e,
    char* terms, Vec[double]* a, Vec[double]* b
) noexcept nogil:
    """Whole blocks of elements start..end, as far as all terms are calm. How many elements that was.

    `flat` and the NULL for no terms are literals: without them each block would be asked again.
    """
    cdef elem buffer[BLOCK_VECTORS * 16]
    cdef elem weights[BLOCK_VECTORS * 16]
    cdef Py_ssize_t width = kind.lanes(), block = BLOCK_VECTORS * width, term_size = 64 // width, i = start
    cdef Frame[elem] frame = frame_for(kind, e)
    cdef Vec[elem] seen, total
    cdef const elem* x
    cdef const elem* w = NULL
    while i + block <= end:
        x = row.x + i
        if not flat:
            x = stage(kind, row, i, block, buffer)
            w = stage_weights(kind, row, i, block, block, weights)
        prefetch_block(kind, x)
        seen = kind.splat(0)
        total = block_sum(kind, how, x, w, &frame,
                          &seen, at(terms, (i - start) * term_size), True)
        if kind.strayed(seen):
            break
        add_block(kind, total, a, b)
        i += block
    return i - start


cdef inline bint sum_segment(
    Kind[elem] kind, const Reduction* how, const Row[elem]* row, Py_ssize_t start, Py_ssize_t end, char* terms,
    bint eager, Pair* pair
) noexcept nogil:
    """Pass 1 over one segment: its pair, and its terms where `terms` is given.

    pair.e is the reference to begin with, or NaN to let the first block choose. A reference that
    proves too small is raised, at most once: the exact scaling makes good what was summed before
    (`eager` looks at every block's maximum instead). False: the row holds a NaN, an infinity or elements
    beyond the reduction's range, and has no sum that a Total could hold.
    """
    cdef elem buffer[BLOCK_VECTORS * 16]
    cdef elem weights[BLOCK_VECTORS * 16]
    cdef Py_ssize_t width = kind.lanes(), block = BLOCK_VECTORS * width, term_size = 64 // width
    cdef Py_ssize_t i = start, number
    cdef const elem* x
    cdef const elem* w
    cdef char* target = NULL
    cdef Kind[double] wide
    cdef Vec[double] a = wide.splat(0), b = a
    cdef Frame[elem] frame
    cdef Vec[elem] seen, total
    cdef Vec[elem] t[BLOCK_VECTORS]
    cdef double e = pair.e, raised
    cdef bint calm

    if e != e:
        e = reference_of(kind, how, row, i, min(i + block, end))
    if Reduction in WeightedReduction:
        if not eager:
            i += sum_calm_blocks(kind, how, row, False, start, end, e, NULL, &a, &b)
    elif is_flat(kind, row) and not eager:
        if terms is NULL:
            i += sum_calm_blocks(kind, how, row, True, start, end, e, NULL, &a, &b)
        else:
            i += sum_calm_blocks(kind, how, row, True, start, end, e, terms, &a, &b)
    calm = end - i < block
    while i < end:
        number = min(block, end - i)
        x = stage(kind, row, i, number, buffer)
        w = stage_weights(kind, row, i, number, block, weights)
        if eager:
            raised = fmax(e, reference_of(kind, how, row, i, i + number))
            rescale_sums(e - raised, &a, &b)
            e = raised
        frame = frame_for(kind, e)
        seen = kind.splat(0)
        if terms is not NULL:
            target = terms + (i - start) * term_size
        if number == block:
            total = block_sum(kind, how, x, w, &frame, &seen, target, False)
        else:
            total = partial_block_sum(kind, how, x, w, number, &frame, &seen, t, target)
        if kind.tripped(seen, frame.limit):
            raised = reference_of(kind, how, row, i, end)
            if not raised > e:
                return False
            rescale_sums(e - raised, &a, &b)
            if terms is not NULL:
                rescale_terms(kind, terms, i - start, e - raised)
            e = raised
            calm = False
            continue
        add_block(kind, total, &a, &b)
        i += number
    pair[0] = join_lanes(kind, a, b, e)
    pair.calm = calm
    return Reduction in ExpReduction or isfinite(pair.hi)   # exponentials have tripped `seen`


cdef inline void rescale_sums(double by, Vec[double]* a, Vec[double]* b) noexcept nogil:
    """Multiply lane sums by 2^by."""
    cdef Kind[double] wide
    cdef Vec[double] factor = wide.splat(exp2i(by))
    a[0] = a[0] * factor
    b[0] = b[0] * factor


cdef inline Vec[elem] result_from(
    Kind[elem] kind, const Rule* rule, const Vec[elem]* numbers, Vec[elem] x, bint calm, Vec[elem]* top
) noexcept nogil:
    """The results of a vector; `top` collects the largest elements for a rule that amends results."""
    cdef Vec[elem] z
    if Rule in TermRule:
        z = x
        return result_of_term(kind, rule, numbers, calm_term(kind, x, numbers[0], &z) if calm
                              else term(kind, x, numbers[0], numbers[1], &z), calm)
    else:
        if Rule in AmendingRule:
            top[0] = kind.max(x, top[0])
        return result_of(kind, rule, numbers, x)


cdef inline Vec[elem] result(
    Kind[elem] kind, const Rule* rule, const Vec[elem]* numbers, const elem* x, const char* terms, Py_ssize_t left,
    bint calm, Vec[elem]* top
) noexcept nogil:
    """The same, or what is left of a vector, from kept terms where there are some."""
    if Rule in TermRule:
        if terms is not NULL:
            return result_of_term(kind, rule, numbers, kind.load_terms(terms) if calm or left >= kind.lanes()
                                  else kind.load_terms_part(terms, left), calm)
    return result_from(kind, rule, numbers, kind.load(x) if calm else fetch(kind, x, left), calm, top)


cdef inline void write_flat(
    Kind[elem] kind, const Rule* rule, const elem* x, const char* terms, elem* y, Py_ssize_t n, bint streaming,
    Py_ssize_t quiet
) noexcept nogil:
    """The results of n elements, side by side; the terms of the first `quiet` ones are calm."""
    cdef Py_ssize_t width = kind.lanes(), i = 0, whole = n // width * width, size = 64 // width, k
    cdef double of_row[NUMBERS]
    cdef Vec[elem] numbers[NUMBERS]
    cdef Vec[elem] top = kind.splat(-INFINITY)
    numbers_of(kind, rule, of_row)
    for k in range(NUMBERS):
        numbers[k] = kind.splat(of_row[k])
    if Rule in TermRule:
        while i + width <= quiet:
            prefetch((<const char*> (x + i) if terms is NULL else terms + i * size) + AHEAD)
            put(kind, y + i, width,
                result(kind, rule, numbers, x + i, kept_at(terms, i * size), width, True, &top), streaming)
            i += width
    while i < whole:
        prefetch((<const char*> (x + i) if terms is NULL else terms + i * size) + AHEAD)
        put(kind, y + i, width,
            result(kind, rule, numbers, x + i, kept_at(terms, i * size), width, False, &top), streaming)
        i += width
    if whole < n:
        put(kind, y + whole, n - whole,
            result(kind, rule, numbers, x + whole, kept_at(terms, whole * size), n - whole, False, &top), False)
    if Rule in AmendingRule:
        if amends(kind, rule, kind.peak(top)):
            amend(kind, rule, kind.peak(top), y, n, 1)


cdef inline void write_staged(
    Kind[elem] kind, const Rule* rule, const Row[elem]* row, Py_ssize_t start, Py_ssize_t end, const char* terms,
    elem* y, Py_ssize_t stride
) noexcept nogil:
    """Results of elements that do not lie side by side, or go where they do not, block by block."""
    cdef elem buffer[BLOCK_VECTORS * 16]
    cdef elem results[BLOCK_VECTORS * 16]
    cdef Py_ssize_t block = BLOCK_VECTORS * kind.lanes(), term_size = 64 // kind.lanes()
    cdef Py_ssize_t i = start, number
    cdef const elem* x = NULL
    while i < end:
        number = min(block, end - i)
        if terms is NULL:
            x = stage(kind, row, i, number, buffer)
        if stride == 1:
            write_flat(kind, rule, x, kept_at(terms, (i - start) * term_size), y + (i - start), number, False, 0)
        else:
            write_flat(kind, rule, x, kept_at(terms, (i - start) * term_size), results, number, False, 0)
            scatter(kind, results, number, y + (i - start) * stride, stride)
        i += number


cdef inline void write_range(
    Kind[elem] kind, const Rule* rule, const Row[elem]* row, Py_ssize_t start, Py_ssize_t end, const char* terms,
    elem* y, Py_ssize_t stride, bint streaming, bint calm
) noexcept nogil:
    """Pass 2 over elements start..end."""
    cdef Py_ssize_t block = BLOCK_VECTORS * kind.lanes(), term_size = 64 // kind.lanes()
    cdef Py_ssize_t n = end - start, head = 0, quiet = n // block * block if calm else 0
    cdef const elem* x = row.x + start
    y += start * stride
    if stride != 1 or not (is_flat(kind, row) or terms is not NULL):
        write_staged(kind, rule, row, start, end, terms, y, stride)
        return
    if streaming:
        head = unaligned_head(kind, y, n)
        write_flat(kind, rule, x, terms, y, head, False, 0)
        x, y, n, quiet = x + head, y + head, n - head, quiet - head
        terms = kept_at(terms, head * term_size)
    if Rule in TermRule:                            # with a literal, each loop has only what it needs
        if terms is not NULL:
            write_flat(kind, rule, x, terms, y, n, streaming, quiet)
            return
    write_flat(kind, rule, x, NULL, y, n, streaming, quiet)
