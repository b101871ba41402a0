// AVX2 with FMA and F16C: two registers a vector.
#pragma once
#if !(defined(__AVX2__) && (defined(_MSC_VER) || (defined(__FMA__) && defined(__F16C__))))
#error "avx2.hpp needs AVX2, FMA and F16C"
#endif
#include "constants.hpp"

namespace {
struct F32 {
    __m256 a, b;
    static F32 splat(double c) {
        const __m256 v = _mm256_set1_ps(static_cast<float>(c));
        return {v, v};
    }
};
struct F64 {
    __m256d a, b;
    static F64 splat(double c) {
        const __m256d v = _mm256_set1_pd(c);
        return {v, v};
    }
};

inline __m256i bits(__m256 v) { return _mm256_castps_si256(v); }
inline __m256i bits(__m256d v) { return _mm256_castpd_si256(v); }

inline F32 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline F64 load(const double* p) { return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)}; }
inline F32 load(const half* p) {
    const __m128i* q = reinterpret_cast<const __m128i*>(p);
    return {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
}
inline __m128i narrow(__m256 v) { return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT); }
inline void store(float* p, F32 v) { _mm256_storeu_ps(p, v.a), _mm256_storeu_ps(p + 8, v.b); }
inline void store(double* p, F64 v) { _mm256_storeu_pd(p, v.a), _mm256_storeu_pd(p + 4, v.b); }
inline void store(half* p, F32 v) {
    __m128i* q = reinterpret_cast<__m128i*>(p);
    _mm_storeu_si128(q, narrow(v.a)), _mm_storeu_si128(q + 1, narrow(v.b));
}
inline void stream(float* p, F32 v) { _mm256_stream_ps(p, v.a), _mm256_stream_ps(p + 8, v.b); }
inline void stream(double* p, F64 v) { _mm256_stream_pd(p, v.a), _mm256_stream_pd(p + 4, v.b); }
inline void stream(half* p, F32 v) {
    __m128i* q = reinterpret_cast<__m128i*>(p);
    _mm_stream_si128(q, narrow(v.a)), _mm_stream_si128(q + 1, narrow(v.b));
}

// The first 1 <= count <= 16 (8) elements, with -inf in the place of the others; and the way back.
inline __m256i first_of_8(std::ptrdiff_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline __m256i first_of_4(std::ptrdiff_t count) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
inline __m256 load_part_of(const float* p, __m256i mask) {
    return _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
inline __m256d load_part_of(const double* p, __m256i mask) {
    return _mm256_blendv_pd(_mm256_set1_pd(-INFINITY), _mm256_maskload_pd(p, mask), _mm256_castsi256_pd(mask));
}
inline F32 load_part(const float* p, std::ptrdiff_t count) {
    return {load_part_of(p, first_of_8(count)), load_part_of(p + 8, first_of_8(count - 8))};
}
inline F64 load_part(const double* p, std::ptrdiff_t count) {
    return {load_part_of(p, first_of_4(count)), load_part_of(p + 4, first_of_4(count - 4))};
}
inline void store_part(float* p, F32 v, std::ptrdiff_t count) {
    _mm256_maskstore_ps(p, first_of_8(count), v.a), _mm256_maskstore_ps(p + 8, first_of_8(count - 8), v.b);
}
inline void store_part(double* p, F64 v, std::ptrdiff_t count) {
    _mm256_maskstore_pd(p, first_of_4(count), v.a), _mm256_maskstore_pd(p + 4, first_of_4(count - 4), v.b);
}

inline F32 operator+(F32 x, F32 y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline F64 operator+(F64 x, F64 y) { return {_mm256_add_pd(x.a, y.a), _mm256_add_pd(x.b, y.b)}; }
inline F32 operator-(F32 x, F32 y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline F64 operator-(F64 x, F64 y) { return {_mm256_sub_pd(x.a, y.a), _mm256_sub_pd(x.b, y.b)}; }
inline F32 operator*(F32 x, F32 y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline F64 operator*(F64 x, F64 y) { return {_mm256_mul_pd(x.a, y.a), _mm256_mul_pd(x.b, y.b)}; }
inline F32 fma(F32 x, F32 y, F32 z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
inline F64 fma(F64 x, F64 y, F64 z) { return {_mm256_fmadd_pd(x.a, y.a, z.a), _mm256_fmadd_pd(x.b, y.b, z.b)}; }

// The second operand where either is NaN.
inline F32 max(F32 x, F32 y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline F64 max(F64 x, F64 y) { return {_mm256_max_pd(x.a, y.a), _mm256_max_pd(x.b, y.b)}; }
inline double peak(F32 x) {
    const __m256 m = _mm256_max_ps(x.a, x.b);
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}
inline double peak(F64 x) {
    const __m256d m = _mm256_max_pd(x.a, x.b);
    const __m128d q = _mm_max_pd(_mm256_castpd256_pd128(m), _mm256_extractf128_pd(m, 1));
    return _mm_cvtsd_f64(_mm_max_sd(q, _mm_unpackhi_pd(q, q)));
}

// t * scale, or 0 without multiplying where t is at most `least`: underflow takes a CPU many cycles.
inline __m256 scaled(__m256 t, __m256 scale, __m256 least) {
    return _mm256_mul_ps(_mm256_and_ps(t, _mm256_cmp_ps(t, least, _CMP_NLE_UQ)), scale);
}
inline __m256d scaled(__m256d t, __m256d scale, __m256d least) {
    return _mm256_mul_pd(_mm256_and_pd(t, _mm256_cmp_pd(t, least, _CMP_NLE_UQ)), scale);
}
inline F32 scaled(F32 t, F32 s, F32 least) { return {scaled(t.a, s.a, least.a), scaled(t.b, s.b, least.b)}; }
inline F64 scaled(F64 t, F64 s, F64 least) { return {scaled(t.a, s.a, least.a), scaled(t.b, s.b, least.b)}; }

// Lanes are added in one order on every target: i and i + 4, then i and i + 2, then the last two.
inline double sum(F64 x) {
    const __m256d four = _mm256_add_pd(x.a, x.b);
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

// p * 2^k, where z = magic + k holds k in its low bits: k is added to p's exponent field.
inline __m256 times_exp2(__m256 p, __m256 z) {
    return _mm256_castsi256_ps(_mm256_add_epi32(bits(p), _mm256_slli_epi32(bits(z), 23)));
}
inline __m256d times_exp2(__m256d p, __m256d z) {
    return _mm256_castsi256_pd(_mm256_add_epi64(bits(p), _mm256_slli_epi64(bits(z), 52)));
}
inline F32 times_exp2(F32 p, F32 z) { return {times_exp2(p.a, z.a), times_exp2(p.b, z.b)}; }
inline F64 times_exp2(F64 p, F64 z) { return {times_exp2(p.a, z.a), times_exp2(p.b, z.b)}; }

// 2^(k - 64), where z = magic + k and k is a multiple of 1/8.
inline __m256 exp2_eighths(__m256 z) {
    const __m256i table = _mm256_load_si256(reinterpret_cast<const __m256i*>(eighths));
    const __m256i power = _mm256_permutevar8x32_epi32(table, bits(z));
    return _mm256_castsi256_ps(_mm256_add_epi32(power, _mm256_slli_epi32(bits(z), 20)));
}
inline F32 exp2_eighths(F32 z) { return {exp2_eighths(z.a), exp2_eighths(z.b)}; }

// z is positive, so its bits order as unsigned integers do; a NaN of either sign is above them all.
// There is no unsigned 64-bit maximum in AVX2: doubles collect the outcome of "not z <= limit" instead.
inline F32 watch(F32 w, F32 z, F32) {
    return {_mm256_castsi256_ps(_mm256_max_epu32(bits(w.a), bits(z.a))),
            _mm256_castsi256_ps(_mm256_max_epu32(bits(w.b), bits(z.b)))};
}
inline F64 watch(F64 w, F64 z, F64 limit) {
    return {_mm256_or_pd(w.a, _mm256_cmp_pd(z.a, limit.a, _CMP_NLE_UQ)),
            _mm256_or_pd(w.b, _mm256_cmp_pd(z.b, limit.b, _CMP_NLE_UQ))};
}
inline bool tripped(F32 w, F32 limit) {
    const __m256i most = _mm256_max_epu32(bits(w.a), bits(w.b));
    const __m256i kept = _mm256_cmpeq_epi32(_mm256_max_epu32(most, bits(limit.a)), bits(limit.a));
    return _mm256_movemask_epi8(kept) != -1;
}
inline bool tripped(F64 w, F64) { return _mm256_movemask_pd(_mm256_or_pd(w.a, w.b)) != 0; }

// Collects the bits in which z differs from the first of the window that is looked out for.
inline __m256 stray(__m256 w, __m256 z, __m256 first) { return _mm256_or_ps(w, _mm256_xor_ps(z, first)); }
inline __m256d stray(__m256d w, __m256d z, __m256d first) { return _mm256_or_pd(w, _mm256_xor_pd(z, first)); }
inline F32 stray(F32 w, F32 z, F32 first) { return {stray(w.a, z.a, first.a), stray(w.b, z.b, first.b)}; }
inline F64 stray(F64 w, F64 z, F64 first) { return {stray(w.a, z.a, first.a), stray(w.b, z.b, first.b)}; }
inline bool has_bits(F32 w, std::uint32_t mask) {
    return !_mm256_testz_si256(bits(_mm256_or_ps(w.a, w.b)), _mm256_set1_epi32(static_cast<int>(mask)));
}
inline bool has_bits(F64 w, std::uint64_t mask) {
    return !_mm256_testz_si256(bits(_mm256_or_pd(w.a, w.b)), _mm256_set1_epi64x(static_cast<long long>(mask)));
}

inline F64 widen(__m256 v) {
    return {_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
}
inline F64 low(F32 x) { return widen(x.a); }
inline F64 high(F32 x) { return widen(x.b); }

inline void transpose_quarter(__m256d& a, __m256d& b, __m256d& c, __m256d& d) {
    const __m256d ab = _mm256_unpacklo_pd(a, b), ab1 = _mm256_unpackhi_pd(a, b);
    const __m256d cd = _mm256_unpacklo_pd(c, d), cd1 = _mm256_unpackhi_pd(c, d);
    a = _mm256_permute2f128_pd(ab, cd, 0x20), b = _mm256_permute2f128_pd(ab1, cd1, 0x20);
    c = _mm256_permute2f128_pd(ab, cd, 0x31), d = _mm256_permute2f128_pd(ab1, cd1, 0x31);
}
inline void transpose(F64* v) {
    for (int i = 0; i < 8; i += 4) {
        transpose_quarter(v[i].a, v[i + 1].a, v[i + 2].a, v[i + 3].a);
        transpose_quarter(v[i].b, v[i + 1].b, v[i + 2].b, v[i + 3].b);
    }
    for (int i = 0; i < 4; ++i) {
        const __m256d corner = v[i].b;
        v[i].b = v[i + 4].a, v[i + 4].a = corner;
    }
}

inline F32 reduce_arg(F32 x, F32 n) {
    return fma(n, F32::splat(-ln2_lo_f32), fma(n, F32::splat(-ln2_hi_f32), x));
}
inline F64 reduce_arg(F64 x, F64 n) {
    return fma(n, F64::splat(-ln2_lo_f64), fma(n, F64::splat(-ln2_hi_f64), x));
}
}  // namespace
