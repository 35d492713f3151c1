// What a key of the lake names: the one place that reads keys back.
//
// A key in any other spelling than the one its writer uses is kForeign: liveness is decided on ids,
// never on texts, and an object that is not ours is never touched. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "varve/format/gc_state.h"
#include "varve/format/object_id.h"

namespace varve::format {

inline constexpr std::string_view kGcPrefix = "gc/";
inline constexpr std::string_view kRefPrefix = "ref/";
inline constexpr std::string_view kPackPrefix = "pack/";
inline constexpr std::string_view kMetaPrefix = "meta/";
inline constexpr std::string_view kHistoryPrefix = "hist/";
inline constexpr std::string_view kSessionPrefix = "sess/";

enum class KeyKind : uint8_t {
  kForeign,
  kDescriptor,
  kGcState,
  kGcList,
  kGcMark,
  kHead,
  kPack,
  kMeta,
  kHistory,
  kSession,
};

struct ObjectKey {
  KeyKind kind = KeyKind::kForeign;
  ObjectId id;         // kPack, kMeta, kHistory, kGcMark; kSession: as IdKind::kSession lists it.
  std::string name;    // kHead.
  uint64_t epoch = 0;  // kGcList, kGcMark.
};
ObjectKey ParseKey(std::string_view key);

// The key that an id of a list stands for.
std::string KeyOf(IdKind kind, const ObjectId& id);

// "gc/mark/<epoch>-<id>": the epoch of the state that its collector began at.
std::string GcMarkKey(uint64_t epoch, const ObjectId& id);
// "gc/list/<epoch>-<c|d>-<id>-<part>": condemned or dead.
std::string GcListKey(uint64_t epoch, bool dead, const ObjectId& id, uint32_t part);

}  // namespace varve::format
