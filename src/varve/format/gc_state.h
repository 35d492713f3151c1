// The collector's records: its state, and the lists of condemned and of dead ids.
//
// The state is JSON, moved by Cas; unknown fields are preserved on rewrite. A list is cut into
// parts, each an envelope of sorted ids of one kind, and the state says which ids each part spans,
// so that a writer fetches only the parts that could name what it uses. docs/format.md, Collector.
// Pure; plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/format/object_id.h"
#include "varve/result.h"

namespace varve::format {

enum class GcPhase : uint8_t { kIdle, kCondemned, kSweeping };

// What an id of a list names. A session block is listed as the id of its session and block number.
enum class IdKind : uint8_t { kPack, kMeta, kHistory, kSession };
inline constexpr size_t kIdKinds = 4;

inline constexpr uint64_t kGcPartIdsMax = 1'000'000;
inline constexpr uint64_t kGcIdsMax = 60'000'000;  // Of one epoch; the rest waits for the next one.
inline constexpr uint32_t kGcListEpochs = 64;      // The newest so many epochs keep their lists.

struct GcListPart {
  IdKind kind = IdKind::kPack;
  std::string key;
  ObjectId first, last;  // Both are in the part.
  uint64_t ids = 0;
  friend bool operator==(const GcListPart&, const GcListPart&) = default;
};
using GcList = std::vector<GcListPart>;

struct GcState {
  uint64_t epoch = 0;
  GcPhase phase = GcPhase::kIdle;
  std::map<uint64_t, GcList> lists;  // By epoch: condemned, once decided dead.
  uint64_t oldest_list_epoch = 0;    // Lists of older epochs are gone.
  std::string holder;                // For people.
  uint64_t refs = 0;                 // Heads that the last fence met; heads never go away.
  std::string unknown_json;
};
Result<std::string> EncodeGcState(const GcState& state);
Result<GcState> DecodeGcState(std::string_view json);

// One part. At most kGcPartIdsMax ids, strictly ascending.
Result<Bytes> EncodeGcList(const std::vector<ObjectId>& sorted_ids);
Result<std::vector<ObjectId>> DecodeGcList(ByteView object);

}  // namespace varve::format
