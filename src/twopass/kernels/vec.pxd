# The machine, as Cython sees it: the vector type and the operations that every ISA header supplies (vec/vec.hpp).
#
# A storage type (half, float, double) names the vector type too: Vec[half] and Vec[float] are one type in C++.
# Kind[elem] is an object without content that tells which: functions take it as their first argument, and Cython
# specialises them by it. Its methods are what can be done with such elements.

ctypedef unsigned char uchar

cdef extern from "vec.hpp" nogil:
    ctypedef struct half:                         # IEEE binary16: stored as such, computed as float
        pass

    cdef cppclass Vec[T]:                         # 512 bits: 16 lanes of float or 8 of double
        Vec operator+(Vec)
        Vec operator-(Vec)
        Vec operator*(Vec)

    cdef cppclass Kind[T]:
        Py_ssize_t lanes()
        bint stored_only                          # whether it is computed in float

        Vec[T] splat(double)
        Vec[T] pack(const double*)                # a number for each lane
        void unpack(double*, Vec[T])
        Vec[T] load(const T*)
        void store(T*, Vec[T])
        void stream(T*, Vec[T])                   # past the caches; T* aligned to the vector's storage
        Vec[T] load_part(const T*, Py_ssize_t)    # so many elements, and -inf
        void store_part(T*, Vec[T], Py_ssize_t)
        Vec[T] load_terms(const char*)            # of the type computed in: float for half
        void store_terms(char*, Vec[T])
        Vec[T] load_terms_part(const char*, Py_ssize_t)
        void store_terms_part(char*, Vec[T], Py_ssize_t)

        Vec[T] fma(Vec[T], Vec[T], Vec[T])
        Vec[T] max(Vec[T], Vec[T])                # NaN where the second is; where the first alone is, either
        double peak(Vec[T])                       # the largest lane
        Vec[T] scaled(Vec[T], Vec[T], Vec[T])     # t * scale; 0 where t <= least
        Vec[T] reduce_arg(Vec[T], Vec[T])         # x - n ln 2
        Vec[T] times_exp2(Vec[T], Vec[T])         # p * 2^k, with k in the low bits of the other
        Vec[T] exp2_eighths(Vec[T])               # 2^k / 2^calm, with 8 k in the low bits
        Vec[T] watch(Vec[T], Vec[T], Vec[T])      # remembers whether any lane passed the limit or was NaN
        bint tripped(Vec[T], Vec[T])
        Vec[T] stray(Vec[T], Vec[T], Vec[T])      # remembers whether the term of any lane was not calm
        bint strayed(Vec[T])
        Vec[double] low(Vec[T])                   # half the lanes, as double
        Vec[double] high(Vec[T])

        Vec[T] stored(Vec[T])                     # what it becomes when it is stored and loaded again
        Vec[T] first(Vec[T], Py_ssize_t)          # so many elements, and -inf
        Vec[T] where(Vec[T], const uchar*, Py_ssize_t, Py_ssize_t)   # those whose mask is not 0, and -inf

        double value(T)                           # one element
        T rounded(double)
        double rest_after(double)                 # what rounding to the type computed in leaves over

        double epsilon()                          # of the type computed in
        double magic()                            # z = v + magic holds v, rounded to 1 or 1/8, in its low bits
        bint tabled()                             # whether exp2_eighths is at hand: 1/8 then
        Vec[T] coefficient(double)                # of the polynomial of e^r: times 2^-calm
        double calm()                             # terms from 2^-calm to 2^calm need no floor and no limit;
        double calm_sum()                         # their results are normal in a row that sums up to this at most
        double widest()                           # |x| up to which the argument reduction is exact enough
        double margin()                           # exponents of terms: of the largest one, at least;
        double ceiling()                          # at most;
        double lowest()                           # and of those that are too small to matter
        double least_sum()                        # terms that add up to less may have lost some that show
        double least_term(double)                 # terms up to it give 0 in a row with this sum

    double sum_of_lanes(Vec[double])              # in the one order that all targets share
    void transpose(Vec[double]*)                  # eight vectors: rows become columns
    double exp2i(double)                          # 2^n for an integral n; 0 below the normal numbers
    void prefetch(const void*)
    void store_fence()

    const double LOG2_E
    const double LN_2

    cdef cppclass Frame[T]:                       # how elements become terms under a reference (exp.pxd)
        Vec[T] shift, floor, first, limit

    cdef cppclass Operand[T]:                     # an array that broadcasts against a row (memory.pxd)
        const T* p                                # NULL: there is none
        Py_ssize_t stride                         # from an element of the row to the next,
        Py_ssize_t step                           # and to the row beside, in elements

    cdef cppclass Row[T]:                         # where a row lies, and what its elements become on their way in
        const T* x
        Py_ssize_t stride                         # in elements
        Py_ssize_t n
        bint plain                                # nothing of what follows
        double scale
        Operand[T] bias                           # scale * x + bias is taken for x,
        Operand[uchar] where                      # and -inf where this is 0
        Operand[T] weights                        # of terms: one of weight 0 is left out
        Operand[T] lse                            # where its log-sum-exp is wanted
        double shift                              # subtracted from every element
        double skip                               # the value of elements to leave out, or NaN

    cdef cppclass FpState:                        # restores the caller's floating-point state at the scope's end
        FpState()
        void set_aside()

ctypedef fused elem:
    half
    float
    double
