#include "varve/format/retention_plan.h"

#include <algorithm>

#include "varve/format/json.h"

namespace varve::format {
namespace {

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
  for (const Json& each : fields.Take(name, Json::value_t::array)) {
    if (!each.is_string()) fields.Fail(std::string("field '") + name + "' holds what is not text");
    texts.push_back(each.is_string() ? each.get<std::string>() : "");
  }
  return texts;
}

RetentionItem ItemFrom(const Json& json, Fields& plan) {
  Fields fields(json.is_object() ? json : Json::object(), "an item");
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
          {"matched", std::to_string(share.matched)},
          {"let_go", std::to_string(share.let_go)},
          {"let_go_bytes", std::to_string(share.let_go_bytes)},
          {"limit_percent", share.limit_percent},
          {"limit_bytes", std::to_string(share.limit_bytes)},
          {"over", share.over}};
}

RetentionShare ShareFrom(const Json& json, Fields& plan) {
  Fields fields(json.is_object() ? json : Json::object(), "a share");
  RetentionShare share;
  share.policy = fields.Text("policy");
  share.matched = fields.Number("matched");
  share.let_go = fields.Number("let_go");
  share.let_go_bytes = fields.Number("let_go_bytes");
  share.limit_percent = json.is_object() && json.contains("limit_percent")
                            ? fields.Double(json["limit_percent"], "limit_percent")
                            : -1;
  share.limit_bytes = fields.Number("limit_bytes");
  share.over = fields.Take("over", Json::value_t::boolean).get<bool>();
  if (!fields.status().ok() || !(share.limit_percent >= 0)) plan.Fail("a share is damaged");
  return share;
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
  Fields fields(std::move(*json), "the plan");
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
  const Json seen = fields.Take("facts", Json::value_t::object);
  for (const auto& [artifact, facts] : seen.items()) {
    if (!facts.is_object()) return NoPlan("its facts are damaged");
    auto& into = plan.facts[artifact];
    for (const auto& [name, value] : facts.items()) {
      into[name] = value.is_string() ? value.get<std::string>() : "";
    }
  }
  for (const Json& item : fields.Take("items", Json::value_t::array))
    plan.items.push_back(ItemFrom(item, fields));
  for (const Json& share : fields.Take("shares", Json::value_t::array))
    plan.shares.push_back(ShareFrom(share, fields));
  plan.warnings = TextsFrom(fields, "warnings");
  if (fields.Has("freed_bytes")) plan.freed_bytes = fields.Number("freed_bytes");
  if (fields.Has("freed_whole_bytes")) plan.freed_whole_bytes = fields.Number("freed_whole_bytes");
  if (!fields.status().ok()) return NoPlan(fields.status().error().message());
  return plan;
}

}  // namespace varve::format
