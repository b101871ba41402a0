# A row as blocks of vectors, wherever its elements lie.
from libc.math cimport NAN

from twopass.kernels.vec cimport Kind, Operand, Row, Vec, elem, uchar


cdef inline Py_ssize_t vectors(Py_ssize_t count, Py_ssize_t width) noexcept nogil:
    return (count + width - 1) // width


cdef inline Row[elem] row_of(Kind[elem] kind, const elem* x, Py_ssize_t stride, Py_ssize_t n) noexcept nogil:
    cdef Row[elem] row
    row.x = x
    row.stride = stride
    row.n = n
    row.plain = True
    row.scale = 1
    row.bias.p = row.weights.p = row.lse.p = NULL
    row.where.p = NULL
    row.shift = 0
    row.skip = NAN
    return row


cdef inline void shift_row(Kind[elem] kind, Row[elem]* row, double shift) noexcept nogil:
    """Have a number subtracted from every element on its way in."""
    row.shift = shift
    row.plain = row.plain and shift == 0


cdef inline bint is_flat(Kind[elem] kind, const Row[elem]* row) noexcept nogil:
    """Whether the elements are to be taken as they lie."""
    return row.stride == 1 and row.plain


cdef inline Vec[elem] fetch(Kind[elem] kind, const elem* x, Py_ssize_t left) noexcept nogil:
    """A vector, or what is left of one, filled up with -inf."""
    return kind.load(x) if left >= kind.lanes() else kind.load_part(x, left)


cdef inline Vec[elem] spread(Kind[elem] kind, const elem* p, Py_ssize_t step, Py_ssize_t left) noexcept nogil:
    """A vector of elements that lie `step` apart: side by side, one for all, or anywhere."""
    cdef elem buffer[16]
    cdef Py_ssize_t k
    if step == 1:
        return fetch(kind, p, left)
    if step == 0:
        return kind.splat(kind.value(p[0]))
    for k in range(min(kind.lanes(), left)):
        buffer[k] = p[k * step]
    return fetch(kind, buffer, left)


cdef inline Vec[elem] adjusted(
    Kind[elem] kind, const Row[elem]* row, Vec[elem] v, const Operand[elem]* bias, const Operand[uchar]* where,
    Py_ssize_t left
) noexcept nogil:
    """What is taken for some elements, given the operands at their place (their stride leads from one to the next).

    Each step is rounded to the type of the row, as NumPy does it.
    """
    if row.scale != 1:
        v = kind.stored(v * kind.splat(row.scale))
    if bias.p is not NULL:
        v = kind.stored(v + spread(kind, bias.p, bias.stride, left))
    if where.p is not NULL:
        v = kind.where(v, where.p, where.stride, min(kind.lanes(), left))
    if row.shift != 0:
        v = kind.stored(v - kind.splat(row.shift))
    return v


cdef inline void put(Kind[elem] kind, elem* y, Py_ssize_t left, Vec[elem] v, bint streaming) noexcept nogil:
    """Store a vector, or what is left of one."""
    if left < kind.lanes():
        kind.store_part(y, v, left)
    elif streaming:
        kind.stream(y, v)
    else:
        kind.store(y, v)


cdef inline void scatter(
    Kind[elem] kind, const elem* buffer, Py_ssize_t count, elem* y, Py_ssize_t stride
) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(count):
        y[k * stride] = buffer[k]


cdef inline Py_ssize_t unaligned_head(Kind[elem] kind, const elem* y, Py_ssize_t n) noexcept nogil:
    """How many elements lie before the first aligned vector."""
    cdef Py_ssize_t size = kind.lanes() * sizeof(elem)
    return min(n, <Py_ssize_t> ((size - <size_t> y % size) % size // sizeof(elem)))


# Terms are kept between the passes where results or nothing else will be: an address, or NULL for none.

cdef inline char* at(char* terms, Py_ssize_t offset) noexcept nogil:
    return terms + offset if terms is not NULL else NULL


cdef inline const char* kept_at(const char* terms, Py_ssize_t offset) noexcept nogil:
    return terms + offset if terms is not NULL else NULL
