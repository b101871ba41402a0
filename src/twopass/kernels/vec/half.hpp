// Conversions of a half for machines without instructions for them.
#pragma once
#include <cstdint>
#include <cstring>

namespace {
template <class To, class From> inline To bit_copy(From from) {
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

inline float widen(half h) {  // both rescalings are exact; infinities and NaN get their exponent back
    const std::uint32_t magnitude = static_cast<std::uint32_t>(h & 0x7FFF) << 13;
    const std::uint32_t special = (h & 0x7C00) == 0x7C00 ? 0x7F800000u : 0u;
    const float value = bit_copy<float>(magnitude) * 0x1p112f;
    return bit_copy<float>(bit_copy<std::uint32_t>(value) | special | (static_cast<std::uint32_t>(h & 0x8000) << 16));
}
inline half narrow(float f) {
    const std::uint32_t bits = bit_copy<std::uint32_t>(f), sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return static_cast<half>(sign | 0x7E00);
    if (magnitude >= 0x477FF000) return static_cast<half>(sign | 0x7C00);
    if (magnitude < 0x38800000)  // a half subnormal: adding 0.5 aligns its units with float's last bit
        return static_cast<half>(sign | (bit_copy<std::uint32_t>(bit_copy<float>(magnitude) + 0.5f) - 0x3F000000));
    return static_cast<half>(sign | ((magnitude - 0x38000000 + 0xFFF + ((magnitude >> 13) & 1)) >> 13));
}
}  // namespace
