// The pipeline of one save: chunks in, packs out.
//
// Each chunk is hashed; one that the lake already holds (a base version's, or an earlier chunk of
// this save) costs nothing more. Others are encoded straight into an open pack and decoded again: a
// payload whose digest is not the chunk's is never sent. A full pack is one PUT. Encoders wait for
// pack buffers, pack buffers come back from transfers, and transfers wait for nothing here, so the
// pipeline cannot block itself. Memory: packs and staged copies together never exceed memory_bytes.
// Threads: Add*, Finish from one thread; bytes_done from any. Cancel: Finish returns kCancelled;
// packs written so far are left to garbage collection.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "varve/exec/memory_budget.h"
#include "varve/exec/sync.h"
#include "varve/format/pack.h"
#include "varve/lake/core.h"

namespace varve::lake {

inline constexpr uint64_t kSaveMemoryBytesMin = 64 * kMiB;

using format::ChunkPlace;

// A frame of a pack as the row of a commit, without the pack's ordinal.
inline format::ChunkRow RowOf(const format::PackEntry& entry) {
  return {entry.digest, 0, entry.offset, entry.payload_bytes, entry.raw_bytes, entry.codec};
}

class ChunkWriter {
 public:
  struct Options {
    std::string target;         // For the id reservation: what is being written.
    uint64_t memory_bytes = 0;  // At least kSaveMemoryBytesMin.
    bool background = false;
    bool compress = true;
    decltype(codec::EncodeChunk)* encode = codec::EncodeChunk;
  };
  static Result<std::unique_ptr<ChunkWriter>> Make(Core& core, const OpContext& ctx,
                                                   Options options);
  ~ChunkWriter();  // Waits for tasks under way.

  // Chunks of these may be reused instead of written again. Call before the first Add.
  void AddBase(const format::Commit& base) { AddBase(base, {}); }

  // Counts the chunks of `part` as written: those of a rank, whose packs no head names yet. Where
  // one is held already, that place stays. Before Relocate.
  void Adopt(const format::Commit& part);

  // `slot` tells the caller's chunk apart; its place is given back by Finish.
  // Borrow: `raw` must stay until the commit. Copy: it is copied before the return; blocks
  // while the memory cap is reached. Errors: the first one of the pipeline, and the pipeline's end.
  Result<size_t> AddBorrowed(ByteView raw, codec::ElementKind kind);
  Result<size_t> AddCopied(ByteView raw, codec::ElementKind kind);
  Result<size_t> AddRead(uint64_t raw_bytes, codec::ElementKind kind,
                         const std::function<Status(MutableByteView into)>& read);
  // A chunk that is encoded already (copied from another lake); the caller verified it.
  Result<size_t> AddEncoded(const format::ChunkRow& row, ByteView payload);
  // A place for a chunk known by digest, when it needs no bytes; nothing when it is not held.
  Result<std::optional<size_t>> AddKnown(const hash::Digest& digest);

  // Seals and sends what is left, waits for every acknowledgement.
  Status Finish();

  // After Finish: writes the chunks that lie in `packs` again, under fresh ids, and finishes. For
  // packs that the collector condemned before a head named them. One that a commit of `bases`, read
  // after they were condemned, has elsewhere is shared with it; borrowed chunks are read from the
  // caller's memory, others from their old pack and verified. kConflict when one is gone already.
  Status Relocate(const std::set<format::ObjectId>& packs,
                  const std::vector<format::Commit>& bases = {});

  // After Finish: by slot.
  const hash::Digest& digest(size_t slot) const { return slots_[slot]->digest; }
  const ChunkPlace& place(const hash::Digest& digest) const { return places_.at(digest); }

  uint64_t bytes_done() const { return bytes_done_.load(); }
  uint64_t shared_bytes() const { return shared_bytes_.load(); }
  uint64_t stored_bytes() const { return stored_bytes_.load(); }
  uint64_t packs_written() const { return packs_written_.load(); }

 private:
  struct Slot {
    hash::Digest digest;
    ByteView borrowed;  // The caller's memory, when that is where the chunk is.
    codec::ElementKind kind;
  };
  struct OpenPack {
    BufferPool::Buffer buffer;
    uint64_t used_bytes = 0;
    std::vector<format::PackEntry> entries;
  };
  struct Job;

  ChunkWriter(Core& core, const OpContext& ctx, Options options, uint64_t pack_bytes,
              uint64_t packs_max);
  void AddBase(const format::Commit& base, const std::set<format::ObjectId>& without);
  Result<size_t> Submit(Job job);
  void Run(Job& job);
  Status Write(Job& job);
  Result<codec::Encoded> Encode(const Job& job, MutableByteView room);
  // True when the chunk needs no bytes of ours: it is in a base and its pack exists, or this save
  // writes it already.
  Result<bool> Claim(const hash::Digest& digest, uint64_t raw_bytes);
  Result<bool> PackExists(const ChunkPlace& place);  // Whole, as its commit says.
  Result<std::unique_ptr<OpenPack>> TakePack(uint64_t payload_bytes_max);
  void PutBack(std::unique_ptr<OpenPack> pack);
  void DropPack(OpenPack& pack);
  Status Seal(std::unique_ptr<OpenPack> pack);
  Status MoveChunk(const ChunkPlace& place);
  void Upload(OpenPack& pack);
  void Fail(Error error);
  void TaskDone();
  Status CheckFailed();

  Core& core_;
  OpContext ctx_;
  const Options options_;
  const uint64_t pack_bytes_;
  const uint64_t packs_max_;  // Open, in use or on the way to the store.
  MemoryBudget stage_budget_;
  ThreadPool& encoders_;

  std::vector<std::unique_ptr<Slot>> slots_;  // Caller's thread only until Finish.

  Mutex mutex_;
  CondVar idle_;        // tasks_ fell to zero.
  CondVar pack_ready_;  // A pack came back, was acknowledged, or the save failed.
  size_t tasks_ = 0;    // Guarded by mutex_, as all below.
  std::optional<Error> error_;
  uint64_t packs_ = 0;
  std::vector<std::unique_ptr<OpenPack>> open_packs_;
  std::unordered_map<hash::Digest, ChunkPlace, hash::DigestHasher> base_;
  std::unordered_map<hash::Digest, bool, hash::DigestHasher> claimed_;
  std::unordered_map<hash::Digest, ChunkPlace, hash::DigestHasher> places_;
  // Of bases, found whole by this save. Not by an earlier one: who deletes behind our back, does it
  // between two.
  std::set<format::ObjectId> found_packs_;

  std::atomic<uint64_t> bytes_done_{0}, shared_bytes_{0}, stored_bytes_{0}, packs_written_{0};
};

}  // namespace varve::lake
