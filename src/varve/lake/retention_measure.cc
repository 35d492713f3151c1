// The bytes that a plan frees: places in packs that only what is let go names.
#include <algorithm>
#include <unordered_map>

#include "varve/exec/sync.h"
#include "varve/lake/retention.h"
#include "varve/plan/component.h"

namespace varve::lake {
namespace {

struct PackUse {
  std::map<uint64_t, std::pair<uint32_t, bool>> places;  // Offset -> payload bytes, stays.
};
struct IdHasher {
  size_t operator()(const format::ObjectId& id) const {
    size_t value = 0;
    for (size_t i = 0; i < sizeof value; ++i)
      value = value << 8 | static_cast<size_t>(id.bytes[i + 4]);
    return value;
  }
};

}  // namespace

Status MeasureFreed(const OpContext& ctx, Core& core, const std::vector<HeadSnapshot>& heads,
                    format::RetentionPlan& plan) {
  std::map<std::pair<std::string, uint64_t>, const format::RetentionItem*> items;
  for (const format::RetentionItem& item : plan.items) items[{item.artifact, item.version}] = &item;
  std::vector<std::pair<format::VersionEntry, const format::RetentionItem*>> versions;
  for (const HeadSnapshot& snapshot : heads) {
    VARVE_TRY(const auto entries, core.heads.Newest(ctx, snapshot.head, SIZE_MAX));
    for (const format::VersionEntry& entry : entries) {
      // What is forgotten already is not counted as kept: its bytes go without this plan.
      if (snapshot.head.forgotten.contains(entry.version)) continue;
      const auto item = items.find({snapshot.head.name, entry.version});
      versions.emplace_back(entry, item == items.end() ? nullptr : item->second);
    }
  }
  Mutex mutex;
  std::unordered_map<format::ObjectId, PackUse, IdHasher> packs;
  VARVE_CHECK_OK(core.transfers.ForEach(ctx, versions.size(), [&](size_t v) -> Status {
    const auto& [entry, item] = versions[v];
    auto read = ReadCommit(ctx, core, entry);
    if (!read.ok() && read.error().code() == ErrorCode::kCorrupt)
      return OkStatus();  // The plan warns of it.
    if (!read.ok()) return std::move(read).error();
    const format::Commit& commit = read->decoded.commit;
    std::vector<bool> stays(commit.chunks.size(), item == nullptr || item->let_go.empty());
    const auto mark = [&](const std::string& path, bool tensor,
                          const std::vector<uint32_t>& chunks) {
      const std::string component = plan::ComponentOf(path, tensor);
      if (std::find(item->kept.begin(), item->kept.end(), component) == item->kept.end()) return;
      for (const uint32_t chunk : chunks) stays[chunk] = true;
    };
    if (item != nullptr && !item->let_go.empty() && !item->kept.empty()) {
      for (const format::TensorRow& row : commit.tensors) mark(row.name, true, row.chunks);
      for (const format::FileRow& row : commit.files) mark(row.path, false, row.chunks);
    }
    const std::lock_guard lock(mutex);
    for (size_t i = 0; i < commit.chunks.size(); ++i) {
      const format::ChunkRow& row = commit.chunks[i];
      auto& place = packs[commit.packs[row.pack].id].places[row.offset];
      place.first = row.payload_bytes;
      place.second = place.second || stays[i];
    }
    return OkStatus();
  }));
  plan.freed_bytes = plan.freed_whole_bytes = 0;
  for (const auto& [id, pack] : packs) {
    uint64_t freed_bytes = 0;
    bool whole = true;
    for (const auto& [offset, place] : pack.places) {
      whole = whole && !place.second;
      freed_bytes += place.second ? 0 : place.first;
    }
    *plan.freed_bytes += freed_bytes;
    if (whole) *plan.freed_whole_bytes += freed_bytes;
  }
  return OkStatus();
}

}  // namespace varve::lake
