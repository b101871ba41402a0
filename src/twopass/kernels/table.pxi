# THE table of kernels: a line a function, a line a storage type. Nothing else compares the numbers of either.
from numpy cimport NPY_DOUBLE, NPY_FLOAT, NPY_FLOAT16, PyArray_TYPE, ndarray

from twopass.kernels.algorithms cimport AUTO
from twopass.kernels.functions.log_softmax cimport LogSoftmax
from twopass.kernels.functions.logsumexp cimport LogSumExp
from twopass.kernels.functions.softmax cimport Softmax
from twopass.kernels.functions.weighted_logsumexp cimport WeightedLogSumExp
from twopass.kernels.job cimport WEIGHTS, Job
from twopass.kernels.rules cimport ReducingRule, Rule
from twopass.kernels.vec cimport FpState, Kind, elem, half

cdef enum Function:                 # in the order of functions.TABLE
    SOFTMAX
    LOG_SOFTMAX
    LOGSUMEXP

cdef enum Storage:                  # in the order of functions.DTYPES
    NONE = -1
    HALF
    FLOAT
    DOUBLE

cdef enum Step:
    CHOOSE                          # how to do a job
    RUN                             # rows first..last of it
    SUM                             # segments first..last of one row,
    SETTLE                          # what pass 2 needs of it,
    WRITE                           # and its results
    SUM_CHUNKS                      # states of rows,
    APPLY_STATES                    # and what follows from them
    FINISH_STATES

cdef struct Task:                   # what a step works on; each needs some of it
    Job* job
    Py_ssize_t first, last
    Py_ssize_t row
    Halfway* halfway
    bint summed
    State* states
    int algorithm
    bint aliased


cdef inline Task task_of(Job* job) noexcept nogil:
    return Task(job, 0, 0, 0, NULL, False, NULL, AUTO, False)


cdef bint take(Kind[elem] kind, Rule* rule, Step step, Task* task) noexcept nogil:
    """A step, for one storage type and rule."""
    cdef FpState state
    state.set_aside()
    cdef Rule alone
    if step == RUN:
        return run_rows(kind, &alone, task.job, task.first, task.last)
    if step == SUM:
        return sum_step(kind, rule, task.job, task.halfway, task.row, task.first, task.last)
    elif step == SETTLE:
        return settle_step(kind, <Rule*> &task.halfway.rule, task.job, task.halfway, task.row, task.summed)
    elif step == WRITE:
        write_step(kind, <Rule*> &task.halfway.rule, task.job, task.halfway, task.row, task.first, task.last)
    elif Rule in ReducingRule:
        if step == SUM_CHUNKS:
            sum_chunks(kind, task.job, task.states)
        else:
            finish_states(kind, &alone, task.states, <elem*> task.job.y, task.last)
    else:
        apply_states(kind, &alone, task.job, task.states)
    return True


cdef inline bint choose_or_take(Kind[elem] kind, Rule* rule, Step step, Task* task) noexcept nogil:
    """To choose computes nothing, and leaves the floating-point state alone: setting it takes a short call's time."""
    if step == CHOOSE:
        choose(kind, rule, task.job, task.algorithm, task.aliased)
        return True
    return take(kind, rule, step, task)


cdef int take_for(int storage, Rule* rule, Step step, Task* task) except -1 nogil:
    cdef Kind[half] of_half
    cdef Kind[float] of_float
    cdef Kind[double] of_double
    if storage == HALF:
        return choose_or_take(of_half, rule, step, task)
    if storage == FLOAT:
        return choose_or_take(of_float, rule, step, task)
    if storage == DOUBLE:
        return choose_or_take(of_double, rule, step, task)
    with gil:
        raise TypeError(f"there is no kernel for storage type {storage}")


cdef int call(int function, int storage, Step step, Task* task) except -1 nogil:
    """KERNELS[function][storage]: take a step, and return whether it succeeded."""
    if function == SOFTMAX:
        return take_for(storage, <Softmax*> NULL, step, task)
    if function == LOG_SOFTMAX:
        return take_for(storage, <LogSoftmax*> NULL, step, task)
    if function == LOGSUMEXP:
        if not task.job.plain and task.job.operands[WEIGHTS].p is not NULL:
            return take_for(storage, <WeightedLogSumExp*> NULL, step, task)
        return take_for(storage, <LogSumExp*> NULL, step, task)
    with gil:
        raise ValueError(f"there is no kernel for function {function}")


cdef int storage_of(ndarray a) noexcept:
    """The storage type of an array's elements."""
    cdef int number = PyArray_TYPE(a)
    return (FLOAT if number == NPY_FLOAT else DOUBLE if number == NPY_DOUBLE else HALF if number == NPY_FLOAT16
            else NONE)


cdef inline bint has_kernel(ndarray a) noexcept:
    return storage_of(a) != NONE
