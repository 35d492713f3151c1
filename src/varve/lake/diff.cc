// Two versions side by side, by item and by chunk.
#include <unordered_set>

#include "varve/lake/internal.h"

namespace varve::lake {
namespace {

struct Item {
  hash::Digest digest;
  uint64_t raw_bytes = 0;
  const std::vector<uint32_t>* chunks = nullptr;
  std::string shape;  // Equal bytes under another dtype or shape are a change.
};

std::map<std::string, Item> ItemsOf(const format::Commit& commit) {
  std::map<std::string, Item> items;
  for (const format::TensorRow& row : commit.tensors) {
    std::string shape(codec::DTypeName(row.dtype));
    for (const uint64_t dim : row.shape) shape += "," + std::to_string(dim);
    items.emplace(row.name, Item{row.digest, row.raw_bytes, &row.chunks, shape});
  }
  for (const format::FileRow& row : commit.files) {
    items.emplace(row.path, Item{row.digest, row.raw_bytes, &row.chunks,
                                 row.executable ? "executable" : "file"});
  }
  return items;
}

using DigestSet = std::unordered_set<hash::Digest, hash::DigestHasher>;

DigestSet DigestsOf(const format::Commit& commit) {
  DigestSet digests;
  for (const format::ChunkRow& row : commit.chunks) digests.insert(row.digest);
  return digests;
}

DiffReport::Item Describe(const std::string& path, const Item& item, const format::Commit& commit,
                          const DigestSet& other) {
  DiffReport::Item described{path, item.raw_bytes, 0};
  for (const uint32_t chunk : *item.chunks) {
    const format::ChunkRow& row = commit.chunks[chunk];
    if (other.contains(row.digest)) described.shared_bytes += row.raw_bytes;
  }
  return described;
}

}  // namespace

Result<DiffReport> DiffVersions(const OpContext& ctx, Core& core, std::string_view left,
                                std::string_view right) {
  VARVE_TRY(const ResolvedCommit left_at, ResolveCommit(ctx, core, left));
  VARVE_TRY(const ResolvedCommit right_at, ResolveCommit(ctx, core, right));
  const format::Commit& a = left_at.read.decoded.commit;
  const format::Commit& b = right_at.read.decoded.commit;
  const auto a_items = ItemsOf(a), b_items = ItemsOf(b);
  const DigestSet a_digests = DigestsOf(a), b_digests = DigestsOf(b);
  DiffReport report;
  for (const auto& [path, item] : a_items) {
    const auto other = b_items.find(path);
    if (other == b_items.end()) {
      report.removed.push_back(Describe(path, item, a, b_digests));
    } else if (other->second.digest == item.digest && other->second.shape == item.shape) {
      report.equal.push_back(Describe(path, item, a, b_digests));
    } else {
      report.changed.push_back(Describe(path, other->second, b, a_digests));
    }
  }
  for (const auto& [path, item] : b_items) {
    if (!a_items.contains(path)) report.added.push_back(Describe(path, item, b, a_digests));
  }
  for (const format::ChunkRow& row : a.chunks) {
    (b_digests.contains(row.digest) ? report.bytes_shared : report.bytes_only_left) +=
        row.raw_bytes;
  }
  for (const format::ChunkRow& row : b.chunks) {
    if (!a_digests.contains(row.digest)) report.bytes_only_right += row.raw_bytes;
  }
  return report;
}

}  // namespace varve::lake
