#include "varve/lake/fsck_lost.h"

#include <algorithm>
#include <mutex>

namespace varve::lake {

Result<std::vector<LostCommit>> ScanLost(const OpContext& ctx, Core& core,
                                         const FsckSurvey& survey) {
  std::vector<format::ObjectId> given_up;
  if (survey.state.has_value()) {
    for (const auto& [epoch, parts] : survey.state->lists) {
      for (const format::GcListPart& part : parts) {
        if (part.kind != format::IdKind::kMeta) continue;
        const auto reply = core.store->Get(ctx, store::Key(part.key), {});
        if (!reply.ok()) {
          if (reply.error().code() == ErrorCode::kNotFound) continue;
          return reply.error();
        }
        const auto ids = format::DecodeGcList(reply->body);
        if (ids.ok()) given_up.insert(given_up.end(), ids->begin(), ids->end());
      }
    }
  }
  std::sort(given_up.begin(), given_up.end());
  const auto& listed = survey.listed[static_cast<size_t>(format::IdKind::kMeta)];
  std::vector<LostCommit> lost;
  Mutex mutex;
  const auto read_one = [&](size_t index) -> Status {
    const format::ObjectId& id = listed[index].id;
    // One that lies under the name of another is not where it belongs.
    const auto bad = [&](const FsckCommit& commit) { return commit.meta_id == id; };
    if (survey.live_metas.contains(id) &&
        std::none_of(survey.bad_commits.begin(), survey.bad_commits.end(), bad)) {
      return OkStatus();
    }
    const auto reply = core.store->Get(ctx, store::Key(format::MetaKey(id)), {});
    if (!reply.ok()) {
      const ErrorCode code = reply.error().code();
      return code == ErrorCode::kNotFound || code == ErrorCode::kCorrupt ? OkStatus()
                                                                         : Status(reply.error());
    }
    const auto decoded = format::DecodeCommit(reply->body);
    if (!decoded.ok()) return OkStatus();
    const format::Commit& commit = decoded->commit;
    LostCommit each;
    each.meta_id = id;
    each.commit_id = decoded->commit_id;
    each.origin = commit.origin;
    each.parents = commit.header.parents;
    each.created_ms = commit.header.created_ms;
    each.logical_bytes = commit.LogicalBytes();
    each.thinned = !commit.let_go.empty();
    each.given_up = std::binary_search(given_up.begin(), given_up.end(), id);
    each.complete =
        std::all_of(commit.packs.begin(), commit.packs.end(), [&](const format::PackRow& pack) {
          const FsckListed* there = survey.Find(format::IdKind::kPack, pack.id);
          return there != nullptr && there->bytes == pack.object_bytes;
        });
    const std::lock_guard lock(mutex);
    lost.push_back(std::move(each));
    return OkStatus();
  };
  VARVE_CHECK_OK(core.transfers.ForEach(ctx, listed.size(), read_one));
  std::set<hash::Digest> parents;
  for (const LostCommit& each : lost) {
    if (!each.parents.empty()) parents.insert(each.parents.front());
  }
  for (LostCommit& each : lost) each.followed = parents.contains(each.commit_id);
  std::sort(lost.begin(), lost.end(), [](const LostCommit& a, const LostCommit& b) {
    return std::tie(a.origin.artifact, a.origin.version, a.created_ms, a.meta_id) <
           std::tie(b.origin.artifact, b.origin.version, b.created_ms, b.meta_id);
  });
  return lost;
}

}  // namespace varve::lake
