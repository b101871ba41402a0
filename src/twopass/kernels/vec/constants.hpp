// For the targets with fused multiply-add.
//
// Two-part ln 2 for the argument reduction x - n ln 2 with fused multiply-add: hi is ln 2 rounded, lo the rest.
// Up to the widest |x| the two leave an error far below the last bit of e^x.
#pragma once
namespace {
constexpr double ln2_hi_f32 = 0x1.62e43p-1, ln2_lo_f32 = -0x1.05c61p-29;
constexpr double ln2_hi_f64 = 0x1.62e42fefa39efp-1, ln2_lo_f64 = 0x1.abc9e3b39803fp-56;

// Floats are reduced by eighths of ln 2, and 2^(j/8) comes from a table that a register or two hold. The entries are
// those of 2^-64, the first calm term (Kind::calm); entry j is less by what an eighth of j in z's low bits adds to it,
// so that one shift of z serves table and exponent. The eight stand here twice: AVX-512 loads 16 of them.
constexpr bool tabled_f32 = true;
alignas(64) constexpr std::uint32_t eighths[16] = {
    0x1f800000, 0x1f7b95c2, 0x1f7837f0, 0x1f75fed7, 0x1f7504f3, 0x1f75672a, 0x1f7744fd, 0x1f7ac0c7,
    0x1f800000, 0x1f7b95c2, 0x1f7837f0, 0x1f75fed7, 0x1f7504f3, 0x1f75672a, 0x1f7744fd, 0x1f7ac0c7};

constexpr double widest_f32 = 0x1p16, widest_f64 = 0x1p45;
}  // namespace
