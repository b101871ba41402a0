# A row from beginning to end: sum, settle, write. Both ways to go through it, at a stretch (run_row) and step by step so
# that threads can share it (drive/steps.pxi), are made of the three functions here, and give the same bits.
from libc.math cimport INFINITY, NAN, fabs, fmax, isfinite, nearbyint

from twopass.kernels.algorithms cimport Recipe
from twopass.kernels.exp cimport guess_from, term_of
from twopass.kernels.functions.logsumexp cimport LogSumExp
from twopass.kernels.job cimport Job
from twopass.kernels.logarithm cimport log_of_pair
from twopass.kernels.memory cimport at, shift_row, vectors
from twopass.kernels.reductions.expsum cimport ExpSum, is_out_of_range
from twopass.kernels.reductions.weighted cimport WeightedSum
from twopass.kernels.rules cimport (
    ExpRule, LogRule, ReducingRule, Reduction, Rule, SignedRule, TermRule, WeightedRule, settle_rule, settle_special,
    value_of,
)
from twopass.kernels.sums cimport BLOCK_VECTORS, SEGMENT, Pair, two_sum
from twopass.kernels.vec cimport Kind, Row, elem, store_fence


cdef inline Py_ssize_t segments(Py_ssize_t n) noexcept nogil:
    return (n + SEGMENT - 1) // SEGMENT


cdef const ExpSum* EXP_SUM = NULL
cdef const WeightedSum* WEIGHTED_SUM = NULL


# ---- Sum ------------------------------------------------------------------------------------------

cdef bint sum_by(
    Kind[elem] kind, const Reduction* how, const Recipe* recipe, const Row[elem]* row, Py_ssize_t first, Py_ssize_t last,
    double e, char* terms, Pair* pairs
) noexcept nogil:
    """Pass 1 over segments first..last of a row, whose pairs go to the beginning of `pairs`; e is the reference to begin
    with, or NaN. False: see sum_segment."""
    cdef Py_ssize_t s, start, end = min(row.n, last * SEGMENT), term_size = 64 // kind.lanes()
    if recipe.largest_first:
        e = reference_of(kind, how, row, first * SEGMENT, end)
    for s in range(first, last):
        start = s * SEGMENT
        pairs[s - first].e = e
        if not sum_segment(kind, how, row, start, min(row.n, start + SEGMENT),
                           terms + start * term_size if recipe.keep_terms else NULL, recipe.eager,
                           &pairs[s - first]):
            return False
        e = pairs[s - first].e
    return True


cdef inline bint sum_segments(
    Kind[elem] kind, Rule* rule, const Recipe* recipe, const Row[elem]* row, Py_ssize_t first, Py_ssize_t last, double e,
    char* terms, Pair* pairs
) noexcept nogil:
    """The same by the reduction of a rule."""
    if Rule in ExpRule:
        if Rule in WeightedRule:
            return sum_by(kind, WEIGHTED_SUM, recipe, row, first, last, e, terms, pairs)
        else:
            return sum_by(kind, EXP_SUM, recipe, row, first, last, e, terms, pairs)
    else:
        return sum_by(kind, rule, recipe, row, first, last, e, terms, pairs)


cdef Pair merge_all(const Pair* pairs, Py_ssize_t number) noexcept nogil:
    cdef Total total = empty_total()
    cdef double e = pairs[0].e
    cdef Py_ssize_t s
    if number == 1:
        return pairs[0]
    for s in range(number):
        add_pair(&total, pairs[s])
        e = fmax(e, pairs[s].e)
    return pair_of(&total, e)


cdef inline bint sum_row(
    Kind[elem] kind, Rule* rule, const Job* job, const Row[elem]* row, double* guess, char* terms, Pair* pairs, Pair* total
) noexcept nogil:
    """Pass 1 over a row, begun with the reference that suited the row before: rows of an array are much alike."""
    cdef Py_ssize_t number = segments(row.n)
    if sum_segments(kind, rule, &job.recipe, row, 0, number, guess[0], terms, pairs):
        total[0] = merge_all(pairs, number)
        if Rule not in ExpRule or fabs(total.hi) >= kind.least_sum():
            guess[0] = guess_from(kind, total.e)
            return True
    guess[0] = NAN
    if not sum_segments(kind, rule, &job.recipe, row, 0, number, NAN, terms, pairs):
        return False
    total[0] = merge_all(pairs, number)
    guess[0] = guess_from(kind, total.e)
    return True


# ---- Settle ---------------------------------------------------------------------------------------

cdef double exact_largest(Kind[elem] kind, const Row[elem]* row) noexcept nogil:
    """The maximum, or NaN where there is one. For the rare rows that are not summed as they are."""
    cdef elem buffer[BLOCK_VECTORS * 16]
    cdef double most = -INFINITY, v
    cdef Py_ssize_t block = BLOCK_VECTORS * kind.lanes(), i, k, s, number
    cdef const elem* x
    for s in range(vectors(row.n, block)):
        i = s * block
        number = min(block, row.n - i)
        x = stage(kind, row, i, number, buffer)
        for k in range(number):
            v = kind.value(x[k])
            if v != v:
                return v
            most = fmax(most, v)
    return most


cdef Py_ssize_t number_of(Kind[elem] kind, const Row[elem]* row, double value) noexcept nogil:
    """How many elements have a value."""
    cdef elem buffer[BLOCK_VECTORS * 16]
    cdef Py_ssize_t block = BLOCK_VECTORS * kind.lanes(), i, k, s, number, found = 0
    cdef const elem* x
    for s in range(vectors(row.n, block)):
        i = s * block
        number = min(block, row.n - i)
        x = stage(kind, row, i, number, buffer)
        for k in range(number):
            found += kind.value(x[k]) == value
    return found


cdef inline double origin_for(Kind[elem] kind, double most) noexcept nogil:
    """Where to count the elements of a row from that lies beyond the range of the reduction: near its maximum, and on
    a grid, so that chunks of a row mostly agree."""
    cdef double step = kind.widest() / 4
    if kind.stored_only:
        return most                 # 65504 rounds to an origin that is no half, and no distance from it would be one
    return nearbyint(most / step) * step


cdef bint settle(
    Kind[elem] kind, Rule* rule, Row[elem]* row, bint summed, const Pair* total
) noexcept nogil:
    """What pass 2 needs, from the pair of the row.

    False: elements lie beyond the range of the exponential. The row's shift has been set near its maximum, and
    it is to be summed again. The subtraction is exact for whatever still shows in the result.
    """
    cdef double most
    if summed and (Rule not in ExpRule or row.shift != 0 or not is_out_of_range(kind, total)):
        settle_rule(kind, rule, row, total, largest(kind, row, 0, 1) if row.n == 1 else NAN)
        return True
    most = exact_largest(kind, row)
    if Rule in ExpRule and isfinite(most):
        shift_row(kind, row, origin_for(kind, most))
        return False
    settle_special(kind, rule, most)            # the usual formulas then give scipy's special values
    return True


# ---- Write ----------------------------------------------------------------------------------------

cdef void write_segments(
    Kind[elem] kind, const Rule* rule, const Row[elem]* row, Py_ssize_t first, Py_ssize_t last, char* terms,
    const Pair* pairs, elem* y, Py_ssize_t stride, bint streaming
) noexcept nogil:
    """Pass 2 over segments first..last of a row, the last one first: the end of x is what the caches still hold.

    `terms` are those of the row, or NULL; `pairs` those of the segments from the first on, or NULL.
    """
    cdef Py_ssize_t s, start, end, term_size = 64 // kind.lanes()
    cdef char* kept = NULL
    cdef bint calm = False
    if Rule in TermRule:
        if rule.scale != rule.scale:            # special values are written from x
            terms = NULL
    for s in range(last - 1, first - 1, -1):
        start = s * SEGMENT
        end = min(row.n, start + SEGMENT)
        if Rule in TermRule:
            kept = at(terms, start * term_size)
            if kept is not NULL and pairs[s - first].e != rule.e:
                rescale_terms(kind, kept, end - start, pairs[s - first].e - rule.e)
            calm = rule.calm and pairs is not NULL and pairs[s - first].calm and pairs[s - first].e == rule.e
        write_range(kind, rule, row, start, end, kept, y, stride, streaming, calm)
    if streaming:
        store_fence()


cdef double log_sum_near_zero(Kind[elem] kind, const Row[elem]* row, double value) noexcept nogil:
    """log(sum(exp(x))), known to be nearly 0, from the largest elements and the rest: max + log(count + rest / e^max).

    The sum itself is nearly 1 and has rounded away what tells it from 1. Where the rest outweighs the largest elements,
    rounding their exponentials matters more, and the logarithm of the sum is as good as any.
    """
    cdef Recipe plain = Recipe(False, False, False)
    cdef Row[elem] others = row[0]
    cdef Total total = empty_total()
    cdef Pair part, sum
    cdef Py_ssize_t s, number
    cdef double most = largest(kind, row, 0, row.n), top = term_of(kind, most, 0), error
    others.skip = most
    others.plain = False
    number = number_of(kind, row, most)
    if number * top < 0.5:
        return value
    for s in range(segments(row.n)):
        sum_by(kind, EXP_SUM, &plain, &others, s, s + 1, NAN, NULL, &part)
        add_pair(&total, part)
    part = pair_of(&total, 0)
    sum.e = 0
    sum.hi = two_sum(number, (part.hi + part.lo) / top, &sum.lo)
    log_of_pair(&sum, &part.hi, &part.lo)
    most = two_sum(most, part.hi, &error)
    return most + (error + part.lo)


cdef inline bint needs_second_look(Kind[elem] kind, const Rule* rule) noexcept nogil:
    """Whether a result is so near 0 that its row is looked at again."""
    if Rule in LogRule:
        return fabs(value_of(kind, rule)) < 4 * kind.epsilon()
    else:
        return False


cdef inline elem value_of_row(Kind[elem] kind, const Rule* rule, const Row[elem]* row) noexcept nogil:
    """The result of a function that has one number a row. The row is read where it needs a second look."""
    cdef double value = value_of(kind, rule)
    if needs_second_look(kind, rule):
        if row.n > 1 and row.shift == 0:
            value = log_sum_near_zero(kind, row, value)
    return kind.rounded(value)


cdef inline void put_value(
    Kind[elem] kind, const Rule* rule, const Job* job, const Row[elem]* row, elem* y
) noexcept nogil:
    y[0] = value_of_row(kind, rule, row)
    if Rule in SignedRule:
        (<elem*> (<char*> y + job.to_signs))[0] = kind.rounded(rule.sign)


cdef inline void put_lse(Kind[elem] kind, const Row[elem]* row, bint summed, const Pair* total) noexcept nogil:
    """The log-sum-exp of a row, beside what a function makes of it."""
    cdef LogSumExp rule
    cdef Row[elem] same = row[0]
    if row.lse.p is not NULL:
        settle(kind, &rule, &same, summed, total)
        (<elem*> row.lse.p)[0] = value_of_row(kind, &rule, row)


cdef inline void run_row(
    Kind[elem] kind, Rule* rule, const Job* job, Row[elem]* row, elem* y, double* guess, char* scratch, Pair* pairs
) noexcept nogil:
    """All of it; the row may be left with a shift."""
    cdef char* terms = scratch if job.scratch else <char*> y
    cdef Pair total
    cdef bint summed = sum_row(kind, rule, job, row, guess, terms, pairs, &total)
    while not settle(kind, rule, row, summed, &total):
        guess[0] = NAN
        summed = sum_row(kind, rule, job, row, guess, terms, pairs, &total)
    if not job.plain:
        put_lse(kind, row, summed, &total)
    if Rule in ReducingRule:
        put_value(kind, rule, job, row, y)
    else:
        write_segments(kind, rule, row, 0, segments(row.n), terms if job.recipe.keep_terms else NULL, pairs,
                       y, job.y_stride, job.streaming)
