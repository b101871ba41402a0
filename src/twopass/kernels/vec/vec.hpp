// The vector type of the kernels: always 512 bits, whatever the machine has.
//
// Design note
// A. A vector here is *logical*: 16 float or 8 double lanes. AVX-512 holds it in one register, AVX2 in
//    two, NEON in four, the generic build in an array. Element i of a row therefore belongs to lane
//    i mod 16 (or 8) on every CPU, and sums come out with the same bits.
// B. Each ISA is one header that defines the structs F32 and F64 and the operations below on both.
//    The build names it in TWOPASS_VEC; every header refuses to compile without its flags.
// C. A half (storage.hpp) is a storage type only: loads widen it to F32.
// D. Everything has internal linkage. A weak symbol with AVX code in it could be picked by the linker
//    for another target's module and crash an older CPU.
//
// What a header supplies, for F32 and F64:
//    load store stream splat  + - *  fma max  times_exp2 scaled watch tripped stray has_bits peak  reduce_arg
// for F32: load, store and stream of half, low, high (the two halves of the lanes, widened to F64);
// for F64: sum. Where the ISA has masks, load_part and store_part; where it shuffles well, transpose for F64;
// where tabled_f32, exp2_eighths for F32.
// And the constants widest_f32 and widest_f64 (how far reduce_arg can be trusted) and tabled_f32.
#pragma once
#include <atomic>
#include <cfenv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

#include "storage.hpp"

namespace {
template <class T> struct Format;
template <> struct Format<float> { static constexpr int significand = 23; };
template <> struct Format<double> { static constexpr int significand = 52; };
}  // namespace

#include TWOPASS_VEC

namespace {
// Parts of a vector through a buffer, for what a header has no masked instructions for.
template <class T> inline auto load_part(const T* p, std::ptrdiff_t count) -> decltype(load(p)) {
    T buffer[sizeof(T) == 8 ? 8 : 16];
    store(buffer, decltype(load(p))::splat(-INFINITY));
    std::memcpy(buffer, p, count * sizeof(T));
    return load(buffer);
}
template <class T, class V> inline void store_part(T* p, V v, std::ptrdiff_t count) {
    T buffer[sizeof(T) == 8 ? 8 : 16];
    store(buffer, v);
    std::memcpy(p, buffer, count * sizeof(T));
}

// Eight vectors of eight doubles as a square, whose rows become columns: through a buffer, too.
template <class V> inline void transpose(V* v) {
    double from[64], to[64];
    for (int i = 0; i < 8; ++i) store(from + 8 * i, v[i]);
    for (int i = 0; i < 64; ++i) to[i] = from[i % 8 * 8 + i / 8];
    for (int i = 0; i < 8; ++i) v[i] = load(to + 8 * i);
}

template <class T> using Vec = std::conditional_t<sizeof(T) == 8, F64, F32>;

// Scalars of a storage type.
inline double from_storage(float v) { return v; }
inline double from_storage(double v) { return v; }
inline double from_storage(half h) { return widen(h); }

constexpr double LOG2_E = 1.4426950408889634, LN_2 = 0.6931471805599453;

// Under names of their own: Kind's fma and that of the C library would hide the headers' one, and not every header has
// a table.
template <class V> inline V multiply_add(V a, V b, V c) { return fma(a, b, c); }
template <class V> inline V look_up(V z) { return exp2_eighths(z); }

template <class T> struct Kind {
    // The type it is computed in: the exponentials kept between passes are of this type.
    using Computed = std::conditional_t<sizeof(T) == 2, float, T>;
    static constexpr bool wide = sizeof(T) == 8;
    static constexpr bool stored_only = sizeof(T) == 2;

    static constexpr std::ptrdiff_t lanes() { return wide ? 8 : 16; }
    static constexpr bool tabled() { return tabled_f32 && !wide; }
    // Adding it to n rounds n to an integer (with a table, to an eighth) and leaves that in the low bits of the sum.
    static constexpr double magic() { return wide ? 0x1.8p52 : tabled_f32 ? 0x1.8p20 : 0x1.8p23; }
    // z = magic + calm + n - E: so that z from magic on, where it is that of the smallest calm term, counts up in its
    // low bits alone, as far as calm_bits reach. A term is calm from 2^-calm to 2^calm.
    static constexpr double calm() { return wide ? 512 : 64; }
    static constexpr int calm_bits() { return wide ? 10 : tabled_f32 ? 10 : 7; }
    // In a row whose terms add up to no more, the results of calm terms are normal numbers.
    static constexpr double calm_sum() { return wide ? 0x1p509 : 0x1p61; }
    static constexpr double widest() { return wide ? widest_f64 : widest_f32; }
    static constexpr double margin() { return wide ? 300 : 40; }
    static constexpr double ceiling() { return wide ? 700 : 80; }
    static constexpr double least_sum() { return wide ? 0x1p60 : 0x1p28; }
    static constexpr double epsilon() { return std::numeric_limits<Computed>::epsilon(); }
    static constexpr double lowest() { return wide ? -1020 : -124; }  // still a normal number

    // The largest term of a row with this sum whose result is 0: a little under half the smallest subnormal number.
    static constexpr double least_term(double sum) {
        return wide ? sum * 0x1.ffffp-538 * 0x1p-538 : sum * 0x1.ffffp-151;
    }

    static Vec<T> splat(double c) { return Vec<T>::splat(c); }
    static Vec<T> pack(const double* p) {
        Computed buffer[lanes()];
        for (std::ptrdiff_t i = 0; i < lanes(); ++i) buffer[i] = static_cast<Computed>(p[i]);
        return ::load(buffer);
    }
    static void unpack(double* p, Vec<T> v) {
        Computed buffer[lanes()];
        ::store(buffer, v);
        for (std::ptrdiff_t i = 0; i < lanes(); ++i) p[i] = buffer[i];
    }
    // Of the polynomial of e^r: all times 2^-calm, where a table does not have that in its entries.
    static Vec<T> coefficient(double c) { return splat(tabled() ? c : c * (wide ? 0x1p-512 : 0x1p-64)); }

    // Memory: elements as they are stored, and terms, which are of the type computed in.
    static Vec<T> load(const T* p) { return ::load(p); }
    static void store(T* p, Vec<T> v) { ::store(p, v); }
    static void stream(T* p, Vec<T> v) { ::stream(p, v); }
    static Vec<T> load_part(const T* p, std::ptrdiff_t count) { return ::load_part(p, count); }
    static void store_part(T* p, Vec<T> v, std::ptrdiff_t count) { ::store_part(p, v, count); }
    static Vec<T> load_terms(const char* p) { return ::load(reinterpret_cast<const Computed*>(p)); }
    static void store_terms(char* p, Vec<T> v) { ::store(reinterpret_cast<Computed*>(p), v); }
    static Vec<T> load_terms_part(const char* p, std::ptrdiff_t count) {
        return ::load_part(reinterpret_cast<const Computed*>(p), count);
    }
    static void store_terms_part(char* p, Vec<T> v, std::ptrdiff_t count) {
        ::store_part(reinterpret_cast<Computed*>(p), v, count);
    }

    // Arithmetic.
    static Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) { return multiply_add(a, b, c); }
    static Vec<T> max(Vec<T> a, Vec<T> b) { return ::max(a, b); }
    static double peak(Vec<T> v) { return ::peak(v); }
    static Vec<T> scaled(Vec<T> t, Vec<T> scale, Vec<T> least) { return ::scaled(t, scale, least); }
    static Vec<T> reduce_arg(Vec<T> x, Vec<T> n) { return ::reduce_arg(x, n); }
    static Vec<T> times_exp2(Vec<T> p, Vec<T> z) { return ::times_exp2(p, z); }
    static Vec<T> exp2_eighths(Vec<T> z) {
        if constexpr (tabled()) return look_up(z);
        return z;  // never asked for
    }
    static Vec<T> watch(Vec<T> w, Vec<T> z, Vec<T> limit) { return ::watch(w, z, limit); }
    static bool tripped(Vec<T> w, Vec<T> limit) { return ::tripped(w, limit); }
    static Vec<T> stray(Vec<T> w, Vec<T> z, Vec<T> first) { return ::stray(w, z, first); }
    static bool strayed(Vec<T> w) {
        using Bits = std::conditional_t<wide, std::uint64_t, std::uint32_t>;
        return has_bits(w, static_cast<Bits>(~Bits(0) << calm_bits()));
    }
    static F64 low(Vec<T> v) { return ::low(v); }
    static F64 high(Vec<T> v) { return ::high(v); }

    // What a vector becomes that is stored and loaded again.
    static Vec<T> stored(Vec<T> v) {
        if constexpr (!stored_only) return v;
        T buffer[lanes()];
        ::store(buffer, v);
        return ::load(buffer);
    }
    // The first elements, and -inf; and those whose mask is not 0, and -inf.
    static Vec<T> first(Vec<T> v, std::ptrdiff_t count) {
        T buffer[lanes()];
        ::store(buffer, v);
        return ::load_part(buffer, count);
    }
    static Vec<T> where(Vec<T> v, const unsigned char* mask, std::ptrdiff_t step, std::ptrdiff_t count) {
        Computed buffer[lanes()];
        ::store(buffer, v);
        for (std::ptrdiff_t i = 0; i < count; ++i)
            buffer[i] = mask[i * step] ? buffer[i] : -std::numeric_limits<Computed>::infinity();
        return ::load(buffer);
    }

    // Scalars.
    static double value(T v) { return from_storage(v); }
    static double rest_after(double v) { return std::isfinite(v) ? v - static_cast<Computed>(v) : 0; }
    static T rounded(double v) {
        T lane[lanes()];
        ::store(lane, splat(v));
        return lane[0];
    }
};

inline double sum_of_lanes(F64 v) { return sum(v); }

inline double exp2i(double n) {
    const std::int64_t exponent = static_cast<std::int64_t>(n < -1023 ? -1023 : n) + 1023;
    const std::int64_t bits = exponent << 52;
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// An array that broadcasts against a row, or against rows that lie side by side.
template <class T> struct Operand {
    const T* p;             // NULL: there is none
    std::ptrdiff_t stride;  // from an element of the row to the next,
    std::ptrdiff_t step;    // and to the row beside, in elements
};

// Where a row lies in memory, and what is done to its elements on their way in.
template <class T> struct Row {
    const T* x;
    std::ptrdiff_t stride;  // in elements
    std::ptrdiff_t n;
    bool plain;  // nothing of what follows
    double scale;
    Operand<T> bias;              // scale * x + bias is taken for x,
    Operand<unsigned char> where;  // and -inf where this is 0
    Operand<T> weights;           // of terms: one of weight 0 is left out
    Operand<T> lse;               // where its log-sum-exp is wanted: const for all but that
    double shift;                 // subtracted from every element
    double skip;                  // the value of elements to leave out, or NaN
};

// How elements become terms under a reference, see frame_for in exp.pxd.
template <class T> struct Frame {
    Vec<T> shift, floor, first, limit;
};

// The caller's floating-point state (flush-to-zero, rounding, raised flags) is set aside while a kernel runs
// and comes back untouched, flags included. The fences keep the compiler from moving the kernel's loads and
// stores, and so its arithmetic, out of the scope.
class FpState {
#if defined(__x86_64__) || defined(_M_X64)
    const unsigned saved_ = _mm_getcsr();
    static void set_default() { _mm_setcsr(0x1F80); }
    void restore() const { _mm_setcsr(saved_); }
#else
    std::fenv_t saved_;
    static void set_default() { std::fesetenv(FE_DFL_ENV); }
    void restore() const { std::fesetenv(&saved_); }
#endif

public:
#if defined(__x86_64__) || defined(_M_X64)
    FpState() = default;
#else
    FpState() { std::fegetenv(&saved_); }
#endif
    void set_aside() const {  // Cython drops a variable that nothing is done with
        set_default();
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    ~FpState() {
        std::atomic_signal_fence(std::memory_order_seq_cst);
        restore();
    }
    FpState(const FpState&) = delete;
    FpState& operator=(const FpState&) = delete;
};

inline void prefetch(const void* p) {
#if defined(__GNUC__)
    asm volatile("");  // gcc takes a function that does nothing else for one without effect, and drops the call
    __builtin_prefetch(p);
#elif defined(_M_X64)
    _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
#else
    (void)p;
#endif
}

inline void store_fence() {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_sfence();
#endif
}
}  // namespace
