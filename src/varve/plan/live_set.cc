#include "varve/plan/live_set.h"

#include <algorithm>
#include <cstring>

namespace varve::plan {
namespace {

constexpr size_t kTailMin = 64;  // Unsorted values a shard bears before it is settled.
constexpr size_t kNowhere = SIZE_MAX;

uint64_t Mix(uint64_t value) {  // The finaliser of splitmix64: every bit moves every other.
  value = (value ^ (value >> 30)) * 0xBF58'476D'1CE4'E5B9;
  value = (value ^ (value >> 27)) * 0x94D0'49BB'1331'11EB;
  return value ^ (value >> 31);
}

}  // namespace

uint64_t Fingerprint(ByteView id, uint8_t kind, uint64_t salt) {
  uint64_t halves[2] = {0, 0};
  std::memcpy(halves, id.data(), std::min(id.size(), sizeof halves));
  return Mix(Mix(Mix(halves[0] ^ salt) ^ halves[1]) + kind);
}

void LiveSet::Add(uint64_t fingerprint) {
  if (shards_.empty()) shards_.resize(kShards);
  Shard& shard = shards_[fingerprint >> 54];
  std::vector<uint64_t>& values = shard.values;
  if (values.size() == values.capacity()) {
    // Repeats go before room is made; then an eighth more, since doubling would double the peak.
    Settle(shard);
    if (values.size() + kTailMin > values.capacity()) {
      values.reserve(values.size() + std::max(kTailMin, values.size() / 8));
    }
  }
  values.push_back(fingerprint);
}

void LiveSet::Settle(Shard& shard) {
  if (shard.sorted == shard.values.size()) return;
  const auto tail = shard.values.begin() + static_cast<std::ptrdiff_t>(shard.sorted);
  std::sort(tail, shard.values.end());
  std::inplace_merge(shard.values.begin(), tail, shard.values.end());
  shard.values.erase(std::unique(shard.values.begin(), shard.values.end()), shard.values.end());
  shard.sorted = shard.values.size();
}

void LiveSet::Seal() {
  for (Shard& shard : shards_) {
    Settle(shard);
    shard.met.assign(shard.values.size(), false);
    size_ += shard.values.size();
  }
}

size_t LiveSet::Find(const Shard& shard, uint64_t fingerprint) {
  const auto at = std::lower_bound(shard.values.begin(), shard.values.end(), fingerprint);
  if (at == shard.values.end() || *at != fingerprint) return kNowhere;
  return static_cast<size_t>(at - shard.values.begin());
}

bool LiveSet::Contains(uint64_t fingerprint) const {
  return !shards_.empty() && Find(shards_[fingerprint >> 54], fingerprint) != kNowhere;
}

bool LiveSet::Meet(uint64_t fingerprint) {
  if (shards_.empty()) return false;
  Shard& shard = shards_[fingerprint >> 54];
  const size_t at = Find(shard, fingerprint);
  if (at == kNowhere) return false;
  if (!shard.met[at]) ++met_count_;
  shard.met[at] = true;
  return true;
}

bool LiveSet::IsUnmet(uint64_t fingerprint) const {
  if (shards_.empty()) return false;
  const Shard& shard = shards_[fingerprint >> 54];
  const size_t at = Find(shard, fingerprint);
  return at != kNowhere && !shard.met[at];
}

uint64_t LiveSet::memory_bytes() const {
  uint64_t bytes = sizeof *this;
  for (const Shard& shard : shards_) {
    bytes += shard.values.capacity() * sizeof(uint64_t) + shard.met.capacity() / 8;
  }
  return bytes;
}

}  // namespace varve::plan
