# A block of a row, side by side: where it lies, or in a buffer.
from libc.math cimport INFINITY

from twopass.kernels.memory cimport adjusted, is_flat, spread, vectors
from twopass.kernels.vec cimport Kind, Operand, Row, elem, uchar


cdef void gather(
    Kind[elem] kind, const Row[elem]* row, Py_ssize_t i, Py_ssize_t count, elem* buffer
) noexcept nogil:
    """Put elements i..i+count side by side, as they are taken, into a buffer that is a block long."""
    cdef Py_ssize_t width = kind.lanes(), k, place
    cdef Operand[elem] bias = row.bias
    cdef Operand[uchar] where = row.where
    cdef elem nothing
    for k in range(vectors(count, width)):
        place = i + k * width
        if row.bias.p is not NULL:
            bias.p = row.bias.p + place * row.bias.stride
        if row.where.p is not NULL:
            where.p = row.where.p + place * row.where.stride
        kind.store(buffer + k * width, adjusted(
            kind, row, spread(kind, row.x + place * row.stride, row.stride, count - k * width), &bias, &where,
            count - k * width))
    if row.skip == row.skip or row.weights.p is not NULL:
        nothing = kind.rounded(-INFINITY)
        for k in range(count):
            if (row.weights.p is not NULL and kind.value(row.weights.p[(i + k) * row.weights.stride]) == 0
                    or kind.value(buffer[k]) == row.skip):
                buffer[k] = nothing


cdef inline const elem* stage(
    Kind[elem] kind, const Row[elem]* row, Py_ssize_t i, Py_ssize_t count, elem* buffer
) noexcept nogil:
    """Elements i..i+count side by side: where they are, or in the buffer."""
    if is_flat(kind, row):
        return row.x + i
    gather(kind, row, i, count, buffer)
    return buffer


cdef void gather_weights(
    Kind[elem] kind, const Row[elem]* row, Py_ssize_t i, Py_ssize_t count, Py_ssize_t block, elem* buffer
) noexcept nogil:
    cdef Py_ssize_t width = kind.lanes(), k
    cdef const elem* w = row.weights.p + i * row.weights.stride
    for k in range(block // width):
        kind.store(buffer + k * width, kind.splat(0))
    for k in range(count):
        buffer[k] = w[k * row.weights.stride]


cdef inline const elem* stage_weights(
    Kind[elem] kind, const Row[elem]* row, Py_ssize_t i, Py_ssize_t count, Py_ssize_t block, elem* buffer
) noexcept nogil:
    """The weights of elements i..i+count, side by side, and zeros up to a block; NULL where there are none."""
    if row.weights.p is NULL:
        return NULL
    if row.weights.stride == 1 and count == block:
        return row.weights.p + i
    gather_weights(kind, row, i, count, block, buffer)
    return buffer
