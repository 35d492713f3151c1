// What versions hold in common: the chunks of every commit object, for caps and for what is freed.
#include <algorithm>
#include <unordered_map>

#include "varve/exec/sync.h"
#include "varve/lake/retention.h"
#include "varve/plan/component.h"

namespace varve::lake {
namespace {

struct IdHasher {
  size_t operator()(const format::ObjectId& id) const {
    size_t value = 0;
    for (size_t i = 0; i < sizeof value; ++i)
      value = value << 8 | static_cast<size_t>(id.bytes[i + 4]);
    return value;
  }
};

// Numbers the chunks of all commit objects by where they lie.
class Chunks {
 public:
  explicit Chunks(plan::Usage& usage) : usage_(usage) {}

  uint32_t Find(const format::ObjectId& pack, uint64_t offset, uint64_t bytes, int64_t time_ms) {
    const auto [at, fresh] = packs_.try_emplace(pack, Pack{usage_.packs, {}});
    if (fresh) ++usage_.packs;
    const auto [blob, first] =
        at->second.blobs.try_emplace(offset, static_cast<uint32_t>(usage_.blobs.size()));
    if (first) usage_.blobs.push_back({bytes, time_ms, at->second.number});
    plan::Usage::Blob& found = usage_.blobs[blob->second];
    found.time_ms = std::min(found.time_ms, time_ms);
    return blob->second;
  }

 private:
  struct Pack {
    uint32_t number = 0;
    std::unordered_map<uint64_t, uint32_t> blobs;  // By offset.
  };
  plan::Usage& usage_;
  std::unordered_map<format::ObjectId, Pack, IdHasher> packs_;
};

}  // namespace

Result<plan::Usage> ReadUsage(const OpContext& ctx, Core& core,
                              const std::vector<plan::Candidate>& candidates,
                              const std::vector<format::VersionEntry>& entries) {
  plan::Usage usage;
  usage.of.resize(candidates.size());
  Mutex mutex;
  Chunks chunks(usage);
  VARVE_CHECK_OK(core.transfers.ForEach(ctx, candidates.size(), [&](size_t i) -> Status {
    const std::vector<std::string>& components = candidates[i].components;
    auto read = ReadCommit(ctx, core, entries[i]);
    if (!read.ok() && read.error().code() == ErrorCode::kCorrupt)
      return OkStatus();  // The plan warns of it.
    if (!read.ok()) return std::move(read).error();
    const format::Commit& commit = read->decoded.commit;
    std::vector<std::vector<uint32_t>> ordinals(components.size());
    const auto note = [&](const std::string& path, bool tensor, const std::vector<uint32_t>& own) {
      const auto found =
          std::lower_bound(components.begin(), components.end(), plan::ComponentOf(path, tensor));
      // A version that was not looked at closer has one component, which is all of it.
      const size_t c = components.size() == 1 || found == components.end()
                           ? 0
                           : static_cast<size_t>(found - components.begin());
      ordinals[c].insert(ordinals[c].end(), own.begin(), own.end());
    };
    for (const format::TensorRow& row : commit.tensors) note(row.name, true, row.chunks);
    for (const format::FileRow& row : commit.files) note(row.path, false, row.chunks);
    const std::lock_guard lock(mutex);
    for (std::vector<uint32_t>& part : ordinals) {
      std::sort(part.begin(), part.end());
      part.erase(std::unique(part.begin(), part.end()), part.end());
      std::vector<uint32_t> blobs;
      for (const uint32_t ordinal : part) {
        const format::ChunkRow& row = commit.chunks[ordinal];
        blobs.push_back(chunks.Find(commit.packs[row.pack].id, row.offset, row.payload_bytes,
                                    entries[i].time_ms));
      }
      usage.of[i].push_back(std::move(blobs));
    }
    return OkStatus();
  }));
  return usage;
}

}  // namespace varve::lake
