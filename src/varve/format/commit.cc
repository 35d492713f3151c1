#include "varve/format/commit.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "varve/format/envelope.h"
#include "varve/format/json.h"
#include "varve/format/names.h"
#include "varve/format/pack.h"
#include "varve/format/wire.h"

namespace varve::format {
namespace {

constexpr uint32_t kTagHeader = Tag("HEAD"), kTagItems = Tag("ITEM"), kTagMap = Tag("CMAP"),
                   kTagChunks = Tag("CHNK"), kTagPacks = Tag("PACK"), kTagLetGo = Tag("GONE"),
                   kTagOrigin = Tag("NAME");
constexpr std::string_view kCommitContext = "varve 2026 commit v1";
constexpr std::string_view kItemContext = "varve 2026 item v1";
constexpr size_t kMessageBytesMax = 4096, kMetricNameBytesMax = 200;
constexpr int kTreeDepthMax = 250;
constexpr size_t kWhoBytesMax = 1024;
constexpr uint64_t kVersionMax = uint64_t{1} << 53;

Error Damaged(const std::string& what) {
  return Error(ErrorCode::kCorrupt, "the commit object is damaged: " + what);
}
Error Refused(const std::string& what) { return Error(ErrorCode::kInvalidArgument, what); }

Status CheckHeader(const LogicalHeader& header) {
  VARVE_CHECK_OK(CheckLabel(header.artifact_type));
  if (header.parents.size() > kParentsMax) return Refused("a version has at most 16 parents");
  if (header.message.size() > kMessageBytesMax || !ValidUtf8(header.message)) {
    return Refused("a message is UTF-8 of at most 4 KiB");
  }
  if (header.metrics.size() > kMetricsMax) return Refused("a version has at most 1,024 metrics");
  for (const auto& [metric, value] : header.metrics) {
    if (metric.empty() || metric.size() > kMetricNameBytesMax || !ValidUtf8(metric)) {
      return Refused("a metric's name is UTF-8 of 1 to 200 bytes");
    }
  }
  if (header.metadata_json.size() > kMetadataJsonBytesMax ||
      (!header.metadata_json.empty() && !ParseObject(header.metadata_json, kJsonDepthMax).ok())) {
    return Refused(
        "metadata is one JSON object of at most 1 MiB and 32 levels, such as {\"owner\": \"me\"}");
  }
  if (header.tree_json.size() > kTreeJsonBytesMax ||
      (!header.tree_json.empty() && !ValidJson(header.tree_json, kTreeDepthMax))) {
    return Refused("the tree is JSON of at most 256 MiB and 250 levels");
  }
  return OkStatus();
}

Bytes EncodeHeader(const LogicalHeader& header) {
  Writer writer;
  writer.Text(header.artifact_type);
  writer.U64(header.parents.size());
  for (const Digest& parent : header.parents) writer.Raw(parent.bytes);
  writer.Raw(header.save_id);
  writer.U64(static_cast<uint64_t>(header.created_ms));
  writer.U8(header.has_step ? 1 : 0);
  writer.U64(static_cast<uint64_t>(header.step));
  writer.Text(header.message);
  writer.Text(header.metadata_json);
  writer.U64(header.metrics.size());
  for (const auto& [metric, value] : header.metrics) {
    writer.Text(metric);
    writer.F64(value);
  }
  writer.Text(header.tree_json);
  return writer.Take();
}

Digest ReadDigest(Reader& reader) {
  Digest digest;
  const ByteView bytes = reader.Raw(digest.bytes.size());
  std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
  return digest;
}

Result<LogicalHeader> DecodeHeader(ByteView bytes) {
  Reader reader(bytes);
  LogicalHeader header;
  header.artifact_type = reader.Text(100);
  for (uint64_t left = reader.Count(kParentsMax, 32); left > 0; --left) {
    header.parents.push_back(ReadDigest(reader));
  }
  const ByteView save_id = reader.Raw(header.save_id.size());
  std::copy(save_id.begin(), save_id.end(), header.save_id.begin());
  header.created_ms = static_cast<int64_t>(reader.U64());
  const uint8_t has_step = reader.U8();
  header.has_step = has_step == 1;
  header.step = static_cast<int64_t>(reader.U64());
  header.message = reader.Text(kMessageBytesMax);
  header.metadata_json = reader.Text(kMetadataJsonBytesMax);
  for (uint64_t left = reader.Count(kMetricsMax, 12); left > 0; --left) {
    std::string metric = reader.Text(kMetricNameBytesMax);
    if (!header.metrics.empty() && metric <= header.metrics.rbegin()->first) reader.Fail();
    const double value = reader.F64();
    header.metrics.emplace(std::move(metric), value);
  }
  header.tree_json = reader.Text(kTreeJsonBytesMax);
  if (!reader.AtEnd() || has_step > 1) return Damaged("its header has the wrong length");
  if (auto status = CheckHeader(header); !status.ok()) return Damaged(status.error().message());
  return header;
}

Bytes EncodeItems(const Commit& commit) {
  Writer writer;
  writer.U64(commit.tensors.size());
  for (const TensorRow& row : commit.tensors) {
    writer.Text(row.name);
    writer.U8(static_cast<uint8_t>(row.dtype));
    writer.U32(static_cast<uint32_t>(row.shape.size()));
    for (const uint64_t dim : row.shape) writer.U64(dim);
    writer.U64(row.raw_bytes);
    writer.Raw(row.digest.bytes);
  }
  writer.U64(commit.files.size());
  for (const FileRow& row : commit.files) {
    writer.Text(row.path);
    writer.U8(row.executable ? 1 : 0);
    writer.U64(row.raw_bytes);
    writer.Raw(row.digest.bytes);
  }
  return writer.Take();
}

Status DecodeItems(ByteView bytes, Commit& commit) {
  Reader reader(bytes);
  for (uint64_t left = reader.Count(kItemsMax, 4 + 1 + 4 + 8 + 32); left > 0; --left) {
    TensorRow row;
    row.name = reader.Text(1024);
    const auto dtype = codec::DTypeFromNumber(reader.U8());
    const uint32_t dims = reader.U32();
    if (!dtype.has_value() || dims > kDimsMax) {
      return Damaged("a tensor has an unknown dtype or too many dimensions");
    }
    row.dtype = *dtype;
    for (uint32_t i = 0; i < dims; ++i) row.shape.push_back(reader.U64());
    row.raw_bytes = reader.U64();
    row.digest = ReadDigest(reader);
    commit.tensors.push_back(std::move(row));
  }
  for (uint64_t left = reader.Count(kItemsMax, 4 + 1 + 8 + 32); left > 0; --left) {
    FileRow row;
    row.path = reader.Text(1024);
    const uint8_t flags = reader.U8();
    if (flags > 1) return Damaged("a file has unknown flags");
    row.executable = flags == 1;
    row.raw_bytes = reader.U64();
    row.digest = ReadDigest(reader);
    commit.files.push_back(std::move(row));
  }
  return reader.AtEnd() ? OkStatus() : Status(Damaged("its item table has the wrong length"));
}

Bytes EncodeMap(const Commit& commit) {
  Writer writer;
  const auto put = [&](const std::vector<uint32_t>& chunks) {
    writer.U64(chunks.size());
    for (const uint32_t chunk : chunks) writer.U32(chunk);
  };
  for (const TensorRow& row : commit.tensors) put(row.chunks);
  for (const FileRow& row : commit.files) put(row.chunks);
  return writer.Take();
}

Status DecodeMap(ByteView bytes, Commit& commit) {
  Reader reader(bytes);
  const auto get = [&](std::vector<uint32_t>& chunks) {
    chunks.resize(reader.Count(kChunksMax, 4));
    for (uint32_t& chunk : chunks) chunk = reader.U32();
  };
  for (TensorRow& row : commit.tensors) get(row.chunks);
  for (FileRow& row : commit.files) get(row.chunks);
  return reader.AtEnd() ? OkStatus() : Status(Damaged("its chunk map has the wrong length"));
}

Bytes EncodeChunks(const std::vector<ChunkRow>& chunks) {
  Writer writer;
  writer.U64(chunks.size());
  for (const ChunkRow& row : chunks) writer.Raw(row.digest.bytes);
  for (const ChunkRow& row : chunks) writer.U32(row.pack);
  for (const ChunkRow& row : chunks) writer.U64(row.offset);
  for (const ChunkRow& row : chunks) writer.U32(row.payload_bytes);
  for (const ChunkRow& row : chunks) writer.U32(row.raw_bytes);
  for (const ChunkRow& row : chunks) writer.U8(static_cast<uint8_t>(row.codec));
  return writer.Take();
}

Status DecodeChunks(ByteView bytes, std::vector<ChunkRow>& chunks) {
  Reader reader(bytes);
  chunks.resize(reader.Count(kChunksMax, 32 + 4 + 8 + 4 + 4 + 1));
  for (ChunkRow& row : chunks) row.digest = ReadDigest(reader);
  for (ChunkRow& row : chunks) row.pack = reader.U32();
  for (ChunkRow& row : chunks) row.offset = reader.U64();
  for (ChunkRow& row : chunks) row.payload_bytes = reader.U32();
  for (ChunkRow& row : chunks) row.raw_bytes = reader.U32();
  for (ChunkRow& row : chunks) row.codec = static_cast<codec::CodecId>(reader.U8());
  return reader.AtEnd() ? OkStatus() : Status(Damaged("its chunk table has the wrong length"));
}

Bytes EncodePacks(const std::vector<PackRow>& packs) {
  Writer writer;
  writer.U64(packs.size());
  for (const PackRow& row : packs) {
    writer.Raw(row.id.bytes);
    writer.U64(row.object_bytes);
    writer.U64(row.live_bytes);
  }
  return writer.Take();
}

Result<std::vector<PackRow>> DecodePacks(ByteView bytes) {
  Reader reader(bytes);
  std::vector<PackRow> packs;
  for (uint64_t left = reader.Count(kChunksMax, 32); left > 0; --left) {
    PackRow row;
    auto id = ObjectId::FromBytes(reader.Raw(16));
    if (!id.ok()) return Damaged(id.error().message());
    row.id = *id;
    row.object_bytes = reader.U64();
    row.live_bytes = reader.U64();
    if (!packs.empty() && !(packs.back().id < row.id)) return Damaged("its pack set is not sorted");
    packs.push_back(row);
  }
  if (!reader.AtEnd()) return Damaged("its pack set has the wrong length");
  return packs;
}

Bytes EncodeLetGo(const std::vector<LetGo>& let_go) {
  Writer writer;
  writer.U64(let_go.size());
  for (const LetGo& row : let_go) {
    writer.Text(row.component);
    writer.U64(static_cast<uint64_t>(row.time_ms));
    writer.Text(row.by);
    writer.Text(row.policy);
    writer.U64(row.items.size());
    for (const uint32_t item : row.items) writer.U32(item);
  }
  return writer.Take();
}

Status DecodeLetGo(ByteView bytes, std::vector<LetGo>& let_go) {
  Reader reader(bytes);
  for (uint64_t left = reader.Count(kLetGoMax, 4 + 8 + 4 + 4 + 8); left > 0; --left) {
    LetGo row;
    row.component = reader.Text(kWhoBytesMax);
    row.time_ms = static_cast<int64_t>(reader.U64());
    row.by = reader.Text(kWhoBytesMax);
    row.policy = reader.Text(kWhoBytesMax);
    row.items.resize(reader.Count(2 * kItemsMax, 4));
    for (uint32_t& item : row.items) item = reader.U32();
    let_go.push_back(std::move(row));
  }
  if (!reader.AtEnd() || let_go.empty()) return Damaged("its table of what was let go is wrong");
  return OkStatus();
}

Status DecodeOrigin(ByteView bytes, Origin& origin) {
  Reader reader(bytes);
  origin.artifact = reader.Text(kWhoBytesMax);
  origin.version = reader.U64();
  if (!reader.AtEnd() || origin.version > kVersionMax || !CheckArtifactName(origin.artifact).ok()) {
    return Damaged("the name it was saved under is impossible");
  }
  return OkStatus();
}

// What was let go is named once, in order, and has no chunk. Returns a mark per item.
Result<std::vector<bool>> CheckLetGo(const Commit& commit) {
  std::vector<bool> gone(commit.tensors.size() + commit.files.size());
  const std::string* previous = nullptr;
  for (const LetGo& row : commit.let_go) {
    if (!CheckPath(row.component).ok() || (previous != nullptr && *previous >= row.component) ||
        row.items.empty() || row.by.size() > kWhoBytesMax || row.policy.size() > kWhoBytesMax ||
        !ValidUtf8(row.by) || !ValidUtf8(row.policy)) {
      return Damaged("a component that was let go is impossible");
    }
    previous = &row.component;
    for (size_t i = 0; i < row.items.size(); ++i) {
      const uint32_t item = row.items[i];
      if (item >= gone.size() || gone[item] || (i > 0 && row.items[i - 1] >= item)) {
        return Damaged("an item was let go twice, or is not there");
      }
      gone[item] = true;
      const bool tensor = item < commit.tensors.size();
      const auto& chunks =
          tensor ? commit.tensors[item].chunks : commit.files[item - commit.tensors.size()].chunks;
      if (!chunks.empty()) {
        return Damaged("an item that was let go has chunks");
      }
    }
  }
  if (commit.let_go.size() > kLetGoMax) return Damaged("too many components were let go");
  return gone;
}

Status CheckCover(const Commit& commit, const std::string& item, uint64_t raw_bytes,
                  const std::vector<uint32_t>& ordinals, const Digest& digest) {
  uint64_t covered = 0;
  std::vector<Digest> digests;
  for (const uint32_t ordinal : ordinals) {
    if (ordinal >= commit.chunks.size()) {
      return Damaged("'" + item + "' names a chunk that is not there");
    }
    covered += commit.chunks[ordinal].raw_bytes;
    digests.push_back(commit.chunks[ordinal].digest);
  }
  if (covered != raw_bytes) return Damaged("the chunks of '" + item + "' do not cover it");
  if (ItemDigest(raw_bytes, digests) != digest) {
    return Damaged("the chunks of '" + item + "' are not its own");
  }
  return OkStatus();
}

Status CheckInvariants(const Commit& commit) {
  if (commit.tensors.size() > kItemsMax || commit.files.size() > kItemsMax ||
      commit.chunks.size() > kChunksMax) {
    return Damaged("it has more items or chunks than the format allows");
  }
  VARVE_TRY(const std::vector<bool> gone, CheckLetGo(commit));
  size_t item = 0;
  std::unordered_set<std::string_view> names;
  for (const TensorRow& row : commit.tensors) {
    if (auto path = CheckPath(row.name); !path.ok()) return Damaged(path.error().message());
    if (!names.insert(row.name).second) return Damaged("'" + row.name + "' is there twice");
    uint64_t bytes = codec::ElementBytes(row.dtype);
    for (const uint64_t dim : row.shape) {
      if (__builtin_mul_overflow(bytes, dim, &bytes)) {
        return Damaged("the shape of '" + row.name + "' is too large");
      }
    }
    if (bytes != row.raw_bytes) {
      return Damaged("shape and bytes of '" + row.name + "' do not agree");
    }
    if (gone[item++]) continue;
    VARVE_CHECK_OK(CheckCover(commit, row.name, row.raw_bytes, row.chunks, row.digest));
  }
  const FileRow* previous = nullptr;
  for (const FileRow& row : commit.files) {
    if (previous != nullptr && row.path <= previous->path) {
      return Damaged("its files are not sorted");
    }
    previous = &row;
    if (auto path = CheckPath(row.path); !path.ok()) return Damaged(path.error().message());
    if (!names.insert(row.path).second) return Damaged("'" + row.path + "' is there twice");
    if (gone[item++]) continue;
    VARVE_CHECK_OK(CheckCover(commit, row.path, row.raw_bytes, row.chunks, row.digest));
  }
  std::vector<uint64_t> live_bytes(commit.packs.size());
  std::unordered_set<Digest, hash::DigestHasher> digests;
  for (const ChunkRow& row : commit.chunks) {
    if (!digests.insert(row.digest).second) return Damaged("a chunk is there twice");
    if (row.pack >= commit.packs.size() || row.raw_bytes == 0 ||
        row.raw_bytes > codec::kChunkRawBytesMax || row.payload_bytes == 0 ||
        row.payload_bytes > row.raw_bytes || row.offset > commit.packs[row.pack].object_bytes ||
        row.payload_bytes > commit.packs[row.pack].object_bytes - row.offset) {
      return Damaged("a chunk lies outside of its pack");
    }
    live_bytes[row.pack] += row.payload_bytes;
  }
  for (size_t i = 0; i < commit.packs.size(); ++i) {
    const PackRow& row = commit.packs[i];
    if (i > 0 && !(commit.packs[i - 1].id < row.id)) return Damaged("its pack set is not sorted");
    if (row.object_bytes > kPackBytesMax || row.live_bytes != live_bytes[i]) {
      return Damaged("the bytes of a pack do not add up");
    }
  }
  return OkStatus();
}

Digest CommitId(const LogicalBytes& logical) {
  hash::Blake3 hasher(kCommitContext);
  hasher.UpdateU64(logical.header.size()).Update(logical.header);
  hasher.UpdateU64(logical.items.size()).Update(logical.items);
  return hasher.Finish();
}

// Bytes carried over must describe the very items whose chunks are being placed.
Status CheckSameItems(const Commit& commit, const LogicalBytes& logical) {
  VARVE_TRY(const LogicalHeader header, DecodeHeader(logical.header));
  static_cast<void>(header);
  Commit carried;
  VARVE_CHECK_OK(DecodeItems(logical.items, carried));
  const auto same_tensor = [](const TensorRow& a, const TensorRow& b) {
    return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.digest == b.digest;
  };
  const auto same_file = [](const FileRow& a, const FileRow& b) {
    return a.path == b.path && a.executable == b.executable && a.digest == b.digest;
  };
  if (!std::equal(commit.tensors.begin(), commit.tensors.end(), carried.tensors.begin(),
                  carried.tensors.end(), same_tensor) ||
      !std::equal(commit.files.begin(), commit.files.end(), carried.files.begin(),
                  carried.files.end(), same_file)) {
    return Error(ErrorCode::kInternal,
                 "refusing to write a commit: its items are not those carried over");
  }
  return OkStatus();
}

Result<ByteView> SectionOf(const Envelope& envelope, uint32_t tag) {
  const Section* section = envelope.Find(tag);
  if (section == nullptr) return Damaged("a section is missing");
  return ByteView(section->raw);
}

}  // namespace

uint64_t Commit::LogicalBytes() const {
  uint64_t bytes = 0;
  for (const TensorRow& row : tensors) bytes += row.raw_bytes;
  for (const FileRow& row : files) bytes += row.raw_bytes;
  return bytes;
}

const LetGo* Commit::GoneBy(size_t item) const {
  for (const LetGo& row : let_go) {
    if (std::binary_search(row.items.begin(), row.items.end(), item)) return &row;
  }
  return nullptr;
}

Digest ItemDigest(uint64_t raw_bytes, const std::vector<Digest>& chunk_digests) {
  hash::Blake3 hasher(kItemContext);
  hasher.UpdateU64(raw_bytes);
  for (const Digest& digest : chunk_digests) hasher.Update(digest.bytes);
  return hasher.Finish();
}

Result<EncodedCommit> EncodeCommit(const Commit& commit, const LogicalBytes* logical) {
  LogicalBytes made;
  if (logical == nullptr) {
    VARVE_CHECK_OK(CheckHeader(commit.header));
    made.header = EncodeHeader(commit.header);
    made.items = EncodeItems(commit);
    logical = &made;
  } else {
    VARVE_CHECK_OK(CheckSameItems(commit, *logical));
  }
  // What a reader would refuse is never written.
  if (auto sound = CheckInvariants(commit); !sound.ok()) {
    return Error(ErrorCode::kInternal, "refusing to write a commit: " + sound.error().message());
  }
  Envelope envelope;
  envelope.type = ObjectType::kCommit;
  envelope.sections = {{kTagHeader, logical->header, true},
                       {kTagItems, logical->items, true},
                       {kTagMap, EncodeMap(commit), true},
                       {kTagChunks, EncodeChunks(commit.chunks), true},
                       {kTagPacks, EncodePacks(commit.packs), true}};
  if (!commit.let_go.empty()) {
    envelope.sections.push_back({kTagLetGo, EncodeLetGo(commit.let_go), true});
  }
  if (!commit.origin.artifact.empty()) {
    Writer writer;
    writer.Text(commit.origin.artifact);
    writer.U64(commit.origin.version);
    envelope.sections.push_back({kTagOrigin, writer.Take(), true});
  }
  EncodedCommit encoded;
  VARVE_TRY(encoded.object, EncodeEnvelope(envelope));
  encoded.commit_id = CommitId(*logical);
  return encoded;
}

Result<DecodedCommit> DecodeCommit(ByteView object) {
  VARVE_TRY(const Envelope envelope, DecodeEnvelope(object));
  if (envelope.type != ObjectType::kCommit) return Damaged("it is an object of another type");
  DecodedCommit decoded;
  decoded.min_writer = envelope.min_writer;
  VARVE_TRY(const ByteView header, SectionOf(envelope, kTagHeader));
  VARVE_TRY(const ByteView items, SectionOf(envelope, kTagItems));
  VARVE_TRY(const ByteView map, SectionOf(envelope, kTagMap));
  VARVE_TRY(const ByteView chunks, SectionOf(envelope, kTagChunks));
  VARVE_TRY(const ByteView packs, SectionOf(envelope, kTagPacks));
  decoded.logical.header.assign(header.begin(), header.end());
  decoded.logical.items.assign(items.begin(), items.end());
  decoded.commit_id = CommitId(decoded.logical);
  VARVE_TRY(decoded.commit.header, DecodeHeader(header));
  VARVE_CHECK_OK(DecodeItems(items, decoded.commit));
  VARVE_CHECK_OK(DecodeMap(map, decoded.commit));
  VARVE_CHECK_OK(DecodeChunks(chunks, decoded.commit.chunks));
  VARVE_TRY(decoded.commit.packs, DecodePacks(packs));
  if (const Section* let_go = envelope.Find(kTagLetGo); let_go != nullptr) {
    VARVE_CHECK_OK(DecodeLetGo(let_go->raw, decoded.commit.let_go));
  }
  if (const Section* origin = envelope.Find(kTagOrigin); origin != nullptr) {
    VARVE_CHECK_OK(DecodeOrigin(origin->raw, decoded.commit.origin));
  }
  VARVE_CHECK_OK(CheckInvariants(decoded.commit));
  return decoded;
}

Result<PackSet> DecodePackSet(ByteView suffix, uint64_t object_bytes) {
  VARVE_TRY(const SectionReply section,
            DecodeSection(suffix, object_bytes, ObjectType::kCommit, kTagPacks));
  PackSet set;
  set.min_gc = section.min_gc;
  set.suffix_bytes_needed = section.suffix_bytes_needed;
  if (set.suffix_bytes_needed == 0) {
    VARVE_TRY(set.packs, DecodePacks(section.raw));
  }
  return set;
}

Commit MoveChunks(const Commit& commit, const std::map<Digest, ChunkPlace>& moved) {
  Commit next = commit;
  std::map<ObjectId, PackRow> packs;
  std::vector<ObjectId> pack_of(commit.chunks.size());
  for (size_t i = 0; i < next.chunks.size(); ++i) {
    ChunkRow& row = next.chunks[i];
    PackRow pack = commit.packs[row.pack];
    if (const auto found = moved.find(row.digest); found != moved.end()) {
      row = found->second.row;
      pack.id = found->second.pack;
      pack.object_bytes = found->second.pack_object_bytes;
    }
    pack_of[i] = pack.id;
    PackRow& there =
        packs.try_emplace(pack.id, PackRow{pack.id, pack.object_bytes, 0}).first->second;
    there.live_bytes += row.payload_bytes;
  }
  next.packs.clear();
  std::map<ObjectId, uint32_t> ordinals;
  for (const auto& [id, pack] : packs) {
    ordinals.emplace(id, static_cast<uint32_t>(next.packs.size()));
    next.packs.push_back(pack);
  }
  for (size_t i = 0; i < next.chunks.size(); ++i) next.chunks[i].pack = ordinals.at(pack_of[i]);
  return next;
}

Commit ThinCommit(const Commit& commit, std::vector<LetGo> let_go) {
  Commit thin = commit;
  const auto chunks_of = [&](size_t item) -> std::vector<uint32_t>& {
    const bool tensor = item < thin.tensors.size();
    return tensor ? thin.tensors[item].chunks : thin.files[item - thin.tensors.size()].chunks;
  };
  for (LetGo& row : let_go) {
    for (const uint32_t item : row.items) chunks_of(item).clear();
    thin.let_go.push_back(std::move(row));
  }
  std::sort(thin.let_go.begin(), thin.let_go.end(),
            [](const LetGo& a, const LetGo& b) { return a.component < b.component; });
  // Chunks and packs that nothing names any longer fall out; the others keep their order.
  constexpr uint32_t kUnused = UINT32_MAX;
  std::vector<uint32_t> ordinals(commit.chunks.size(), kUnused),
      packs(commit.packs.size(), kUnused);
  const size_t items = thin.tensors.size() + thin.files.size();
  for (size_t item = 0; item < items; ++item) {
    for (const uint32_t chunk : chunks_of(item)) ordinals[chunk] = 0;
  }
  thin.chunks.clear();
  thin.packs.clear();
  std::vector<uint64_t> live_bytes(commit.packs.size());
  for (size_t i = 0; i < ordinals.size(); ++i) {
    if (ordinals[i] == kUnused) continue;
    ordinals[i] = static_cast<uint32_t>(thin.chunks.size());
    thin.chunks.push_back(commit.chunks[i]);
    live_bytes[commit.chunks[i].pack] += commit.chunks[i].payload_bytes;
  }
  for (size_t i = 0; i < packs.size(); ++i) {
    if (live_bytes[i] == 0) continue;
    packs[i] = static_cast<uint32_t>(thin.packs.size());
    thin.packs.push_back(commit.packs[i]);
    thin.packs.back().live_bytes = live_bytes[i];
  }
  for (ChunkRow& row : thin.chunks) row.pack = packs[row.pack];
  for (size_t item = 0; item < items; ++item) {
    for (uint32_t& chunk : chunks_of(item)) chunk = ordinals[chunk];
  }
  return thin;
}

}  // namespace varve::format
