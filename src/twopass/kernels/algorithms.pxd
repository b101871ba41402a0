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

cdef enum Algorithm:                # in the order of functions.ALGORITHMS
    AUTO = -1
    THREE_PASS_RECOMPUTE
    THREE_PASS_RELOAD
    TWO_PASS
    TWO_PASS_RELOAD
    ONLINE


cdef inline Recipe recipe_of(int algorithm) noexcept nogil:
    return Recipe(
        algorithm == THREE_PASS_RECOMPUTE or algorithm == THREE_PASS_RELOAD,
        algorithm == THREE_PASS_RELOAD or algorithm == TWO_PASS_RELOAD,
        algorithm == ONLINE,
    )
