// What happened, in order: always as a hash, as text when asked for. Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace varve::sim {

class Trace {
 public:
  explicit Trace(bool recording) : recording_(recording) {}
  bool recording() const { return recording_; }
  uint64_t hash() const { return hash_; }
  uint64_t events() const { return events_; }
  const std::vector<std::string>& lines() const { return lines_; }

  // `outcome` is a word or a number that must be the same when the seed is run again.
  void Note(int64_t now_ns, uint32_t process, std::string_view what, std::string_view where,
            std::string_view outcome);

 private:
  const bool recording_;
  uint64_t hash_ = 14695981039346656037ULL;
  uint64_t events_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace varve::sim
