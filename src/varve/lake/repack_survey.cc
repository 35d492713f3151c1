#include "varve/lake/repack_survey.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "varve/base/planted.h"
#include "varve/format/envelope.h"
#include "varve/format/gc_state.h"
#include "varve/format/object_key.h"
#include "varve/format/pack.h"
#include "varve/lake/gc_mark.h"
#include "varve/plan/component.h"

namespace varve::lake {
namespace {

constexpr uint32_t kLayoutsFull = format::kLayoutsMax / 4;  // A head is read and written whole.

class Surveyor {
 public:
  Surveyor(const OpContext& ctx, Core& core, uint32_t dead_percent,
           const std::set<format::ObjectId>& damaged)
      : ctx_(ctx), core_(core), dead_percent_(dead_percent), damaged_(damaged) {}

  Result<RepackSurvey> Run() {
    VARVE_TRY(survey_.base_epoch, core_.guard.Base(ctx_));
    const store::Key state_key{std::string(format::kGcStateKey)};
    VARVE_TRY(const auto reply, core_.store->Get(ctx_, state_key, {}));
    VARVE_TRY(const format::GcState state, format::DecodeGcState(AsText(reply.body)));
    survey_.now_ms = StoreNow(ctx_, reply.info.store_time_ms);
    roots_.emplace(core_, survey_.now_ms, state.refs);
    VARVE_TRY(survey_.names, roots_->List(ctx_));
    VARVE_CHECK_OK(core_.transfers.ForEach(ctx_, survey_.names.size(),
                                           [&](size_t index) { return WalkHead(index); }));
    std::sort(survey_.commits.begin(), survey_.commits.end(), [](const auto& a, const auto& b) {
      return std::tie(a.name, a.at.version, a.at.full) < std::tie(b.name, b.at.version, b.at.full);
    });
    VARVE_CHECK_OK(core_.transfers.ForEach(ctx_, survey_.commits.size(),
                                           [&](size_t index) { return ReadPackSet(index); }));
    for (RepackSurvey::Pack& pack : survey_.packs) {
      pack.suspect = !damaged_.contains(pack.id) &&
                     plan::RepackSuspect(pack.object_bytes, pack.named_bytes, dead_percent_);
    }
    VARVE_CHECK_OK(core_.transfers.ForEach(ctx_, survey_.commits.size(),
                                           [&](size_t index) { return ReadTables(index); }));
    return std::move(survey_);
  }

 private:
  Status WalkHead(size_t index) {
    VARVE_TRY(const HeadSnapshot snapshot, core_.heads.Read(ctx_, survey_.names[index]));
    VARVE_TRY(const GcRoots::Head head, roots_->Walk(ctx_, snapshot.head));
    size_t layouts = snapshot.head.layouts.size();
    const std::lock_guard lock(mutex_);
    for (const GcRoots::Named& named : head.commits) {
      if (!named.live) continue;
      RepackSurvey::Commit commit;
      commit.at = named;
      commit.name = static_cast<uint32_t>(index);
      if (!named.laid_out) commit.fixed = ++layouts > kLayoutsFull;
      survey_.commits.push_back(std::move(commit));
    }
    return OkStatus();
  }

  Status ReadPackSet(size_t index) {
    RepackSurvey::Commit& commit = survey_.commits[index];
    const auto packs = roots_->Packs(ctx_, commit.at.meta_id);
    if (!packs.ok()) return Missing(commit, packs.error(), ErrorCode::kNotFound);
    const std::lock_guard lock(mutex_);
    for (const format::PackRow& row : *packs) {
      const auto [at, fresh] =
          by_id_.try_emplace(row.id, static_cast<uint32_t>(survey_.packs.size()));
      if (fresh) survey_.packs.emplace_back(row.id, row.object_bytes);
      RepackSurvey::Pack& pack = survey_.packs[at->second];
      pack.named_bytes = std::max(pack.named_bytes, row.live_bytes);
      pack.time_ms = std::min(pack.time_ms, commit.at.time_ms);
      commit.packs.push_back(at->second);
    }
    return OkStatus();
  }

  Status ReadTables(size_t index) {
    RepackSurvey::Commit& commit = survey_.commits[index];
    std::erase_if(commit.packs, [&](uint32_t pack) { return !survey_.packs[pack].suspect; });
    if (commit.packs.empty()) return OkStatus();
    const auto read =
        ReadCommit(ctx_, core_, commit.at.meta_id, commit.at.commit_id, commit.at.version);
    if (!read.ok()) return Missing(commit, read.error(), ErrorCode::kCorrupt);
    commit.object_bytes = read->object.size();
    commit.fixed = commit.fixed || read->decoded.min_writer > format::kFormatVersion;
    const format::Commit& tables = read->decoded.commit;
    std::vector<const std::string*> items(tables.chunks.size());
    std::vector<bool> is_tensor(tables.chunks.size());
    for (const format::TensorRow& row : tables.tensors) {
      for (const uint32_t chunk : row.chunks) {
        if (items[chunk] == nullptr) is_tensor[chunk] = true, items[chunk] = &row.name;
      }
    }
    for (const format::FileRow& row : tables.files) {
      for (const uint32_t chunk : row.chunks) {
        if (items[chunk] == nullptr) items[chunk] = &row.path;
      }
    }
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < tables.chunks.size(); ++i) {
      const format::ChunkRow& row = tables.chunks[i];
      const auto known = by_id_.find(tables.packs[row.pack].id);
      if (known == by_id_.end() || !survey_.packs[known->second].suspect) continue;
      const auto [at, fresh] = survey_.packs[known->second].chunks.try_emplace(row.digest);
      RepackSurvey::Chunk& chunk = at->second;
      if (fresh) {
        chunk.row = row;
        chunk.name = commit.name;
        chunk.version = commit.at.version;
        chunk.lifetime =
            items[i] == nullptr ? 0 : LifetimeOf(plan::ComponentOf(*items[i], is_tensor[i]));
      } else if (chunk.name != commit.name || chunk.version != commit.at.version) {
        chunk.lifetime = 0;  // Shared.
      }
    }
    return OkStatus();
  }

  uint32_t LifetimeOf(const std::string& component) {
    const auto next = static_cast<uint32_t>(lifetimes_.size() + 1);
    if (next >= kLifetimesMax && !lifetimes_.contains(component)) return kLifetimesMax - 1;
    return lifetimes_.try_emplace(component, next).first->second;
  }

  // Let go or laid out anew meanwhile, or damage.
  Status Missing(const RepackSurvey::Commit& commit, const Error& error, ErrorCode missing) {
    if (error.code() != missing) return error;
    const Status judged =
        JudgeMissing(ctx_, core_, survey_.names[commit.name], commit.at.meta_id, commit.at.version);
    // It is named, and its own error tells more than that it is missing.
    return judged.error().code() == ErrorCode::kCorrupt && missing == ErrorCode::kCorrupt
               ? Status(error)
               : judged;
  }

  struct IdHasher {
    size_t operator()(const format::ObjectId& id) const {
      return static_cast<size_t>(plan::Fingerprint(id.bytes, 0, 0));
    }
  };

  const OpContext& ctx_;
  Core& core_;
  const uint32_t dead_percent_;
  const std::set<format::ObjectId>& damaged_;
  std::optional<GcRoots> roots_;
  RepackSurvey survey_;
  Mutex mutex_;  // Guards what follows, and the packs of the survey while workers run.
  std::unordered_map<format::ObjectId, uint32_t, IdHasher> by_id_;
  std::map<std::string, uint32_t> lifetimes_;
};

}  // namespace

Result<RepackSurvey> SurveyForRepack(const OpContext& ctx, Core& core, uint32_t dead_percent,
                                     const std::set<format::ObjectId>& damaged) {
  return Surveyor(ctx, core, dead_percent, damaged).Run();
}

}  // namespace varve::lake
