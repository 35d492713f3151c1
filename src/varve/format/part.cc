#include "varve/format/part.h"

#include <algorithm>
#include <bit>

#include "varve/format/envelope.h"
#include "varve/format/names.h"
#include "varve/format/wire.h"

namespace varve::format {
namespace {

constexpr uint32_t kTagPart = Tag("PART"), kTagCommit = Tag("CMIT");
constexpr std::string_view kSaveIdContext = "varve 2026 save id v1";
constexpr size_t kAliasBytesMax = 100;

Error Damaged(const std::string& what) {
  return Error(ErrorCode::kCorrupt, "the part of a save is damaged: " + what);
}

Bytes EncodeHeader(const Part& part) {
  Writer writer;
  writer.U32(part.rank);
  writer.U32(part.ranks);
  writer.U64(part.base_epoch);
  writer.U64(part.stored_bytes);
  writer.U64(part.shared_bytes);
  writer.U64(part.objects_written);
  writer.U32(part.named_parents);
  writer.U64(part.aliases.size());
  for (const std::string& alias : part.aliases) writer.Text(alias);
  writer.U64(part.slabs.size());
  for (const Slab& slab : part.slabs) {
    writer.U32(slab.tensor);
    writer.U64(slab.first_row);
    writer.U32(static_cast<uint32_t>(slab.global_shape.size()));
    for (const uint64_t dim : slab.global_shape) writer.U64(dim);
  }
  return writer.Take();
}

Status DecodeHeader(ByteView bytes, Part& part) {
  Reader reader(bytes);
  part.rank = reader.U32();
  part.ranks = reader.U32();
  part.base_epoch = reader.U64();
  part.stored_bytes = reader.U64();
  part.shared_bytes = reader.U64();
  part.objects_written = reader.U64();
  part.named_parents = reader.U32();
  for (uint64_t left = reader.Count(kPartAliasesMax, 4); left > 0; --left) {
    part.aliases.push_back(reader.Text(kAliasBytesMax));
  }
  for (uint64_t left = reader.Count(kItemsMax, 4 + 8 + 4); left > 0; --left) {
    Slab slab;
    slab.tensor = reader.U32();
    slab.first_row = reader.U64();
    const uint32_t dims = reader.U32();
    if (dims > kDimsMax) return Damaged("a slab has too many dimensions");
    for (uint32_t i = 0; i < dims; ++i) slab.global_shape.push_back(reader.U64());
    part.slabs.push_back(std::move(slab));
  }
  return reader.AtEnd() ? OkStatus() : Status(Damaged("its header has the wrong length"));
}

Status CheckSlab(const Slab& slab, const TensorRow& row) {
  const std::vector<uint64_t>&global = slab.global_shape, &own = row.shape;
  if (own.empty() || global.size() != own.size() ||
      !std::equal(own.begin() + 1, own.end(), global.begin() + 1) || slab.first_row > global[0] ||
      own[0] > global[0] - slab.first_row) {
    return Damaged("'" + row.name + "' lies outside of its global shape");
  }
  uint64_t bytes = codec::ElementBytes(row.dtype);
  for (const uint64_t dim : global) {
    if (__builtin_mul_overflow(bytes, dim, &bytes)) {
      return Damaged("the global shape of '" + row.name + "' is too large");
    }
  }
  return OkStatus();
}

Status Check(const Part& part) {
  if (part.ranks == 0 || part.ranks > kRanksMax || part.rank >= part.ranks) {
    return Damaged("its rank is impossible");
  }
  if (part.commit.origin.artifact.empty() || part.commit.origin.version == 0) {
    return Damaged("it does not say which artifact it is of");
  }
  if (!part.commit.let_go.empty()) return Damaged("it let something go");
  if (std::bit_width(part.named_parents) > part.commit.header.parents.size()) {
    return Damaged("it names a parent that is not there");
  }
  if (part.aliases.size() > kPartAliasesMax) return Damaged("it has too many aliases");
  for (size_t i = 0; i < part.aliases.size(); ++i) {
    if (!CheckLabel(part.aliases[i]).ok() || (i > 0 && part.aliases[i] <= part.aliases[i - 1])) {
      return Damaged("its aliases are no labels in order");
    }
  }
  const Slab* previous = nullptr;
  for (const Slab& slab : part.slabs) {
    if (slab.tensor >= part.commit.tensors.size() ||
        (previous != nullptr && slab.tensor <= previous->tensor)) {
      return Damaged("a slab is of no tensor, or not in order");
    }
    previous = &slab;
    VARVE_CHECK_OK(CheckSlab(slab, part.commit.tensors[slab.tensor]));
  }
  return OkStatus();
}

}  // namespace

Result<Bytes> EncodePart(const Part& part) {
  if (auto sound = Check(part); !sound.ok()) {
    return Error(ErrorCode::kInternal, "refusing to write a part: " + sound.error().message());
  }
  VARVE_TRY(EncodedCommit commit, EncodeCommit(part.commit));
  Envelope envelope;
  envelope.type = ObjectType::kPart;
  envelope.sections = {{kTagPart, EncodeHeader(part), true},
                       {kTagCommit, std::move(commit.object), false}};
  return EncodeEnvelope(envelope);
}

Result<Part> DecodePart(ByteView object) {
  VARVE_TRY(const Envelope envelope, DecodeEnvelope(object));
  if (envelope.type != ObjectType::kPart) return Damaged("it is an object of another type");
  const Section *header = envelope.Find(kTagPart), *commit = envelope.Find(kTagCommit);
  if (header == nullptr || commit == nullptr) return Damaged("a section is missing");
  Part part;
  VARVE_CHECK_OK(DecodeHeader(header->raw, part));
  VARVE_TRY(DecodedCommit decoded, DecodeCommit(commit->raw));
  part.commit = std::move(decoded.commit);
  VARVE_CHECK_OK(Check(part));
  return part;
}

std::array<std::byte, 16> SaveIdOf(std::string_view artifact, std::string_view text) {
  hash::Blake3 hasher(kSaveIdContext);
  hasher.UpdateU64(artifact.size()).Update(AsBytes(artifact)).Update(AsBytes(text));
  const Digest digest = hasher.Finish();
  std::array<std::byte, 16> id;
  std::copy_n(digest.bytes.begin(), id.size(), id.begin());
  return id;
}

}  // namespace varve::format
