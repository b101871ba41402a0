# distutils: language = c++
# cython: language_level=3
# cython: freethreading_compatible=True, embedsignature=True
"""What benchmarks and tests of one target need beside its functions: single passes, the bare memory traffic, bare pairs
and every vector operation. A module of its own (twopass.bench._probe_zen2 and so on), so that no program carries it
along.
"""
from libc.math cimport INFINITY, NAN, fmax
from libc.string cimport memcpy

from numpy cimport (
    NPY_DOUBLE, NPY_FLOAT, PyArray_BYTES, PyArray_DIMS, PyArray_EMPTY, PyArray_ISCARRAY, PyArray_NBYTES, PyArray_SIZE,
    PyArray_TYPE, import_array, ndarray,
)

from twopass.kernels.exp cimport exp_at, reference_for
from twopass.kernels.functions.softmax cimport Softmax
from twopass.kernels.memory cimport fetch, put, row_of, unaligned_head, vectors
from twopass.kernels.sums cimport SEGMENT, Pair
from twopass.kernels.vec cimport LOG2_E, FpState, Kind, Row, Vec, elem, half, prefetch, store_fence

import_array()

include "drive/totals.pxi"
include "drive/stage.pxi"
include "drive/passes.pxi"
include "drive/row.pxi"

# The operations that vec.pxd declares, each on one vector, by their names there.
cdef extern from *:
    """
    namespace {
    template <class T> struct Place {  // of the operands and the result; a part has so many elements
        const char *a, *b, *c;
        char* out;
        std::ptrdiff_t count;

        Vec<T> x() const { return Kind<T>::load_terms(a); }
        Vec<T> y() const { return Kind<T>::load_terms(b); }
        Vec<T> z() const { return Kind<T>::load_terms(c); }
        const T* elements() const { return reinterpret_cast<const T*>(a); }
        const double* doubles() const { return reinterpret_cast<const double*>(a); }
        T* out_elements() const { return reinterpret_cast<T*>(out); }
        double* out_doubles() const { return reinterpret_cast<double*>(out); }
        void put(F32 v) const { Kind<float>::store_terms(out, v); }
        void put(F64 v) const { Kind<double>::store_terms(out, v); }
        void put(double v) const { *out_doubles() = v; }
    };

    // Half the lanes: there are none of double.
    template <class T> inline void put_half(const Place<T>& at, bool upper) {
        if constexpr (!Kind<T>::wide) at.put(upper ? Kind<T>::high(at.x()) : Kind<T>::low(at.x()));
    }

    inline void put_columns(const double* rows, double* columns) {
        F64 square[8];
        for (int i = 0; i < 8; ++i) square[i] = load(rows + 8 * i);
        transpose(square);
        for (int i = 0; i < 8; ++i) store(columns + 8 * i, square[i]);
    }

    template <class T> struct Operation {
        using K = Kind<T>;
        using At = const Place<T>&;
        const char* name;
        void (*run)(At);
        static const Operation table[];
    };

    template <class T> const Operation<T> Operation<T>::table[] = {
        {"load", [](At at) { at.put(K::load(at.elements())); }},
        {"load_part", [](At at) { at.put(K::load_part(at.elements(), at.count)); }},
        {"load_terms", [](At at) { at.put(K::load_terms(at.a)); }},
        {"load_terms_part", [](At at) { at.put(K::load_terms_part(at.a, at.count)); }},
        {"pack", [](At at) { at.put(K::pack(at.doubles())); }},
        {"splat", [](At at) { at.put(K::splat(*at.doubles())); }},
        {"store", [](At at) { K::store(at.out_elements(), at.x()); }},
        {"store_part", [](At at) { K::store_part(at.out_elements(), at.x(), at.count); }},
        {"store_terms", [](At at) { K::store_terms(at.out, at.x()); }},
        {"store_terms_part", [](At at) { K::store_terms_part(at.out, at.x(), at.count); }},
        {"stream", [](At at) { K::stream(at.out_elements(), at.x()); }},
        {"unpack", [](At at) { K::unpack(at.out_doubles(), at.x()); }},
        {"stored", [](At at) { at.put(K::stored(at.x())); }},
        {"first", [](At at) { at.put(K::first(at.x(), std::ptrdiff_t(*reinterpret_cast<const double*>(at.b)))); }},
        {"where", [](At at) { at.put(K::where(at.x(), reinterpret_cast<const unsigned char*>(at.b), 1, K::lanes())); }},

        {"+", [](At at) { at.put(at.x() + at.y()); }},
        {"-", [](At at) { at.put(at.x() - at.y()); }},
        {"*", [](At at) { at.put(at.x() * at.y()); }},
        {"fma", [](At at) { at.put(K::fma(at.x(), at.y(), at.z())); }},
        {"max", [](At at) { at.put(K::max(at.x(), at.y())); }},
        {"scaled", [](At at) { at.put(K::scaled(at.x(), at.y(), at.z())); }},
        {"reduce_arg", [](At at) { at.put(K::reduce_arg(at.x(), at.y())); }},
        {"times_exp2", [](At at) { at.put(K::times_exp2(at.x(), at.y())); }},
        {"exp2_eighths", [](At at) { at.put(K::exp2_eighths(at.x())); }},
        {"coefficient", [](At at) { at.put(K::coefficient(*at.doubles())); }},
        {"watch", [](At at) { at.put(K::watch(at.x(), at.y(), at.z())); }},
        {"stray", [](At at) { at.put(K::stray(at.x(), at.y(), at.z())); }},
        {"low", [](At at) { put_half(at, false); }},
        {"high", [](At at) { put_half(at, true); }},
        {"transpose", [](At at) { put_columns(at.doubles(), at.out_doubles()); }},

        {"peak", [](At at) { at.put(K::peak(at.x())); }},
        {"tripped", [](At at) { at.put(double(K::tripped(at.x(), at.y()))); }},
        {"strayed", [](At at) { at.put(double(K::strayed(at.x()))); }},
        {"sum_of_lanes", [](At at) { at.put(sum_of_lanes(load(at.doubles()))); }},
        {"value", [](At at) { at.put(K::value(*at.elements())); }},
        {"rounded", [](At at) { *at.out_elements() = K::rounded(*at.doubles()); }},
        {"rest_after", [](At at) { at.put(K::rest_after(*at.doubles())); }},
        {"exp2i", [](At at) { at.put(exp2i(*at.doubles())); }},

        {"lanes", [](At at) { at.put(double(K::lanes())); }},
        {"epsilon", [](At at) { at.put(K::epsilon()); }},
        {"magic", [](At at) { at.put(K::magic()); }},
        {"tabled", [](At at) { at.put(double(K::tabled())); }},
        {"calm", [](At at) { at.put(K::calm()); }},
        {"widest", [](At at) { at.put(K::widest()); }},
    };

    using Names = Operation<double>;
    const std::ptrdiff_t operation_count = sizeof Names::table / sizeof *Names::table;
    inline const char* operation_name(std::ptrdiff_t i) { return Names::table[i].name; }
    template <class T> inline void operate(Kind<T>, std::ptrdiff_t i, const Place<T>& at) {
        Operation<T>::table[i].run(at);
    }
    }  // namespace
    """
    cdef cppclass Place[T]:
        const char* a
        const char* b
        const char* c
        char* out
        Py_ssize_t count

    const Py_ssize_t operation_count
    const char* operation_name(Py_ssize_t)
    void operate[T](Kind[T], Py_ssize_t, const Place[T]&)

PASSES = ("max", "sum_exp", "exp_store", "exp_write", "scale", "pair_sum", "pair_write")
OPERATIONS = tuple([operation_name(i).decode() for i in range(operation_count)])

cdef Py_ssize_t LLC = 32 << 20        # set once by configure()


def configure(*, llc, **tuning):
    """Tell this build about the last-level cache, as its target is told; nothing else matters here."""
    global LLC
    LLC = llc


def limit(ndarray x, ndarray out):
    """Move the bytes that a softmax over the last axis cannot avoid: read a row, read it again, write it.

    What is larger than the last-level cache is written past it. The second reading of a short row is from the caches.

    Parameters
    ----------
    x, out : ndarray of float32 or float64
        Contiguous, of one size and dtype. `out` receives a copy of `x`.

    Returns
    -------
    float
        The maximum: what the first reading is good for.
    """
    _check_pass(x, out)
    cdef Kind[float] of_float
    cdef Kind[double] of_double
    cdef Py_ssize_t size = PyArray_SIZE(x), n = x.shape[x.ndim - 1] if x.ndim > 0 else size
    cdef double found
    if n < SEGMENT:
        n *= SEGMENT // n           # several rows at a time: the same traffic, without a cost for each
    with nogil:
        if PyArray_TYPE(x) == NPY_FLOAT:
            found = move_rows(of_float, <const float*> PyArray_BYTES(x), <float*> PyArray_BYTES(out), n, size)
        else:
            found = move_rows(of_double, <const double*> PyArray_BYTES(x), <double*> PyArray_BYTES(out), n, size)
    return found


cdef double move_rows(Kind[elem] kind, const elem* x, elem* y, Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    cdef bint streaming = size * sizeof(elem) > LLC
    cdef double most = -INFINITY
    cdef Py_ssize_t i = 0
    while i < size:
        most = fmax(most, move(kind, x + i, y + i, min(n, size - i), streaming))
        i += n
    return most


cdef double move(Kind[elem] kind, const elem* x, elem* y, Py_ssize_t n, bint streaming) noexcept nogil:
    """Read a row, then copy it segment by segment from the last to the first, as the kernels do."""
    cdef Row[elem] row = row_of(kind, x, 1, n)
    cdef Py_ssize_t s, i, end, head, width = kind.lanes()
    cdef double most = largest(kind, &row, 0, n)
    for s in range(segments(n) - 1, -1, -1):
        i = s * SEGMENT
        end = min(n, i + SEGMENT)
        head = unaligned_head(kind, y + i, end - i) if streaming else 0
        memcpy(y + i, x + i, head * sizeof(elem))
        i += head
        while i < end:
            prefetch(<const char*> (x + i) + AHEAD)
            put(kind, y + i, end - i, fetch(kind, x + i, end - i), streaming)
            i += width
    if streaming:
        store_fence()
    return most


def run_pass(str name, ndarray x, ndarray out):
    """Run one pass of the algorithms over a row, to be timed.

    Parameters
    ----------
    name : str
        One of PASSES. `scale` takes `out` for the kept terms and scales them in place.
    x, out : ndarray of float32 or float64
        Contiguous, of one size and dtype, without special values.

    Returns
    -------
    float
        What a reading pass found, so that no compiler can leave it out; 0 from a writing pass.
    """
    _check_pass(x, out)
    if name not in PASSES:
        raise ValueError(f"pass {name!r} is not one of {', '.join(PASSES)}")
    cdef Py_ssize_t index = PASSES.index(name)
    cdef Kind[float] of_float
    cdef Kind[double] of_double
    cdef Py_ssize_t n = PyArray_SIZE(x)
    cdef double found
    with nogil:
        if PyArray_TYPE(x) == NPY_FLOAT:
            found = sweep(of_float, index, <const float*> PyArray_BYTES(x), <float*> PyArray_BYTES(out), n)
        else:
            found = sweep(of_double, index, <const double*> PyArray_BYTES(x), <double*> PyArray_BYTES(out), n)
    return found


cdef double sweep(Kind[elem] kind, Py_ssize_t index, const elem* x, elem* y, Py_ssize_t n) noexcept nogil:
    cdef FpState state
    state.set_aside()
    cdef Row[elem] row = row_of(kind, x, 1, n)
    cdef Softmax rule = Softmax(reference_for(kind, 4), 1, 0, True)
    cdef Py_ssize_t s
    cdef Pair pair
    cdef bint streaming = n * sizeof(elem) > LLC
    if index == 0:
        return largest(kind, &row, 0, n)
    cdef double found = 0
    for s in range(segments(n)):
        pair.e = NAN if index == 5 else rule.e
        pair.calm = True
        if index == 1 or index == 2 or index == 5:
            sum_segment(kind, EXP_SUM, &row, s * SEGMENT, min(n, (s + 1) * SEGMENT),
                        <char*> (y + s * SEGMENT) if index == 2 else NULL, False, &pair)
            found += pair.hi
        else:
            write_segments(kind, &rule, &row, s, s + 1, <char*> y if index == 4 else NULL, &pair,
                           y, 1, streaming and index != 4)
    return found


def _check_pass(ndarray x, ndarray out):
    if not (PyArray_ISCARRAY(x) and PyArray_ISCARRAY(out) and PyArray_TYPE(x) in (NPY_FLOAT, NPY_DOUBLE)
            and PyArray_TYPE(x) == PyArray_TYPE(out) and PyArray_SIZE(x) == PyArray_SIZE(out) > 0):
        raise ValueError("x and out must be contiguous float32 or float64 arrays of one dtype and size")


def extexp(ndarray x):
    """The paper's ExtExp: ``exp(x) = m * 2**n`` for each element.

    Parameters
    ----------
    x : ndarray of float32 or float64
        One-dimensional and contiguous; finite values within the range of the reduction.

    Returns
    -------
    m, n : ndarray
        The mantissas, in about [0.70, 1.42], and the exponents: whole numbers of the dtype of `x`.
    """
    cdef ndarray m = PyArray_EMPTY(1, PyArray_DIMS(x), PyArray_TYPE(x), 0)
    cdef ndarray n = PyArray_EMPTY(1, PyArray_DIMS(x), PyArray_TYPE(x), 0)
    cdef Kind[float] of_float
    cdef Kind[double] of_double
    _check_pass(x, m)
    if PyArray_TYPE(x) == NPY_FLOAT:
        pairs_of(of_float, <float*> PyArray_BYTES(x), <float*> PyArray_BYTES(m), <float*> PyArray_BYTES(n),
                 PyArray_SIZE(x))
    else:
        pairs_of(of_double, <double*> PyArray_BYTES(x), <double*> PyArray_BYTES(m), <double*> PyArray_BYTES(n),
                 PyArray_SIZE(x))
    return m, n


cdef void pairs_of(Kind[elem] kind, const elem* x, elem* m, elem* n, Py_ssize_t number) noexcept nogil:
    cdef FpState state
    state.set_aside()
    cdef Py_ssize_t i, k
    cdef Vec[elem] magic = kind.splat(kind.magic()), calm = kind.splat(kind.calm()), v, z, exponent
    cdef Vec[elem] whole = kind.splat(1.5 / kind.epsilon())       # adding it rounds to integers
    for k in range(vectors(number, kind.lanes())):
        i = k * kind.lanes()
        v = fetch(kind, x + i, number - i)
        z = kind.fma(v, kind.splat(LOG2_E), magic)
        exponent = (z - magic + whole) - whole
        put(kind, m + i, number - i, exp_at(kind, kind.reduce_arg(v, z - magic), (z - exponent) + calm), False)
        put(kind, n + i, number - i, exponent, False)


def vector(str name, str dtype, ndarray out not None, ndarray x=None, ndarray y=None, ndarray z=None):
    """Run one operation of the vector header on vectors that lie one after the other.

    Parameters
    ----------
    name : str
        One of OPERATIONS, as kernels/vec.pxd declares them.
    dtype : str
        The type of the elements: float16, float32 or float64.
    out, x, y, z : ndarray
        Contiguous. `out` receives the results, the others hold the operands in their order. The first dimension counts
        the vectors. These are of the type that `dtype` is computed in, elements in memory are of `dtype` itself, and
        all else is float64, but for the bytes of a mask. A part is as many elements as the smaller of `x` and `out` has
        for a vector. Whether the arrays are large enough is not checked.
    """
    cdef Kind[half] of_half
    cdef Kind[float] of_float
    cdef Kind[double] of_double
    if name not in OPERATIONS:
        raise ValueError(f"operation {name!r} is not one of {', '.join(OPERATIONS)}")
    for array in (out, x, y, z):
        if array is not None and not (PyArray_ISCARRAY(array) and array.ndim and len(array) == len(out)):
            raise ValueError(f"out and the operands must be contiguous and of as many vectors as out, {len(out)}")
    cdef Py_ssize_t operation = OPERATIONS.index(name)
    if dtype == "float16":
        each_vector(of_half, operation, out, x, y, z)
    elif dtype == "float32":
        each_vector(of_float, operation, out, x, y, z)
    elif dtype == "float64":
        each_vector(of_double, operation, out, x, y, z)
    else:
        raise ValueError(f"dtype {dtype!r} is not one of float16, float32, float64")


cdef void each_vector(Kind[elem] kind, Py_ssize_t operation, ndarray out, ndarray x, ndarray y, ndarray z) noexcept:
    cdef FpState state
    state.set_aside()
    cdef Py_ssize_t i, number = out.shape[0]
    cdef Place[elem] at
    for i in range(number):
        at.count = (PyArray_SIZE(out) if x is None else min(PyArray_SIZE(x), PyArray_SIZE(out))) // number
        at.a = share_of(x, i, number)
        at.b = share_of(y, i, number)
        at.c = share_of(z, i, number)
        at.out = share_of(out, i, number)
        operate(kind, operation, at)


cdef char* share_of(ndarray array, Py_ssize_t i, Py_ssize_t number) noexcept:
    if array is None:
        return NULL
    return PyArray_BYTES(array) + PyArray_NBYTES(array) // number * i
