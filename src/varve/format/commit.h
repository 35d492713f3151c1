// The commit object: everything about one version except the chunk bytes.
//
// Two halves. The logical half says what the version is (tensors, files, tree, metadata, parents);
// its bytes decide the commit id and are carried unchanged when a version is copied to another
// lake. The physical half says where the chunks lie; repack and copy rewrite it and keep the id.
// Invariants checked by DecodeCommit, so that the rest of the code may rely on them: names and
// paths follow format/names.h and are unique; shapes times element size equal raw bytes; the chunks
// of an item cover it exactly; ordinals are in range; packs are sorted and unique; chunk ranges lie
// inside their pack; live bytes of packs add up; digests of items match their chunks (ItemDigest).
// Pure; sections are little-endian columns (format/wire.h; docs/format.md, Commit).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/codec/codec.h"
#include "varve/format/object_id.h"
#include "varve/hash/hash.h"
#include "varve/result.h"

namespace varve::format {

inline constexpr uint64_t kItemsMax = 1'000'000;    // Tensors and files of one version, each.
inline constexpr uint64_t kChunksMax = 20'000'000;  // Their table stays below one section's limit.
inline constexpr uint64_t kTreeJsonBytesMax = 256 * kMiB;
inline constexpr uint64_t kMetadataJsonBytesMax = 1 * kMiB;
inline constexpr uint32_t kDimsMax = 64;
inline constexpr uint32_t kParentsMax = 16;
inline constexpr uint32_t kMetricsMax = 1024;
inline constexpr uint32_t kLetGoMax = 64;  // Components let go of one version.

using hash::Digest;

struct TensorRow {
  std::string name;  // Path in the saved tree: "model/layers.0.weight".
  codec::DType dtype = codec::DType::kF32;
  std::vector<uint64_t> shape;  // Empty: 0-dim.
  uint64_t raw_bytes = 0;       // Row-major, no padding.
  Digest digest;
  std::vector<uint32_t> chunks;  // Ordinals into `chunks`, in order; empty for raw_bytes == 0.
};

struct FileRow {
  std::string path;
  uint64_t raw_bytes = 0;
  bool executable = false;
  Digest digest;
  std::vector<uint32_t> chunks;
};

struct LogicalHeader {
  std::string artifact_type;            // "checkpoint", "model", ... : label grammar (names.h).
  std::vector<Digest> parents;          // Commit ids; the first is the previous version.
  std::array<std::byte, 16> save_id{};  // Chosen per save: makes equal content distinct commits.
  int64_t created_ms = 0;               // Writer's wall clock; for people, never for safety.
  bool has_step = false;
  int64_t step = 0;
  std::string message;        // At most 4 KiB.
  std::string metadata_json;  // A JSON object, or empty.
  std::map<std::string, double> metrics;
  std::string tree_json;  // Typed tree of Python state (docs/format.md), or empty.
};

struct ChunkRow {
  Digest digest;        // BLAKE3 of the raw bytes.
  uint32_t pack = 0;    // Ordinal into `packs`.
  uint64_t offset = 0;  // Of the payload, in the pack object.
  uint32_t payload_bytes = 0;
  uint32_t raw_bytes = 0;
  codec::CodecId codec = codec::CodecId::kRaw;
};

struct PackRow {
  ObjectId id;
  uint64_t object_bytes = 0;  // Length of the whole pack object.
  uint64_t live_bytes = 0;    // Payload bytes this commit uses in it.
};

// A component whose chunks were let go: the items stay in the tables, with their digests, and have
// no chunk. A version with one is thinned: what is left loads byte for byte.
struct LetGo {
  std::string component;
  int64_t time_ms = 0;
  std::string by, policy;
  std::vector<uint32_t> items;  // Tensors first, then files, ascending.
};

// Whose version it was saved as, for the day when every head is lost. Physical, and a hint: a save
// that lost a race became a later version than this one.
struct Origin {
  std::string artifact;  // Empty: not said.
  uint64_t version = 0;  // The number that the save expected, at most 2^53.
  friend bool operator==(const Origin&, const Origin&) = default;
};

struct Commit {
  LogicalHeader header;
  std::vector<TensorRow> tensors;  // In the order of the tree.
  std::vector<FileRow> files;      // Sorted by path.
  std::vector<ChunkRow> chunks;    // Unique by digest.
  std::vector<PackRow> packs;      // Sorted by id. All that garbage collection reads.
  std::vector<LetGo> let_go;       // Physical, as chunks are. By component, ascending.
  Origin origin;

  uint64_t LogicalBytes() const;  // Sum of raw bytes of tensors and files.
  // The row that let item `item` go (a tensor, or tensors.size() + a file); null: it is here.
  const LetGo* GoneBy(size_t item) const;
};

struct EncodedCommit {
  Bytes object;  // The envelope.
  Digest commit_id;
};

// Digest of an item: derive-key BLAKE3 over raw length and the digests of its chunks in order.
Digest ItemDigest(uint64_t raw_bytes, const std::vector<Digest>& chunk_digests);

// `logical` (from DecodedCommit::logical) is reused byte for byte when given, so that the id stays;
// the tensors and files of `commit` must then be the ones decoded from it.
struct LogicalBytes {
  Bytes header, items;
};
Result<EncodedCommit> EncodeCommit(const Commit& commit, const LogicalBytes* logical = nullptr);

struct DecodedCommit {
  Commit commit;
  Digest commit_id;
  LogicalBytes logical;
  uint16_t min_writer = 1;  // The oldest format version that may write it anew.
};
Result<DecodedCommit> DecodeCommit(ByteView object);

// `commit` without the chunks that only the items of `let_go` use. The logical half stays, so the
// commit id does. Items already let go must not be named again.
Commit ThinCommit(const Commit& commit, std::vector<LetGo> let_go);

// Where a chunk lies now, and the length of that pack.
struct ChunkPlace {
  ObjectId pack;
  uint64_t pack_object_bytes = 0;
  ChunkRow row;  // Its pack ordinal is meaningless.
};
// `commit` with the chunks of `moved` (by digest) where they lie now; the others stay.
Commit MoveChunks(const Commit& commit, const std::map<Digest, ChunkPlace>& moved);

// The pack set alone, for garbage collection, from the last bytes of the object: it lies at the
// end.
struct PackSet {
  std::vector<PackRow> packs;
  uint16_t min_gc = 1;               // As in SectionReply.
  uint64_t suffix_bytes_needed = 0;  // > 0: call again with a suffix of this length.
};
Result<PackSet> DecodePackSet(ByteView suffix, uint64_t object_bytes);

}  // namespace varve::format
