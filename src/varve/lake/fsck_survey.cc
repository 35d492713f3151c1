#include "varve/lake/fsck_survey.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "varve/format/names.h"
#include "varve/format/object_key.h"
#include "varve/lake/gc_mark.h"
#include "varve/lake/probe.h"

namespace varve::lake {
namespace {

using plan::Damage;

constexpr size_t kRefsMax = 10'000'000;
constexpr int kHistoryDepthMax = 17;  // Levels of nodes: what the format allows.

Damage OfDecode(const Error& error, Damage damaged) {
  return error.code() == ErrorCode::kUnsupported ? Damage::kNewerFormat : damaged;
}

class Surveyor {
 public:
  Surveyor(const OpContext& ctx, Core& core, FsckFindings& findings, FsckReport& report)
      : ctx_(ctx), core_(core), findings_(findings), report_(report) {}

  Result<FsckSurvey> Run() {
    survey_.salt = ctx_.random().Next64();
    VARVE_CHECK_OK(ReadDescriptor());
    VARVE_CHECK_OK(ReadState());
    VARVE_CHECK_OK(ReadHeads());
    VARVE_CHECK_OK(ReadListing());
    VARVE_CHECK_OK(ReadCommits());
    SortPacks();
    VARVE_CHECK_OK(ReadLists());
    CheckNodesListed();
    VARVE_CHECK_OK(CheckSessions());
    Count();
    return std::move(survey_);
  }

 private:
  Status ReadDescriptor() {
    const std::string key(format::kDescriptorKey);
    const auto reply = core_.store->Get(ctx_, store::Key(key), {});
    survey_.now_ms = ctx_.clock().WallMs();
    if (!reply.ok()) {
      if (reply.error().code() != ErrorCode::kNotFound) return reply.error();
      findings_.Add(Damage::kDescriptorMissing, key, "");
      return OkStatus();
    }
    if (reply->info.store_time_ms != 0) survey_.now_ms = reply->info.store_time_ms;
    const auto descriptor = format::DecodeDescriptor(AsText(reply->body));
    if (!descriptor.ok()) {
      findings_.Add(OfDecode(descriptor.error(), Damage::kDescriptorDamaged), key,
                    descriptor.error().message());
      return OkStatus();
    }
    const auto gate = format::CheckGates(*descriptor);
    if (!gate.ok()) findings_.Add(Damage::kNewerFormat, key, gate.error().message());
    if (descriptor->lake_id == core_.descriptor.lake_id) return OkStatus();
    return Error(ErrorCode::kCorrupt,
                 "another lake is at " + core_.store->Describe() + " than the one that was opened");
  }

  Status ReadState() {
    const std::string key(format::kGcStateKey);
    const auto reply = core_.store->Get(ctx_, store::Key(key), {});
    if (!reply.ok()) {
      if (reply.error().code() != ErrorCode::kNotFound) return reply.error();
      findings_.Add(Damage::kStateMissing, key, "");
      survey_.state_bad = true;
      return OkStatus();
    }
    auto state = format::DecodeGcState(AsText(reply->body));
    if (!state.ok()) {
      const Damage kind = OfDecode(state.error(), Damage::kStateDamaged);
      findings_.Add(kind, key, state.error().message());
      survey_.state_bad = kind == Damage::kStateDamaged;
      return OkStatus();
    }
    survey_.newest_epoch = state->epoch;
    // What was let go until a moment before it is no longer live, and may be on a list of it.
    survey_.now_ms = std::max(survey_.now_ms, StoreNow(ctx_, reply->info.store_time_ms));
    survey_.state = std::move(state).value();
    return OkStatus();
  }

  // Every list that the state named when the survey began, against what lives: a decided list that
  // names something live is a delete that is about to happen.
  Status ReadLists() {
    if (!survey_.state.has_value()) return OkStatus();
    for (const auto& [epoch, parts] : survey_.state->lists) {
      const bool decided =
          epoch < survey_.state->epoch || survey_.state->phase != format::GcPhase::kCondemned;
      for (const format::GcListPart& part : parts) VARVE_CHECK_OK(ReadPart(part, decided));
    }
    std::sort(survey_.doomed.begin(), survey_.doomed.end());
    return CheckRolledBack();
  }

  // A head is written with an epoch that the state had reached.
  Status CheckRolledBack() {
    if (head_epoch_ <= survey_.state->epoch) return OkStatus();
    const std::string key(format::kGcStateKey);
    VARVE_TRY(const auto reply, core_.store->Get(ctx_, store::Key(key), {}));
    VARVE_TRY(const format::GcState state, format::DecodeGcState(AsText(reply.body)));
    if (head_epoch_ <= state.epoch) return OkStatus();
    findings_.Add(Damage::kStateDamaged, key,
                  "it is of epoch " + std::to_string(state.epoch) + ", and a head of epoch " +
                      std::to_string(head_epoch_));
    survey_.state_bad = true;
    return OkStatus();
  }

  Status ReadPart(const format::GcListPart& part, bool decided) {
    const auto reply = core_.store->Get(ctx_, store::Key(part.key), {});
    if (!reply.ok()) {
      if (reply.error().code() != ErrorCode::kNotFound) return reply.error();
      VARVE_TRY(const bool named, StateNames(part.key));
      if (named) {
        findings_.Add(Damage::kListMissing, part.key, "");
        survey_.state_bad = true;
      }
      return OkStatus();
    }
    const auto ids = format::DecodeGcList(reply->body);
    if (!ids.ok()) {
      findings_.Add(OfDecode(ids.error(), Damage::kListDamaged), part.key, ids.error().message());
      if (ids.error().code() == ErrorCode::kCorrupt) survey_.state_bad = true;
      return OkStatus();
    }
    if (ids->size() != part.ids || ids->front() != part.first || ids->back() != part.last) {
      findings_.Add(Damage::kListDamaged, part.key, "it is not the list that gc/state names");
      survey_.state_bad = true;
      return OkStatus();
    }
    if (!decided || part.kind == format::IdKind::kSession) return OkStatus();
    for (const format::ObjectId& id : *ids) {
      if (!Lives(part.kind, id)) continue;
      survey_.doomed.push_back(id);
      findings_.Add(Damage::kLiveOnDeadList, format::KeyOf(part.kind, id), "listed in " + part.key);
    }
    return OkStatus();
  }

  Result<bool> StateNames(const std::string& key) {
    VARVE_TRY(const auto reply,
              core_.store->Get(ctx_, store::Key(std::string(format::kGcStateKey)), {}));
    VARVE_TRY(const format::GcState state, format::DecodeGcState(AsText(reply.body)));
    for (const auto& [epoch, parts] : state.lists) {
      for (const format::GcListPart& part : parts) {
        if (part.key == key) return true;
      }
    }
    return false;
  }

  bool Lives(format::IdKind kind, const format::ObjectId& id) const {
    const auto pack_before = [](const FsckPack& a, const format::ObjectId& b) { return a.id < b; };
    switch (kind) {
      case format::IdKind::kPack: {
        const auto at =
            std::lower_bound(survey_.packs.begin(), survey_.packs.end(), id, pack_before);
        return at != survey_.packs.end() && at->id == id;
      }
      case format::IdKind::kMeta:
        return survey_.live_metas.contains(id);
      case format::IdKind::kHistory:
        return std::find(survey_.nodes.begin(), survey_.nodes.end(), id) != survey_.nodes.end();
      case format::IdKind::kSession:
        return false;
    }
    return false;
  }

  Status ReadHeads() {
    VARVE_TRY(const auto objects, store::ListAll(ctx_, *core_.store, format::kRefPrefix, kRefsMax));
    std::vector<std::string> names;
    for (const store::ListedObject& object : objects) {
      format::ObjectKey key = format::ParseKey(object.key.str());
      if (key.kind == format::KeyKind::kHead)
        names.push_back(std::move(key.name));
      else
        findings_.Add(Damage::kForeign, object.key.str(), "a ref that this build does not know");
    }
    std::sort(names.begin(), names.end());
    if (survey_.state.has_value() && names.size() < survey_.state->refs) {
      findings_.Add(Damage::kHeadsMissing, std::string(format::kHeadPrefix),
                    std::to_string(names.size()) + " heads, and a collector met " +
                        std::to_string(survey_.state->refs));
    }
    report_.artifacts = survey_.heads_listed = names.size();
    return core_.transfers.ForEach(ctx_, names.size(),
                                   [&](size_t index) { return ReadHead(names[index]); });
  }

  Status ReadHead(const std::string& name) {
    const std::string key = format::HeadKey(name);
    const auto reply = core_.store->Get(ctx_, store::Key(key), {});
    if (!reply.ok()) {
      if (reply.error().code() != ErrorCode::kNotFound) return reply.error();
      findings_.Add(Damage::kHeadsMissing, key, "it is listed and not there");
      return OkStatus();
    }
    const auto head = format::DecodeHead(AsText(reply->body));
    if (!head.ok()) {
      findings_.Add(OfDecode(head.error(), Damage::kHeadDamaged), key, head.error().message());
      return OkStatus();
    }
    if (head->name != name) {
      findings_.Add(Damage::kHeadMisplaced, key, "it says that it belongs to '" + head->name + "'");
      return OkStatus();
    }
    uint32_t index = 0;
    {
      const std::lock_guard lock(mutex_);
      index = static_cast<uint32_t>(survey_.names.size());
      survey_.names.push_back(name);
      survey_.newest_epoch = std::max(survey_.newest_epoch, head->gc_epoch);
      head_epoch_ = std::max(head_epoch_, head->gc_epoch);
    }
    for (const auto* labels : {&head->aliases, &head->tags}) {
      for (const auto& [label, version] : *labels) {
        if (!head->forgotten.contains(version)) continue;
        findings_.Add(Damage::kLabelForgotten, key,
                      "'" + label + "' names v" + std::to_string(version), {name + "@" + label});
      }
    }
    for (const format::VersionEntry& entry : head->versions) Take(*head, index, entry);
    for (const format::HistoryLink& link : head->history) {
      VARVE_CHECK_OK(ReadNode(*head, index, link, 0));
    }
    return OkStatus();
  }

  void Take(const format::Head& head, uint32_t index, const format::VersionEntry& entry) {
    const auto live = format::LiveCommitObjects(head, entry, survey_.now_ms);
    const std::lock_guard lock(mutex_);
    if (!live.empty()) ++survey_.versions;
    survey_.known_commits.insert(entry.commit_id);
    for (size_t i = 0; i < live.size(); ++i) {
      survey_.commits.push_back({live[i], entry.commit_id, index, entry.version, i > 0,
                                 head.layouts.contains(entry.version)});
      survey_.live_metas.insert(live[i]);
    }
  }

  Status ReadNode(const format::Head& head, uint32_t index, const format::HistoryLink& link,
                  int depth) {
    const std::string key = format::HistoryKey(link.id);
    const auto lost = [&](Damage kind, const std::string& detail) {
      findings_.Add(kind, key, detail,
                    {format::VersionAddress(head.name, link.first_version) + " to v" +
                     std::to_string(link.last_version)});
      const std::lock_guard lock(mutex_);
      if (kind != Damage::kNewerFormat) survey_.lost_nodes.push_back({index, link});
      return OkStatus();
    };
    {
      const std::lock_guard lock(mutex_);
      survey_.nodes.push_back(link.id);
    }
    const auto reply = core_.store->Get(ctx_, store::Key(key), {});
    if (!reply.ok()) {
      if (reply.error().code() != ErrorCode::kNotFound) return reply.error();
      return lost(Damage::kHistoryMissing, "");
    }
    const auto node = format::DecodeHistoryNode(reply->body);
    if (!node.ok()) {
      return lost(OfDecode(node.error(), Damage::kHistoryDamaged), node.error().message());
    }
    const bool leaf = node->level == 0;
    if (node->level != link.level || depth > kHistoryDepthMax ||
        (leaf ? node->entries.empty() : node->links.empty()) ||
        (leaf ? node->entries.front().version : node->links.front().first_version) !=
            link.first_version ||
        (leaf ? node->entries.back().version : node->links.back().last_version) !=
            link.last_version) {
      return lost(Damage::kHistoryDamaged, "it does not fit its link");
    }
    for (const format::VersionEntry& entry : node->entries) Take(head, index, entry);
    for (const format::HistoryLink& each : node->links) {
      VARVE_CHECK_OK(ReadNode(head, index, each, depth + 1));
    }
    return OkStatus();
  }

  // After the heads: whatever they name was there before.
  Status ReadListing() {
    const auto visit = [&](const std::vector<store::ListedObject>& page) -> Status {
      const std::lock_guard lock(mutex_);
      for (const store::ListedObject& object : page) VisitOne(object);
      return OkStatus();
    };
    VARVE_CHECK_OK(ListLake(ctx_, core_, visit));
    for (auto& each : survey_.listed) {
      std::sort(each.begin(), each.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    }
    return OkStatus();
  }

  void VisitOne(const store::ListedObject& object) {
    const format::ObjectKey key = format::ParseKey(object.key.str());
    const auto listed = [&](format::IdKind kind) {
      survey_.listed[static_cast<size_t>(kind)].push_back({key.id, object.bytes});
      ++report_.objects;
      report_.object_bytes += object.bytes;
    };
    switch (key.kind) {
      case format::KeyKind::kForeign:
        if (object.key.str().starts_with(kProbePrefix)) return;
        if (object.key.str().starts_with(format::kRefPrefix)) return;  // Told of with the heads.
        findings_.Add(Damage::kForeign, object.key.str(),
                      std::to_string(object.bytes) + " bytes under a name that no object has");
        return;
      case format::KeyKind::kPack:
        return listed(format::IdKind::kPack);
      case format::KeyKind::kMeta:
        return listed(format::IdKind::kMeta);
      case format::KeyKind::kHistory:
        return listed(format::IdKind::kHistory);
      case format::KeyKind::kSession:
        return listed(format::IdKind::kSession);
      case format::KeyKind::kGcList:
      case format::KeyKind::kGcMark:
        survey_.newest_epoch = std::max(survey_.newest_epoch, key.epoch);
        return;
      case format::KeyKind::kDescriptor:
      case format::KeyKind::kGcState:
      case format::KeyKind::kHead:
        return;
    }
  }

  Status ReadCommits() {
    report_.versions = survey_.versions;
    report_.commits = survey_.commits.size();
    std::vector<FsckCommit> sound;
    const auto read_one = [&](size_t index) -> Status {
      const FsckCommit& commit = survey_.commits[index];
      VARVE_TRY(const bool readable, ReadCommitOf(commit));
      const std::lock_guard lock(mutex_);
      if (readable) sound.push_back(commit);
      return OkStatus();
    };
    VARVE_CHECK_OK(core_.transfers.ForEach(ctx_, survey_.commits.size(), read_one));
    survey_.commits = std::move(sound);
    const auto before = [](const FsckCommit& a, const FsckCommit& b) {
      return std::tie(a.name, a.version, a.full) < std::tie(b.name, b.version, b.full);
    };
    std::sort(survey_.commits.begin(), survey_.commits.end(), before);
    std::sort(survey_.bad_commits.begin(), survey_.bad_commits.end(), before);
    survey_.rows.Seal();
    return OkStatus();
  }

  Result<bool> ReadCommitOf(const FsckCommit& commit) {
    const std::string key = format::MetaKey(commit.meta_id);
    const auto bad = [&](Damage kind, const std::string& detail) -> Result<bool> {
      VARVE_TRY(const bool named, StillNamed(ctx_, core_, survey_.names[commit.name],
                                             commit.meta_id, survey_.now_ms));
      if (!named) return false;
      findings_.Add(kind, key, detail, {lake::AddressOf(survey_, commit)});
      const std::lock_guard lock(mutex_);
      if (kind != Damage::kNewerFormat) survey_.bad_commits.push_back(commit);
      return false;
    };
    const auto reply = core_.store->Get(ctx_, store::Key(key), {});
    if (!reply.ok()) {
      if (reply.error().code() != ErrorCode::kNotFound) return reply.error();
      return bad(Damage::kCommitMissing, "");
    }
    const auto decoded = format::DecodeCommit(reply->body);
    if (!decoded.ok()) {
      return bad(OfDecode(decoded.error(), Damage::kCommitDamaged), decoded.error().message());
    }
    if (decoded->commit_id != commit.commit_id) {
      return bad(Damage::kCommitSwapped, "its commit id is " + decoded->commit_id.Hex());
    }
    if (survey_.Find(format::IdKind::kMeta, commit.meta_id) == nullptr) {
      findings_.Add(Damage::kListingPartial, key, "");
    }
    const format::Commit& tables = decoded->commit;
    std::vector<uint64_t> rows;
    rows.reserve(tables.chunks.size());
    for (const format::ChunkRow& row : tables.chunks) {
      rows.push_back(RowFingerprint(tables.packs[row.pack].id, row.digest, row.offset,
                                    row.payload_bytes, row.raw_bytes, row.codec, survey_.salt));
    }
    const std::lock_guard lock(mutex_);
    for (const uint64_t row : rows) survey_.rows.Add(row);
    for (const format::PackRow& pack : tables.packs) {
      survey_.packs.push_back({pack.id, pack.object_bytes});
    }
    if (survey_.packs.size() > 2 * packs_sorted_ + 100'000) SortPacks();
    return true;
  }

  // Sorted and unique; of two stated lengths the one that the listing shows stays, so that what is
  // wrong with the other commit is seen by its rows.
  void SortPacks() {
    const auto listed_as = [&](const FsckPack& pack) {
      const FsckListed* found = survey_.Find(format::IdKind::kPack, pack.id);
      return found != nullptr && found->bytes == pack.object_bytes;
    };
    auto& packs = survey_.packs;
    std::sort(packs.begin(), packs.end(), [](const FsckPack& a, const FsckPack& b) {
      return std::tie(a.id, a.object_bytes) < std::tie(b.id, b.object_bytes);
    });
    size_t kept = 0;
    for (size_t i = 0; i < packs.size(); ++i) {
      if (kept > 0 && packs[kept - 1].id == packs[i].id) {
        if (listed_as(packs[i])) packs[kept - 1] = packs[i];
      } else {
        packs[kept++] = packs[i];
      }
    }
    packs.resize(kept);
    packs_sorted_ = kept;
  }

  void CheckNodesListed() {
    for (const format::ObjectId& id : survey_.nodes) {
      const auto is_lost = [&](const FsckLostNode& lost) { return lost.link.id == id; };
      if (survey_.Find(format::IdKind::kHistory, id) != nullptr ||
          std::any_of(survey_.lost_nodes.begin(), survey_.lost_nodes.end(), is_lost)) {
        continue;
      }
      findings_.Add(Damage::kListingPartial, format::HistoryKey(id), "");
    }
  }

  Status CheckSessions() {
    std::set<format::ObjectId> blocks;
    const auto note = [&](const format::ObjectId& id) {
      blocks.insert(format::ObjectId::Make(id.session(), id.counter() / kIdsPerBlock));
    };
    for (const FsckPack& pack : survey_.packs) note(pack.id);
    for (const FsckCommit& commit : survey_.commits) note(commit.meta_id);
    for (const format::ObjectId& node : survey_.nodes) note(node);
    std::vector<format::ObjectId> there;
    for (const format::ObjectId& block : blocks) {
      if (survey_.Find(format::IdKind::kSession, block) != nullptr)
        there.push_back(block);
      else
        findings_.Add(Damage::kSessionMissing, format::KeyOf(format::IdKind::kSession, block), "");
    }
    if (!report_.deep) return OkStatus();
    return core_.transfers.ForEach(ctx_, there.size(), [&](size_t index) -> Status {
      const std::string key = format::KeyOf(format::IdKind::kSession, there[index]);
      const auto reply = core_.store->Get(ctx_, store::Key(key), {});
      if (!reply.ok()) {
        return reply.error().code() == ErrorCode::kNotFound ? OkStatus() : Status(reply.error());
      }
      const auto block = format::DecodeSessionBlock(AsText(reply->body));
      if (!block.ok()) {
        findings_.Add(OfDecode(block.error(), Damage::kSessionDamaged), key,
                      block.error().message());
      } else if (block->session != there[index].session() ||
                 block->block != there[index].counter()) {
        findings_.Add(Damage::kSessionDamaged, key, "it reserves other names");
      }
      return OkStatus();
    });
  }

  void Count() {
    const auto count = [&](format::IdKind kind, const auto& lives) {
      for (const FsckListed& each : survey_.listed[static_cast<size_t>(kind)]) {
        if (lives(each.id)) continue;
        ++report_.unreferenced;
        report_.unreferenced_bytes += each.bytes;
      }
    };
    std::sort(survey_.nodes.begin(), survey_.nodes.end());
    count(format::IdKind::kPack,
          [&](const format::ObjectId& id) { return Lives(format::IdKind::kPack, id); });
    count(format::IdKind::kMeta,
          [&](const format::ObjectId& id) { return survey_.live_metas.contains(id); });
    count(format::IdKind::kHistory, [&](const format::ObjectId& id) {
      return std::binary_search(survey_.nodes.begin(), survey_.nodes.end(), id);
    });
    report_.packs = survey_.packs.size();
  }

  const OpContext& ctx_;
  Core& core_;
  FsckFindings& findings_;
  FsckReport& report_;
  FsckSurvey survey_;
  size_t packs_sorted_ = 0;
  uint64_t head_epoch_ = 0;  // The newest of any head.
  Mutex mutex_;              // Guards survey_ and report_ while workers run.
};

}  // namespace

void FsckFindings::Add(FsckFinding finding) {
  const std::lock_guard lock(mutex_);
  ++total_;
  if (findings_.size() < kFsckFindingsMax) findings_.push_back(std::move(finding));
}

void FsckFindings::Add(Damage kind, std::string object, std::string detail,
                       std::vector<std::string> affected) {
  FsckFinding finding;
  finding.kind = kind;
  finding.object = std::move(object);
  finding.detail = std::move(detail);
  finding.affected_total = affected.size();
  finding.affected = std::move(affected);
  Add(std::move(finding));
}

std::vector<FsckFinding> FsckFindings::Take(uint64_t& total) {
  const std::lock_guard lock(mutex_);
  total = total_;
  std::sort(findings_.begin(), findings_.end(), [](const FsckFinding& a, const FsckFinding& b) {
    const auto harm_a = plan::RuleOf(a.kind).harm, harm_b = plan::RuleOf(b.kind).harm;
    return std::tie(harm_b, a.object, a.kind) < std::tie(harm_a, b.object, b.kind);
  });
  return std::move(findings_);
}

const FsckListed* FsckSurvey::Find(format::IdKind kind, const format::ObjectId& id) const {
  const auto& all = listed[static_cast<size_t>(kind)];
  const auto at =
      std::lower_bound(all.begin(), all.end(), id,
                       [](const FsckListed& a, const format::ObjectId& b) { return a.id < b; });
  return at != all.end() && at->id == id ? &*at : nullptr;
}

uint64_t RowFingerprint(const format::ObjectId& pack, const hash::Digest& digest, uint64_t offset,
                        uint64_t payload_bytes, uint64_t raw_bytes, codec::CodecId codec,
                        uint64_t salt) {
  hash::Blake3 hasher("varve 2026 fsck row");
  hasher.Update(pack.bytes).Update(digest.bytes);
  hasher.UpdateU64(offset).UpdateU64(payload_bytes).UpdateU64(raw_bytes);
  hasher.UpdateU64(static_cast<uint64_t>(codec));
  const hash::Digest row = hasher.Finish();
  return plan::Fingerprint(ByteView(row.bytes).first(16), 0, salt);
}

std::string AddressOf(const FsckSurvey& survey, const FsckCommit& commit) {
  return format::VersionAddress(survey.names[commit.name], commit.version);
}

Result<bool> StillNamed(const OpContext& ctx, Core& core, const std::string& name,
                        const format::ObjectId& meta_id, int64_t now_ms) {
  const auto now = core.heads.Read(ctx, name);
  if (!now.ok()) {
    const ErrorCode code = now.error().code();
    if (code == ErrorCode::kNotFound || code == ErrorCode::kCorrupt) return true;
    return now.error();
  }
  // What was let go after the survey began has its date after that, too.
  now_ms = std::max(now_ms, StoreNow(ctx, now->store_time_ms));
  // Entries never change, so only layouts and tombstones can have let it go.
  const format::Head& head = now->head;
  for (const auto& [version, layout] : head.layouts) {
    if (layout.meta_id != meta_id && layout.full_meta_id != meta_id) continue;
    format::VersionEntry entry;
    entry.version = version;
    const auto live = format::LiveCommitObjects(head, entry, now_ms);
    return std::find(live.begin(), live.end(), meta_id) != live.end();
  }
  auto entries = core.heads.Newest(ctx, head, SIZE_MAX);
  if (!entries.ok()) return true;  // Its history is damaged, which is told of by itself.
  for (const format::VersionEntry& entry : *entries) {
    if (entry.meta_id != meta_id) continue;
    const auto live = format::LiveCommitObjects(head, entry, now_ms);
    return std::find(live.begin(), live.end(), meta_id) != live.end();
  }
  return false;
}

Result<FsckSurvey> Survey(const OpContext& ctx, Core& core, FsckFindings& findings,
                          FsckReport& report) {
  return Surveyor(ctx, core, findings, report).Run();
}

}  // namespace varve::lake
