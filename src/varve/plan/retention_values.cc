#include "varve/plan/retention_values.h"

#include "varve/plan/retention_policy.h"

namespace varve::plan {
namespace {

constexpr int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;

}  // namespace

std::optional<int64_t> DurationOf(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const auto count = Number<int64_t>(text.substr(0, text.size() - 1));
  int64_t unit_ms = 0;
  switch (text.back()) {
    case 's':
      unit_ms = kSecond;
      break;
    case 'm':
      unit_ms = kMinute;
      break;
    case 'h':
      unit_ms = kHour;
      break;
    case 'd':
      unit_ms = kDay;
      break;
    case 'w':
      unit_ms = 7 * kDay;
      break;
    case 'y':
      unit_ms = 365 * kDay;
      break;
    default:
      return std::nullopt;
  }
  if (!count.has_value() || *count > kDurationMsMax / unit_ms || *count < -kDurationMsMax / unit_ms)
    return std::nullopt;
  return *count * unit_ms;
}

std::optional<uint64_t> SizeOf(std::string_view text) {
  const size_t digits = text.find_first_not_of("0123456789");
  const auto count = Number<uint64_t>(text.substr(0, digits));
  const std::string_view unit = digits == std::string_view::npos ? "" : text.substr(digits);
  constexpr std::pair<std::string_view, uint64_t> kUnits[] = {{"", 1},
                                                              {"B", 1},
                                                              {"KB", 1'000},
                                                              {"MB", 1'000'000},
                                                              {"GB", 1'000'000'000},
                                                              {"TB", 1'000'000'000'000},
                                                              {"PB", 1'000'000'000'000'000},
                                                              {"KiB", 1ULL << 10},
                                                              {"MiB", 1ULL << 20},
                                                              {"GiB", 1ULL << 30},
                                                              {"TiB", 1ULL << 40},
                                                              {"PiB", 1ULL << 50}};
  uint64_t bytes = 0;
  for (const auto& [name, factor] : kUnits) {
    if (name == unit && count.has_value() && !__builtin_mul_overflow(*count, factor, &bytes)) {
      return bytes;
    }
  }
  return std::nullopt;
}

bool ValidUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t more = lead < 0x80                   ? 0
                        : lead >= 0xC2 && lead < 0xE0 ? 1
                        : (lead & 0xF0) == 0xE0       ? 2
                        : lead >= 0xF0 && lead < 0xF5 ? 3
                                                      : 9;
    if (more == 9 || i + more >= text.size()) return false;
    uint32_t point = more == 0 ? lead : lead & (0x3FU >> more);
    for (size_t j = 1; j <= more; ++j) {
      const auto byte = static_cast<unsigned char>(text[i + j]);
      if ((byte & 0xC0) != 0x80) return false;
      point = point << 6 | (byte & 0x3FU);
    }
    if ((more == 2 && (point < 0x800 || (point >= 0xD800 && point < 0xE000))) ||
        (more == 3 && (point < 0x10000 || point > 0x10FFFF))) {
      return false;
    }
    i += more + 1;
  }
  return true;
}

}  // namespace varve::plan
