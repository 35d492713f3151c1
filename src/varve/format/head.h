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
inline constexpr uint32_t kKeepersMax = 1024;     // Pins and holds of one artifact, each.
inline constexpr uint32_t kForgottenMax = 1 << 20;
inline constexpr uint32_t kLayoutsMax = 1 << 16;
inline constexpr uint32_t kVerifiedMax = 64;       // The newest are kept.
inline constexpr uint32_t kLateMetricsMax = 1024;  // Versions that learned some after their save.
inline constexpr uint64_t kRunTextMax = 200;       // Bytes of a run's state and owner, each.

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
  // Commit ids that the save named as parents itself; the version before it is not among them.
  std::vector<hash::Digest> parents;
  friend bool operator==(const VersionEntry&, const VersionEntry&) = default;
};

struct Tombstone {  // Why a version can no longer be loaded.
  int64_t time_ms = 0;
  std::string reason;
  std::string by{};      // Who let it go: "user@host", for people.
  std::string policy{};  // The retention policy that did; empty: a person.
  int64_t until_ms = 0;  // Its objects stay, and it may be brought back, until then.
  uint64_t gc_epoch =
      0;  // The collector's epoch it was let go in: bringing it back asks since then.
  friend bool operator==(const Tombstone&, const Tombstone&) = default;
};

struct HistoryLink {  // To one immutable history node.
  ObjectId id;
  uint32_t level = 0;  // 0: the node holds entries; above: it holds links.
  uint64_t first_version = 0, last_version = 0;
  int64_t time_min_ms = 0, time_max_ms = 0;
  friend bool operator==(const HistoryLink&, const HistoryLink&) = default;
};

// Keeps a version alive for an owner. A row that is there counts, whatever its date: only the write
// that forgets the version drops rows whose date has passed, so that no collector needs a clock.
struct Pin {
  uint64_t version = 0;
  std::string owner;
  bool lease = false;    // Made by a reader for the time of its reading.
  int64_t until_ms = 0;  // After that it no longer hinders forgetting. INT64_MAX: no date.
  int64_t time_ms = 0;
  std::string reason;
  friend bool operator==(const Pin&, const Pin&) = default;
};

struct Hold {  // Keeps a version alive until someone lifts it; no policy passes it.
  uint64_t version = 0;
  std::string owner;
  int64_t time_ms = 0;
  std::string reason;
  friend bool operator==(const Hold&, const Hold&) = default;
};

// Where the chunks of a version lie, when that is not what its entry says: entries in history nodes
// never change. The commit object has the commit id of the entry.
struct Layout {
  ObjectId meta_id;
  std::vector<std::string> let_go;  // Components whose chunks it no longer has, ascending.
  // The commit object it replaced, which stays until `full_until_ms` and may be brought back.
  std::optional<ObjectId> full_meta_id;
  int64_t full_until_ms = 0;
  uint64_t gc_epoch = 0;  // As in a tombstone.
  friend bool operator==(const Layout&, const Layout&) = default;
};

// The run that writes the artifact, as somebody last said: "running", "preempted", "finished",
// "failed"; empty: nobody said.
struct RunFacts {
  std::string state, owner;
  int64_t time_ms = 0;
  friend bool operator==(const RunFacts&, const RunFacts&) = default;
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
  std::vector<Pin> pins;                    // Unique by version and owner, ascending.
  std::vector<Hold> holds;                  // The same.
  std::map<uint64_t, Layout> layouts;       // By version.
  std::map<uint64_t, int64_t> verified;     // Version -> when all its bytes were last hashed.
  // Metrics that were learned after the save; stronger than the entry's.
  std::map<uint64_t, std::map<std::string, double>> late_metrics;
  RunFacts run;
  std::string unknown_json;  // Fields of newer writers, kept on rewrite.

  uint64_t last_version() const;  // 0 for an empty head.
};

Result<std::string> EncodeHead(const Head& head);
Result<Head> DecodeHead(std::string_view json);

// The commit objects of `entry` whose objects must stay: every collector asks here. None for a
// version that was let go, once its date has passed and nothing names it; two while components that
// were let go can be brought back. `now_ms` is the store's clock. The version's own object comes
// first; `entry` may be raw (from a node) or already carry its layout's object.
std::vector<ObjectId> LiveCommitObjects(const Head& head, const VersionEntry& entry,
                                        int64_t now_ms);
// Makes `entry` name the commit object that holds its chunks now.
void UseLayout(const Head& head, VersionEntry& entry);
// The metrics of a version, with those that were learned later.
std::map<std::string, double> MetricsOf(const Head& head, const VersionEntry& entry);
// An alias, tag, pin or hold names the version. Says which: "alias 'best'"; empty when none does.
// Pins count until `now_ms`; with INT64_MIN every row counts.
std::string NamedBy(const Head& head, uint64_t version, int64_t now_ms);

// A history node is an envelope of kHistory with either entries or links.
struct HistoryNode {
  uint16_t min_gc = 1;  // The oldest format version whose collector may judge it.
  uint32_t level = 0;
  std::vector<VersionEntry> entries;  // level == 0
  std::vector<HistoryLink> links;     // level > 0
};
Result<Bytes> EncodeHistoryNode(const HistoryNode& node);
Result<HistoryNode> DecodeHistoryNode(ByteView object);

}  // namespace varve::format
