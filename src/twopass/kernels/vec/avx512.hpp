// AVX-512 (F, DQ, BW, VL, CD): one register a vector.
#pragma once
#if !(defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__) && defined(__AVX512VL__) && \
      defined(__AVX512CD__))
#error "avx512.hpp needs AVX-512 F, DQ, BW, VL and CD"
#endif
#include "constants.hpp"

namespace {
struct F32 {
    __m512 v;
    static F32 splat(double c) { return {_mm512_set1_ps(static_cast<float>(c))}; }
};
struct F64 {
    __m512d v;
    static F64 splat(double c) { return {_mm512_set1_pd(c)}; }
};

inline F32 load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline F64 load(const double* p) { return {_mm512_loadu_pd(p)}; }
inline F32 load(const half* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline __m256i narrow(F32 a) { return _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline void store(float* p, F32 a) { _mm512_storeu_ps(p, a.v); }
inline void store(double* p, F64 a) { _mm512_storeu_pd(p, a.v); }
inline void store(half* p, F32 a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(a)); }
inline void stream(float* p, F32 a) { _mm512_stream_ps(p, a.v); }
inline void stream(double* p, F64 a) { _mm512_stream_pd(p, a.v); }
inline void stream(half* p, F32 a) { _mm256_stream_si256(reinterpret_cast<__m256i*>(p), narrow(a)); }

// The first 1 <= count <= 16 (8) elements, with -inf in the place of the others; and the way back.
inline __mmask16 first(std::ptrdiff_t count) { return static_cast<__mmask16>((1u << count) - 1); }
inline F32 load_part(const float* p, std::ptrdiff_t count) {
    return {_mm512_mask_loadu_ps(F32::splat(-INFINITY).v, first(count), p)};
}
inline F64 load_part(const double* p, std::ptrdiff_t count) {
    return {_mm512_mask_loadu_pd(F64::splat(-INFINITY).v, static_cast<__mmask8>(first(count)), p)};
}
inline F32 load_part(const half* p, std::ptrdiff_t count) {
    const __m256i fill = _mm256_set1_epi16(static_cast<short>(0xFC00));
    return {_mm512_cvtph_ps(_mm256_mask_loadu_epi16(fill, first(count), p))};
}
inline void store_part(float* p, F32 a, std::ptrdiff_t count) { _mm512_mask_storeu_ps(p, first(count), a.v); }
inline void store_part(double* p, F64 a, std::ptrdiff_t count) {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>(first(count)), a.v);
}
inline void store_part(half* p, F32 a, std::ptrdiff_t count) { _mm256_mask_storeu_epi16(p, first(count), narrow(a)); }

inline F32 operator+(F32 a, F32 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F64 operator+(F64 a, F64 b) { return {_mm512_add_pd(a.v, b.v)}; }
inline F32 operator-(F32 a, F32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F64 operator-(F64 a, F64 b) { return {_mm512_sub_pd(a.v, b.v)}; }
inline F32 operator*(F32 a, F32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F64 operator*(F64 a, F64 b) { return {_mm512_mul_pd(a.v, b.v)}; }
inline F32 fma(F32 a, F32 b, F32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F64 fma(F64 a, F64 b, F64 c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }

// The second operand where either is NaN.
inline F32 max(F32 a, F32 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F64 max(F64 a, F64 b) { return {_mm512_max_pd(a.v, b.v)}; }
inline double peak(F32 a) { return _mm512_reduce_max_ps(a.v); }
inline double peak(F64 a) { return _mm512_reduce_max_pd(a.v); }

// t * scale, or 0 without multiplying where t is at most `least`: underflow takes a CPU many cycles.
inline F32 scaled(F32 t, F32 scale, F32 least) {
    return {_mm512_maskz_mul_ps(_mm512_cmp_ps_mask(t.v, least.v, _CMP_NLE_UQ), t.v, scale.v)};
}
inline F64 scaled(F64 t, F64 scale, F64 least) {
    return {_mm512_maskz_mul_pd(_mm512_cmp_pd_mask(t.v, least.v, _CMP_NLE_UQ), t.v, scale.v)};
}

// Lanes are added in one order on every target: i and i + 4, then i and i + 2, then the last two.
inline double sum(F64 a) {
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(a.v), _mm512_extractf64x4_pd(a.v, 1));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

// p * 2^k, where z = magic + k holds k in its low bits: k is added to p's exponent field.
inline F32 times_exp2(F32 p, F32 z) {
    return {_mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_castps_si512(p.v), _mm512_slli_epi32(_mm512_castps_si512(z.v), 23)))};
}
inline F64 times_exp2(F64 p, F64 z) {
    return {_mm512_castsi512_pd(
        _mm512_add_epi64(_mm512_castpd_si512(p.v), _mm512_slli_epi64(_mm512_castpd_si512(z.v), 52)))};
}

// 2^(k - 64), where z = magic + k and k is a multiple of 1/8.
inline F32 exp2_eighths(F32 z) {
    const __m512i table = _mm512_load_si512(eighths);
    const __m512i k = _mm512_castps_si512(z.v);
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_permutexvar_epi32(k, table), _mm512_slli_epi32(k, 20)))};
}

// z is positive, so its bits order as unsigned integers do; a NaN of either sign is above them all.
inline F32 watch(F32 w, F32 z, F32) {
    return {_mm512_castsi512_ps(_mm512_max_epu32(_mm512_castps_si512(w.v), _mm512_castps_si512(z.v)))};
}
inline F64 watch(F64 w, F64 z, F64) {
    return {_mm512_castsi512_pd(_mm512_max_epu64(_mm512_castpd_si512(w.v), _mm512_castpd_si512(z.v)))};
}
inline bool tripped(F32 w, F32 limit) {
    return _mm512_cmpgt_epu32_mask(_mm512_castps_si512(w.v), _mm512_castps_si512(limit.v)) != 0;
}
inline bool tripped(F64 w, F64 limit) {
    return _mm512_cmpgt_epu64_mask(_mm512_castpd_si512(w.v), _mm512_castpd_si512(limit.v)) != 0;
}

// Collects the bits in which z differs from the first of the window that is looked out for.
inline F32 stray(F32 w, F32 z, F32 first) {
    return {_mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_castps_si512(w.v), _mm512_castps_si512(z.v),
                                                          _mm512_castps_si512(first.v), 0xF6))};
}
inline F64 stray(F64 w, F64 z, F64 first) {
    return {_mm512_castsi512_pd(_mm512_ternarylogic_epi64(_mm512_castpd_si512(w.v), _mm512_castpd_si512(z.v),
                                                          _mm512_castpd_si512(first.v), 0xF6))};
}
inline bool has_bits(F32 w, std::uint32_t mask) {
    return _mm512_test_epi32_mask(_mm512_castps_si512(w.v), _mm512_set1_epi32(static_cast<int>(mask))) != 0;
}
inline bool has_bits(F64 w, std::uint64_t mask) {
    return _mm512_test_epi64_mask(_mm512_castpd_si512(w.v), _mm512_set1_epi64(static_cast<long long>(mask))) != 0;
}

inline F64 low(F32 a) { return {_mm512_cvtps_pd(_mm512_castps512_ps256(a.v))}; }
inline F64 high(F32 a) { return {_mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1))}; }

inline void transpose(F64* v) {
    __m512d a[8], b[8];
    for (int i = 0; i < 8; i += 2) {  // pairs of doubles
        a[i] = _mm512_unpacklo_pd(v[i].v, v[i + 1].v);
        a[i + 1] = _mm512_unpackhi_pd(v[i].v, v[i + 1].v);
    }
    for (int i = 0; i < 8; i += 4) {  // quarters of a vector: 0 and 2, 1 and 3
        for (int k = 0; k < 2; ++k) {
            b[i + k] = _mm512_shuffle_f64x2(a[i + k], a[i + k + 2], 0x88);
            b[i + k + 2] = _mm512_shuffle_f64x2(a[i + k], a[i + k + 2], 0xDD);
        }
    }
    for (int k = 0; k < 4; ++k) {
        v[k].v = _mm512_shuffle_f64x2(b[k], b[k + 4], 0x88);
        v[k + 4].v = _mm512_shuffle_f64x2(b[k], b[k + 4], 0xDD);
    }
}

inline F32 reduce_arg(F32 x, F32 n) {
    return fma(n, F32::splat(-ln2_lo_f32), fma(n, F32::splat(-ln2_hi_f32), x));
}
inline F64 reduce_arg(F64 x, F64 n) {
    return fma(n, F64::splat(-ln2_lo_f64), fma(n, F64::splat(-ln2_hi_f64), x));
}
}  // namespace
