# A job: rows of an array, and how they are worked on.
#
# The reduced axis has been taken out; nothing is copied or transposed. The remaining axes are walked like an odometer.
from twopass.kernels.algorithms cimport Recipe

cdef enum:
    MAX_DIMS = 64

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

cdef struct Axis:                   # of the arrays that a job is made of
    Py_ssize_t n
    Py_ssize_t x_step, y_step       # in bytes


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


cdef inline void add_axis(Job* job, Axis axis) noexcept nogil:
    """An axis that is not reduced. The last one added is the innermost."""
    if axis.n == 1:
        return
    job.shape[job.ndim] = axis.n
    job.x_steps[job.ndim] = axis.x_step
    job.y_steps[job.ndim] = axis.y_step
    job.rows *= axis.n
    job.ndim += 1


cdef inline bint add_columns(Job* job, Axis axis, Py_ssize_t item_size, bint reduces) noexcept nogil:
    """The same for an axis whose elements lie side by side, where those of the reduced one do not. False: it is none."""
    if (job.columns > 0 or axis.n == 1 or job.x_stride == 1 or axis.x_step != item_size
            or not (reduces or axis.y_step == item_size)):
        return False
    job.columns = axis.n
    job.y_column_step = axis.y_step // item_size
    return True


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
