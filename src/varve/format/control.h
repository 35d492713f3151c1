// The other small control objects: lake descriptor, collector state and lists, session blocks.
//
// JSON, except the lists (envelopes of sorted ids). Unknown fields are preserved on rewrite.
// Feature gates: an unknown feature in `read` refuses to open, in `write` makes the lake read-only,
// in `gc` stops the collector only. Pure; plain values.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/format/object_id.h"
#include "varve/result.h"

namespace varve::format {

struct Descriptor {
  std::string lake_id;  // 32 hex letters, random: tells lakes apart.
  uint32_t format = 1;
  int64_t created_ms = 0;
  std::string hash = "blake3";
  uint64_t chunk_bytes = 8 * kMiB;
  uint64_t pack_bytes = 64 * kMiB;
  std::set<std::string> features_read, features_write, features_gc, features_fsck;
  std::string unknown_json;
};
Result<std::string> EncodeDescriptor(const Descriptor& descriptor);
Result<Descriptor> DecodeDescriptor(std::string_view json);

enum class Gate { kReadWrite, kReadOnly };
// What this build may do with the lake. kUnsupported, naming the feature, when it may not read.
Result<Gate> CheckGates(const Descriptor& descriptor);

enum class GcPhase : uint8_t { kIdle, kCondemned, kSweeping };
struct GcState {
  uint64_t epoch = 0;
  GcPhase phase = GcPhase::kIdle;
  std::map<uint64_t, std::string> lists;  // Epoch -> key of its newest list.
  uint64_t oldest_list_epoch = 0;         // Lists of older epochs are gone.
  std::string holder;
  std::string unknown_json;
};
Result<std::string> EncodeGcState(const GcState& state);
Result<GcState> DecodeGcState(std::string_view json);

Result<Bytes> EncodeGcList(const std::vector<ObjectId>& sorted_ids);
Result<std::vector<ObjectId>> DecodeGcList(ByteView object);

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
