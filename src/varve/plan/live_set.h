// What is alive, as a collector remembers it: one 64-bit fingerprint per object.
//
// A fingerprint is salted per collection, so two objects that share one today differ the next time.
// Sharing errs to one side only: a dead object passes for a live one and waits. About ten bytes per
// object, whatever the order of additions and however often one is repeated.
// Pure; not for several threads at once.
#pragma once

#include <cstdint>
#include <vector>

#include "varve/base/bytes.h"

namespace varve::plan {

// Of an object id of 16 bytes and of what the id names.
uint64_t Fingerprint(ByteView id, uint8_t kind, uint64_t salt);

class LiveSet {
 public:
  void Add(uint64_t fingerprint);
  // Call once, after the last Add and before any of what follows.
  void Seal();

  bool Contains(uint64_t fingerprint) const;
  // True when it is in the set; remembers that it was asked for.
  bool Meet(uint64_t fingerprint);
  // Of those in the set: how many nobody met, and whether this one is among them.
  uint64_t unmet() const { return size_ - met_count_; }
  bool IsUnmet(uint64_t fingerprint) const;

  uint64_t size() const { return size_; }
  uint64_t memory_bytes() const;

 private:
  static constexpr size_t kShards = 1024;  // By the top bits; only one grows at a time.
  struct Shard {
    std::vector<uint64_t> values;  // Sorted and unique up to `sorted`.
    size_t sorted = 0;
    std::vector<bool> met;  // After Seal, by index.
  };
  static void Settle(Shard& shard);
  static size_t Find(const Shard& shard, uint64_t fingerprint);

  std::vector<Shard> shards_;  // Empty until the first Add.
  uint64_t size_ = 0, met_count_ = 0;
};

}  // namespace varve::plan
