// The addresses of one host: which to connect to next.
//
// Large stores answer a name with several addresses, other ones each time, and every address has
// its own limits. So answers are joined over a while, connections go to the address that has the
// fewest, and one that fails rests before it is tried again, longer each time.
// Invariant: at most kAddressesMax are known; an address that no answer named for kKeptMs goes,
// unless it is the last. Pure: the time comes in. Threads: the caller locks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace varve::http {

class AddressBook {
 public:
  static constexpr size_t kAddressesMax = 64;
  static constexpr int64_t kRefreshMs = 30'000, kKeptMs = 300'000;
  static constexpr int64_t kRestMs = 1000, kRestMsMax = 60'000;

  bool empty() const { return entries_.empty(); }
  // Time to ask again: nothing is known, the last answer is old, or an address failed since.
  bool Stale(int64_t now_ms) const;
  void Learn(const std::vector<std::string>& addresses, int64_t now_ms);

  // All of them, best first: healthy ones by connections, then the resting ones by their end.
  std::vector<std::string> Order(int64_t now_ms) const;
  bool Resting(const std::string& address, int64_t now_ms) const;

  // A connection begins or ends; what is not known is ignored.
  void Opened(const std::string& address);
  void Closed(const std::string& address);
  void Worked(const std::string& address);
  void Failed(const std::string& address, int64_t now_ms);

 private:
  struct Entry {
    std::string address;
    int64_t seen_ms = 0, rests_until_ms = 0;
    uint32_t connections = 0, failures = 0;  // failures: since it last worked.
    uint64_t turn = 0;                       // When it was last opened; ties go round.
  };
  const Entry* Find(const std::string& address) const;
  Entry* Find(const std::string& address);

  std::vector<Entry> entries_;
  int64_t learnt_ms_ = 0;
  bool failed_since_ = false;
  uint64_t turns_ = 0;
};

}  // namespace varve::http
