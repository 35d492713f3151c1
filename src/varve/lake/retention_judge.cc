// A plan: what is there, what the policy says of it at a frozen time, and why.
#include <algorithm>
#include <atomic>
#include <bit>
#include <set>

#include "varve/format/names.h"
#include "varve/lake/retention.h"
#include "varve/plan/component.h"
#include "varve/plan/retention.h"
#include "varve/plan/retention_bill.h"

namespace varve::lake {
namespace {

constexpr uint64_t kFloorChecksMax = 16;  // Versions of one artifact looked at for the floor.
constexpr int64_t kDayMs = 86'400'000;
constexpr const char* kEverything = "everything";

bool UsesParts(const plan::PolicySet& policies) {
  for (const plan::Policy& policy : policies.policies) {
    for (const plan::Tier& tier : policy.tiers) {
      if (!tier.parts.empty()) return true;
    }
    for (const plan::Keep& keep : policy.keeps) {
      if (!keep.parts.empty()) return true;
    }
  }
  return false;
}

class Maker {
 public:
  Maker(const OpContext& ctx, Core& core, const plan::PolicySet& policies,
        const RetentionOptions& options)
      : ctx_(ctx),
        core_(core),
        policies_(policies),
        options_(options),
        parts_(UsesParts(policies)) {}

  Result<format::RetentionPlan> Make() {
    VARVE_CHECK_OK(ReadHeads());
    for (const std::string& name : options_.artifacts) {
      const auto there = std::any_of(heads_.begin(), heads_.end(),
                                     [&](const auto& each) { return each.head.name == name; });
      if (there) continue;
      VARVE_TRY(const HeadSnapshot none,
                ResolveHead(ctx_, core_, name));  // Its error names the nearest.
      static_cast<void>(none);
    }
    for (size_t i = 0; i < heads_.size(); ++i) VARVE_CHECK_OK(AddCandidates(i));
    if (parts_) VARVE_CHECK_OK(FindComponents());
    VARVE_CHECK_OK(CheckFloors());
    std::optional<plan::Usage> usage;
    if (options_.measure || plan::NeedsUsage(policies_)) {
      VARVE_TRY(usage, ReadUsage(ctx_, core_, candidates_, entries_));
    }
    const plan::Usage* used = usage.has_value() ? &*usage : nullptr;
    const std::optional<plan::Price> price = PriceHere();
    const plan::Price* priced = price.has_value() ? &*price : nullptr;
    VARVE_TRY(judged_, plan::Judge(policies_, candidates_, plan_.as_of_ms,
                                   {.allow_unknown_metrics = options_.allow_unknown_metrics,
                                    .usage = used,
                                    .price = priced}));
    double early = 0;
    if (priced != nullptr && used != nullptr)
      early = plan::BillOf(*used, candidates_, judged_.verdicts, *priced, plan_.as_of_ms).early;
    if (priced != nullptr) StretchGraces(*priced);
    for (const std::string& metric : plan::UnknownMetrics(policies_, candidates_, plan_.as_of_ms)) {
      plan_.warnings.push_back("no version has a metric '" + metric + "' yet");
    }
    FillPlan();
    FillBill(options_, policies_, candidates_, judged_, used, priced, core_, plan_);
    if (plan_.bill.has_value()) plan_.bill->early = early;
    return std::move(plan_);
  }

 private:
  bool Managed(const std::string& name) const {
    const auto& wanted = options_.artifacts;
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  }

  // The price of the class that the lake is written to; a plan that is judged again keeps its own.
  std::optional<plan::Price> PriceHere() const {
    if (options_.price.has_value()) return options_.price;
    const store::Placement place = core_.store->placement();
    if (place.provider.empty()) return std::nullopt;
    const plan::Price* found =
        plan::FindPrice(options_.prices, place.provider, place.region, place.storage_class);
    return found == nullptr ? std::nullopt : std::optional(*found);
  }

  // Bytes that are billed until their minimum duration ends may as well come back until then.
  void StretchGraces(const plan::Price& price) {
    if (price.min_days == 0) return;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      plan::Fate& verdict = judged_.verdicts[i];
      if (verdict.whole) continue;
      const int64_t billed_ms = candidates_[i].time_ms + price.min_days * kDayMs - plan_.as_of_ms;
      verdict.grace_ms = std::clamp(billed_ms, verdict.grace_ms, plan::kDurationMsMax);
    }
  }

  Status ReadHeads() {
    VARVE_TRY(const auto objects, store::ListAll(ctx_, *core_.store, format::kHeadPrefix));
    std::vector<std::optional<HeadSnapshot>> found(objects.size());
    VARVE_CHECK_OK(core_.transfers.ForEach(ctx_, objects.size(), [&](size_t i) -> Status {
      VARVE_TRY(const std::string name, format::NameFromHeadKey(objects[i].key.str()));
      VARVE_TRY(found[i], core_.heads.Read(ctx_, name));
      return OkStatus();
    }));
    int64_t now_ms = 0;
    for (std::optional<HeadSnapshot>& each : found) {
      now_ms = std::max(now_ms, each->store_time_ms);
      if (each->head.state != format::HeadState::kDeleted) heads_.push_back(std::move(*each));
    }
    std::sort(heads_.begin(), heads_.end(),
              [](const auto& a, const auto& b) { return a.head.name < b.head.name; });
    plan_.lake_id = core_.descriptor.lake_id;
    plan_.policy = plan::PolicyText(policies_);
    plan_.artifacts = options_.artifacts;
    if (now_ms == 0) {  // No heads yet.
      VARVE_TRY(const auto info,
                core_.store->Head(ctx_, store::Key{std::string(format::kDescriptorKey)}));
      now_ms = info.store_time_ms;
    }
    plan_.as_of_ms = options_.as_of_ms.value_or(now_ms != 0 ? now_ms : ctx_.clock().WallMs());
    return OkStatus();
  }

  Status AddCandidates(size_t index) {
    const format::Head& head = heads_[index].head;
    VARVE_TRY(const auto entries, core_.heads.Newest(ctx_, head, SIZE_MAX));
    const bool managed = head.artifact_type != kPolicyType && Managed(head.name);
    if (managed) plan_.facts[head.name] = RetentionFacts(head);
    for (const format::VersionEntry& entry : entries) {
      if (head.forgotten.contains(entry.version)) continue;
      plan::Candidate each;
      each.artifact = head.name;
      each.kind = head.artifact_type;
      each.version = entry.version;
      each.time_ms = entry.time_ms;
      if (entry.has_step) each.step = entry.step;
      each.metrics = format::MetricsOf(head, entry);
      each.bytes = entry.logical_bytes;
      each.run_state = head.run.state;
      each.owner = head.run.owner;
      each.managed = managed;
      each.identity = entry.commit_id.Hex();
      for (const hash::Digest& parent : entry.parents) each.parents.push_back(parent.Hex());
      for (const auto& [alias, version] : head.aliases) {
        if (version == entry.version) each.aliases.push_back(alias);
      }
      for (const auto& [tag, version] : head.tags) {
        if (version == entry.version) each.tags.push_back(tag);
      }
      for (const format::Hold& hold : head.holds) {
        if (hold.version == entry.version) each.held_by = hold.owner;
      }
      for (const format::Pin& pin : head.pins) {
        if (pin.version != entry.version || pin.until_ms <= plan_.as_of_ms) continue;
        (pin.lease ? each.leased_by : each.pinned_by) = pin.owner;
      }
      if (head.verified.contains(entry.version)) each.health = plan::Health::kVerified;
      const auto layout = head.layouts.find(entry.version);
      each.thinned = layout != head.layouts.end() && !layout->second.let_go.empty();
      each.components = {kEverything};
      candidates_.push_back(std::move(each));
      entries_.push_back(entry);
    }
    return OkStatus();
  }

  // Which components each version still has: one read per commit object, once per open lake.
  Status FindComponents() {
    return core_.transfers.ForEach(ctx_, candidates_.size(), [&](size_t i) -> Status {
      if (!candidates_[i].managed) return OkStatus();
      const format::ObjectId& id = entries_[i].meta_id;
      {
        const std::lock_guard lock(core_.components_mutex);
        if (const auto known = core_.components.find(id); known != core_.components.end()) {
          candidates_[i].components = known->second;
          return OkStatus();
        }
      }
      auto read = ReadCommit(ctx_, core_, entries_[i]);
      if (!read.ok() && read.error().code() == ErrorCode::kCorrupt) {
        candidates_[i].health = plan::Health::kDamaged;
        return OkStatus();
      }
      if (!read.ok()) return std::move(read).error();
      candidates_[i].components = ComponentsOf(read->decoded.commit);
      const std::lock_guard lock(core_.components_mutex);
      if (core_.components.size() >= kComponentsCachedMax) core_.components.clear();
      core_.components[id] = candidates_[i].components;
      return OkStatus();
    });
  }

  static std::vector<std::string> ComponentsOf(const format::Commit& commit) {
    std::set<std::string> names;
    for (size_t i = 0; i < commit.tensors.size(); ++i) {
      if (commit.GoneBy(i) == nullptr)
        names.insert(plan::ComponentOf(commit.tensors[i].name, true));
    }
    for (size_t i = 0; i < commit.files.size(); ++i) {
      if (commit.GoneBy(commit.tensors.size() + i) == nullptr)
        names.insert(plan::ComponentOf(commit.files[i].path, false));
    }
    if (names.empty()) names.insert(kEverything);
    return {names.begin(), names.end()};
  }

  // A floor must stand on versions whose objects are there: the newest ones are looked at, until
  // enough are.
  Status CheckFloors() {
    uint64_t floor = 0;
    for (const plan::Policy& policy : policies_.policies) floor = std::max(floor, policy.floor);
    std::map<std::string, std::pair<uint64_t, uint64_t>> by_artifact;  // Good ones, looked at.
    for (size_t i = 0; i < candidates_.size(); ++i) {  // Newest first within an artifact.
      plan::Candidate& each = candidates_[i];
      auto& [good, seen] = by_artifact[each.artifact];
      if (!each.managed || good >= floor || seen >= kFloorChecksMax) continue;
      ++seen;
      if (each.health == plan::Health::kUnknown) {
        VARVE_TRY(each.health, HealthOf(entries_[i]));
      }
      const bool finite = std::all_of(each.metrics.begin(), each.metrics.end(),
                                      [](const auto& m) { return m.second - m.second == 0; });
      if (each.health != plan::Health::kDamaged && finite && !each.thinned) ++good;
    }
    return OkStatus();
  }

  Result<plan::Health> HealthOf(const format::VersionEntry& entry) {
    auto read = ReadCommit(ctx_, core_, entry);
    if (!read.ok()) {
      if (read.error().code() == ErrorCode::kCorrupt) return plan::Health::kDamaged;
      return std::move(read).error();
    }
    const auto& packs = read->decoded.commit.packs;
    std::atomic<bool> damaged{false};
    VARVE_CHECK_OK(core_.transfers.ForEach(ctx_, packs.size(), [&](size_t i) -> Status {
      const auto info = core_.store->Head(ctx_, store::Key(format::PackKey(packs[i].id)));
      if (info.ok() ? info->bytes != packs[i].object_bytes
                    : info.error().code() == ErrorCode::kNotFound)
        damaged = true;
      return info.ok() || info.error().code() == ErrorCode::kNotFound ? OkStatus()
                                                                      : Status(info.error());
    }));
    return damaged ? plan::Health::kDamaged : plan::Health::kPresent;
  }

  void FillPlan() {
    std::map<std::pair<size_t, std::string>, format::RetentionShare> shares;
    for (size_t i = candidates_.size(); i-- > 0;) {
      const plan::Candidate& each = candidates_[i];
      const plan::Fate& verdict = judged_.verdicts[i];
      if (!each.managed) continue;
      if (each.health == plan::Health::kDamaged) {
        plan_.warnings.push_back(format::VersionAddress(each.artifact, each.version) +
                                 " is damaged; see varve verify");
      }
      format::RetentionItem item{
          each.artifact,  each.version, each.step, each.time_ms, each.bytes,      verdict.kept,
          verdict.let_go, {},           "",        "",           verdict.grace_ms};
      for (const plan::Reason& reason : verdict.reasons)
        item.reasons.push_back(plan::ReasonText(policies_, candidates_, i, reason));
      for (size_t p = 0; p < policies_.policies.size(); ++p) {
        const auto& match = policies_.policies[p].match;
        if (match.has_value() && !plan::Holds(*match, each, plan_.as_of_ms)) continue;
        format::RetentionShare& share = shares[{p, plan::KeyOf("project", each)}];
        ++share.matched;
        if (verdict.whole) continue;
        ++share.let_go;
        share.let_go_bytes += each.bytes;
      }
      if (verdict.miss.has_value()) {
        item.missed = plan::MissText(policies_, *verdict.miss);
        item.policy = policies_.policies[verdict.miss->policy].name;
      }
      plan_.items.push_back(std::move(item));
    }
    std::stable_sort(plan_.items.begin(), plan_.items.end(),
                     [](const auto& a, const auto& b) { return a.artifact < b.artifact; });
    FillShares(std::move(shares));
  }

  // More than a share of one project, or more bytes in all, wants a second look.
  void FillShares(std::map<std::pair<size_t, std::string>, format::RetentionShare> shares) {
    std::vector<uint64_t> bytes(policies_.policies.size());
    for (const auto& [key, share] : shares) bytes[key.first] += share.let_go_bytes;
    for (auto& [key, share] : shares) {
      const plan::Policy& policy = policies_.policies[key.first];
      share.policy = policy.name;
      share.project = key.second;
      share.limit_percent = policy.limit_percent;
      share.limit_bytes = policy.limit_bytes;
      const double percent =
          100.0 * static_cast<double>(share.let_go) / static_cast<double>(share.matched);
      share.over = (percent > share.limit_percent && plan_.LetGo() > kRetainFewVersions) ||
                   (share.let_go > 0 && bytes[key.first] > share.limit_bytes);
      plan_.shares.push_back(std::move(share));
    }
  }

  const OpContext& ctx_;
  Core& core_;
  const plan::PolicySet& policies_;
  const RetentionOptions& options_;
  const bool parts_;
  std::vector<HeadSnapshot> heads_;
  std::vector<plan::Candidate> candidates_;    // By artifact, newest first.
  std::vector<format::VersionEntry> entries_;  // Of the candidates.
  plan::RetentionVerdicts judged_;
  format::RetentionPlan plan_;
};

}  // namespace

Result<format::RetentionPlan> MakeRetentionPlan(const OpContext& ctx, Core& core,
                                                const plan::PolicySet& policies,
                                                const RetentionOptions& options) {
  VARVE_CHECK_OK(plan::CheckPolicies(policies));
  return Maker(ctx, core, policies, options).Make();
}

std::map<std::string, std::string> RetentionFacts(const format::Head& head) {
  std::map<std::string, std::string> facts{{"newest", "v" + std::to_string(head.last_version())}};
  const auto v = [](uint64_t version) { return "v" + std::to_string(version); };
  for (const auto& [alias, version] : head.aliases) facts["alias " + alias] = v(version);
  for (const auto& [tag, version] : head.tags) facts["tag " + tag] = v(version);
  for (const format::Pin& pin : head.pins)
    facts["pin of " + pin.owner + " on " + v(pin.version)] = std::to_string(pin.until_ms);
  for (const format::Hold& hold : head.holds)
    facts["hold of " + hold.owner + " on " + v(hold.version)] = "there";
  hash::Blake3 gone, moved;
  for (const auto& [version, tombstone] : head.forgotten) gone.UpdateU64(version);
  for (const auto& [version, layout] : head.layouts) {
    moved.UpdateU64(version).Update(layout.meta_id.bytes).UpdateU64(layout.let_go.size());
  }
  hash::Blake3 learned;
  for (const auto& [version, metrics] : head.late_metrics) {
    for (const auto& [metric, value] : metrics) {
      const auto bits = std::bit_cast<uint64_t>(value);
      learned.UpdateU64(version).Update(AsBytes(metric)).UpdateU64(bits);
    }
  }
  if (!head.late_metrics.empty()) {
    facts["late metrics"] = "of " + std::to_string(head.late_metrics.size()) + " versions (" +
                            learned.Finish().Hex().substr(0, 16) + ")";
  }
  if (head.run != format::RunFacts{})
    facts["run"] =
        (head.run.state.empty() ? "unknown" : head.run.state) + " of '" + head.run.owner + "'";
  facts["forgotten"] =
      std::to_string(head.forgotten.size()) + " (" + gone.Finish().Hex().substr(0, 16) + ")";
  facts["layouts"] =
      std::to_string(head.layouts.size()) + " (" + moved.Finish().Hex().substr(0, 16) + ")";
  return facts;
}

std::string FactsThatChanged(const std::map<std::string, std::string>& then,
                             const std::map<std::string, std::string>& now) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
  for (const auto& [name, value] : then) {
    const auto found = now.find(name);
    if (found == now.end())
      add(name + " is gone");
    else if (found->second != value)
      add(name + " was " + value + ", is " + found->second);
  }
  for (const auto& [name, value] : now) {
    if (!then.contains(name)) add(name + " is new (" + value + ")");
  }
  return text;
}

}  // namespace varve::lake
