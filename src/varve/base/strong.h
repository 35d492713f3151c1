// Strings that must not be swapped for one another: a Key is not an Etag.
#pragma once

#include <compare>
#include <string>
#include <utility>

namespace varve {

template <typename Tag>
class StrongString {
 public:
  StrongString() = default;
  explicit StrongString(std::string value) : value_(std::move(value)) {}
  const std::string& str() const { return value_; }
  bool empty() const { return value_.empty(); }
  friend auto operator<=>(const StrongString&, const StrongString&) = default;
  friend bool operator==(const StrongString&, const StrongString&) = default;

 private:
  std::string value_;
};

}  // namespace varve
