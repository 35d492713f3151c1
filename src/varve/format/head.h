// The head of an artifact: the one small mutable object behind its name, moved by Cas alone.
//
// JSON (docs/format.md, Head); unknown fields are preserved on rewrite. It holds the newest
// versions inline, links to history nodes that hold older ones, and the labels, so that resolving
// an address is one read and moving a label is one conditional write.
// Invariants (checked on decode): version numbers rise by one without a gap across history and
// inline entries; labels name versions that exist; seq and gc_epoch only grow between heads.
// Pure; plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "varve/format/object_id.h"
#include "varve/hash/hash.h"
#include "varve/result.h"

namespace varve::format {

inline constexpr uint32_t kInlineVersionsMax = 128;  // At this many, the oldest kFoldVersions fold.
inline constexpr uint32_t kFoldVersions = 64;
inline constexpr uint32_t kHistoryArity = 64;
inline constexpr uint32_t kLabelsMax = 1024;  // Aliases and tags of one artifact, each.
inline constexpr uint64_t kHeadBytesMax = 4 * kMiB;
inline constexpr uint32_t kEntryMetricsMax = 16;  // The rest is in the commit object.

struct VersionEntry {
  uint64_t version = 0;  // 1, 2, 3, ...
  hash::Digest commit_id;
  ObjectId meta_id;
  int64_t time_ms = 0;  // Later than the entry before it.
  bool has_step = false;
  int64_t step = 0;
  uint64_t logical_bytes = 0;
  uint64_t stored_bytes = 0;  // Objects this version's save added.
  std::map<std::string, double> metrics;
  std::string message;  // First 200 bytes.
  friend bool operator==(const VersionEntry&, const VersionEntry&) = default;
};

struct Tombstone {  // Why a version can no longer be loaded.
  int64_t time_ms = 0;
  std::string reason;
  friend bool operator==(const Tombstone&, const Tombstone&) = default;
};

struct HistoryLink {  // To one immutable history node.
  ObjectId id;
  uint32_t level = 0;  // 0: the node holds entries; above: it holds links.
  uint64_t first_version = 0, last_version = 0;
  int64_t time_min_ms = 0, time_max_ms = 0;
  friend bool operator==(const HistoryLink&, const HistoryLink&) = default;
};

enum class HeadState : uint8_t { kOpen, kSealed, kDeleted };

struct Head {
  std::string name;
  std::string artifact_type;
  HeadState state = HeadState::kOpen;
  uint64_t seq = 0;   // + 1 per Cas.
  std::string nonce;  // 32 hex letters, fresh per Cas: makes every body, so every etag, unique.
  std::string prev_nonce;
  uint64_t writer_epoch = 0;
  uint64_t gc_epoch = 0;                    // The collector's epoch when this head was written.
  std::vector<VersionEntry> versions;       // Newest last.
  std::vector<HistoryLink> history;         // Oldest first.
  std::map<uint64_t, Tombstone> forgotten;  // By version.
  std::map<std::string, uint64_t> aliases;  // Move freely.
  std::map<std::string, uint64_t> tags;     // Written once; never move.
  std::string unknown_json;                 // Fields of newer writers, kept on rewrite.

  uint64_t last_version() const;  // 0 for an empty head.
};

Result<std::string> EncodeHead(const Head& head);
Result<Head> DecodeHead(std::string_view json);

// A history node is an envelope of kHistory with either entries or links.
struct HistoryNode {
  uint32_t level = 0;
  std::vector<VersionEntry> entries;  // level == 0
  std::vector<HistoryLink> links;     // level > 0
};
Result<Bytes> EncodeHistoryNode(const HistoryNode& node);
Result<HistoryNode> DecodeHistoryNode(ByteView object);

}  // namespace varve::format
