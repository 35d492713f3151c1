// Numbers, times and sizes as the retention language writes them; the command line reads sizes so
// too. Pure.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace varve::plan {

// The whole of `text` as a number, or nothing.
template <typename T>
std::optional<T> Number(std::string_view text) {
  T value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> DurationOf(std::string_view text);  // "36h" in ms; may be negative.
std::optional<uint64_t> SizeOf(std::string_view text);     // "10GiB" in bytes.
bool ValidUtf8(std::string_view text);

}  // namespace varve::plan
