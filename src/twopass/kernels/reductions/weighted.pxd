# The sum of exponentials times weights: terms of weight 0 have been left out by then (memory.pxd).
from twopass.kernels.reductions.expsum cimport exp_term
from twopass.kernels.vec cimport Frame, Kind, Vec, elem

cdef struct WeightedSum:            # names the reduction; it needs to know nothing
    bint nothing


cdef inline Vec[elem] weighted_term(
    Kind[elem] kind, Vec[elem] x, Vec[elem] w, const Frame[elem]* frame, Vec[elem]* seen, bint calm
) noexcept nogil:
    return exp_term(kind, x, frame, seen, calm) * w
