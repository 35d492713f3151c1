// What is there: the listing of the whole lake, and what of it nothing names.
#include <algorithm>
#include <mutex>
#include <optional>

#include "varve/base/planted.h"
#include "varve/exec/sync.h"
#include "varve/format/object_key.h"
#include "varve/lake/gc_mark.h"
#include "varve/lake/probe.h"

namespace varve::lake {
namespace {

// Up to so many pages the lake is listed as one, which shows foreign objects wherever they lie.
constexpr size_t kWholePagesMax = 16;
constexpr size_t kShards = 256;
constexpr int64_t kTimesApartMsMax = 300'000;  // Of one marker, as read and as listed.

using Page = std::vector<store::ListedObject>;

// Calls `visit` once per page, one at a time, until all pages or an error.
Status ListPages(const OpContext& ctx, store::ObjectStore& store, const std::string& prefix,
                 std::string token, const std::function<Status(const Page&)>& visit) {
  for (;;) {
    VARVE_TRY(store::ListPage page, store.List(ctx, prefix, {.token = token}));
    VARVE_CHECK_OK(visit(page.objects));
    if (page.next_token.empty()) return OkStatus();
    if (page.next_token == token) {
      return Error(ErrorCode::kCorrupt, "the store's listing does not advance");
    }
    token = std::move(page.next_token);
  }
}

// A folder of 256 shards: as one while it is small, else its shards side by side.
Status ListSharded(const OpContext& ctx, Core& core, std::string_view prefix,
                   const std::function<Status(const Page&)>& visit) {
  VARVE_TRY(const store::ListPage first, core.store->List(ctx, prefix, {}));
  if (first.next_token.empty()) return visit(first.objects);
  const auto list_one = [&](size_t shard) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "%02x/", static_cast<unsigned>(shard));
    return ListPages(ctx, *core.store, std::string(prefix) + hex, "", visit);
  };
  return core.transfers.ForEach(ctx, kShards, list_one);
}

class Sorter {
 public:
  Sorter(GcMark& mark, const format::ObjectId* mark_id, int64_t now_ms, int64_t grace_ms)
      : mark_(mark), mark_id_(mark_id), now_ms_(now_ms), grace_ms_(grace_ms) {}

  Status Visit(const Page& page) {
    const std::lock_guard lock(mutex_);
    for (const store::ListedObject& object : page) VARVE_CHECK_OK(VisitOne(object));
    return OkStatus();
  }

  Result<GcCandidates> Finish() {
    if (mark_id_ != nullptr && !mark_seen_) {
      return Error(ErrorCode::kCorrupt,
                   "the store's listing left out an object that was just written; nothing was "
                   "deleted. object=" +
                       mark_id_->Text());
    }
    young_blocks_.Seal();
    for (const Block& block : blocks_) {
      const uint64_t print = plan::Fingerprint(
          block.id.bytes, static_cast<uint8_t>(format::IdKind::kSession), mark_.salt);
      if (mark_.live_blocks.Contains(print) || young_blocks_.Contains(print)) continue;
      if (!plan::GraceOver(now_ms_, block.modified_ms, grace_ms_)) continue;
      Of(format::IdKind::kSession).push_back({block.id, block.bytes});
    }
    uint64_t room = format::kGcIdsMax;
    for (auto& each : found_.by_kind) {
      std::sort(each.begin(), each.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
      each.erase(std::unique(each.begin(), each.end(),
                             [](const auto& a, const auto& b) { return a.id == b.id; }),
                 each.end());
      if (each.size() > room) each.resize(room);  // The rest waits for the next collection.
      room -= each.size();
    }
    return std::move(found_);
  }

 private:
  struct Block {
    format::ObjectId id;
    uint64_t bytes = 0;
    int64_t modified_ms = 0;
  };

  std::vector<GcCandidate>& Of(format::IdKind kind) {
    return found_.by_kind[static_cast<size_t>(kind)];
  }

  Status VisitOne(const store::ListedObject& object) {
    const format::ObjectKey key = format::ParseKey(object.key.str());
    switch (key.kind) {
      case format::KeyKind::kForeign:
        if (object.key.str().starts_with(kProbePrefix)) break;  // A doctor's, who tidies it up.
        return Error(ErrorCode::kUnsupported,
                     "'" + object.key.str() +
                         "' is not an object of this lake's format; nothing was deleted, move it "
                         "out of the lake or upgrade varve");
      case format::KeyKind::kPack:
        Judge(format::IdKind::kPack, key.id, object);
        break;
      case format::KeyKind::kMeta:
        Judge(format::IdKind::kMeta, key.id, object);
        break;
      case format::KeyKind::kHistory:
        Judge(format::IdKind::kHistory, key.id, object);
        break;
      case format::KeyKind::kSession:
        NoteBusy(key.id, object);
        blocks_.push_back({key.id, object.bytes, object.modified_ms});
        break;
      case format::KeyKind::kGcMark:
        if (mark_id_ != nullptr && key.id == *mark_id_) return MeetMark(object);
        break;
      case format::KeyKind::kDescriptor:
      case format::KeyKind::kGcState:
      case format::KeyKind::kGcList:
      case format::KeyKind::kHead:
        break;
    }
    return OkStatus();
  }

  Status MeetMark(const store::ListedObject& object) {
    mark_seen_ = true;
    if (std::abs(object.modified_ms - now_ms_) <= kTimesApartMsMax) return OkStatus();
    return Error(ErrorCode::kCorrupt,
                 "the store gives two times to one object, more than 5 minutes apart; nothing was "
                 "deleted. object=" +
                     object.key.str());
  }

  void NoteBusy(const format::ObjectId& id, const store::ListedObject& object) {
    if (!plan::UploadOver(now_ms_, object.modified_ms, grace_ms_)) {
      found_.busy_sessions.insert(id.session());
    }
  }

  void Judge(format::IdKind kind, const format::ObjectId& id, const store::ListedObject& object) {
    ++found_.listed.objects;
    found_.listed.bytes += object.bytes;
    NoteBusy(id, object);
    if (mark_.live.Meet(plan::Fingerprint(id.bytes, static_cast<uint8_t>(kind), mark_.salt))) {
      return;
    }
    if (plan::GraceOver(now_ms_, object.modified_ms, PLANTED(60) ? 0 : grace_ms_)) {
      Of(kind).push_back({id, object.bytes});
      return;
    }
    ++found_.young.objects;
    found_.young.bytes += object.bytes;
    young_blocks_.Add(BlockFingerprint(id, mark_.salt));
  }

  GcMark& mark_;
  const format::ObjectId* mark_id_;
  const int64_t now_ms_, grace_ms_;
  Mutex mutex_;
  GcCandidates found_;
  std::vector<Block> blocks_;
  plan::LiveSet young_blocks_;
  bool mark_seen_ = false;
};

}  // namespace

Status ListLake(const OpContext& ctx, Core& core,
                const std::function<Status(const std::vector<store::ListedObject>&)>& visit) {
  std::vector<Page> pages;
  std::string token;
  while (pages.size() < kWholePagesMax) {
    VARVE_TRY(store::ListPage page, core.store->List(ctx, "", {.token = token}));
    pages.push_back(std::move(page.objects));
    token = std::move(page.next_token);
    if (token.empty()) break;
  }
  if (token.empty()) {
    for (const Page& page : pages) VARVE_CHECK_OK(visit(page));
    return OkStatus();
  }
  pages.clear();
  for (const std::string_view prefix :
       {format::kHistoryPrefix, format::kMetaPrefix, format::kPackPrefix}) {
    VARVE_CHECK_OK(ListSharded(ctx, core, prefix, visit));
  }
  VARVE_CHECK_OK(ListPages(ctx, *core.store, std::string(format::kSessionPrefix), "", visit));
  return ListPages(ctx, *core.store, std::string(format::kGcPrefix), "", visit);
}

Result<GcCandidates> FindGarbage(const OpContext& ctx, Core& core, GcRoots& roots, GcMark& mark,
                                 const format::ObjectId* mark_id, int64_t now_ms,
                                 int64_t grace_ms) {
  Sorter sorter(mark, mark_id, now_ms, grace_ms);
  VARVE_CHECK_OK(ListLake(ctx, core, [&](const Page& page) { return sorter.Visit(page); }));
  // What lives is a part of what is there, or the listing is not to be believed.
  if (mark.live.unmet() > 0) VARVE_CHECK_OK(NameUnmet(ctx, core, roots, mark));
  return sorter.Finish();
}

Result<std::vector<GcReport::Reason>> ExplainGarbage(const OpContext& ctx, Core& core,
                                                     GcRoots& roots, const GcMark& mark,
                                                     const GcCandidates& candidates) {
  std::vector<GcReport::Reason> reasons(mark.names.size() + 1);
  for (size_t i = 0; i < mark.names.size(); ++i) reasons[i].artifact = mark.names[i];
  std::array<std::vector<bool>, format::kIdKinds> told;
  for (size_t kind = 0; kind < told.size(); ++kind) {
    told[kind].assign(candidates.by_kind[kind].size(), false);
  }
  Mutex mutex;
  // True when it is a candidate that nobody told of before.
  const auto tell = [&](format::IdKind kind, const format::ObjectId& id, size_t reason) {
    const auto& all = candidates.by_kind[static_cast<size_t>(kind)];
    const auto at = std::lower_bound(all.begin(), all.end(), id,
                                     [](const auto& a, const auto& b) { return a.id < b; });
    if (at == all.end() || at->id != id) return false;
    const size_t index = static_cast<size_t>(at - all.begin());
    if (told[static_cast<size_t>(kind)][index]) return false;
    told[static_cast<size_t>(kind)][index] = true;
    ++reasons[reason].garbage.objects;
    reasons[reason].garbage.bytes += at->bytes;
    return true;
  };
  const auto explain_one = [&](size_t index) -> Status {
    const GcMark::LetGo& gone = mark.let_go[index];
    {
      const std::lock_guard lock(mutex);
      if (!tell(format::IdKind::kMeta, gone.meta_id, gone.name)) return OkStatus();
      ++(gone.moved ? reasons[gone.name].replaced : reasons[gone.name].versions);
    }
    const auto packs = roots.Packs(ctx, gone.meta_id);
    if (!packs.ok()) return OkStatus();  // Garbage need not be readable.
    const std::lock_guard lock(mutex);
    for (const format::PackRow& pack : *packs) tell(format::IdKind::kPack, pack.id, gone.name);
    return OkStatus();
  };
  VARVE_CHECK_OK(core.transfers.ForEach(ctx, mark.let_go.size(), explain_one));
  for (size_t kind = 0; kind < told.size(); ++kind) {
    for (const GcCandidate& each : candidates.by_kind[kind]) {
      tell(static_cast<format::IdKind>(kind), each.id, mark.names.size());
    }
  }
  std::erase_if(reasons, [](const auto& reason) { return reason.garbage.objects == 0; });
  std::sort(reasons.begin(), reasons.end(),
            [](const auto& a, const auto& b) { return a.garbage.bytes > b.garbage.bytes; });
  return reasons;
}

}  // namespace varve::lake
