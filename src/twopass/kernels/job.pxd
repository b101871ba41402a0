# A job: rows of an array, and how they are worked on.
#
# The reduced axis has been taken out; nothing is copied or transposed. The remaining axes are walked like an odometer.
from twopass.kernels.algorithms cimport Recipe

from twopass.kernels.memory cimport row_of
from twopass.kernels.vec cimport Kind, Row, elem

cdef enum:
    MAX_DIMS = 64

cdef enum:                          # arrays that broadcast against x
    BIAS
    WEIGHTS
    WHERE
    LSE                             # written, once a row
    OPERANDS

cdef struct Layout:                 # of an operand
    char* p                         # NULL: there is none
    Py_ssize_t stride               # along a row,
    Py_ssize_t column_step          # and to the row beside, in elements
    Py_ssize_t[MAX_DIMS] steps      # in bytes

cdef struct Job:
    char* x
    char* y
    Py_ssize_t n                    # length of a row
    Py_ssize_t x_stride, y_stride   # along it, in elements
    int ndim                        # of the other axes
    Py_ssize_t[MAX_DIMS] shape
    Py_ssize_t[MAX_DIMS] x_steps    # in bytes
    Py_ssize_t[MAX_DIMS] y_steps
    Py_ssize_t rows
    Py_ssize_t columns              # 0, or how many rows lie side by side (drive/columns.pxi): `rows` are tiles then
    Py_ssize_t y_column_step        # from the result of one to that of the next, in elements
    Recipe recipe
    bint streaming
    bint scratch                    # keep a row's terms beside the output, not in it
    bint plain                      # nothing of what follows
    double scale
    Layout[OPERANDS] operands
    Py_ssize_t to_signs             # bytes from a result to its sign, where there are signs

cdef struct Axis:                   # of the arrays that a job is made of
    Py_ssize_t n
    Py_ssize_t x_step, y_step       # in bytes
    Py_ssize_t[OPERANDS] steps


cdef inline Axis axis_of(Py_ssize_t n, Py_ssize_t x_step, Py_ssize_t y_step) noexcept nogil:
    """An axis of x and y alone: its other steps are not looked at."""
    cdef Axis axis
    axis.n, axis.x_step, axis.y_step = n, x_step, y_step
    return axis


cdef inline void begin_job(Job* job, char* x, char* y, Axis reduced, Py_ssize_t item_size) noexcept nogil:
    """The constructor of a job, before its other axes are added."""
    job.x, job.y = x, y
    job.n = reduced.n
    job.x_stride = reduced.x_step // item_size
    job.y_stride = reduced.y_step // item_size
    job.ndim = 0
    job.rows = 1
    job.columns = job.y_column_step = 0
    job.recipe = Recipe(False, False, False)
    job.streaming = job.scratch = False
    job.plain = True


cdef inline void expect_operands(Job* job, double scale, Py_ssize_t to_signs) noexcept nogil:
    """Say that something stands beside x, before it is added."""
    cdef int k
    job.plain, job.scale, job.to_signs = False, scale, to_signs
    for k in range(OPERANDS):
        job.operands[k].p = NULL


cdef inline void add_operand(Job* job, int which, char* p, Axis reduced, Py_ssize_t item_size) noexcept nogil:
    """An array that broadcasts against x, before the other axes are added."""
    job.operands[which].p = p
    job.operands[which].stride = reduced.steps[which] // item_size
    job.operands[which].column_step = 0


cdef inline void add_axis(Job* job, Axis axis) noexcept nogil:
    """An axis that is not reduced. The last one added is the innermost."""
    cdef int k
    if axis.n == 1:
        return
    job.shape[job.ndim] = axis.n
    job.x_steps[job.ndim] = axis.x_step
    job.y_steps[job.ndim] = axis.y_step
    if not job.plain:
        for k in range(OPERANDS):
            job.operands[k].steps[job.ndim] = axis.steps[k]
    job.rows *= axis.n
    job.ndim += 1


cdef inline bint add_columns(Job* job, Axis axis, Py_ssize_t item_size, bint reduces) noexcept nogil:
    """The same for an axis whose elements lie side by side, where those of the reduced one do not. False: it is none."""
    cdef int k
    if (job.columns > 0 or axis.n == 1 or job.x_stride == 1 or axis.x_step != item_size
            or not (reduces or axis.y_step == item_size)):
        return False
    job.columns = axis.n
    job.y_column_step = axis.y_step // item_size
    if not job.plain:
        for k in range(OPERANDS):
            job.operands[k].column_step = axis.steps[k] // (1 if k == WHERE else item_size)
    return True


cdef inline Py_ssize_t offset_of(const Job* job, Py_ssize_t index, const Py_ssize_t* steps) noexcept nogil:
    """How many bytes a row lies behind the first one, in an array with these steps."""
    cdef int d
    cdef Py_ssize_t offset = 0
    for d in range(job.ndim - 1, 0, -1):
        offset += index % job.shape[d] * steps[d]
        index //= job.shape[d]
    return offset + index * steps[0] if job.ndim > 0 else offset


cdef inline void locate(const Job* job, Py_ssize_t index, Py_ssize_t* x, Py_ssize_t* y) noexcept nogil:
    """Byte offsets of a row."""
    cdef int d
    cdef Py_ssize_t at
    x[0] = y[0] = 0
    for d in range(job.ndim - 1, 0, -1):
        at = index % job.shape[d]
        index //= job.shape[d]
        x[0] += at * job.x_steps[d]
        y[0] += at * job.y_steps[d]
    if job.ndim > 0:
        x[0] += index * job.x_steps[0]
        y[0] += index * job.y_steps[0]


cdef inline Row[elem] row_at(Kind[elem] kind, const Job* job, Py_ssize_t index, elem** y) noexcept nogil:
    """A row (or the first one of a tile) with its operands, and the place of its results."""
    cdef Py_ssize_t x_offset, y_offset
    cdef Row[elem] row
    locate(job, index, &x_offset, &y_offset)
    y[0] = <elem*> (job.y + y_offset)
    row = row_of(kind, <const elem*> (job.x + x_offset), job.x_stride, job.n)
    if not job.plain:
        row.scale = job.scale
        take_operand(job, BIAS, index, <const char**> &row.bias.p, &row.bias.stride, &row.bias.step)
        take_operand(job, WEIGHTS, index, <const char**> &row.weights.p, &row.weights.stride, &row.weights.step)
        take_operand(job, WHERE, index, <const char**> &row.where.p, &row.where.stride, &row.where.step)
        take_operand(job, LSE, index, <const char**> &row.lse.p, &row.lse.stride, &row.lse.step)
        row.plain = row.scale == 1 and row.bias.p is NULL and row.weights.p is NULL and row.where.p is NULL
    return row


cdef inline void take_operand(
    const Job* job, int which, Py_ssize_t index, const char** p, Py_ssize_t* stride, Py_ssize_t* step
) noexcept nogil:
    cdef const Layout* layout = &job.operands[which]
    p[0] = layout.p
    stride[0], step[0] = layout.stride, layout.column_step
    if layout.p is not NULL:
        p[0] = layout.p + offset_of(job, index, layout.steps)


cdef inline Row[elem] column_of(Kind[elem] kind, const Row[elem]* tile, Py_ssize_t column) noexcept nogil:
    """The row that lies so many places beside another."""
    cdef Row[elem] row
    if tile.plain and tile.lse.p is NULL:
        return row_of(kind, tile.x + column, tile.stride, tile.n)
    row = tile[0]
    row.x += column
    if row.bias.p is not NULL:
        row.bias.p += column * row.bias.step
    if row.weights.p is not NULL:
        row.weights.p += column * row.weights.step
    if row.where.p is not NULL:
        row.where.p += column * row.where.step
    if row.lse.p is not NULL:
        row.lse.p += column * row.lse.step
    return row
