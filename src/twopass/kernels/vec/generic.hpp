// Plain C++ for any machine: arrays that the compiler vectorises with what its baseline has.
// There is no fused multiply-add to rely on, so fma rounds twice and the reduction takes three parts of ln 2,
// short enough for exact products. Results keep the error bounds; their bits differ from the FMA targets'.
#pragma once

namespace {
constexpr bool tabled_f32 = false;  // looking up one lane after the other takes longer than three more degrees

// n * (the first part of ln 2) has to fit the significand: 11 + 12 bits, 18 + 35 bits.
constexpr double widest_f32 = 0x1p10, widest_f64 = 0x1p16;

template <class T, class Bits, int N> struct Array {
    T v[N];
    template <class F> static Array map(F f) {
        Array r;
        for (int i = 0; i < N; ++i) r.v[i] = f(i);
        return r;
    }
    static Array splat(double c) {
        return map([=](int) { return static_cast<T>(c); });
    }
};
using F32 = Array<float, std::uint32_t, 16>;
using F64 = Array<double, std::uint64_t, 8>;

inline F32 load(const float* p) { return F32::map([=](int i) { return p[i]; }); }
inline F64 load(const double* p) { return F64::map([=](int i) { return p[i]; }); }
inline F32 load(const half* p) { return F32::map([=](int i) { return widen(p[i]); }); }
template <class T, class B, int N> inline void store(T* p, Array<T, B, N> a) { std::memcpy(p, a.v, sizeof a.v); }
inline void store(half* p, F32 a) {
    for (int i = 0; i < 16; ++i) p[i] = narrow_to_half(a.v[i]);
}
template <class T, class V> inline void stream(T* p, V a) { store(p, a); }

template <class T, class B, int N> inline Array<T, B, N> operator+(Array<T, B, N> a, Array<T, B, N> b) {
    return Array<T, B, N>::map([&](int i) { return a.v[i] + b.v[i]; });
}
template <class T, class B, int N> inline Array<T, B, N> operator-(Array<T, B, N> a, Array<T, B, N> b) {
    return Array<T, B, N>::map([&](int i) { return a.v[i] - b.v[i]; });
}
template <class T, class B, int N> inline Array<T, B, N> operator*(Array<T, B, N> a, Array<T, B, N> b) {
    return Array<T, B, N>::map([&](int i) { return a.v[i] * b.v[i]; });
}
template <class T, class B, int N>
inline Array<T, B, N> fma(Array<T, B, N> a, Array<T, B, N> b, Array<T, B, N> c) {
    return a * b + c;
}

// The second operand where either is NaN.
template <class T, class B, int N> inline Array<T, B, N> max(Array<T, B, N> a, Array<T, B, N> b) {
    return Array<T, B, N>::map([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
template <class T, class B, int N> inline double peak(Array<T, B, N> a) {
    T most = a.v[0];
    for (int i = 1; i < N; ++i) most = a.v[i] > most ? a.v[i] : most;
    return most;
}

// t * scale, or 0 without multiplying where t is at most `least`: underflow takes a CPU many cycles.
template <class T, class B, int N>
inline Array<T, B, N> scaled(Array<T, B, N> t, Array<T, B, N> scale, Array<T, B, N> least) {
    return Array<T, B, N>::map([&](int i) { return (t.v[i] <= least.v[i] ? T(0) : t.v[i]) * scale.v[i]; });
}

// Lanes are added in one order on every target: i and i + 4, then i and i + 2, then the last two.
inline double sum(F64 a) {
    return ((a.v[0] + a.v[4]) + (a.v[2] + a.v[6])) + ((a.v[1] + a.v[5]) + (a.v[3] + a.v[7]));
}

// p * 2^k, where z = magic + k holds k in its low bits: k is added to p's exponent field.
template <class T, class B, int N> inline Array<T, B, N> times_exp2(Array<T, B, N> p, Array<T, B, N> z) {
    return Array<T, B, N>::map([&](int i) {
        return bit_copy<T>(bit_copy<B>(p.v[i]) + (bit_copy<B>(z.v[i]) << Format<T>::significand));
    });
}

// Counts the lanes that are above the limit or NaN.
template <class T, class B, int N>
inline Array<T, B, N> watch(Array<T, B, N> w, Array<T, B, N> z, Array<T, B, N> limit) {
    return Array<T, B, N>::map([&](int i) { return w.v[i] + (z.v[i] <= limit.v[i] ? T(0) : T(1)); });
}
template <class T, class B, int N> inline bool tripped(Array<T, B, N> w, Array<T, B, N>) { return peak(w) > 0; }

// Collects the bits in which z differs from the first of the window that is looked out for.
template <class T, class B, int N>
inline Array<T, B, N> stray(Array<T, B, N> w, Array<T, B, N> z, Array<T, B, N> first) {
    return Array<T, B, N>::map([&](int i) {
        return bit_copy<T>(static_cast<B>(bit_copy<B>(w.v[i]) | (bit_copy<B>(z.v[i]) ^ bit_copy<B>(first.v[i]))));
    });
}
template <class T, class B, int N> inline bool has_bits(Array<T, B, N> w, B mask) {
    B any = 0;
    for (int i = 0; i < N; ++i) any |= bit_copy<B>(w.v[i]);
    return (any & mask) != 0;
}

inline F64 low(F32 a) { return F64::map([&](int i) { return static_cast<double>(a.v[i]); }); }
inline F64 high(F32 a) { return F64::map([&](int i) { return static_cast<double>(a.v[8 + i]); }); }

inline F32 reduce_arg(F32 x, F32 n) {
    return F32::map([&](int i) {
        return ((x.v[i] - n.v[i] * 0x1.62ep-1f) - n.v[i] * 0x1.0bep-15f) - n.v[i] * 0x1.be8e7cp-27f;
    });
}
inline F64 reduce_arg(F64 x, F64 n) {
    return F64::map([&](int i) {
        return ((x.v[i] - n.v[i] * 0x1.62e42fef8p-1) - n.v[i] * 0x1.1cf79abc8p-36) - n.v[i] * 0x1.e3b39803f2f6bp-72;
    });
}
}  // namespace
