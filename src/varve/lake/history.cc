// Older versions: folding them out of the head and finding them again.
#include <algorithm>

#include "varve/base/planted.h"
#include "varve/lake/heads.h"

namespace varve::lake {
namespace {

format::HistoryLink LinkTo(const format::ObjectId& id, const format::HistoryNode& node) {
  format::HistoryLink link;
  link.id = id;
  link.level = node.level;
  if (node.level == 0) {
    link.first_version = node.entries.front().version;
    link.last_version = node.entries.back().version;
    link.time_min_ms = node.entries.front().time_ms;
    link.time_max_ms = node.entries.back().time_ms;
  } else {
    link.first_version = node.links.front().first_version;
    link.last_version = node.links.back().last_version;
    link.time_min_ms = node.links.front().time_min_ms;
    link.time_max_ms = node.links.back().time_max_ms;
  }
  return link;
}

Result<format::HistoryNode> ReadNode(const OpContext& ctx, store::ObjectStore& store,
                                     const format::HistoryLink& link) {
  VARVE_TRY(const auto reply, store.Get(ctx, store::Key(format::HistoryKey(link.id)), {}));
  VARVE_TRY(auto node, format::DecodeHistoryNode(reply.body));
  if (node.level != link.level || (node.level == 0 ? node.entries.empty() : node.links.empty())) {
    return Error(ErrorCode::kCorrupt, "history node " + link.id.Text() + " does not fit its link");
  }
  return node;
}

const format::HistoryLink* Covering(const std::vector<format::HistoryLink>& links,
                                    uint64_t version) {
  for (const format::HistoryLink& link : links) {
    if (link.first_version <= version && version <= link.last_version) return &link;
  }
  return nullptr;
}

}  // namespace

Status Heads::Fold(const OpContext& ctx, format::Head& head, std::vector<format::ObjectId>& used) {
  const auto write = [&](const format::HistoryNode& node) -> Result<format::HistoryLink> {
    VARVE_TRY(const format::ObjectId id, ids_.Next(ctx, head.name));
    VARVE_TRY(const Bytes object, format::EncodeHistoryNode(node));
    VARVE_TRY(const auto info, store_.PutNew(ctx, store::Key(format::HistoryKey(id)), object));
    static_cast<void>(info);
    used.push_back(id);
    return LinkTo(id, node);
  };
  if (head.versions.size() < format::kInlineVersionsMax) return OkStatus();
  format::HistoryNode leaf;
  const auto fold_end = head.versions.begin() + format::kFoldVersions;
  leaf.entries.assign(head.versions.begin(), PLANTED(11) ? fold_end - 1 : fold_end);
  VARVE_TRY(format::HistoryLink link, write(leaf));
  head.versions.erase(head.versions.begin(), fold_end);
  head.history.push_back(std::move(link));
  // A full run of links of one level becomes one link of the next.
  for (uint32_t level = 0;; ++level) {
    const auto first = std::find_if(head.history.begin(), head.history.end(),
                                    [&](const auto& each) { return each.level == level; });
    const auto last = std::find_if(first, head.history.end(),
                                   [&](const auto& each) { return each.level != level; });
    if (last - first < static_cast<std::ptrdiff_t>(format::kHistoryArity)) return OkStatus();
    format::HistoryNode node;
    node.level = level + 1;
    node.links.assign(first, last);
    VARVE_TRY(format::HistoryLink upper, write(node));
    const auto at = head.history.erase(first, last);
    head.history.insert(at, std::move(upper));
  }
}

Result<format::VersionEntry> Heads::Find(const OpContext& ctx, const format::Head& head,
                                         uint64_t version) {
  const auto found = [&](format::VersionEntry entry) {
    format::UseLayout(head, entry);
    return entry;
  };
  for (const format::VersionEntry& entry : head.versions) {
    if (entry.version == version) return found(entry);
  }
  const format::HistoryLink* link = Covering(head.history, version);
  format::HistoryNode node;
  while (link != nullptr) {
    VARVE_TRY(format::HistoryNode next, ReadNode(ctx, store_, *link));
    node = std::move(next);
    if (node.level == 0) {
      for (const format::VersionEntry& entry : node.entries) {
        if (entry.version == version) return found(entry);
      }
      break;
    }
    link = Covering(node.links, version);
  }
  return Error(ErrorCode::kNotFound, "no version v" + std::to_string(version) + " in '" +
                                         head.name + "'; the newest is v" +
                                         std::to_string(head.last_version()));
}

Result<std::vector<format::VersionEntry>> Heads::Newest(const OpContext& ctx,
                                                        const format::Head& head, size_t limit) {
  std::vector<format::VersionEntry> newest(head.versions.rbegin(), head.versions.rend());
  std::vector<format::HistoryLink> pending = head.history;  // Newest last.
  while (newest.size() < limit && !pending.empty()) {
    const format::HistoryLink link = pending.back();
    pending.pop_back();
    VARVE_TRY(const format::HistoryNode node, ReadNode(ctx, store_, link));
    newest.insert(newest.end(), node.entries.rbegin(), node.entries.rend());
    pending.insert(pending.end(), node.links.begin(), node.links.end());
  }
  if (newest.size() > limit) newest.resize(limit);
  for (format::VersionEntry& entry : newest) format::UseLayout(head, entry);
  return newest;
}

}  // namespace varve::lake
