// Types that numbers are only stored in, and their conversions for machines without instructions for them.
#pragma once
#include <cstdint>
#include <cstring>

namespace {
// IEEE binary16. A type of its own, so that another one of 16 bits is another.
struct half {
    std::uint16_t bits;
};

template <class To, class From> inline To bit_copy(From from) {
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

inline float widen(half h) {  // both rescalings are exact; infinities and NaN get their exponent back
    const std::uint32_t magnitude = static_cast<std::uint32_t>(h.bits & 0x7FFF) << 13;
    const std::uint32_t special = (h.bits & 0x7C00) == 0x7C00 ? 0x7F800000u : 0u;
    const float value = bit_copy<float>(magnitude) * 0x1p112f;
    return bit_copy<float>(bit_copy<std::uint32_t>(value) | special |
                           (static_cast<std::uint32_t>(h.bits & 0x8000) << 16));
}
inline std::uint32_t half_magnitude(std::uint32_t bits) {
    if (bits > 0x7F800000) return 0x7E00;
    if (bits >= 0x477FF000) return 0x7C00;
    if (bits < 0x38800000)  // a half subnormal: adding 0.5 aligns its units with float's last bit
        return bit_copy<std::uint32_t>(bit_copy<float>(bits) + 0.5f) - 0x3F000000;
    return (bits - 0x38000000 + 0xFFF + ((bits >> 13) & 1)) >> 13;
}
inline half narrow_to_half(float f) {
    const std::uint32_t bits = bit_copy<std::uint32_t>(f);
    return {static_cast<std::uint16_t>(((bits >> 16) & 0x8000) | half_magnitude(bits & 0x7FFFFFFF))};
}
}  // namespace
