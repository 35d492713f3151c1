// A text that must never reach a log, an error, a trace or a terminal.
//
// Nothing prints it: there is no stream operator, no conversion to a string, no formatter. Who
// needs the text says so with Reveal(), which a reviewer finds by its name. The memory is wiped
// when the value dies; copies made from Reveal() are the caller's to keep short.
// Threads: a plain value.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace varve {

class Secret {
 public:
  Secret() = default;
  // Implicit: text may become a secret anywhere, never the reverse.
  Secret(std::string_view text) : letters_(text.begin(), text.end()) {}
  Secret(const std::string& text) : Secret(std::string_view(text)) {}
  Secret(const char* text) : Secret(std::string_view(text)) {}
  Secret(const Secret&) = default;
  Secret(Secret&&) noexcept = default;
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      Wipe();
      letters_ = other.letters_;
    }
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      Wipe();
      letters_ = std::move(other.letters_);
    }
    return *this;
  }
  ~Secret() { Wipe(); }

  std::string_view Reveal() const { return {letters_.data(), letters_.size()}; }
  bool empty() const { return letters_.empty(); }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  void Wipe() {
    // Through volatile, so that the stores before the death of the memory are not left out.
    volatile char* const letters = letters_.data();
    for (size_t i = 0; i < letters_.size(); ++i) letters[i] = 0;
  }
  std::vector<char> letters_;
};

template <typename Stream>
Stream& operator<<(Stream& stream, const Secret&) = delete;

}  // namespace varve
