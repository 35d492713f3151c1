#include "varve/lake/gc_roots.h"

#include <algorithm>

#include "varve/base/planted.h"
#include "varve/format/envelope.h"
#include "varve/format/object_key.h"

namespace varve::lake {
namespace {

constexpr size_t kNodesKept = 10'000;
constexpr uint64_t kPackSetSuffixBytes = 64 * kKiB;  // Most pack sets and their footer.
constexpr int kSuffixTriesMax = 3;
constexpr size_t kRefsMax = 10'000'000;

Error NewerCollector(const std::string& key) {
  return Error(ErrorCode::kUnsupported, key +
                                            " may only be judged by a newer collector; nothing was "
                                            "deleted, upgrade varve");
}

}  // namespace

Result<std::vector<std::string>> GcRoots::List(const OpContext& ctx) {
  VARVE_TRY(const auto objects, store::ListAll(ctx, *core_.store, format::kRefPrefix, kRefsMax));
  std::vector<std::string> names;
  for (const store::ListedObject& object : objects) {
    format::ObjectKey key = format::ParseKey(object.key.str());
    if (key.kind != format::KeyKind::kHead) {
      return Error(ErrorCode::kUnsupported,
                   object.key.str() +
                       " is a ref that this build does not know, and it may keep objects alive; "
                       "nothing was deleted, upgrade varve or move it out of the lake");
    }
    names.push_back(std::move(key.name));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.size() < refs_min_) {
    return Error(
        ErrorCode::kCorrupt,
        "the store lists " + std::to_string(names.size()) + " heads where there were " +
            std::to_string(refs_min_) +
            ", and heads are never deleted; nothing was deleted, bring it back from a backup");
  }
  return names;
}

Result<GcRoots::Node> GcRoots::ReadNode(const OpContext& ctx, const format::HistoryLink& link) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = nodes_.find(link.id); found != nodes_.end()) return found->second;
  }
  const std::string key = format::HistoryKey(link.id);
  auto reply = core_.store->Get(ctx, store::Key(key), {});
  if (!reply.ok()) return std::move(reply.error().Prefix("reading history"));
  auto decoded = format::DecodeHistoryNode(reply->body);
  if (!decoded.ok()) return std::move(decoded.error().At("decode history node", key));
  if (decoded->min_gc > format::kFormatVersion) return NewerCollector(key);
  if (decoded->level != link.level) {
    return Error(ErrorCode::kCorrupt, key + " does not fit its link; bring it back from a backup");
  }
  Node node = std::make_shared<const format::HistoryNode>(std::move(decoded).value());
  const std::lock_guard lock(mutex_);
  if (nodes_.size() < kNodesKept) nodes_.emplace(link.id, node);
  return node;
}

Result<GcRoots::Head> GcRoots::Walk(const OpContext& ctx, const format::Head& head) {
  Head found;
  const auto take = [&](const format::VersionEntry& entry) {
    std::vector<format::ObjectId> live =
        format::LiveCommitObjects(head, entry, PLANTED(58) ? INT64_MAX : now_ms_);
    if (PLANTED(59) && head.layouts.contains(entry.version)) live = {entry.meta_id};
    Named named;
    named.version = entry.version;
    named.commit_id = entry.commit_id;
    named.time_ms = entry.time_ms;
    for (size_t i = 0; i < live.size(); ++i) {
      named.meta_id = live[i];
      named.live = true;
      named.full = i > 0;
      named.laid_out = head.layouts.contains(entry.version);
      found.commits.push_back(named);
    }
    if (!live.empty()) ++found.versions;
    if (std::find(live.begin(), live.end(), entry.meta_id) == live.end()) {
      named.meta_id = entry.meta_id;
      named.live = named.full = named.laid_out = false;
      named.moved = !live.empty();
      found.commits.push_back(named);
    }
  };
  for (const format::VersionEntry& entry : head.versions) take(entry);
  std::vector<format::HistoryLink> pending = head.history;
  while (!pending.empty()) {
    const format::HistoryLink link = pending.back();
    pending.pop_back();
    found.nodes.push_back(link.id);
    VARVE_TRY(const Node node, ReadNode(ctx, link));
    for (const format::VersionEntry& entry : node->entries) take(entry);
    pending.insert(pending.end(), node->links.begin(), node->links.end());
  }
  return found;
}

Result<std::vector<format::PackRow>> GcRoots::Packs(const OpContext& ctx,
                                                    const format::ObjectId& meta_id) {
  const std::string key = format::MetaKey(meta_id);
  uint64_t suffix_bytes = kPackSetSuffixBytes;
  for (int attempt = 0; attempt < kSuffixTriesMax; ++attempt) {
    VARVE_TRY(const auto reply,
              core_.store->Get(ctx, store::Key(key),
                               {.suffix_bytes = suffix_bytes, .if_none_match = std::nullopt}));
    auto set = format::DecodePackSet(reply.body, reply.info.bytes);
    if (!set.ok()) return std::move(set.error().At("decode pack set", key));
    if (set->suffix_bytes_needed > 0) {
      suffix_bytes = set->suffix_bytes_needed;
      continue;
    }
    if (set->min_gc > format::kFormatVersion) return NewerCollector(key);
    return std::move(set->packs);
  }
  return std::move(
      Error(ErrorCode::kCorrupt, "its length changes while it is read").At("get", key));
}

}  // namespace varve::lake
