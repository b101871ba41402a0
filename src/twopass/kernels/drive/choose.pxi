# How a job is done. No choice changes a bit of the result.
from twopass.kernels.algorithms cimport AUTO, TWO_PASS, TWO_PASS_RELOAD, recipe_of
from twopass.kernels.job cimport Job
from twopass.kernels.rules cimport ReducingRule, Rule, TermRule
from twopass.kernels.sums cimport SEGMENT
from twopass.kernels.vec cimport Kind, elem

cdef Py_ssize_t LLC = 32 << 20        # set once by configure()
cdef double STREAM = 1.0


cdef void choose(Kind[elem] kind, Rule* rule, Job* job, int algorithm, bint aliased) noexcept nogil:
    cdef double size = <double> job.n * sizeof(elem) * job.rows * max(1, job.columns)
    cdef bint dense = job.y_stride == 1 or job.columns > 0
    cdef bint bypass = Rule not in ReducingRule and not aliased and dense and size > LLC
    cdef bint too_large = size > STREAM * LLC           # for terms in the place of results
    cdef bint holds_terms = not aliased and not kind.stored_only and job.y_stride == 1
    cdef bint fits_scratch = job.n <= SEGMENT
    if algorithm == AUTO:
        algorithm = TWO_PASS if too_large and not fits_scratch else TWO_PASS_RELOAD
    job.recipe = recipe_of(algorithm)
    if Rule not in TermRule or job.columns > 0 or not (holds_terms or fits_scratch):
        job.recipe.keep_terms = False
    job.scratch = job.recipe.keep_terms and fits_scratch and (too_large or not holds_terms)
    job.streaming = bypass and (job.scratch or not job.recipe.keep_terms)
    if job.columns > 0:                                 # from here on, `rows` counts tiles
        job.rows *= tiles(job, tile_columns(job.n, kind.lanes()))
