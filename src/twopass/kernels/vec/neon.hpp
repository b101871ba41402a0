// AArch64 Advanced SIMD: four registers a vector.
#pragma once
#if !(defined(__aarch64__) || defined(_M_ARM64))
#error "neon.hpp needs AArch64"
#endif
#include <arm_neon.h>

#include "constants.hpp"

namespace {
struct F32 {
    float32x4_t v[4];
    template <class F> static F32 map(F f) { return {{f(0), f(1), f(2), f(3)}}; }
    static F32 splat(double c) {
        return map([=](int) { return vdupq_n_f32(static_cast<float>(c)); });
    }
};
struct F64 {
    float64x2_t v[4];
    template <class F> static F64 map(F f) { return {{f(0), f(1), f(2), f(3)}}; }
    static F64 splat(double c) {
        return map([=](int) { return vdupq_n_f64(c); });
    }
};

inline F32 load(const float* p) {
    return F32::map([=](int i) { return vld1q_f32(p + 4 * i); });
}
inline F64 load(const double* p) {
    return F64::map([=](int i) { return vld1q_f64(p + 2 * i); });
}
inline F32 load(const half* p) {
    return F32::map([=](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const std::uint16_t*>(p + 4 * i)))); });
}
inline void store(float* p, F32 a) {
    for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}
inline void store(double* p, F64 a) {
    for (int i = 0; i < 4; ++i) vst1q_f64(p + 2 * i, a.v[i]);
}
inline void store(half* p, F32 a) {
    for (int i = 0; i < 4; ++i) vst1_u16(reinterpret_cast<std::uint16_t*>(p + 4 * i), vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
}
// Arm's non-temporal stores have no intrinsic; ordinary stores are right, if not as fast.
template <class T, class V> inline void stream(T* p, V a) { store(p, a); }

inline F32 operator+(F32 a, F32 b) {
    return F32::map([=](int i) { return vaddq_f32(a.v[i], b.v[i]); });
}
inline F64 operator+(F64 a, F64 b) {
    return F64::map([=](int i) { return vaddq_f64(a.v[i], b.v[i]); });
}
inline F32 operator-(F32 a, F32 b) {
    return F32::map([=](int i) { return vsubq_f32(a.v[i], b.v[i]); });
}
inline F64 operator-(F64 a, F64 b) {
    return F64::map([=](int i) { return vsubq_f64(a.v[i], b.v[i]); });
}
inline F32 operator*(F32 a, F32 b) {
    return F32::map([=](int i) { return vmulq_f32(a.v[i], b.v[i]); });
}
inline F64 operator*(F64 a, F64 b) {
    return F64::map([=](int i) { return vmulq_f64(a.v[i], b.v[i]); });
}
inline F32 fma(F32 a, F32 b, F32 c) {
    return F32::map([=](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); });
}
inline F64 fma(F64 a, F64 b, F64 c) {
    return F64::map([=](int i) { return vfmaq_f64(c.v[i], a.v[i], b.v[i]); });
}

// NaN where either is NaN.
inline F32 max(F32 a, F32 b) {
    return F32::map([=](int i) { return vmaxq_f32(a.v[i], b.v[i]); });
}
inline F64 max(F64 a, F64 b) {
    return F64::map([=](int i) { return vmaxq_f64(a.v[i], b.v[i]); });
}
inline double peak(F32 a) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.v[0], a.v[1]), vmaxq_f32(a.v[2], a.v[3])));
}
inline double peak(F64 a) {
    return vmaxvq_f64(vmaxq_f64(vmaxq_f64(a.v[0], a.v[1]), vmaxq_f64(a.v[2], a.v[3])));
}

// t * scale, or 0 without multiplying where t is at most `least`: underflow takes a CPU many cycles.
inline F32 scaled(F32 t, F32 scale, F32 least) {
    return F32::map([=](int i) {
        const uint32x4_t gone = vcleq_f32(t.v[i], least.v[i]);
        return vmulq_f32(vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(t.v[i]), gone)), scale.v[i]);
    });
}
inline F64 scaled(F64 t, F64 scale, F64 least) {
    return F64::map([=](int i) {
        const uint64x2_t gone = vcleq_f64(t.v[i], least.v[i]);
        return vmulq_f64(vreinterpretq_f64_u64(vbicq_u64(vreinterpretq_u64_f64(t.v[i]), gone)), scale.v[i]);
    });
}

// Lanes are added in one order on every target: i and i + 4, then i and i + 2, then the last two.
inline double sum(F64 a) {
    const float64x2_t two = vaddq_f64(vaddq_f64(a.v[0], a.v[2]), vaddq_f64(a.v[1], a.v[3]));
    return vgetq_lane_f64(two, 0) + vgetq_lane_f64(two, 1);
}

// p * 2^k, where z = magic + k holds k in its low bits: k is added to p's exponent field.
inline F32 times_exp2(F32 p, F32 z) {
    return F32::map([=](int i) {
        return vreinterpretq_f32_s32(
            vaddq_s32(vreinterpretq_s32_f32(p.v[i]), vshlq_n_s32(vreinterpretq_s32_f32(z.v[i]), 23)));
    });
}
inline F64 times_exp2(F64 p, F64 z) {
    return F64::map([=](int i) {
        return vreinterpretq_f64_s64(
            vaddq_s64(vreinterpretq_s64_f64(p.v[i]), vshlq_n_s64(vreinterpretq_s64_f64(z.v[i]), 52)));
    });
}

// 2^(k - 64), where z = magic + k and k is a multiple of 1/8. The table is looked up byte by byte.
inline F32 exp2_eighths(F32 z) {
    const uint8x16x2_t table = {{vreinterpretq_u8_u32(vld1q_u32(eighths)), vreinterpretq_u8_u32(vld1q_u32(eighths + 4))}};
    return F32::map([=](int i) {
        const uint32x4_t k = vreinterpretq_u32_f32(z.v[i]);
        const uint32x4_t entry = vandq_u32(k, vdupq_n_u32(7));
        const uint32x4_t bytes = vmlaq_n_u32(vdupq_n_u32(0x03020100), entry, 0x04040404);
        const uint32x4_t power = vreinterpretq_u32_u8(vqtbl2q_u8(table, vreinterpretq_u8_u32(bytes)));
        return vreinterpretq_f32_u32(vaddq_u32(power, vshlq_n_u32(k, 20)));
    });
}

// z is positive, so its bits order as unsigned integers do; a NaN of either sign is above them all.
// There is no unsigned 64-bit maximum: doubles collect the outcome of the comparison instead.
inline F32 watch(F32 w, F32 z, F32) {
    return F32::map([=](int i) {
        return vreinterpretq_f32_u32(vmaxq_u32(vreinterpretq_u32_f32(w.v[i]), vreinterpretq_u32_f32(z.v[i])));
    });
}
inline F64 watch(F64 w, F64 z, F64 limit) {
    return F64::map([=](int i) {
        const uint64x2_t over = vcgtq_u64(vreinterpretq_u64_f64(z.v[i]), vreinterpretq_u64_f64(limit.v[i]));
        return vreinterpretq_f64_u64(vorrq_u64(vreinterpretq_u64_f64(w.v[i]), over));
    });
}
inline bool tripped(F32 w, F32 limit) {
    uint32x4_t most = vreinterpretq_u32_f32(w.v[0]);
    for (int i = 1; i < 4; ++i) most = vmaxq_u32(most, vreinterpretq_u32_f32(w.v[i]));
    return vmaxvq_u32(most) > vgetq_lane_u32(vreinterpretq_u32_f32(limit.v[0]), 0);
}
inline bool tripped(F64 w, F64) {
    uint64x2_t any = vreinterpretq_u64_f64(w.v[0]);
    for (int i = 1; i < 4; ++i) any = vorrq_u64(any, vreinterpretq_u64_f64(w.v[i]));
    return (vgetq_lane_u64(any, 0) | vgetq_lane_u64(any, 1)) != 0;
}

// Collects the bits in which z differs from the first of the window that is looked out for.
inline F32 stray(F32 w, F32 z, F32 first) {
    return F32::map([=](int i) {
        const uint32x4_t differ = veorq_u32(vreinterpretq_u32_f32(z.v[i]), vreinterpretq_u32_f32(first.v[i]));
        return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(w.v[i]), differ));
    });
}
inline F64 stray(F64 w, F64 z, F64 first) {
    return F64::map([=](int i) {
        const uint64x2_t differ = veorq_u64(vreinterpretq_u64_f64(z.v[i]), vreinterpretq_u64_f64(first.v[i]));
        return vreinterpretq_f64_u64(vorrq_u64(vreinterpretq_u64_f64(w.v[i]), differ));
    });
}
inline bool has_bits(F32 w, std::uint32_t mask) {
    uint32x4_t any = vreinterpretq_u32_f32(w.v[0]);
    for (int i = 1; i < 4; ++i) any = vorrq_u32(any, vreinterpretq_u32_f32(w.v[i]));
    return vmaxvq_u32(vandq_u32(any, vdupq_n_u32(mask))) != 0;
}
inline bool has_bits(F64 w, std::uint64_t mask) {
    uint64x2_t any = vreinterpretq_u64_f64(w.v[0]);
    for (int i = 1; i < 4; ++i) any = vorrq_u64(any, vreinterpretq_u64_f64(w.v[i]));
    return ((vgetq_lane_u64(any, 0) | vgetq_lane_u64(any, 1)) & mask) != 0;
}

inline F64 widen(float32x4_t a, float32x4_t b) {
    return {{vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a), vcvt_f64_f32(vget_low_f32(b)),
             vcvt_high_f64_f32(b)}};
}
inline F64 low(F32 a) { return widen(a.v[0], a.v[1]); }
inline F64 high(F32 a) { return widen(a.v[2], a.v[3]); }

inline F32 reduce_arg(F32 x, F32 n) {
    return fma(n, F32::splat(-ln2_lo_f32), fma(n, F32::splat(-ln2_hi_f32), x));
}
inline F64 reduce_arg(F64 x, F64 n) {
    return fma(n, F64::splat(-ln2_lo_f64), fma(n, F64::splat(-ln2_hi_f64), x));
}
}  // namespace
