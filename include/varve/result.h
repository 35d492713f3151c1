// A value or an Error. Every function of Varve that can fail returns one; nothing inside throws.
//
// The names are a subset of std::expected's, so that a later swap is mechanical.
#pragma once

#include <cassert>
#include <optional>
#include <utility>
#include <variant>

#include "varve/error.h"

namespace varve {

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {
  }  // NOLINT(google-explicit-constructor): a return converts.
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {
  }  // NOLINT(google-explicit-constructor): a return converts.

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Requires ok().
  T& value() & {
    assert(ok());
    return std::get<0>(state_);
  }
  const T& value() const& {
    assert(ok());
    return std::get<0>(state_);
  }
  T&& value() && {
    assert(ok());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Requires !ok().
  Error& error() & {
    assert(!ok());
    return std::get<1>(state_);
  }
  const Error& error() const& {
    assert(!ok());
    return std::get<1>(state_);
  }
  Error&& error() && {
    assert(!ok());
    return std::get<1>(std::move(state_));
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error)
      : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor): a return converts.

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  Error& error() & {
    assert(!ok());
    return *error_;
  }
  const Error& error() const& {
    assert(!ok());
    return *error_;
  }
  Error&& error() && {
    assert(!ok());
    return *std::move(error_);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;
inline Status OkStatus() { return {}; }

}  // namespace varve

#define VARVE_CONCAT_INNER(a, b) a##b
#define VARVE_CONCAT(a, b) VARVE_CONCAT_INNER(a, b)

// VARVE_TRY(auto x, F());  declares x, or returns F's error from the enclosing function.
#define VARVE_TRY(declaration, expression) \
  VARVE_TRY_INNER(VARVE_CONCAT(varve_try_, __COUNTER__), declaration, expression)
#define VARVE_TRY_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                            \
  if (!temporary.ok()) return std::move(temporary).error(); \
  declaration = std::move(temporary).value()

// VARVE_CHECK_OK(F());  returns F's error from the enclosing function; F returns a Status.
#define VARVE_CHECK_OK(expression)                                  \
  do {                                                              \
    auto varve_status = (expression);                               \
    if (!varve_status.ok()) return std::move(varve_status).error(); \
  } while (false)
