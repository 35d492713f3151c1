// The product: a lake of artifacts, each a line of versions, over one ObjectStore.
//
// Everything that changes is a commit to a head (lake/commit.h). A Lake owns its worker pools and
// is shared by all that use it.
// Threads: every method may be called from any thread at once; they block. A SaveSession or
// OpenVersion belongs to one thread at a time.
// Cancel: a cancelled save leaves unreferenced objects for garbage collection and no version.
// Errors: as values; messages name the artifact, version or path concerned and the nearest existing
// name.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/exec/op_context.h"
#include "varve/exec/parallel.h"
#include "varve/format/commit.h"
#include "varve/format/head.h"
#include "varve/format/retention_plan.h"
#include "varve/lake/fsck.h"
#include "varve/lake/gc.h"
#include "varve/lake/repack.h"
#include "varve/plan/price.h"
#include "varve/plan/retention_policy.h"
#include "varve/result.h"
#include "varve/store/object_store.h"

namespace varve::lake {

struct Progress {
  uint64_t bytes_done = 0, bytes_total = 0;  // Raw bytes.
};

struct LakeOptions {
  uint32_t cpu_threads = 0;  // Hashing and encoding; 0: all cores for blocking calls.
  uint32_t transfers = 0;    // Requests in flight. 0: from VARVE_S3_TARGET_GBPS, and more where the
                             // store is so far away that most of them only wait.
  uint32_t transfers_max = 0;        // Set by Open.
  uint64_t memory_bytes = 1 * kGiB;  // Cap of one save or load beyond the caller's own data.
  bool compress = true;
  // The caller's word that nobody else writes to the lake: needed on a store that does not hold
  // its conditions (see lake/doctor.h), where two writers at once would lose versions.
  bool single_writer = false;
};

// The place of a process that saves its share of a version with others (SaveSession::FinishPart).
struct RankPlace {
  std::string save_id;  // The same on all ranks, and another one for every attempt of a save.
  uint32_t rank = 0, ranks = 1;
};

struct SaveOptions {
  std::string artifact_type = "checkpoint";
  std::optional<int64_t> step;
  std::string message;
  std::string metadata_json;  // A JSON object, or empty.
  std::map<std::string, double> metrics;
  std::vector<std::string> parents;  // Addresses in this lake, beside the previous version.
  std::vector<std::string> aliases;  // Moved to the new version in the same Cas.
  std::string tree_json;             // Typed tree of Python state.
  bool background = false;           // Low-priority workers.
  uint64_t memory_bytes = 0;         // 0: LakeOptions::memory_bytes.
  // Set: the session ends with FinishPart. Of the fields above those of rank 0 make the version.
  std::optional<RankPlace> place;
};

struct SaveReport {
  uint64_t version = 0;
  hash::Digest commit_id;
  uint64_t logical_bytes = 0;
  uint64_t stored_bytes = 0;  // Added to the lake by this save, metadata included.
  uint64_t shared_bytes = 0;  // Raw bytes not sent because they were there.
  uint64_t objects_written = 0;
  double staged_s = 0, durable_s = 0, committed_s = 0;  // Since the session began.
};

struct PartReport {
  std::string token;  // One line, for Lake::JoinParts.
  uint64_t logical_bytes = 0, stored_bytes = 0, shared_bytes = 0, objects_written = 0;
  double staged_s = 0, durable_s = 0;
};

// Rows of a tensor of which other ranks hold the others.
struct SlabPlace {
  std::vector<uint64_t> global_shape;  // At least one dimension; the slab has the same inner ones.
  uint64_t first_row = 0, rows = 0;    // Along dimension 0; a rank may have none.
};

struct ForgetOptions {
  std::string by;      // Who, for people.
  std::string policy;  // The policy that asked for it; empty: a person.
  // Its objects stay, and it may be brought back, for so long by the store's clock.
  int64_t grace_ms = plan::kGraceMsDefault;
};
inline constexpr int64_t kGraceMsMax = plan::kDurationMsMax;

struct PinOptions {
  std::string owner;   // One pin per version and owner; pinning again moves its date.
  int64_t for_ms = 0;  // 0: until it is lifted.
  bool lease = false;  // A reader's, for the time of its reading.
  std::string reason;
};

struct AnnotateOptions {                    // What was learned after a save.
  std::map<std::string, double> metrics{};  // Of the version; stronger than those of its save.
  std::string run_state{};  // Of the artifact's run: running, preempted, finished, failed, unknown.
  std::string owner{};      // Of the run, for people and policies.
};

struct RetentionOptions {
  std::vector<std::string> artifacts;  // That may lose something; empty: all.
  bool allow_unknown_metrics = false;  // Else a metric that no version has is an error.
  bool measure = true;               // Reads every commit object of the lake to say what it frees.
  std::optional<int64_t> as_of_ms;   // The time it is judged at; none: the store's now.
  plan::PriceTable prices;           // For estimates and caps in money, where one fits the store.
  std::optional<plan::Price> price;  // Instead: that of a plan which is judged again.
};
struct ApplyOptions {
  std::string by;      // Who, for people.
  std::string ack;     // The plan's id, for one that passes a limit.
  bool fresh = false;  // The caller made the plan just now: it is not judged a second time.
  // The first time that a policy would let more than a few versions go, it lets 1 % go (at most
  // 1 TB), and the rest at the earliest a day later.
  bool canary = true;
};
struct RetentionReport {
  uint64_t forgotten = 0, thinned = 0;  // Versions.
  bool canary = false;                  // Only the first few of the plan were let go.
  uint64_t written_bytes = 0;           // Of commit objects of thinned versions.
  std::vector<std::string> warnings;
};

struct StoredPolicy {
  uint64_t version = 0;  // Of the artifact "retention/policy".
  std::string text, by;  // An empty text: there is none.
  int64_t time_ms = 0;
};

class LakeImpl;

// One save under way. Feed tensors, then Commit(), or FinishPart() as one rank of several.
// Destroyed without either: nothing is visible.
class SaveSession {
 public:
  virtual ~SaveSession() = default;
  // `data` is read in place until Commit returns (borrowed), or copied before the return (copied).
  // Copying blocks while the memory cap is reached; the rest of the pipeline drains meanwhile.
  enum class Hold { kBorrow, kCopy };
  virtual Status AddTensor(const OpContext& ctx, std::string name, codec::DType dtype,
                           std::vector<uint64_t> shape, ByteView data, Hold hold) = 0;
  // The same, copied, for `bytes` that `read` fills in piece by piece, in order, before the return.
  using Reader = std::function<Status(uint64_t offset, MutableByteView into)>;
  virtual Status AddTensorFrom(const OpContext& ctx, std::string name, codec::DType dtype,
                               std::vector<uint64_t> shape, uint64_t bytes, const Reader& read) = 0;
  // As AddTensor, for a rank's rows of a tensor. Another division than by rows has no form.
  virtual Status AddTensorSlab(const OpContext& ctx, std::string name, codec::DType dtype,
                               SlabPlace place, ByteView data, Hold hold) = 0;
  // A second name for the tensor added as `existing`: shares its chunks at no cost.
  virtual Status AddTensorAlias(std::string name, std::string_view existing) = 0;
  // A file of the local disk, read while it is added; cut by content.
  virtual Status AddFile(const OpContext& ctx, std::string path, const std::string& local_path) = 0;
  // Waits until all is durable, commits, and reports. Call at most once. kInvalidArgument after an
  // Add that failed: nothing is left out of a version in silence.
  virtual Result<SaveReport> Commit(const OpContext& ctx) = 0;
  // The same for a rank of SaveOptions::place: its share is durable, and invisible until JoinParts
  // was given the tokens of all ranks. How they get there is the caller's matter.
  virtual Result<PartReport> FinishPart(const OpContext& ctx) = 0;
  virtual Progress progress() const = 0;  // From any thread.
};

// One version, resolved and read; immutable.
class OpenVersion {
 public:
  virtual ~OpenVersion() = default;
  virtual const std::string& name() const = 0;
  virtual const format::VersionEntry& entry() const = 0;
  virtual const format::Commit& commit() const = 0;
  // Reads tensor `index` whole into `into` (its raw_bytes long), verified.
  struct TensorRead {
    size_t index = 0;
    MutableByteView into;
  };
  // All or nothing as far as the caller may rely on it: on error the views hold unspecified bytes,
  // and the error names the tensor and the chunk.
  virtual Status ReadTensors(const OpContext& ctx, const std::vector<TensorRead>& reads,
                             const std::function<void(Progress)>& on_progress = {}) = 0;
  // Writes file `index` to `local_path` (parents made, replaced atomically), verified.
  virtual Status ReadFile(const OpContext& ctx, size_t index, const std::string& local_path) = 0;
};

struct VersionInfo {
  format::VersionEntry entry;
  std::vector<std::string> aliases, tags;
  std::optional<format::Tombstone> forgotten;
  std::vector<format::Pin> pins;
  std::vector<format::Hold> holds;
  std::vector<std::string> let_go;     // Components it no longer has: it cannot be resumed from.
  std::optional<int64_t> verified_ms;  // When all its bytes were last read and hashed.
  format::RunFacts run;                // Of the artifact.
};
struct ArtifactInfo {
  std::string name, artifact_type;
  uint64_t versions = 0;  // Live ones.
  uint64_t last_version = 0;
  int64_t time_ms = 0;         // Of the newest.
  uint64_t logical_bytes = 0;  // Of the newest.
  std::map<std::string, uint64_t> aliases, tags;
};

struct DiffReport {
  struct Item {
    std::string path;
    uint64_t raw_bytes = 0;
    uint64_t shared_bytes = 0;  // Of chunks that both sides hold.
  };
  std::vector<Item> added, removed, changed, equal;  // Tensors and files together, by path.
  uint64_t bytes_shared = 0, bytes_only_left = 0, bytes_only_right = 0;
};

struct VerifyReport {
  uint64_t items = 0, chunks = 0, raw_bytes = 0, read_bytes = 0;
  bool recorded = false;     // The head says that all was well, for retention's floor.
  std::string not_recorded;  // Why not, when all was well.
  struct Damage {
    std::string item;   // Tensor or file path.
    std::string chunk;  // Hex digest.
    std::string pack_key;
    std::string what;
  };
  std::vector<Damage> damage;  // At most kDamageMax rows.
};
inline constexpr size_t kDamageMax = 1000;

class Lake {
 public:
  // Makes the descriptor and collector state, after a short probe of a store that needs one.
  // kAlreadyExists when a lake is there; kInvalidArgument when the place lies inside another lake
  // or holds other data; kUnsupported when the store does not hold its conditions, unless
  // `single_writer`: then the lake says so of itself, and every writer must.
  static Status Init(const OpContext& ctx, store::ObjectStore& store, bool single_writer = false);
  // kNotFound when no lake is there; kUnsupported on a gate.
  static Result<std::unique_ptr<Lake>> Open(const OpContext& ctx,
                                            std::shared_ptr<store::ObjectStore> store,
                                            LakeOptions options = {});
  virtual ~Lake() = default;

  virtual const std::string& lake_id() const = 0;
  virtual std::string Describe() const = 0;

  virtual Result<std::unique_ptr<SaveSession>> BeginSave(const OpContext& ctx, std::string name,
                                                         SaveOptions options) = 0;
  // Makes one version of what the ranks of one save wrote, from the tokens of all of them in any
  // order. Any process may call it, again after a lost answer, and several at once: there is one
  // version, which all of them report. A save id is for one attempt: a rank that saves again under
  // it may make another version. Errors as those of a commit, and: kInvalidArgument: a rank is
  // missing or there twice, or tensors do not fit together. kConflict: ranks disagree about the
  // bytes of one name; or the collector took what a rank had written, then save again.
  virtual Result<SaveReport> JoinParts(const OpContext& ctx, std::string_view name,
                                       const std::vector<std::string>& tokens) = 0;
  // Readies memory behind the caller for a coming save that copies about `bytes`, so that its first
  // copy does not wait for fresh pages; never more than the lake's cap. Best effort.
  virtual void Warm(uint64_t bytes) = 0;
  // Every regular file below `local_path` (or the one file), then Commit.
  virtual Result<SaveReport> PutPath(const OpContext& ctx, std::string name,
                                     const std::string& local_path, SaveOptions options,
                                     const std::function<void(Progress)>& on_progress = {}) = 0;
  // Files to `destination`, which must not exist or be an empty folder; nothing stays on error.
  virtual Status GetPath(const OpContext& ctx, std::string_view address,
                         const std::string& destination,
                         const std::function<void(Progress)>& on_progress = {}) = 0;

  virtual Result<std::unique_ptr<OpenVersion>> OpenAt(const OpContext& ctx,
                                                      std::string_view address) = 0;

  virtual Result<std::vector<ArtifactInfo>> ListArtifacts(const OpContext& ctx) = 0;
  // Newest first, at most `limit`, forgotten ones included (marked).
  virtual Result<std::vector<VersionInfo>> History(const OpContext& ctx, std::string_view name,
                                                   size_t limit) = 0;
  virtual Result<VersionInfo> Describe(const OpContext& ctx, std::string_view address) = 0;

  virtual Status SetAlias(const OpContext& ctx, std::string_view name, std::string_view alias,
                          std::string_view target_address) = 0;
  virtual Status RemoveAlias(const OpContext& ctx, std::string_view name,
                             std::string_view alias) = 0;
  // Once written a tag never moves: kAlreadyExists.
  virtual Status SetTag(const OpContext& ctx, std::string_view name, std::string_view tag,
                        std::string_view target_address) = 0;
  // kConflict while an alias, a tag, a hold or a pin names the version.
  virtual Status Forget(const OpContext& ctx, std::string_view address, std::string reason,
                        ForgetOptions options = {}) = 0;
  // Brings back what was forgotten ("llama@v3"), or the components that were let go of it. kGone
  // once the collector took, or began to take, any of its objects.
  virtual Status Undelete(const OpContext& ctx, std::string_view address) = 0;
  // A pin keeps a version until its date, a hold until it is lifted; no policy passes either.
  virtual Status Pin(const OpContext& ctx, std::string_view address, const PinOptions& options) = 0;
  virtual Status Unpin(const OpContext& ctx, std::string_view address, std::string_view owner) = 0;
  virtual Status Hold(const OpContext& ctx, std::string_view address, std::string_view owner,
                      std::string_view reason) = 0;
  virtual Status Unhold(const OpContext& ctx, std::string_view address, std::string_view owner) = 0;

  // Adds what was learned after the save; one conditional write. A policy judges by it from then
  // on.
  virtual Status Annotate(const OpContext& ctx, std::string_view address,
                          const AnnotateOptions& options) = 0;
  // Records that every byte of the version was read and matched: for a loader that did read all of
  // it (Verify records by itself). No write when that was recorded within a day.
  virtual Status NoteVerified(const OpContext& ctx, std::string_view address) = 0;

  // What `policies` would let go now, and why; changes nothing.
  virtual Result<format::RetentionPlan> PlanRetention(const OpContext& ctx,
                                                      const plan::PolicySet& policies,
                                                      const RetentionOptions& options) = 0;
  // Carries out a plan: one conditional write per artifact. Refuses, with what changed, one that is
  // older than 24 hours or whose lake moved on (kConflict), and one past its limit without `ack`.
  // On an error artifacts before it, by name, were done; the message says how many versions.
  virtual Result<RetentionReport> ApplyRetention(const OpContext& ctx,
                                                 const format::RetentionPlan& plan,
                                                 const ApplyOptions& options) = 0;
  // Both at once, again when another writer moved first: for savers that keep their own house.
  virtual Result<RetentionReport> Retain(const OpContext& ctx, const plan::PolicySet& policies,
                                         RetentionOptions options, const std::string& by) = 0;

  // The policy that plans use when they are given none, versioned in the lake itself. Storing an
  // empty set ends it. Version 0: the newest; kNotFound when there is none.
  virtual Result<uint64_t> StorePolicy(const OpContext& ctx, const plan::PolicySet& policies,
                                       const std::string& by) = 0;
  virtual Result<StoredPolicy> LoadPolicy(const OpContext& ctx, uint64_t version) = 0;

  virtual Result<DiffReport> Diff(const OpContext& ctx, std::string_view left,
                                  std::string_view right) = 0;
  // What is found whole is recorded in the head, best effort: a reader without the right to write
  // verifies all the same.
  virtual Result<VerifyReport> Verify(const OpContext& ctx, std::string_view address,
                                      const std::function<void(Progress)>& on_progress = {}) = 0;

  // Dry run unless options.apply (gc.h).
  virtual Result<GcReport> CollectGarbage(const OpContext& ctx, const GcOptions& options) = 0;
  // Copies what lives in packs that are mostly dead into fresh ones, so that collections free the
  // old ones. Dry run unless options.apply (repack.h).
  virtual Result<RepackReport> Repack(const OpContext& ctx, const RepackOptions& options) = 0;

  // What is damaged; writes nothing (fsck.h).
  virtual Result<FsckReport> Fsck(const OpContext& ctx, const FsckOptions& options) = 0;
  // The same, and mends what can be mended, also from the bytes of `from` when it is not null.
  virtual Result<FsckReport> Repair(const OpContext& ctx, const FsckOptions& options,
                                    Lake* from) = 0;
  virtual Result<std::vector<LostVersion>> FindLost(const OpContext& ctx) = 0;
  virtual Result<RebuildReport> Rebuild(const OpContext& ctx, const RebuildOptions& options) = 0;

  // Copies a version ("name@v3") or all live versions ("name") from `source` into this lake under
  // the same name, keeping commit ids. Versions that are here already (by commit id) are skipped.
  // Their aliases, tags and metrics learned after the save come along, last of all, where this lake
  // has none of that name; pins, holds and tombstones do not.
  struct CopyReport {
    uint64_t versions_copied = 0, versions_skipped = 0;
    uint64_t bytes_sent = 0;
    uint64_t labels_set = 0;  // Aliases and tags.
  };
  virtual Result<CopyReport> CopyFrom(const OpContext& ctx, Lake& source, std::string_view address,
                                      const std::function<void(Progress)>& on_progress = {}) = 0;

  // While the result lives, saves with `background` run at the priority of any other: for who waits
  // for one to end. Must not outlive the lake.
  virtual std::unique_ptr<ThreadPool::Hurry> HurrySaves() = 0;

  // Stops and joins the worker pools; saves under way fail with kCancelled. Idempotent.
  virtual void Close() = 0;
};

}  // namespace varve::lake
