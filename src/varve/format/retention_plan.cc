#include "varve/format/retention_plan.h"

#include <algorithm>

#include "varve/format/json.h"

namespace varve::format {
namespace {

using Kind = JsonNode::Kind;

Json ItemJson(const RetentionItem& item) {
  Json json = {{"artifact", item.artifact},
               {"version", std::to_string(item.version)},
               {"time_ms", std::to_string(item.time_ms)},
               {"logical_bytes", std::to_string(item.logical_bytes)},
               {"kept", item.kept},
               {"let_go", item.let_go},
               {"reasons", item.reasons},
               {"missed", item.missed},
               {"policy", item.policy},
               {"grace_ms", std::to_string(item.grace_ms)}};
  if (item.step.has_value()) json["step"] = std::to_string(*item.step);
  return json;
}

std::vector<std::string> TextsFrom(Fields& fields, const char* name) {
  std::vector<std::string> texts;
  for (const JsonNode& each : fields.Take(name, Kind::kArray).children()) {
    if (!each.Is(Kind::kString))
      fields.Fail(std::string("field '") + name + "' holds what is not text");
    texts.emplace_back(TextOf(each));
  }
  return texts;
}

RetentionItem ItemFrom(const JsonNode& json, Fields& plan) {
  Fields fields(json, "an item");
  RetentionItem item;
  item.artifact = fields.Text("artifact");
  item.version = fields.Number("version");
  if (fields.Has("step")) item.step = fields.Signed("step");
  item.time_ms = fields.Signed("time_ms");
  item.logical_bytes = fields.Number("logical_bytes");
  item.kept = TextsFrom(fields, "kept");
  item.let_go = TextsFrom(fields, "let_go");
  item.reasons = TextsFrom(fields, "reasons");
  item.missed = fields.Text("missed");
  item.policy = fields.Text("policy");
  item.grace_ms = fields.Signed("grace_ms");
  if (!fields.status().ok()) plan.Fail(fields.status().error().message());
  return item;
}

Json ShareJson(const RetentionShare& share) {
  return {{"policy", share.policy},
          {"project", share.project},
          {"matched", std::to_string(share.matched)},
          {"let_go", std::to_string(share.let_go)},
          {"let_go_bytes", std::to_string(share.let_go_bytes)},
          {"limit_percent", share.limit_percent},
          {"limit_bytes", std::to_string(share.limit_bytes)},
          {"over", share.over}};
}

double DoubleFrom(const JsonNode& json, const char* name, Fields& fields) {
  if (const JsonNode* value = json.Find(name)) return fields.Double(*value, name);
  fields.Fail(std::string("field '") + name + "' is missing");
  return 0;
}

RetentionShare ShareFrom(const JsonNode& json, Fields& plan) {
  Fields fields(json, "a share");
  RetentionShare share;
  share.policy = fields.Text("policy");
  share.project = fields.Text("project");
  share.matched = fields.Number("matched");
  share.let_go = fields.Number("let_go");
  share.let_go_bytes = fields.Number("let_go_bytes");
  share.limit_percent = DoubleFrom(json, "limit_percent", fields);
  share.limit_bytes = fields.Number("limit_bytes");
  share.over = fields.Boolean("over");
  if (!fields.status().ok() || !(share.limit_percent >= 0)) plan.Fail("a share is damaged");
  return share;
}

Json PriceJson(const RetentionPrice& price) {
  Json json = {{"provider", price.provider},
               {"region", price.region},
               {"class", price.storage_class},
               {"as_of", price.as_of},
               {"source", price.source},
               {"confidence", price.confidence},
               {"gb_bytes", DoubleJson(price.gb_bytes)},
               {"min_days", std::to_string(price.min_days)},
               {"usd_gb_month", Json::array()}};
  for (const auto& [gb, usd] : price.tiers)
    json["usd_gb_month"].push_back(Json::array({DoubleJson(gb), DoubleJson(usd)}));
  return json;
}

RetentionPrice PriceFrom(const JsonNode& json, Fields& plan) {
  Fields fields(json, "a price");
  RetentionPrice price;
  price.provider = fields.Text("provider");
  price.region = fields.Text("region");
  price.storage_class = fields.Text("class");
  price.as_of = fields.Text("as_of");
  price.source = fields.Text("source");
  price.confidence = fields.Text("confidence");
  price.min_days = fields.Signed("min_days");
  for (const JsonNode& tier : fields.Take("usd_gb_month", Kind::kArray).children()) {
    const auto pair = tier.children();
    if (!tier.Is(Kind::kArray) || pair.size() != 2) {
      fields.Fail("its tiers are damaged");
      break;
    }
    price.tiers.emplace_back(fields.Double(pair[0], "gb"), fields.Double(pair[1], "usd"));
  }
  price.gb_bytes = DoubleFrom(json, "gb_bytes", fields);
  if (!fields.status().ok() || !(price.gb_bytes >= 1) || price.tiers.empty())
    plan.Fail("its price is damaged");
  return price;
}

Json BillJson(const RetentionBill& bill) {
  return {{"usd_month_now", DoubleJson(bill.now_month)},
          {"usd_month_saved", DoubleJson(bill.saved_month)},
          {"usd_early", DoubleJson(bill.early)},
          {"first_bill", bill.first_bill}};
}

RetentionBill BillFrom(const JsonNode& json, Fields& plan) {
  Fields fields(json, "a bill");
  RetentionBill bill;
  bill.now_month = DoubleFrom(json, "usd_month_now", fields);
  bill.saved_month = DoubleFrom(json, "usd_month_saved", fields);
  bill.early = DoubleFrom(json, "usd_early", fields);
  bill.first_bill = fields.Text("first_bill");
  if (!fields.status().ok()) plan.Fail(fields.status().error().message());
  return bill;
}

Json CapJson(const RetentionCap& cap) {
  return {{"policy", cap.policy},
          {"rule", cap.rule},
          {"key", cap.key},
          {"bytes", std::to_string(cap.bytes)},
          {"evicted", std::to_string(cap.evicted)},
          {"over", cap.over}};
}

RetentionCap CapFrom(const JsonNode& json, Fields& plan) {
  Fields fields(json, "a cap");
  RetentionCap cap;
  cap.policy = fields.Text("policy");
  cap.rule = fields.Text("rule");
  cap.key = fields.Text("key");
  cap.bytes = fields.Number("bytes");
  cap.evicted = fields.Number("evicted");
  cap.over = fields.Boolean("over");
  if (!fields.status().ok()) plan.Fail(fields.status().error().message());
  return cap;
}

Json TierJson(const RetentionTier& tier) {
  Json json = {{"policy", tier.policy},
               {"rule", tier.rule},
               {"versions", std::to_string(tier.versions)},
               {"bytes", std::to_string(tier.bytes)},
               {"priced", tier.priced},
               {"proposed", tier.proposed},
               {"carried_out", false}};
  if (tier.priced) {
    json["usd_once"] = DoubleJson(tier.once);
    json["usd_month_saved"] = DoubleJson(tier.saved_month);
    json["break_even_days"] = DoubleJson(tier.break_even_days);
  }
  return json;
}

RetentionTier TierFrom(const JsonNode& json, Fields& plan) {
  Fields fields(json, "a tier");
  RetentionTier tier;
  tier.policy = fields.Text("policy");
  tier.rule = fields.Text("rule");
  tier.versions = fields.Number("versions");
  tier.bytes = fields.Number("bytes");
  tier.priced = fields.Boolean("priced");
  tier.proposed = fields.Boolean("proposed");
  if (tier.priced) {
    tier.once = DoubleFrom(json, "usd_once", fields);
    tier.saved_month = DoubleFrom(json, "usd_month_saved", fields);
    tier.break_even_days = DoubleFrom(json, "break_even_days", fields);
  }
  if (!fields.status().ok()) plan.Fail(fields.status().error().message());
  return tier;
}

std::string IdOf(const Json& json) { return hash::Blake3Of(AsBytes(Dump(json))).Hex(); }

Error NoPlan(const std::string& why) {
  return {ErrorCode::kInvalidArgument,
          "this is no retention plan: " + why + "; make one with: varve retain plan"};
}

}  // namespace

bool RetentionPlan::NeedsAck() const {
  return std::any_of(shares.begin(), shares.end(),
                     [](const RetentionShare& share) { return share.over; });
}

uint64_t RetentionPlan::LetGo() const {
  return static_cast<uint64_t>(std::count_if(
      items.begin(), items.end(), [](const RetentionItem& item) { return !item.let_go.empty(); }));
}

EncodedRetentionPlan EncodeRetentionPlan(const RetentionPlan& plan) {
  Json json = {{"kind", "retention plan"}, {"format", "1"},
               {"lake_id", plan.lake_id},  {"as_of_ms", std::to_string(plan.as_of_ms)},
               {"policy", plan.policy},    {"artifacts", plan.artifacts},
               {"facts", Json::object()},  {"items", Json::array()},
               {"shares", Json::array()},  {"warnings", plan.warnings}};
  for (const auto& [artifact, facts] : plan.facts) json["facts"][artifact] = facts;
  for (const RetentionItem& item : plan.items) json["items"].push_back(ItemJson(item));
  for (const RetentionShare& share : plan.shares) json["shares"].push_back(ShareJson(share));
  if (plan.freed_bytes.has_value()) json["freed_bytes"] = std::to_string(*plan.freed_bytes);
  if (plan.freed_whole_bytes.has_value())
    json["freed_whole_bytes"] = std::to_string(*plan.freed_whole_bytes);
  if (plan.shared_bytes.has_value()) json["shared_bytes"] = std::to_string(*plan.shared_bytes);
  if (plan.price.has_value()) json["price"] = PriceJson(*plan.price);
  if (plan.bill.has_value()) json["bill"] = BillJson(*plan.bill);
  for (const RetentionCap& cap : plan.caps) json["caps"].push_back(CapJson(cap));
  for (const RetentionTier& tier : plan.tiers) json["tiers"].push_back(TierJson(tier));
  EncodedRetentionPlan encoded;
  encoded.id = IdOf(json);
  json["id"] = encoded.id;
  encoded.json = Dump(json);
  return encoded;
}

Result<RetentionPlan> DecodeRetentionPlan(std::string_view text) {
  if (text.size() > kRetentionPlanBytesMax) return NoPlan("it is larger than 1 GiB");
  auto json = ParseObject(text, kJsonDepthMax);
  if (!json.ok()) return NoPlan(json.error().message());
  const auto id = json->find("id");
  if (id == json->end() || !id->is_string()) return NoPlan("it has no id");
  const std::string wanted = id->get<std::string>();
  json->erase(id);
  if (IdOf(*json) != wanted) return NoPlan("it was changed since it was made");
  JsonText tree;
  VARVE_TRY(const JsonNode* root, tree.Parse(text, kJsonDepthMax));
  Fields fields(*root, "the plan");
  if (fields.Text("kind") != "retention plan") return NoPlan("it is of another kind");
  if (fields.Text("format") != "1") {
    return Error(ErrorCode::kUnsupported,
                 "the plan is of a newer format; make it anew, or upgrade varve");
  }
  RetentionPlan plan;
  plan.lake_id = fields.Text("lake_id");
  plan.as_of_ms = fields.Signed("as_of_ms");
  plan.policy = fields.Text("policy");
  plan.artifacts = TextsFrom(fields, "artifacts");
  for (const JsonNode& facts : fields.Take("facts", Kind::kObject).children()) {
    if (!facts.Is(Kind::kObject)) return NoPlan("its facts are damaged");
    auto& into = plan.facts[std::string(facts.name())];
    for (const JsonNode& fact : facts.children()) into[std::string(fact.name())] = TextOf(fact);
  }
  for (const JsonNode& item : fields.Take("items", Kind::kArray).children())
    plan.items.push_back(ItemFrom(item, fields));
  for (const JsonNode& share : fields.Take("shares", Kind::kArray).children())
    plan.shares.push_back(ShareFrom(share, fields));
  plan.warnings = TextsFrom(fields, "warnings");
  if (fields.Has("freed_bytes")) plan.freed_bytes = fields.Number("freed_bytes");
  if (fields.Has("freed_whole_bytes")) plan.freed_whole_bytes = fields.Number("freed_whole_bytes");
  if (fields.Has("shared_bytes")) plan.shared_bytes = fields.Number("shared_bytes");
  if (fields.Has("price")) plan.price = PriceFrom(fields.Take("price", Kind::kObject), fields);
  if (fields.Has("bill")) plan.bill = BillFrom(fields.Take("bill", Kind::kObject), fields);
  for (const JsonNode& cap : fields.Take("caps", Kind::kArray, false).children())
    plan.caps.push_back(CapFrom(cap, fields));
  for (const JsonNode& tier : fields.Take("tiers", Kind::kArray, false).children())
    plan.tiers.push_back(TierFrom(tier, fields));
  if (!fields.status().ok()) return NoPlan(fields.status().error().message());
  return plan;
}

std::vector<FateChange> DiffRetentionPlans(const RetentionPlan& before,
                                           const RetentionPlan& after) {
  using Fates = std::map<std::pair<std::string, uint64_t>, std::string>;
  const auto fates_of = [](const RetentionPlan& plan) {
    Fates fates;
    for (const RetentionItem& item : plan.items) {
      std::string kept;
      for (const std::string& part : item.kept) kept += (kept.empty() ? "keeps " : " + ") + part;
      fates[{item.artifact, item.version}] = item.let_go.empty() ? "stays"
                                             : item.kept.empty() ? "goes"
                                                                 : kept;
    }
    return fates;
  };
  Fates then = fates_of(before), now = fates_of(after);
  std::vector<FateChange> changes;
  for (const auto& [version, fate] : now) then.try_emplace(version, "is not there");
  for (const auto& [version, fate] : then) {
    const auto found = now.find(version);
    const std::string to = found == now.end() ? "is not there" : found->second;
    if (to != fate) changes.push_back({version.first, version.second, fate, to});
  }
  return changes;
}

}  // namespace varve::format
