#include "varve/lake/fsck_history.h"

#include <algorithm>

#include "varve/lake/internal.h"

namespace varve::lake {

Status FsckHistory::Run() {
  if (survey_.lost_nodes.empty()) return OkStatus();
  VARVE_TRY(const std::vector<LostCommit> commits, ScanLost(ctx_, core_, survey_));
  for (const FsckLostNode& lost : survey_.lost_nodes) {
    VARVE_TRY(outcomes_[lost.link.id], Rebuild(lost, commits));
  }
  return OkStatus();
}

Result<std::string> FsckHistory::Rebuild(const FsckLostNode& lost,
                                         const std::vector<LostCommit>& commits) {
  const std::string& name = survey_.names[lost.name];
  VARVE_TRY(const HeadSnapshot snapshot, core_.heads.Read(ctx_, name));
  const auto is_lost = [&](const format::HistoryLink& link) { return link.id == lost.link.id; };
  const auto& links = snapshot.head.history;
  if (lost.link.level != 0) return std::string("only nodes of single versions are made again");
  if (std::none_of(links.begin(), links.end(), is_lost)) {
    return std::string("it lies below another history node, which never changes");
  }
  format::HistoryNode node;
  Heads::Change change;
  const hash::Digest* previous = nullptr;
  int64_t time_ms = lost.link.time_min_ms;
  for (uint64_t version = lost.link.first_version; version <= lost.link.last_version; ++version) {
    const std::string what = "v" + std::to_string(version);
    format::VersionEntry entry;
    entry.version = version;
    const bool wanted = !format::LiveCommitObjects(snapshot.head, entry, survey_.now_ms).empty();
    const LostCommit* found = nullptr;
    for (const LostCommit& each : commits) {
      if (each.origin != format::Origin{name, version} || (each.thinned && !wanted)) continue;
      if (found != nullptr && found->commit_id != each.commit_id) {
        return "two commits say that they are " + what;
      }
      if (found == nullptr || (each.complete && !found->complete)) found = &each;
    }
    if (found != nullptr && !wanted) found = nullptr;  // Let go: nothing brings it back.
    if (found == nullptr && wanted) return "no commit object of " + what + " is left";
    if (found == nullptr) {
      VARVE_TRY(entry.meta_id, core_.ids.Next(ctx_, name));
      entry.time_ms = std::min(time_ms, lost.link.time_max_ms);
      node.entries.push_back(entry);
      previous = nullptr;
      continue;
    }
    if (found->given_up) return "a collector gave up the commit object of " + what;
    if (previous != nullptr && (found->parents.empty() || found->parents.front() != *previous)) {
      return what + " does not follow the version before it";
    }
    previous = &found->commit_id;
    entry.meta_id = found->meta_id;
    entry.commit_id = found->commit_id;
    VARVE_TRY(const ReadCommitReply read, ReadCommit(ctx_, core_, entry));
    entry = EntryOf(read.decoded.commit, found->commit_id, found->meta_id, read.object.size(), {});
    entry.version = version;
    time_ms = std::clamp(found->created_ms, time_ms, lost.link.time_max_ms);
    entry.time_ms = time_ms;
    node.entries.push_back(entry);
    change.used.push_back(found->meta_id);
    for (const format::PackRow& pack : read.decoded.commit.packs) change.used.push_back(pack.id);
  }
  VARVE_TRY(const format::ObjectId id, core_.ids.Next(ctx_, name));
  VARVE_TRY(const Bytes object, format::EncodeHistoryNode(node));
  VARVE_TRY(const auto put, core_.store->PutNew(ctx_, store::Key(format::HistoryKey(id)), object));
  static_cast<void>(put);
  change.name = name;
  change.used.push_back(id);
  // The head named all of them without a break, so none was condemned; every list there is says so.
  change.base_epoch = survey_.state.has_value() ? survey_.state->oldest_list_epoch : 0;
  change.done = [&](const format::Head& head) -> Result<bool> {
    return std::any_of(head.history.begin(), head.history.end(),
                       [&](const format::HistoryLink& link) { return link.id == id; });
  };
  change.edit = [&](format::Head& head) -> Status {
    const auto link = std::find_if(head.history.begin(), head.history.end(), is_lost);
    if (link == head.history.end()) {
      return Error(ErrorCode::kConflict, "'" + name + "' moved while it was mended; run it again");
    }
    link->id = id;
    return OkStatus();
  };
  const auto head = core_.heads.Commit(ctx_, change);
  if (head.ok()) return std::string();
  if (head.error().code() == ErrorCode::kConflict) return head.error().message();
  return head.error();
}

}  // namespace varve::lake
