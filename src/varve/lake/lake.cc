#include "varve/lake/lake.h"

#include <algorithm>
#include <mutex>

#include "varve/base/planted.h"
#include "varve/format/gc_state.h"
#include "varve/format/names.h"
#include "varve/lake/internal.h"
#include "varve/lake/probe.h"
#include "varve/lake/retention.h"
#include "varve/plan/pacing.h"

namespace varve::lake {
namespace {

constexpr uint32_t kLevelsAboveMax = 64;  // Where Init looks for a lake around the new one.

class OpenLake final : public Lake {
 public:
  explicit OpenLake(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~OpenLake() override { Shut(); }

  const std::string& lake_id() const override { return core_->descriptor.lake_id; }
  std::string Describe() const override { return core_->store->Describe(); }

  Result<std::unique_ptr<SaveSession>> BeginSave(const OpContext& ctx, std::string name,
                                                 SaveOptions options) override {
    return BeginSession(ctx, core_, std::move(name), std::move(options));
  }
  Result<SaveReport> JoinParts(const OpContext& ctx, std::string_view name,
                               const std::vector<std::string>& tokens) override {
    return JoinSave(ctx, *core_, name, tokens);
  }
  void Warm(uint64_t bytes) override {
    // Half of the cap: the other is for packs. A plain pointer: the pool is joined before it
    // dangles.
    const uint64_t wanted_bytes = std::min(bytes, core_->options.memory_bytes / 2);
    const auto warm = [core = core_.get(), closing = core_->closing, wanted_bytes] {
      const uint64_t chunk_bytes = core->descriptor.chunk_bytes;
      while (!closing.cancelled() && core->buffers.Warm(chunk_bytes, wanted_bytes)) {
      }
    };
    static_cast<void>(core_->background_encoders.Submit(warm));  // Refused only when closing.
  }
  Result<SaveReport> PutPath(const OpContext& ctx, std::string name, const std::string& local_path,
                             SaveOptions options,
                             const std::function<void(Progress)>& on_progress) override {
    return lake::PutPath(ctx, core_, std::move(name), local_path, std::move(options), on_progress);
  }
  Status GetPath(const OpContext& ctx, std::string_view address, const std::string& destination,
                 const std::function<void(Progress)>& on_progress) override {
    return lake::GetPath(ctx, core_, address, destination, on_progress);
  }
  Result<std::unique_ptr<OpenVersion>> OpenAt(const OpContext& ctx,
                                              std::string_view address) override {
    return OpenVersionAt(ctx, core_, address);
  }

  Result<std::vector<ArtifactInfo>> ListArtifacts(const OpContext& ctx) override;
  Result<std::vector<VersionInfo>> History(const OpContext& ctx, std::string_view name,
                                           size_t limit) override;
  Result<VersionInfo> Describe(const OpContext& ctx, std::string_view address) override;

  Status SetAlias(const OpContext& ctx, std::string_view name, std::string_view alias,
                  std::string_view target_address) override;
  Status RemoveAlias(const OpContext& ctx, std::string_view name, std::string_view alias) override;
  Status SetTag(const OpContext& ctx, std::string_view name, std::string_view tag,
                std::string_view target_address) override;
  Status Forget(const OpContext& ctx, std::string_view address, std::string reason,
                ForgetOptions options) override {
    return ForgetVersion(ctx, *core_, address, reason, options);
  }
  Status Undelete(const OpContext& ctx, std::string_view address) override {
    return UndeleteVersion(ctx, *core_, address);
  }
  Status Pin(const OpContext& ctx, std::string_view address, const PinOptions& options) override {
    return PinVersion(ctx, *core_, address, options);
  }
  Status Unpin(const OpContext& ctx, std::string_view address, std::string_view owner) override {
    return UnpinVersion(ctx, *core_, address, owner);
  }
  Status Hold(const OpContext& ctx, std::string_view address, std::string_view owner,
              std::string_view reason) override {
    return HoldVersion(ctx, *core_, address, owner, reason);
  }
  Status Unhold(const OpContext& ctx, std::string_view address, std::string_view owner) override {
    return UnholdVersion(ctx, *core_, address, owner);
  }
  Status Annotate(const OpContext& ctx, std::string_view address,
                  const AnnotateOptions& options) override {
    return AnnotateVersion(ctx, *core_, address, options);
  }
  Status NoteVerified(const OpContext& ctx, std::string_view address) override {
    return lake::NoteVerified(ctx, *core_, address);
  }
  Result<format::RetentionPlan> PlanRetention(const OpContext& ctx, const plan::PolicySet& policies,
                                              const RetentionOptions& options) override {
    return MakeRetentionPlan(ctx, *core_, policies, options);
  }
  Result<RetentionReport> ApplyRetention(const OpContext& ctx, const format::RetentionPlan& plan,
                                         const ApplyOptions& options) override {
    return ApplyRetentionPlan(ctx, core_, plan, options);
  }
  Result<RetentionReport> Retain(const OpContext& ctx, const plan::PolicySet& policies,
                                 RetentionOptions options, const std::string& by) override {
    return lake::Retain(ctx, core_, policies, std::move(options), by);
  }
  Result<uint64_t> StorePolicy(const OpContext& ctx, const plan::PolicySet& policies,
                               const std::string& by) override {
    const bool none = policies.policies.empty() && policies.protects.empty();
    if (!none) VARVE_CHECK_OK(plan::CheckPolicies(policies));
    return lake::StorePolicy(ctx, core_, none ? "" : plan::PolicyText(policies), by);
  }
  Result<StoredPolicy> LoadPolicy(const OpContext& ctx, uint64_t version) override {
    return lake::LoadPolicy(ctx, *core_, version);
  }

  Result<DiffReport> Diff(const OpContext& ctx, std::string_view left,
                          std::string_view right) override {
    return DiffVersions(ctx, *core_, left, right);
  }
  Result<VerifyReport> Verify(const OpContext& ctx, std::string_view address,
                              const std::function<void(Progress)>& on_progress) override {
    return VerifyVersion(ctx, *core_, address, on_progress);
  }
  Result<GcReport> CollectGarbage(const OpContext& ctx, const GcOptions& options) override {
    return lake::CollectGarbage(ctx, *core_, options);
  }
  Result<RepackReport> Repack(const OpContext& ctx, const RepackOptions& options) override {
    return RepackLake(ctx, *core_, options);
  }
  Result<FsckReport> Fsck(const OpContext& ctx, const FsckOptions& options) override {
    return CheckLake(ctx, *core_, options);
  }
  Result<FsckReport> Repair(const OpContext& ctx, const FsckOptions& options, Lake* from) override {
    auto* other = dynamic_cast<OpenLake*>(from);
    if (from != nullptr && other == nullptr) {
      return Error(ErrorCode::kInternal, "not a lake of this library");
    }
    return RepairLake(ctx, *core_, options, other == nullptr ? nullptr : other->core_.get());
  }
  Result<std::vector<LostVersion>> FindLost(const OpContext& ctx) override {
    return FindLostVersions(ctx, *core_);
  }
  Result<RebuildReport> Rebuild(const OpContext& ctx, const RebuildOptions& options) override {
    return RebuildArtifact(ctx, *core_, options);
  }
  Result<CopyReport> CopyFrom(const OpContext& ctx, Lake& source, std::string_view address,
                              const std::function<void(Progress)>& on_progress) override {
    auto* other = dynamic_cast<OpenLake*>(&source);
    if (other == nullptr) return Error(ErrorCode::kInternal, "not a lake of this library");
    return CopyVersions(ctx, other->core_, core_, address, on_progress);
  }
  std::unique_ptr<ThreadPool::Hurry> HurrySaves() override {
    return std::make_unique<ThreadPool::Hurry>(core_->background_encoders, core_->encoders);
  }
  void Close() override { Shut(); }

 private:
  void Shut();

  std::shared_ptr<Core> core_;
};

void OpenLake::Shut() {
  core_->closing.Cancel();
  core_->encoders.Stop();
  core_->background_encoders.Stop();
  core_->transfers.Stop(transfer::Engine::StopHow::kCancel);
}

Result<std::vector<ArtifactInfo>> OpenLake::ListArtifacts(const OpContext& ctx) {
  VARVE_TRY(const auto objects, store::ListAll(ctx, *core_->store, format::kHeadPrefix));
  std::vector<std::optional<ArtifactInfo>> found(objects.size());
  const auto read_one = [&](size_t index) -> Status {
    VARVE_TRY(const std::string name, format::NameFromHeadKey(objects[index].key.str()));
    VARVE_TRY(const HeadSnapshot snapshot, core_->heads.Read(ctx, name));
    const format::Head& head = snapshot.head;
    if (head.state == format::HeadState::kDeleted) return OkStatus();
    ArtifactInfo info;
    info.name = name;
    info.artifact_type = head.artifact_type;
    info.last_version = head.last_version();
    info.versions = info.last_version - head.forgotten.size();
    info.aliases = head.aliases;
    info.tags = head.tags;
    if (!head.versions.empty()) {
      info.time_ms = head.versions.back().time_ms;
      info.logical_bytes = head.versions.back().logical_bytes;
    }
    found[index] = std::move(info);
    return OkStatus();
  };
  VARVE_CHECK_OK(core_->transfers.ForEach(ctx, objects.size(), read_one));
  std::vector<ArtifactInfo> artifacts;
  for (std::optional<ArtifactInfo>& info : found) {
    if (info.has_value()) artifacts.push_back(std::move(*info));
  }
  std::sort(artifacts.begin(), artifacts.end(),
            [](const ArtifactInfo& a, const ArtifactInfo& b) { return a.name < b.name; });
  return artifacts;
}

VersionInfo InfoOf(const format::Head& head, const format::VersionEntry& entry) {
  VersionInfo info;
  info.entry = entry;
  info.entry.metrics = format::MetricsOf(head, entry);
  info.run = head.run;
  if (const auto verified = head.verified.find(entry.version); verified != head.verified.end())
    info.verified_ms = verified->second;
  for (const auto& [alias, version] : head.aliases) {
    if (version == entry.version) info.aliases.push_back(alias);
  }
  for (const auto& [tag, version] : head.tags) {
    if (version == entry.version) info.tags.push_back(tag);
  }
  for (const format::Pin& pin : head.pins) {
    if (pin.version == entry.version) info.pins.push_back(pin);
  }
  for (const format::Hold& hold : head.holds) {
    if (hold.version == entry.version) info.holds.push_back(hold);
  }
  if (const auto layout = head.layouts.find(entry.version); layout != head.layouts.end()) {
    info.let_go = layout->second.let_go;
  }
  const auto tombstone = head.forgotten.find(entry.version);
  if (tombstone != head.forgotten.end()) info.forgotten = tombstone->second;
  return info;
}

Result<std::vector<VersionInfo>> OpenLake::History(const OpContext& ctx, std::string_view name,
                                                   size_t limit) {
  VARVE_TRY(const HeadSnapshot snapshot, ResolveHead(ctx, *core_, name));
  VARVE_TRY(const auto entries, core_->heads.Newest(ctx, snapshot.head, limit));
  std::vector<VersionInfo> history;
  for (const format::VersionEntry& entry : entries) history.push_back(InfoOf(snapshot.head, entry));
  return history;
}

Result<VersionInfo> OpenLake::Describe(const OpContext& ctx, std::string_view address) {
  VARVE_TRY(const Resolved at, Resolve(ctx, *core_, address));
  return InfoOf(at.snapshot.head, at.entry);
}

// The version an address names, when it names one of `name`.
Result<uint64_t> TargetOf(const OpContext& ctx, Core& core, std::string_view name,
                          std::string_view target_address) {
  VARVE_TRY(const format::Address target, format::ParseAddress(target_address));
  if (target.name != name) {
    return Error(
        ErrorCode::kInvalidArgument,
        "a label of '" + std::string(name) + "' cannot name a version of '" + target.name + "'");
  }
  VARVE_TRY(const Resolved at, Resolve(ctx, core, target_address));
  return at.entry.version;
}

Status CheckRoom(const std::map<std::string, uint64_t>& labels, std::string_view label) {
  if (labels.size() < format::kLabelsMax || labels.contains(std::string(label))) return OkStatus();
  return Error(ErrorCode::kResourceExhausted,
               "an artifact has at most 1,024 aliases and 1,024 tags");
}

Status OpenLake::SetAlias(const OpContext& ctx, std::string_view name, std::string_view alias,
                          std::string_view target_address) {
  VARVE_CHECK_OK(format::CheckLabel(alias));
  VARVE_TRY(const uint64_t version, TargetOf(ctx, *core_, name, target_address));
  return EditHead(ctx, *core_, name, [&](format::Head& head) -> Status {
    VARVE_CHECK_OK(CheckLive(head, version));
    if (head.tags.contains(std::string(alias))) {
      return Error(ErrorCode::kAlreadyExists, "'" + std::string(alias) + "' is a tag of '" +
                                                  head.name + "'; choose another name");
    }
    VARVE_CHECK_OK(CheckRoom(head.aliases, alias));
    head.aliases[std::string(alias)] = version;
    return OkStatus();
  });
}

Status OpenLake::RemoveAlias(const OpContext& ctx, std::string_view name, std::string_view alias) {
  VARVE_CHECK_OK(format::CheckLabel(alias));
  VARVE_TRY(const HeadSnapshot snapshot, ResolveHead(ctx, *core_, name));
  if (!snapshot.head.aliases.contains(std::string(alias))) {
    return Error(ErrorCode::kNotFound,
                 "no alias '" + std::string(alias) + "' in '" + std::string(name) + "'");
  }
  return EditHead(ctx, *core_, name, [&](format::Head& head) {
    head.aliases.erase(std::string(alias));
    return OkStatus();
  });
}

Status OpenLake::SetTag(const OpContext& ctx, std::string_view name, std::string_view tag,
                        std::string_view target_address) {
  VARVE_CHECK_OK(format::CheckLabel(tag));
  VARVE_TRY(const uint64_t version, TargetOf(ctx, *core_, name, target_address));
  return EditHead(ctx, *core_, name, [&](format::Head& head) -> Status {
    VARVE_CHECK_OK(CheckLive(head, version));
    VARVE_CHECK_OK(CheckRoom(head.tags, tag));
    if (PLANTED(36)) head.tags[std::string(tag)] = version;
    const auto [found, fresh] = head.tags.try_emplace(std::string(tag), version);
    if (found->second != version || head.aliases.contains(std::string(tag))) {
      return Error(ErrorCode::kAlreadyExists, "'" + std::string(tag) + "' of '" + head.name +
                                                  "' is taken; a tag never moves, use an alias");
    }
    return OkStatus();
  });
}

// What lies at the place where a lake is to be made or opened.
Status CheckEmpty(const OpContext& ctx, store::ObjectStore& store) {
  VARVE_TRY(const store::ListPage page, store.List(ctx, "", {.token = "", .page_max = 10}));
  for (const store::ListedObject& object : page.objects) {
    if (object.key.str() == format::kDescriptorKey) {  // Another process was faster.
      return Error(ErrorCode::kAlreadyExists, "a lake is already at " + store.Describe());
    }
    // Left by an init that was cut off, or by a doctor.
    if (object.key.str() == format::kGcStateKey || object.key.str().starts_with(kProbePrefix))
      continue;
    const bool lake_inside = object.key.str().ends_with("/lake.json");
    return Error(ErrorCode::kInvalidArgument,
                 store.Describe() + (lake_inside ? " holds another lake" : " is not empty") +
                     "; choose an empty prefix. found=" + object.key.str());
  }
  return OkStatus();
}

// A lake inside of another would be litter to the outer one's collector.
Status CheckOutside(const OpContext& ctx, const store::ObjectStore& store) {
  const store::Key descriptor_key{std::string(format::kDescriptorKey)};
  for (uint32_t levels = 1; levels <= kLevelsAboveMax; ++levels) {
    const std::unique_ptr<store::ObjectStore> above = store.Above(levels);
    if (above == nullptr) return OkStatus();
    const auto there = above->Head(ctx, descriptor_key);
    if (there.ok()) {
      return Error(ErrorCode::kInvalidArgument, store.Describe() + " lies inside of the lake at " +
                                                    above->Describe() +
                                                    "; choose a place outside of it");
    }
    const ErrorCode code = there.error().code();
    // What these credentials cannot see is not asked further.
    if (code != ErrorCode::kNotFound && code != ErrorCode::kPermissionDenied) return there.error();
  }
  return OkStatus();
}

}  // namespace

Status Lake::Init(const OpContext& ctx, store::ObjectStore& store, bool single_writer) {
  const store::Key descriptor_key{std::string(format::kDescriptorKey)};
  const auto there = store.Head(ctx, descriptor_key);
  if (there.ok()) {
    return Error(ErrorCode::kAlreadyExists, "a lake is already at " + store.Describe());
  }
  if (there.error().code() != ErrorCode::kNotFound) return there.error();
  VARVE_CHECK_OK(CheckOutside(ctx, store));
  VARVE_CHECK_OK(CheckEmpty(ctx, store));
  VARVE_TRY(const std::optional<format::ProbeRecord> probe,
            ProbeForInit(ctx, store, single_writer));
  // The descriptor comes last: a lake exists once it does, and everything it needs exists by then.
  VARVE_TRY(const std::string gc_json, format::EncodeGcState({}));
  const auto gc =
      store.Cas(ctx, store::Key{std::string(format::kGcStateKey)}, AsBytes(gc_json), std::nullopt);
  if (!gc.ok() && gc.error().code() != ErrorCode::kConflict) return gc.error();
  format::Descriptor descriptor;
  descriptor.lake_id = ctx.random().Hex128();
  descriptor.created_ms = ctx.clock().WallMs();
  descriptor.probe = probe;
  VARVE_TRY(const std::string json, format::EncodeDescriptor(descriptor));
  const auto born = store.Cas(ctx, descriptor_key, AsBytes(json), std::nullopt);
  if (born.ok()) return OkStatus();
  const auto now = store.Get(ctx, descriptor_key, {});
  if (now.ok() && AsText(now->body) == json) return OkStatus();  // Landed; its answer was lost.
  if (born.error().code() == ErrorCode::kConflict) {
    return Error(ErrorCode::kAlreadyExists, "a lake is already at " + store.Describe());
  }
  return born.error();
}

Result<std::unique_ptr<Lake>> Lake::Open(const OpContext& ctx,
                                         std::shared_ptr<store::ObjectStore> store,
                                         LakeOptions options) {
  options.transfers_max = options.transfers == 0 ? plan::kConnectionsMax : options.transfers;
  VARVE_TRY(options.transfers, transfer::Connections({.connections = options.transfers}));
  auto reply = store->Get(ctx, store::Key{std::string(format::kDescriptorKey)}, {});
  if (!reply.ok()) {
    // A missing bucket is said in the store's own words.
    const bool bucket = reply.error().message().find("bucket") != std::string::npos;
    if (reply.error().code() != ErrorCode::kNotFound || bucket) return std::move(reply).error();
    return Error(ErrorCode::kNotFound, "no lake at " + store->Describe() +
                                           "; make one with: varve init " + store->Describe());
  }
  auto descriptor = format::DecodeDescriptor(AsText(reply->body));
  if (!descriptor.ok()) {
    return std::move(
        descriptor.error().Prefix("the descriptor of " + store->Describe() + " is damaged"));
  }
  VARVE_TRY(const format::Gate gate, format::CheckGates(*descriptor));
  if (CopiedSinceProbe(*descriptor, reply->info)) descriptor->probe.reset();
  auto core =
      std::make_shared<Core>(std::move(store), options, std::move(descriptor).value(), gate);
  return std::unique_ptr<Lake>(std::make_unique<OpenLake>(std::move(core)));
}

}  // namespace varve::lake
