#include "varve/codec/dtype.h"

namespace varve::codec {
namespace {

struct Row {
  DType dtype;
  uint64_t number;
  std::string_view name;
  uint32_t bits;
};
constexpr Row kRows[] = {
#define VARVE_DTYPE_ROW(code, number, name, bits) {DType::code, number, name, bits},
    VARVE_DTYPE_TABLE(VARVE_DTYPE_ROW)
#undef VARVE_DTYPE_ROW
};

}  // namespace

std::string_view DTypeName(DType dtype) { return kRows[static_cast<size_t>(dtype) - 1].name; }
uint32_t ElementBytes(DType dtype) { return kRows[static_cast<size_t>(dtype) - 1].bits / 8; }

std::optional<DType> DTypeFromName(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

std::optional<DType> DTypeFromNumber(uint64_t number) {
  for (const Row& row : kRows) {
    if (row.number == number) return row.dtype;
  }
  return std::nullopt;
}

}  // namespace varve::codec
