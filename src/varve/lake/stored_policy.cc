// Policies that live in the lake, and which of them have let anything go: versions of two artifacts
// of type "policy", each with its text as metadata and no items. Retention never lets these go.
#include <nlohmann/json.hpp>

#include "varve/hash/hash.h"
#include "varve/lake/retention.h"

namespace varve::lake {
namespace {

using Json = nlohmann::json;

constexpr const char* kStoredName = "retention/policy";
constexpr const char* kAppliedName = "retention/applied";
constexpr size_t kStoredBytesMax = 256 << 10;  // Of a text; metadata holds 1 MiB, escapes included.

// A version of `name` that is its metadata.
Result<uint64_t> Write(const OpContext& ctx, const std::shared_ptr<Core>& core,
                       const std::string& name, std::string message, const Json& metadata) {
  SaveOptions options;
  options.artifact_type = kPolicyType;
  options.message = std::move(message);
  options.metadata_json = metadata.dump(-1, ' ', false, Json::error_handler_t::replace);
  VARVE_TRY(const auto session, BeginSession(ctx, core, name, std::move(options)));
  VARVE_TRY(const SaveReport report, session->Commit(ctx));
  return report.version;
}

// kNotFound when nobody wrote any; kAlreadyExists when the name is somebody's own artifact.
Result<HeadSnapshot> ReadOurs(const OpContext& ctx, Core& core, const char* name) {
  VARVE_TRY(HeadSnapshot snapshot, core.heads.Read(ctx, name));
  if (snapshot.head.artifact_type == kPolicyType) return snapshot;
  return Error(ErrorCode::kAlreadyExists, "artifact '" + std::string(name) +
                                              "' is no policy; it has the name that retention "
                                              "needs for its own, so rename it by copying");
}

std::string DigestOf(const std::string& policy) {
  return "policy " + hash::Blake3Of(AsBytes(policy)).Hex();
}

}  // namespace

Result<uint64_t> StorePolicy(const OpContext& ctx, const std::shared_ptr<Core>& core,
                             const std::string& text, const std::string& by) {
  if (text.size() > kStoredBytesMax) {
    return Error(ErrorCode::kInvalidArgument, "a policy that is stored is at most 256 KiB of text");
  }
  const auto there = ReadOurs(ctx, *core, kStoredName);
  if (!there.ok() && there.error().code() != ErrorCode::kNotFound) return there.error();
  return Write(ctx, core, kStoredName, text.empty() ? "no policy" : DigestOf(text),
               {{"policy", text}, {"by", by}});
}

Result<StoredPolicy> LoadPolicy(const OpContext& ctx, Core& core, uint64_t version) {
  const Error none(ErrorCode::kNotFound,
                   "no policy is stored in this lake; store one with: varve retain set --policy "
                   "FILE, or say it with --keep or --policy");
  const auto snapshot = ReadOurs(ctx, core, kStoredName);
  if (!snapshot.ok()) {
    return snapshot.error().code() == ErrorCode::kNotFound ? none : snapshot.error();
  }
  StoredPolicy stored;
  stored.version = version != 0 ? version : snapshot->head.last_version();
  if (stored.version == 0) return none;
  VARVE_TRY(const format::VersionEntry entry, core.heads.Find(ctx, snapshot->head, stored.version));
  VARVE_CHECK_OK(CheckLive(snapshot->head, stored.version));
  VARVE_TRY(const ReadCommitReply read, ReadCommit(ctx, core, entry));
  const Json metadata = Json::parse(read.decoded.commit.header.metadata_json, nullptr, false);
  if (!metadata.is_object() || !metadata.contains("policy") || !metadata["policy"].is_string()) {
    return Error(ErrorCode::kCorrupt, std::string(kStoredName) + "@v" +
                                          std::to_string(stored.version) +
                                          " holds no policy; store it anew");
  }
  stored.text = metadata["policy"].get<std::string>();
  stored.time_ms = entry.time_ms;
  if (metadata.contains("by") && metadata["by"].is_string())
    stored.by = metadata["by"].get<std::string>();
  if (stored.text.empty() && version == 0) return none;
  return stored;
}

Result<std::optional<int64_t>> CanaryTime(const OpContext& ctx, Core& core,
                                          const std::string& policy) {
  const auto snapshot = ReadOurs(ctx, core, kAppliedName);
  if (!snapshot.ok()) {
    if (snapshot.error().code() == ErrorCode::kNotFound) return std::optional<int64_t>();
    return snapshot.error();
  }
  VARVE_TRY(const auto entries, core.heads.Newest(ctx, snapshot->head, SIZE_MAX));
  const std::string digest = DigestOf(policy);
  std::optional<int64_t> first_ms;
  for (const format::VersionEntry& entry : entries) {
    if (entry.message == digest) first_ms = entry.time_ms;
  }
  return first_ms;
}

Status RecordCanary(const OpContext& ctx, const std::shared_ptr<Core>& core,
                    const format::RetentionPlan& plan, const std::string& by) {
  auto written = Write(ctx, core, kAppliedName, DigestOf(plan.policy),
                       {{"policy", plan.policy.substr(0, kStoredBytesMax)},
                        {"plan", format::EncodeRetentionPlan(plan).id},
                        {"by", by}});
  return written.ok() ? OkStatus() : Status(std::move(written).error());
}

}  // namespace varve::lake
