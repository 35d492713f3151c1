// Element types of tensors. Names are the ones people see; numbers are the ones in the format and
// are append-only (docs/format.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace varve::codec {

// X(enumerator, number, name, bits per element)
// clang-format off
#define VARVE_DTYPE_TABLE(X)      \
  X(kU8, 1, "u8", 8)              \
  X(kI8, 2, "i8", 8)              \
  X(kU16, 3, "u16", 16)           \
  X(kI16, 4, "i16", 16)           \
  X(kU32, 5, "u32", 32)           \
  X(kI32, 6, "i32", 32)           \
  X(kU64, 7, "u64", 64)           \
  X(kI64, 8, "i64", 64)           \
  X(kBool, 9, "bool", 8)          \
  X(kF16, 10, "f16", 16)          \
  X(kBf16, 11, "bf16", 16)        \
  X(kF32, 12, "f32", 32)          \
  X(kF64, 13, "f64", 64)          \
  X(kF8E4M3FN, 14, "f8_e4m3fn", 8)      \
  X(kF8E5M2, 15, "f8_e5m2", 8)          \
  X(kF8E4M3FNUZ, 16, "f8_e4m3fnuz", 8)  \
  X(kF8E5M2FNUZ, 17, "f8_e5m2fnuz", 8)  \
  X(kF8E8M0FNU, 18, "f8_e8m0fnu", 8)    \
  X(kF4E2M1X2, 19, "f4_e2m1x2", 8)      \
  X(kC32, 20, "c32", 32)          \
  X(kC64, 21, "c64", 64)          \
  X(kC128, 22, "c128", 128)       \
  X(kF6E2M3X4, 23, "f6_e2m3x4", 24)     \
  X(kF6E3M2X4, 24, "f6_e3m2x4", 24)
// clang-format on

enum class DType : uint8_t {
#define VARVE_DTYPE_ENUM(code, number, ...) code = number,
  VARVE_DTYPE_TABLE(VARVE_DTYPE_ENUM)
#undef VARVE_DTYPE_ENUM
};

std::string_view DTypeName(DType dtype);
uint32_t ElementBytes(DType dtype);
std::optional<DType> DTypeFromName(std::string_view name);
std::optional<DType> DTypeFromNumber(uint64_t number);

}  // namespace varve::codec
