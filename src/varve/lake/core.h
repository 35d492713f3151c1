// What all parts of one open lake share. Lives as long as the Lake and everything begun on it.
// Threads: any; the members guard themselves.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "varve/exec/parallel.h"
#include "varve/exec/sync.h"
#include "varve/format/control.h"
#include "varve/lake/gc_guard.h"
#include "varve/lake/heads.h"
#include "varve/lake/id_source.h"
#include "varve/lake/lake.h"
#include "varve/transfer/engine.h"

namespace varve::lake {

using transfer::BufferPool;

inline constexpr size_t kComponentsCachedMax = 100'000;

struct Core {
  Core(std::shared_ptr<store::ObjectStore> object_store, LakeOptions lake_options,
       format::Descriptor lake_descriptor, format::Gate lake_gate);

  std::shared_ptr<store::ObjectStore> store;
  LakeOptions options;
  format::Descriptor descriptor;
  format::Gate gate;
  transfer::Engine transfers;  // Requests. Encoders wait for transfers, never the reverse.
  BufferPool& buffers;         // Of the engine.
  IdSource ids;
  GcGuard guard;
  Heads heads;
  ThreadPool encoders;             // Hash, compress: one task per chunk.
  ThreadPool background_encoders;  // The same for saves that must not disturb training.
  CancelToken closing;

  // Components by commit object, which never changes: a retention pass reads each once.
  Mutex components_mutex;
  std::map<format::ObjectId, std::vector<std::string>> components;

  Status CheckWritable() const;  // kUnsupported on a read-only gate.
};

// An address resolved against its head.
struct Resolved {
  HeadSnapshot snapshot;
  format::VersionEntry entry;
};
// kNotFound with the nearest existing name; kGone for a forgotten version.
Result<Resolved> Resolve(const OpContext& ctx, Core& core, std::string_view address);
// The same for the head alone; `name` must be an artifact that exists and was not deleted.
Result<HeadSnapshot> ResolveHead(const OpContext& ctx, Core& core, std::string_view name);

// When, by whom and why a forgotten version was let go, and until when it may come back.
std::string WhyForgotten(const format::Head& head, uint64_t version);

// The newest version that was not forgotten; kNotFound when there is none.
Result<format::VersionEntry> LatestLive(const OpContext& ctx, Core& core, const format::Head& head);

struct ReadCommitReply {
  format::DecodedCommit decoded;
  Bytes object;
};
// kCorrupt: it is missing, damaged or another's. `version` is for the message.
Result<ReadCommitReply> ReadCommit(const OpContext& ctx, Core& core,
                                   const format::ObjectId& meta_id, const hash::Digest& commit_id,
                                   uint64_t version);
inline Result<ReadCommitReply> ReadCommit(const OpContext& ctx, Core& core,
                                          const format::VersionEntry& entry) {
  return ReadCommit(ctx, core, entry.meta_id, entry.commit_id, entry.version);
}

// Who reads a version races with whoever lets it go or lays its chunks out anew (thinning, repair,
// repack), and with the collector after that. So what looks like damage is looked at once more: the
// head says whether what is missing is still its own. Bounded, should it move again and again.
inline constexpr int kMovedTriesMax = 8;

// Where the version is now, when that is not where `entry` says; nothing: it is there still, and
// what looked like damage is. kGone: it was let go.
Result<std::optional<format::VersionEntry>> MovedTo(const OpContext& ctx, Core& core,
                                                    const std::string& name,
                                                    const format::VersionEntry& entry);
// An address, and the commit object that it meant at one moment.
struct ResolvedCommit {
  Resolved at;
  ReadCommitReply read;
};
Result<ResolvedCommit> ResolveCommit(const OpContext& ctx, Core& core, std::string_view address);

}  // namespace varve::lake
