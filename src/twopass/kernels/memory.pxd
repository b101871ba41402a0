# A row as blocks of vectors, wherever its elements lie.
from libc.math cimport INFINITY, NAN

from twopass.kernels.vec cimport Kind, Row, Vec, elem


cdef inline Py_ssize_t vectors(Py_ssize_t count, Py_ssize_t width) noexcept nogil:
    return (count + width - 1) // width


cdef inline Row[elem] row_of(Kind[elem] kind, const elem* x, Py_ssize_t stride, Py_ssize_t n) noexcept nogil:
    cdef Row[elem] row
    row.x = x
    row.stride = stride
    row.n = n
    row.shift = 0
    row.skip = NAN
    return row


cdef inline bint is_flat(Kind[elem] kind, const Row[elem]* row) noexcept nogil:
    """Whether the elements are to be taken as they lie."""
    return row.stride == 1 and row.shift == 0 and row.skip != row.skip


cdef inline const elem* stage(
    Kind[elem] kind, const Row[elem]* row, Py_ssize_t i, Py_ssize_t count, elem* buffer
) noexcept nogil:
    """Elements i..i+count side by side: where they are, or gathered and shifted into the buffer."""
    cdef Py_ssize_t width = kind.lanes()
    cdef const elem* x = row.x + i * row.stride
    cdef Py_ssize_t k
    if is_flat(kind, row):
        return x
    for k in range(count):
        buffer[k] = x[k * row.stride]
    if row.shift != 0:
        for k in range(vectors(count, width)):
            kind.store(buffer + k * width, kind.load(buffer + k * width) - kind.splat(row.shift))
    if row.skip == row.skip:
        for k in range(count):
            if kind.value(buffer[k]) == row.skip:
                buffer[k] = kind.rounded(-INFINITY)
    return buffer


cdef inline Vec[elem] fetch(Kind[elem] kind, const elem* x, Py_ssize_t left) noexcept nogil:
    """A vector, or what is left of one, filled up with -inf."""
    return kind.load(x) if left >= kind.lanes() else kind.load_part(x, left)


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
