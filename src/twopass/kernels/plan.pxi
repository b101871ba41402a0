# From NumPy arrays to jobs.

cdef Py_ssize_t LLC = 32 << 20        # set once by configure()
cdef double STREAM = 1.0


def configure(*, llc, stream=1.0):
    """Tell this build about the machine: the last-level cache in bytes, and the number of its row in the table of targets.

    Results larger than the last-level cache bypass it, as long as no terms are kept in their place; `auto` does that
    for results of up to `stream` times the last-level cache.
    """
    global LLC, STREAM
    LLC, STREAM = llc, stream


NO_SPACE = "no memory for the work space of a row"


cdef inline int item_size(int dtype) noexcept nogil:
    return 8 if dtype == NPY_DOUBLE else 4 if dtype == NPY_FLOAT else 2


cdef inline bint is_simple(ndarray a) noexcept:
    """Contiguous, aligned, native: what quick() takes."""
    cdef int dtype = PyArray_TYPE(a)
    return (dtype == NPY_FLOAT or dtype == NPY_DOUBLE or dtype == NPY_FLOAT16) and PyArray_ISCARRAY_RO(a)


cdef void choose(Job* job, int dtype, int algorithm, bint aliased) noexcept nogil:
    """Fill in how the job is done. No choice changes a bit of the result."""
    cdef double size = <double> job.n * item_size(dtype) * job.rows * max(1, job.columns)
    cdef bint dense = job.y_stride == 1 or job.columns > 0
    cdef bint bypass = job.function != LOGSUMEXP and not aliased and dense and size > LLC
    cdef bint too_large = size > STREAM * LLC           # for terms in the place of results
    cdef bint holds_terms = not aliased and dtype != NPY_FLOAT16 and job.y_stride == 1
    cdef bint fits_scratch = job.n <= SEGMENT
    if algorithm == AUTO:
        algorithm = 2 if too_large and not fits_scratch else 3
    job.recipe = RECIPES[algorithm]
    if job.function != SOFTMAX or job.columns > 0 or not (holds_terms or fits_scratch):
        job.recipe.keep_terms = False
    job.scratch = job.recipe.keep_terms and fits_scratch and (too_large or not holds_terms)
    job.streaming = bypass and (job.scratch or not job.recipe.keep_terms)


cdef inline void divide_columns(Job* job, int dtype) noexcept nogil:
    """From here on, `rows` counts tiles, where rows lie side by side."""
    if job.columns > 0:
        job.rows *= tiles(job, tile_columns(job.n, 64 // max(4, item_size(dtype))))


cdef enum Step:
    SUM
    SETTLE
    WRITE


cdef class Plan:
    """Rows of an array, a function of theirs, and the way to compute it: what threads share.

    Parameters
    ----------
    function : int
        0 softmax, 1 log_softmax, 2 logsumexp.
    x : ndarray of float16, float32 or float64
        Aligned, native byte order, not empty, with the reduced axis last.
    y : ndarray
        The output: of x's dtype and shape, or without the last axis for logsumexp.
    algorithm : int
        An index into ALGORITHMS; -1 is ``auto``.
    aliased : bool
        Whether x and y are the same memory.
    """

    cdef Job job
    cdef int dtype
    cdef object arrays
    cdef Py_ssize_t elements
    cdef Pair* pairs
    cdef double shift
    cdef Normalizer norm

    def __cinit__(self, int function, ndarray x, ndarray y, int algorithm, bint aliased):
        cdef int d, last = x.ndim - 1
        cdef Job* job = &self.job
        self.arrays = (x, y)
        self.elements = PyArray_SIZE(x)
        self.dtype = PyArray_TYPE(x)
        job.x = PyArray_BYTES(x)
        job.y = PyArray_BYTES(y)
        job.n = x.shape[last]
        job.x_stride = x.strides[last] // item_size(self.dtype)
        job.y_stride = 1 if function == LOGSUMEXP else y.strides[last] // item_size(self.dtype)
        job.ndim = job.columns = 0
        job.rows = 1
        for d in range(last):
            if self.is_columns(x, y, d, function):
                job.columns = x.shape[d]
                job.y_column_step = y.strides[d] // item_size(self.dtype)
                continue
            job.shape[job.ndim] = x.shape[d]
            job.x_steps[job.ndim] = x.strides[d]
            job.y_steps[job.ndim] = y.strides[d]
            job.rows *= x.shape[d]
            job.ndim += 1
        job.function = function
        choose(job, self.dtype, algorithm, aliased)
        divide_columns(job, self.dtype)
        self.pairs = <Pair*> malloc(max(1, segments(job.n)) * sizeof(Pair))
        if self.pairs is NULL:
            raise MemoryError(NO_SPACE)

    cdef bint is_columns(self, ndarray x, ndarray y, int d, int function) noexcept:
        """Whether the elements of axis d lie side by side, and those of the reduced one do not."""
        cdef Py_ssize_t size = item_size(self.dtype)
        return (self.job.columns == 0 and self.job.x_stride != 1 and x.strides[d] == size
                and (function == LOGSUMEXP or y.strides[d] == size))

    def __dealloc__(self):
        free(self.pairs)

    @property
    def rows(self):
        """The number of rows; of tiles, where rows lie side by side."""
        return self.job.rows

    @property
    def length(self):
        """The number of elements in a row or tile."""
        return self.elements // self.job.rows

    @property
    def segments(self):
        """The number of segments in a row: what sum_segments and write_segments count in."""
        return segments(self.job.n)

    @property
    def divisible(self):
        """Whether one row's segments can be worked on by themselves."""
        return not self.job.scratch and self.job.columns == 0

    def run(self, Py_ssize_t first, Py_ssize_t last):
        """Do rows first..last from beginning to end."""
        cdef bint done
        with nogil:
            done = run_rows_of(self.dtype, &self.job, first, last)
        if not done:
            raise MemoryError(NO_SPACE)

    def sum_segments(self, Py_ssize_t row, Py_ssize_t first, Py_ssize_t last):
        """Pass 1 over segments first..last of a row. False: something needs the shift of `settle`."""
        return self.step(SUM, row, first, last)

    def settle(self, Py_ssize_t row, bint summed):
        """Between the passes. False: sum all segments again; the second time is the last."""
        return self.step(SETTLE, row, summed, 0)

    def write_segments(self, Py_ssize_t row, Py_ssize_t first, Py_ssize_t last):
        """Pass 2 over segments first..last of a row; nothing is left to do for logsumexp."""
        self.step(WRITE, row, first, last)

    cdef bint step(self, Step step, Py_ssize_t row, Py_ssize_t first, Py_ssize_t last) noexcept:
        cdef bint done
        with nogil:
            if self.dtype == NPY_FLOAT:
                done = row_step[float](self, step, row, first, last, NULL)
            elif self.dtype == NPY_DOUBLE:
                done = row_step[double](self, step, row, first, last, NULL)
            else:
                done = row_step[half](self, step, row, first, last, NULL)
        return done


cdef bint row_step(
    Plan plan, Step step, Py_ssize_t index, Py_ssize_t first, Py_ssize_t last, const elem* _
) noexcept nogil:
    """One step of what jobs.run_row does at a stretch."""
    cdef FpState state
    state.set_aside()
    cdef Job* job = &plan.job
    cdef Py_ssize_t x_offset, y_offset
    locate(job, index, &x_offset, &y_offset)
    cdef Row[elem] row = row_of(<const elem*> (job.x + x_offset), job.x_stride, job.n)
    cdef elem* y = <elem*> (job.y + y_offset)
    cdef bint done = True
    cdef Pair total
    row.shift = plan.shift
    if step == SUM:
        return sum_segments[elem](&row, first, last, &job.recipe, NAN, <char*> y, plan.pairs)
    if step == SETTLE:
        total = merge_all(plan.pairs, segments(job.n))
        done = settle[elem](&row, job.function, first, &total, &plan.norm)
        plan.shift = row.shift
        if done and job.function == LOGSUMEXP:
            y[0] = log_sum[elem](&row, &plan.norm)
    elif job.function != LOGSUMEXP:
        write_segments[elem](job.function, &row, first, last, kept_terms(job, <char*> y, &plan.norm), plan.pairs,
                             y, job.y_stride, &plan.norm, job.streaming)
    return done
