#include "varve/http/address_book.h"

#include <algorithm>
#include <tuple>

namespace varve::http {
namespace {
constexpr int64_t kAskAgainMs = 1000;  // After a failure, but not in a loop.
}

const AddressBook::Entry* AddressBook::Find(const std::string& address) const {
  const auto found = std::ranges::find(entries_, address, &Entry::address);
  return found == entries_.end() ? nullptr : &*found;
}
AddressBook::Entry* AddressBook::Find(const std::string& address) {
  const auto found = std::ranges::find(entries_, address, &Entry::address);
  return found == entries_.end() ? nullptr : &*found;
}

bool AddressBook::Stale(int64_t now_ms) const {
  if (entries_.empty()) return true;
  return now_ms - learnt_ms_ >= (failed_since_ ? kAskAgainMs : kRefreshMs);
}

void AddressBook::Learn(const std::vector<std::string>& addresses, int64_t now_ms) {
  learnt_ms_ = now_ms;
  if (addresses.empty()) return;
  failed_since_ = false;
  for (const std::string& address : addresses) {
    if (Entry* known = Find(address)) {
      known->seen_ms = now_ms;
    } else if (entries_.size() < kAddressesMax) {
      entries_.push_back({.address = address, .seen_ms = now_ms});
    }
  }
  std::erase_if(entries_, [&](const Entry& entry) { return now_ms - entry.seen_ms >= kKeptMs; });
}

std::vector<std::string> AddressBook::Order(int64_t now_ms) const {
  std::vector<const Entry*> order;
  for (const Entry& entry : entries_) order.push_back(&entry);
  const auto rank = [&](const Entry* entry) {
    const bool rests = entry->rests_until_ms > now_ms;
    return std::tuple(rests, rests ? entry->rests_until_ms : 0, entry->connections, entry->turn);
  };
  std::ranges::stable_sort(order, {}, rank);
  std::vector<std::string> addresses;
  for (const Entry* entry : order) addresses.push_back(entry->address);
  return addresses;
}

bool AddressBook::Resting(const std::string& address, int64_t now_ms) const {
  const Entry* entry = Find(address);
  return entry != nullptr && entry->rests_until_ms > now_ms;
}

void AddressBook::Opened(const std::string& address) {
  if (Entry* entry = Find(address)) {
    ++entry->connections;
    entry->turn = ++turns_;
  }
}

void AddressBook::Closed(const std::string& address) {
  Entry* entry = Find(address);
  if (entry != nullptr && entry->connections > 0) --entry->connections;
}

void AddressBook::Worked(const std::string& address) {
  if (Entry* entry = Find(address)) {
    entry->failures = 0;
    entry->rests_until_ms = 0;
  }
}

void AddressBook::Failed(const std::string& address, int64_t now_ms) {
  failed_since_ = true;
  Entry* entry = Find(address);
  if (entry == nullptr || entry->rests_until_ms > now_ms) return;  // One outage, many requests.
  const int64_t rest_ms = kRestMs << std::min(entry->failures, 10U);
  ++entry->failures;
  entry->rests_until_ms = now_ms + std::min(rest_ms, kRestMsMax);
}

}  // namespace varve::http
