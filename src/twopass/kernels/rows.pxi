# A row as blocks of vectors, wherever its elements lie.

cdef inline Py_ssize_t vectors(Py_ssize_t count, Py_ssize_t width) noexcept nogil:
    return (count + width - 1) // width


cdef inline bint is_flat(const Row[elem]* row) noexcept nogil:
    """Whether the elements are to be taken as they lie."""
    return row.stride == 1 and row.shift == 0 and row.skip != row.skip


cdef inline const elem* stage(const Row[elem]* row, Py_ssize_t i, Py_ssize_t count, elem* buffer) noexcept nogil:
    """Elements i..i+count side by side: where they are, or gathered and shifted into the buffer."""
    cdef Py_ssize_t width = Kind[elem].lanes()
    cdef const elem* x = row.x + i * row.stride
    cdef Py_ssize_t k
    if is_flat[elem](row):
        return x
    for k in range(count):
        buffer[k] = x[k * row.stride]
    if row.shift != 0:
        for k in range(vectors(count, width)):
            vstore(buffer + k * width, vload(<const elem*> buffer + k * width) - Kind[elem].splat(row.shift))
    if row.skip == row.skip:
        for k in range(count):
            if scalar(buffer[k]) == row.skip:
                buffer[k] = Kind[elem].storage(-INFINITY)
    return buffer


cdef inline Row[elem] row_of(const elem* x, Py_ssize_t stride, Py_ssize_t n) noexcept nogil:
    cdef Row[elem] row
    row.x = x
    row.stride = stride
    row.n = n
    row.shift = 0
    row.skip = NAN
    return row


cdef inline Vec[elem] fetch(const elem* x, Py_ssize_t left) noexcept nogil:
    """A vector, or what is left of one, filled up with -inf."""
    return vload(x) if left >= Kind[elem].lanes() else vload_part(x, left)


cdef inline void put(elem* y, Py_ssize_t left, Vec[elem] v, bint streaming) noexcept nogil:
    """Store a vector, or what is left of one."""
    if left < Kind[elem].lanes():
        vstore_part(y, v, left)
    elif streaming:
        vstream(y, v)
    else:
        vstore(y, v)


cdef inline void scatter(const elem* buffer, Py_ssize_t count, elem* y, Py_ssize_t stride) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(count):
        y[k * stride] = buffer[k]
