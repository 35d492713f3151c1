// What all parts of one open lake share. Lives as long as the Lake and everything begun on it.
// Threads: any; the members guard themselves.
#pragma once

#include <memory>
#include <mutex>
#include <set>
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

  // Packs that were seen to exist in this session, or written: a hint of the newest versions'
  // health.
  std::mutex seen_packs_mutex;
  std::set<format::ObjectId> seen_packs;

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

// Why something that `entry` names is missing: kGone when the version, or the components it was
// read with, were let go meanwhile; `otherwise` when not, or when the head cannot be read.
Error WhyMissing(const OpContext& ctx, Core& core, const std::string& name,
                 const format::VersionEntry& entry, Error otherwise);
// When, by whom and why a forgotten version was let go, and until when it may come back.
std::string WhyForgotten(const format::Head& head, uint64_t version);

// The newest version that was not forgotten; kNotFound when there is none.
Result<format::VersionEntry> LatestLive(const OpContext& ctx, Core& core, const format::Head& head);

struct ReadCommitReply {
  format::DecodedCommit decoded;
  Bytes object;
};
Result<ReadCommitReply> ReadCommit(const OpContext& ctx, Core& core,
                                   const format::VersionEntry& entry);
// The same for a version that may be let go meanwhile (kGone).
Result<ReadCommitReply> ReadResolved(const OpContext& ctx, Core& core, const Resolved& resolved);

}  // namespace varve::lake
