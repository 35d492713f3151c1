// What the files of lake/ call of one another. Not for other folders.
#pragma once

#include <optional>
#include <unordered_map>

#include "varve/format/part.h"
#include "varve/lake/chunk_writer.h"
#include "varve/lake/core.h"
#include "varve/plan/read_plan.h"

namespace varve::lake {

// Of a report.
inline double Seconds(int64_t from_ns, int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) * 1e-9;
}

// Numbers the unique chunks of a commit in order of first use and fills its chunk and pack tables.
class CommitBuilder {
 public:
  explicit CommitBuilder(const ChunkWriter& writer) : writer_(writer) {}
  uint32_t Ordinal(const hash::Digest& digest);  // The writer must be finished.
  void MoveTo(format::Commit& commit);

 private:
  const ChunkWriter& writer_;
  std::vector<hash::Digest> digests_;
  std::unordered_map<hash::Digest, uint32_t, hash::DigestHasher> ordinals_;
};

// Writes the commit object and appends the version to its head. Returns the version's number.
// When the collector condemned packs before the head named them, their chunks move to fresh packs
// and the commit object is written anew, under the same commit id.
struct Publication {
  std::string name, artifact_type;
  format::Commit* commit = nullptr;
  ChunkWriter* writer = nullptr;                  // Holds every chunk of the commit; finished.
  const format::LogicalBytes* logical = nullptr;  // Of a commit that exists elsewhere already.
  uint64_t base_epoch = 0;
  // Of versions whose chunks the writer may share: where these lie is asked again when a collector
  // condemned where they lay.
  std::vector<std::string> base_addresses;
  std::vector<std::string> aliases;
  std::vector<hash::Digest> named_parents;  // Without the version before it: for retention.
  // Of a join, which another rank may have made or be making: then it is not made again, not even
  // when it was forgotten since. Its version has a greater number than this.
  std::optional<uint64_t> joins_after{};
  uint64_t stored_before_bytes = 0;  // By others, for the entry.
};
struct Published {
  uint64_t version = 0;
  hash::Digest commit_id;
  uint64_t stored_bytes = 0;  // Packs and commit objects written.
};
// The entry of a commit, but for its number and time.
format::VersionEntry EntryOf(const format::Commit& commit, const hash::Digest& commit_id,
                             const format::ObjectId& meta_id, uint64_t stored_bytes,
                             const std::vector<hash::Digest>& named_parents);
Result<Published> Publish(const OpContext& ctx, Core& core, const Publication& publication);

Result<std::unique_ptr<SaveSession>> BeginSession(const OpContext& ctx,
                                                  const std::shared_ptr<Core>& core,
                                                  std::string name, SaveOptions options);

// Writes what a rank has of a save; returns its token and length.
struct WrittenPart {
  std::string token;
  uint64_t object_bytes = 0;
};
Result<WrittenPart> WritePart(const OpContext& ctx, Core& core, const std::string& name,
                              const format::Part& part);
Result<SaveReport> JoinSave(const OpContext& ctx, Core& core, std::string_view name,
                            const std::vector<std::string>& tokens);

// The ranges that a plan asks for, of the packs of the commit.
std::vector<transfer::RangeRead> RangesOf(const format::Commit& commit,
                                          const std::vector<plan::PlannedRead>& plan);

// Reads, decodes and verifies chunks, each into its destination; coalesces neighbours into one
// request. Errors name the item and the chunk; destinations then hold unspecified bytes.
struct ChunkRead {
  uint32_t chunk = 0;       // Ordinal in the commit.
  MutableByteView into;     // raw_bytes long.
  const std::string* item;  // For messages.
};
Status ReadChunks(const OpContext& ctx, Core& core, const format::Commit& commit,
                  const std::vector<ChunkRead>& reads,
                  const std::function<void(uint64_t raw_bytes)>& on_bytes);

// Whether a payload decodes to bytes of the row's digest. kUnsupported: a newer release's codec.
Result<bool> IsSound(Core& core, const format::ChunkRow& row, ByteView payload);

Result<std::unique_ptr<OpenVersion>> OpenVersionAt(const OpContext& ctx,
                                                   const std::shared_ptr<Core>& core,
                                                   std::string_view address);

Result<SaveReport> PutPath(const OpContext& ctx, const std::shared_ptr<Core>& core,
                           std::string name, const std::string& local_path, SaveOptions options,
                           const std::function<void(Progress)>& on_progress);
Status GetPath(const OpContext& ctx, const std::shared_ptr<Core>& core, std::string_view address,
               const std::string& destination, const std::function<void(Progress)>& on_progress);
Result<DiffReport> DiffVersions(const OpContext& ctx, Core& core, std::string_view left,
                                std::string_view right);
Result<VerifyReport> VerifyVersion(const OpContext& ctx, Core& core, std::string_view address,
                                   const std::function<void(Progress)>& on_progress);
Result<Lake::CopyReport> CopyVersions(const OpContext& ctx, const std::shared_ptr<Core>& source,
                                      const std::shared_ptr<Core>& destination,
                                      std::string_view address,
                                      const std::function<void(Progress)>& on_progress);

}  // namespace varve::lake
