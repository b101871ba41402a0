// Two-part ln 2 for the argument reduction x - n ln 2 with fused multiply-add: hi is ln 2 rounded, lo the rest.
// Up to the widest |x| the two leave an error far below the last bit of e^x.
#pragma once
namespace {
constexpr double ln2_hi_f32 = 0x1.62e43p-1, ln2_lo_f32 = -0x1.05c61p-29;
constexpr double ln2_hi_f64 = 0x1.62e42fefa39efp-1, ln2_lo_f64 = 0x1.abc9e3b39803fp-56;
constexpr double widest_f32 = 0x1p16, widest_f64 = 0x1p45;
}  // namespace
