// Two small control objects: lake descriptor and session blocks.
//
// JSON; unknown fields of the descriptor are preserved on rewrite.
// Feature gates: an unknown feature in `read` refuses to open, in `write` makes the lake read-only,
// in `gc` stops the collector only. Pure; plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "varve/base/bytes.h"
#include "varve/result.h"

namespace varve::format {

// What the doctor found out about the store that holds the lake (docs/stores.md).
struct ProbeRecord {
  bool shared_writing = false;  // Several writers at once are safe.
  std::string reason;           // When not.
  int64_t time_ms = 0;          // The store's clock, so that a copy of the lake is told apart.
};

struct Descriptor {
  std::string lake_id;  // 32 hex letters, random: tells lakes apart.
  uint32_t format = 1;
  int64_t created_ms = 0;
  std::string hash = "blake3";
  uint64_t chunk_bytes = 8 * kMiB;
  uint64_t pack_bytes = 64 * kMiB;
  std::optional<ProbeRecord> probe;
  std::set<std::string> features_read, features_write, features_gc, features_fsck;
  std::string unknown_json;
};
Result<std::string> EncodeDescriptor(const Descriptor& descriptor);
Result<Descriptor> DecodeDescriptor(std::string_view json);

enum class Gate { kReadWrite, kReadOnly };
// What this build may do with the lake. kUnsupported, naming the feature, when it may not read.
Result<Gate> CheckGates(const Descriptor& descriptor);
// kUnsupported, naming the feature, when this build may not collect garbage.
Status CheckCollectorGate(const Descriptor& descriptor);
// The same for repair.
Status CheckRepairGate(const Descriptor& descriptor);

struct SessionBlock {  // Reserves ids [first, last] before any of them is used.
  uint64_t session = 0;
  uint32_t block = 0;
  uint32_t first_counter = 0, last_counter = 0;
  std::string owner;   // "host:pid", for people.
  std::string target;  // What is being written, for people.
  int64_t created_ms = 0;
};
Result<std::string> EncodeSessionBlock(const SessionBlock& block);
Result<SessionBlock> DecodeSessionBlock(std::string_view json);

}  // namespace varve::format
