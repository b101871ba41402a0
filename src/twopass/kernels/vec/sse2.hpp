// SSE2, which every x86-64 CPU has: four registers a vector.
// There is no fused multiply-add, so fma rounds twice and the reduction takes three parts of ln 2, short enough
// for exact products. Results keep the error bounds; their bits differ from the FMA targets'.
#pragma once
#if !(defined(__x86_64__) || defined(_M_X64))
#error "sse2.hpp needs x86-64"
#endif

namespace {
constexpr bool tabled_f32 = false;  // looking up one lane after the other takes longer than three more degrees

// n * (the first part of ln 2) has to fit the significand: 11 + 12 bits, 18 + 35 bits.
constexpr double widest_f32 = 0x1p10, widest_f64 = 0x1p16;

struct F32 {
    __m128 v[4];
    template <class F> static F32 map(F f) { return {{f(0), f(1), f(2), f(3)}}; }
    static F32 splat(double c) {
        return map([=](int) { return _mm_set1_ps(static_cast<float>(c)); });
    }
};
struct F64 {
    __m128d v[4];
    template <class F> static F64 map(F f) { return {{f(0), f(1), f(2), f(3)}}; }
    static F64 splat(double c) {
        return map([=](int) { return _mm_set1_pd(c); });
    }
};

inline __m128i bits(__m128 v) { return _mm_castps_si128(v); }
inline __m128i bits(__m128d v) { return _mm_castpd_si128(v); }

inline F32 load(const float* p) {
    return F32::map([=](int i) { return _mm_loadu_ps(p + 4 * i); });
}
inline F64 load(const double* p) {
    return F64::map([=](int i) { return _mm_loadu_pd(p + 2 * i); });
}
inline F32 load(const half* p) {
    return F32::map([=](int i) {
        const half* q = p + 4 * i;
        return _mm_setr_ps(widen(q[0]), widen(q[1]), widen(q[2]), widen(q[3]));
    });
}
inline void store(float* p, F32 a) {
    for (int i = 0; i < 4; ++i) _mm_storeu_ps(p + 4 * i, a.v[i]);
}
inline void store(double* p, F64 a) {
    for (int i = 0; i < 4; ++i) _mm_storeu_pd(p + 2 * i, a.v[i]);
}
inline void store(half* p, F32 a) {
    float lanes[16];
    store(lanes, a);
    for (int i = 0; i < 16; ++i) p[i] = narrow_to_half(lanes[i]);
}
inline void stream(float* p, F32 a) {
    for (int i = 0; i < 4; ++i) _mm_stream_ps(p + 4 * i, a.v[i]);
}
inline void stream(double* p, F64 a) {
    for (int i = 0; i < 4; ++i) _mm_stream_pd(p + 2 * i, a.v[i]);
}
inline void stream(half* p, F32 a) { store(p, a); }

inline F32 operator+(F32 a, F32 b) {
    return F32::map([=](int i) { return _mm_add_ps(a.v[i], b.v[i]); });
}
inline F64 operator+(F64 a, F64 b) {
    return F64::map([=](int i) { return _mm_add_pd(a.v[i], b.v[i]); });
}
inline F32 operator-(F32 a, F32 b) {
    return F32::map([=](int i) { return _mm_sub_ps(a.v[i], b.v[i]); });
}
inline F64 operator-(F64 a, F64 b) {
    return F64::map([=](int i) { return _mm_sub_pd(a.v[i], b.v[i]); });
}
inline F32 operator*(F32 a, F32 b) {
    return F32::map([=](int i) { return _mm_mul_ps(a.v[i], b.v[i]); });
}
inline F64 operator*(F64 a, F64 b) {
    return F64::map([=](int i) { return _mm_mul_pd(a.v[i], b.v[i]); });
}
inline F32 fma(F32 a, F32 b, F32 c) { return a * b + c; }
inline F64 fma(F64 a, F64 b, F64 c) { return a * b + c; }

// The second operand where either is NaN.
inline F32 max(F32 a, F32 b) {
    return F32::map([=](int i) { return _mm_max_ps(a.v[i], b.v[i]); });
}
inline F64 max(F64 a, F64 b) {
    return F64::map([=](int i) { return _mm_max_pd(a.v[i], b.v[i]); });
}
inline double peak(F32 a) {
    __m128 q = _mm_max_ps(_mm_max_ps(a.v[0], a.v[1]), _mm_max_ps(a.v[2], a.v[3]));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_shuffle_ps(q, q, 1)));
}
inline double peak(F64 a) {
    const __m128d q = _mm_max_pd(_mm_max_pd(a.v[0], a.v[1]), _mm_max_pd(a.v[2], a.v[3]));
    return _mm_cvtsd_f64(_mm_max_sd(q, _mm_unpackhi_pd(q, q)));
}

// t * scale, or 0 without multiplying where t is at most `least`: underflow takes a CPU many cycles.
inline F32 scaled(F32 t, F32 scale, F32 least) {
    return F32::map([=](int i) {
        return _mm_mul_ps(_mm_and_ps(t.v[i], _mm_cmpnle_ps(t.v[i], least.v[i])), scale.v[i]);
    });
}
inline F64 scaled(F64 t, F64 scale, F64 least) {
    return F64::map([=](int i) {
        return _mm_mul_pd(_mm_and_pd(t.v[i], _mm_cmpnle_pd(t.v[i], least.v[i])), scale.v[i]);
    });
}

// Lanes are added in one order on every target: i and i + 4, then i and i + 2, then the last two.
inline double sum(F64 a) {
    const __m128d two = _mm_add_pd(_mm_add_pd(a.v[0], a.v[2]), _mm_add_pd(a.v[1], a.v[3]));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

// p * 2^k, where z = magic + k holds k in its low bits: k is added to p's exponent field.
inline F32 times_exp2(F32 p, F32 z) {
    return F32::map([=](int i) {
        return _mm_castsi128_ps(_mm_add_epi32(bits(p.v[i]), _mm_slli_epi32(bits(z.v[i]), 23)));
    });
}
inline F64 times_exp2(F64 p, F64 z) {
    return F64::map([=](int i) {
        return _mm_castsi128_pd(_mm_add_epi64(bits(p.v[i]), _mm_slli_epi64(bits(z.v[i]), 52)));
    });
}

// There is no unsigned maximum: the outcome of "not z <= limit" is collected instead.
inline F32 watch(F32 w, F32 z, F32 limit) {
    return F32::map([=](int i) { return _mm_or_ps(w.v[i], _mm_cmpnle_ps(z.v[i], limit.v[i])); });
}
inline F64 watch(F64 w, F64 z, F64 limit) {
    return F64::map([=](int i) { return _mm_or_pd(w.v[i], _mm_cmpnle_pd(z.v[i], limit.v[i])); });
}
inline bool tripped(F32 w, F32) {
    return _mm_movemask_ps(_mm_or_ps(_mm_or_ps(w.v[0], w.v[1]), _mm_or_ps(w.v[2], w.v[3]))) != 0;
}
inline bool tripped(F64 w, F64) {
    return _mm_movemask_pd(_mm_or_pd(_mm_or_pd(w.v[0], w.v[1]), _mm_or_pd(w.v[2], w.v[3]))) != 0;
}

// Collects the bits in which z differs from the first of the window that is looked out for.
inline F32 stray(F32 w, F32 z, F32 first) {
    return F32::map([=](int i) { return _mm_or_ps(w.v[i], _mm_xor_ps(z.v[i], first.v[i])); });
}
inline F64 stray(F64 w, F64 z, F64 first) {
    return F64::map([=](int i) { return _mm_or_pd(w.v[i], _mm_xor_pd(z.v[i], first.v[i])); });
}
inline bool has_bits(__m128i w, __m128i mask) {
    return _mm_movemask_epi8(_mm_cmpeq_epi32(_mm_and_si128(w, mask), _mm_setzero_si128())) != 0xFFFF;
}
inline bool has_bits(F32 w, std::uint32_t mask) {
    const __m128 any = _mm_or_ps(_mm_or_ps(w.v[0], w.v[1]), _mm_or_ps(w.v[2], w.v[3]));
    return has_bits(bits(any), _mm_set1_epi32(static_cast<int>(mask)));
}
inline bool has_bits(F64 w, std::uint64_t mask) {
    const __m128d any = _mm_or_pd(_mm_or_pd(w.v[0], w.v[1]), _mm_or_pd(w.v[2], w.v[3]));
    return has_bits(bits(any), _mm_set1_epi64x(static_cast<long long>(mask)));
}

inline F64 widen(__m128 a, __m128 b) {
    return {{_mm_cvtps_pd(a), _mm_cvtps_pd(_mm_movehl_ps(a, a)), _mm_cvtps_pd(b), _mm_cvtps_pd(_mm_movehl_ps(b, b))}};
}
inline F64 low(F32 a) { return widen(a.v[0], a.v[1]); }
inline F64 high(F32 a) { return widen(a.v[2], a.v[3]); }

inline F32 reduce_arg(F32 x, F32 n) {
    return ((x - n * F32::splat(0x1.62ep-1)) - n * F32::splat(0x1.0bep-15)) - n * F32::splat(0x1.be8e7cp-27);
}
inline F64 reduce_arg(F64 x, F64 n) {
    return ((x - n * F64::splat(0x1.62e42fef8p-1)) - n * F64::splat(0x1.1cf79abc8p-36)) -
           n * F64::splat(0x1.e3b39803f2f6bp-72);
}
}  // namespace
