#include "varve/lake/core.h"

#include <algorithm>
#include <thread>

#include "varve/base/planted.h"
#include "varve/format/names.h"
#include "varve/lake/retention.h"
#include "varve/plan/nearest.h"
#include "varve/plan/read_plan.h"

namespace varve::lake {
namespace {

// A load must hold one read, and what the transport holds for it.
constexpr uint64_t kEngineMemoryBytesMin = 4 * plan::kReadBytesMax;

uint32_t Cores() { return std::max(1U, std::thread::hardware_concurrency()); }

Error NoSuchArtifact(const OpContext& ctx, Core& core, std::string_view name) {
  std::vector<std::string> names;
  auto listed = store::ListAll(ctx, *core.store, format::kHeadPrefix, 100'000);
  if (listed.ok()) {
    for (const store::ListedObject& object : *listed) {
      auto known = format::NameFromHeadKey(object.key.str());
      if (known.ok()) names.push_back(std::move(known).value());
    }
  }
  std::string message = "no artifact '" + std::string(name) + "' in lake " + core.store->Describe();
  const std::string nearest = plan::Nearest(name, names);
  if (!nearest.empty()) message += "; the nearest name is '" + nearest + "'";
  return Error(ErrorCode::kNotFound, message);
}

Error NoSuchLabel(const format::Head& head, const std::string& label) {
  std::vector<std::string> labels{"latest"};
  for (const auto& [alias, version] : head.aliases) labels.push_back(alias);
  for (const auto& [tag, version] : head.tags) labels.push_back(tag);
  std::string message = "no alias or tag '" + label + "' in '" + head.name + "'";
  const std::string nearest = plan::Nearest(label, labels);
  if (!nearest.empty()) message += "; the nearest is '" + nearest + "'";
  return Error(ErrorCode::kNotFound, message);
}

}  // namespace

Core::Core(std::shared_ptr<store::ObjectStore> object_store, LakeOptions lake_options,
           format::Descriptor lake_descriptor, format::Gate lake_gate)
    : store(std::move(object_store)),
      options(lake_options),
      descriptor(std::move(lake_descriptor)),
      gate(lake_gate),
      transfers(store, {.connections = options.transfers,
                        .connections_max = options.transfers_max,
                        .memory_bytes = std::max(options.memory_bytes, kEngineMemoryBytesMin)}),
      buffers(transfers.buffers()),
      ids(*store),
      guard(*store),
      heads(*store, guard, ids),
      encoders({.name = "varve-encode",
                .threads = options.cpu_threads != 0 ? options.cpu_threads : Cores(),
                .queue_max = 1024,
                .background = false}),
      background_encoders(
          {.name = "varve-encode-bg",
           .threads = options.cpu_threads != 0 ? options.cpu_threads : std::max(1U, Cores() / 8),
           .queue_max = 1024,
           .background = true}) {}

Status Core::CheckWritable() const {
  if (gate != format::Gate::kReadWrite) {
    return Error(
        ErrorCode::kUnsupported,
        "lake " + store->Describe() +
            " has a feature this release cannot write; it is read-only here, upgrade varve");
  }
  // Never less safe than asked for: who writes alone says so.
  if (options.single_writer) return OkStatus();
  if (descriptor.probe.has_value() && !descriptor.probe->shared_writing) {
    return Error(ErrorCode::kUnsupported,
                 "the store of lake " + store->Describe() +
                     " is refused for shared writing: " + descriptor.probe->reason +
                     "; move the lake, or write alone with --single-writer (single_writer=True)");
  }
  if (!descriptor.probe.has_value() && store->features().needs_probe) {
    return Error(ErrorCode::kUnsupported,
                 "nobody has tried whether the store of lake " + store->Describe() +
                     " holds its conditions since the lake was made or copied there; run: varve "
                     "doctor " +
                     store->Describe());
  }
  return OkStatus();
}

Result<HeadSnapshot> ResolveHead(const OpContext& ctx, Core& core, std::string_view name) {
  VARVE_CHECK_OK(format::CheckArtifactName(name));
  auto snapshot = core.heads.Read(ctx, name);
  if (!snapshot.ok()) {
    if (snapshot.error().code() == ErrorCode::kNotFound) return NoSuchArtifact(ctx, core, name);
    return snapshot;
  }
  if (snapshot->head.state == format::HeadState::kDeleted) return NoSuchArtifact(ctx, core, name);
  return snapshot;
}

Result<format::VersionEntry> LatestLive(const OpContext& ctx, Core& core,
                                        const format::Head& head) {
  for (uint64_t version = head.last_version(); version > 0; --version) {
    if (!head.forgotten.contains(version) || PLANTED(39)) {
      return core.heads.Find(ctx, head, version);
    }
  }
  return Error(ErrorCode::kNotFound, "'" + head.name + "' has no version yet");
}

std::string WhyForgotten(const format::Head& head, uint64_t version) {
  const format::Tombstone& tombstone = head.forgotten.at(version);
  const std::string address = format::VersionAddress(head.name, version);
  std::string text = "v" + std::to_string(version) + " of '" + head.name + "' was forgotten on " +
                     plan::DateText(tombstone.time_ms);
  if (!tombstone.by.empty()) text += " by " + tombstone.by;
  if (!tombstone.policy.empty()) text += ", by policy '" + tombstone.policy + "'";
  if (!tombstone.reason.empty()) text += ": " + tombstone.reason;
  if (tombstone.until_ms > tombstone.time_ms) {
    text += "; until " + plan::DateText(tombstone.until_ms) + " 'varve undelete " + address +
            "' brings it back";
  }
  return text;
}

Result<Resolved> Resolve(const OpContext& ctx, Core& core, std::string_view address) {
  VARVE_TRY(const format::Address parsed, format::ParseAddress(address));
  Resolved resolved;
  VARVE_TRY(resolved.snapshot, ResolveHead(ctx, core, parsed.name));
  const format::Head& head = resolved.snapshot.head;
  uint64_t version = 0;
  if (parsed.version.has_value()) {
    version = *parsed.version;
  } else if (parsed.label.empty()) {
    VARVE_TRY(resolved.entry, LatestLive(ctx, core, head));
    return resolved;
  } else if (const auto alias = head.aliases.find(parsed.label); alias != head.aliases.end()) {
    version = alias->second;
  } else if (const auto tag = head.tags.find(parsed.label); tag != head.tags.end()) {
    version = tag->second;
  } else {
    return NoSuchLabel(head, parsed.label);
  }
  VARVE_TRY(resolved.entry, core.heads.Find(ctx, head, version));
  if (!PLANTED(40)) VARVE_CHECK_OK(CheckLive(head, version));
  return resolved;
}

Result<ReadCommitReply> ReadCommit(const OpContext& ctx, Core& core,
                                   const format::ObjectId& meta_id, const hash::Digest& commit_id,
                                   uint64_t version) {
  const store::Key key(format::MetaKey(meta_id));
  auto reply = core.store->Get(ctx, key, {});
  if (!reply.ok()) {
    if (reply.error().code() != ErrorCode::kNotFound) return std::move(reply).error();
    return std::move(Error(ErrorCode::kCorrupt,
                           "the commit object of v" + std::to_string(version) + " is missing")
                         .At("get", key.str()));
  }
  auto decoded = format::DecodeCommit(reply->body);
  if (!decoded.ok()) return std::move(decoded.error().At("decode commit", key.str()));
  if (decoded->commit_id != commit_id) {
    return std::move(Error(ErrorCode::kCorrupt, "the commit object is not the one that v" +
                                                    std::to_string(version) + " names")
                         .At("decode commit", key.str()));
  }
  ReadCommitReply result;
  result.decoded = std::move(decoded).value();
  result.object = std::move(reply->body);
  return result;
}

Result<std::optional<format::VersionEntry>> MovedTo(const OpContext& ctx, Core& core,
                                                    const std::string& name,
                                                    const format::VersionEntry& entry) {
  const std::optional<format::VersionEntry> nowhere;
  if (PLANTED(73)) return nowhere;
  const auto snapshot = core.heads.Read(ctx, name);
  if (!snapshot.ok()) {
    const ErrorCode code = snapshot.error().code();
    if (code == ErrorCode::kNotFound || code == ErrorCode::kCorrupt) return nowhere;
    return snapshot.error();
  }
  VARVE_CHECK_OK(CheckLive(snapshot->head, entry.version));
  VARVE_TRY(format::VersionEntry now, core.heads.Find(ctx, snapshot->head, entry.version));
  if (now.meta_id == entry.meta_id) return nowhere;
  return std::optional(std::move(now));
}

Result<ResolvedCommit> ResolveCommit(const OpContext& ctx, Core& core, std::string_view address) {
  VARVE_TRY(Resolved at, Resolve(ctx, core, address));
  for (int attempt = 1;; ++attempt) {
    auto read = ReadCommit(ctx, core, at.entry);
    if (read.ok()) return ResolvedCommit{std::move(at), std::move(read).value()};
    if (read.error().code() != ErrorCode::kCorrupt || attempt == kMovedTriesMax || PLANTED(73)) {
      return std::move(read).error();
    }
    // The address may mean another version by now.
    VARVE_TRY(Resolved now, Resolve(ctx, core, address));
    if (now.entry.meta_id == at.entry.meta_id) return std::move(read).error();
    at = std::move(now);
  }
}

}  // namespace varve::lake
