# The vector operations that every ISA header supplies (see vec/vec.hpp), as Cython sees them.
# A storage type (half, float, double) names the vector type too: Vec[half] and Vec[float] are one type in C++.
# Cython specialises a function by arguments that name elem; a function that has none by nature takes an
# unused `const elem* _`, and is called with NULL there.

cdef extern from "vec.hpp" nogil:
    ctypedef unsigned short half                  # IEEE binary16: stored as such, computed as float

    cdef cppclass Vec[T]:                         # 512 bits: 16 lanes of float or 8 of double
        Vec operator+(Vec)
        Vec operator-(Vec)
        Vec operator*(Vec)

    cdef cppclass Kind[T]:                        # what is known of a storage type
        @staticmethod
        Py_ssize_t lanes()
        @staticmethod
        Vec[T] splat(double)
        @staticmethod
        bint tabled()                             # whether vexp2_eighths is at hand
        @staticmethod
        double magic()                            # z = v + magic holds v, rounded to 1 or 1/8, in its low bits
        @staticmethod
        Vec[T] coefficient(double)                # of the polynomial of e^r: times 2^-calm
        @staticmethod
        double calm()                             # terms from 2^-calm to 2^calm need no floor and no limit;
        @staticmethod
        double calm_sum()                         # their results are normal in a row that sums up to this at most
        @staticmethod
        double widest()                           # |x| up to which the argument reduction is exact enough
        @staticmethod
        double margin()                           # exponents of terms: of the largest one, at least;
        @staticmethod
        double ceiling()                          # at most;
        @staticmethod
        double lowest()                           # and of those that are too small to matter
        @staticmethod
        double epsilon()                          # of the type computed in
        @staticmethod
        double least_sum()                        # terms that add up to less may have lost some that show
        @staticmethod
        double least_term(double)                 # terms up to it give 0 in a row with this sum
        @staticmethod
        T storage(double)
        @staticmethod
        Vec[T] pack(const double*)                # a number for each lane
        @staticmethod
        void unpack(double*, Vec[T])
        @staticmethod
        double rest_after(double)                 # what rounding to the type computed in leaves over
        @staticmethod
        Vec[T] load_computed(const char*)         # vectors of the type computed in: float for half
        @staticmethod
        void store_computed(char*, Vec[T])
        @staticmethod
        Vec[T] load_computed_part(const char*, Py_ssize_t)
        @staticmethod
        void store_computed_part(char*, Vec[T], Py_ssize_t)

    Vec[T] vload[T](const T*)
    void vstore[T](T*, Vec[T])
    Vec[T] vload_part[T](const T*, Py_ssize_t)    # so many elements, and -inf
    void vstore_part[T](T*, Vec[T], Py_ssize_t)
    void vstream[T](T*, Vec[T])                   # past the caches; T* aligned to the vector's storage
    Vec[T] vfma[T](Vec[T], Vec[T], Vec[T])
    Vec[T] vmax[T](Vec[T], Vec[T])                # the second operand where one is NaN
    double vsum(Vec[double])                      # of the lanes, in the one order that all targets share
    double vpeak[T](Vec[T])                       # the largest lane
    void transpose(Vec[double]*)                  # eight vectors: rows become columns
    Vec[T] vreduce_arg[T](Vec[T], Vec[T])         # x - n ln 2
    Vec[T] vscaled[T](Vec[T], Vec[T], Vec[T])     # t * scale; 0 where t <= least
    Vec[T] vtimes_exp2[T](Vec[T], Vec[T])         # p * 2^k, with k in the low bits of the other
    Vec[T] vexp2_eighths[T](Vec[T])               # 2^k / 2^calm, with 8 k in the low bits
    Vec[T] vwatch[T](Vec[T], Vec[T], Vec[T])      # remembers whether any lane passed the limit or was NaN
    bint vtripped[T](Vec[T], Vec[T])
    Vec[T] vstray[T](Vec[T], Vec[T], Vec[T])      # remembers whether the term of any lane was not calm
    bint vstrayed[T](Vec[T])
    Vec[double] vlow[T](Vec[T])                   # half the lanes, as double
    Vec[double] vhigh[T](Vec[T])
    void store_fence()
    void prefetch(const void*)

    double scalar[T](T)
    double exp2i(double)                          # 2^n for an integral n; 0 below the normal numbers

    cdef cppclass Row[T]:
        const T* x
        Py_ssize_t stride                         # in elements
        Py_ssize_t n
        double shift                              # subtracted from every element on its way in
        double skip                               # the value of elements to leave out, or NaN

    cdef cppclass Frame[T]:                       # how elements become terms, see frame_for
        Vec[T] shift, floor, first, limit

    cdef cppclass FpState:                        # restores the caller's floating-point state at the scope's end
        FpState()
        void set_aside()

ctypedef fused elem:
    half
    float
    double
