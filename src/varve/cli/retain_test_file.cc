// Tests of a policy: a history written by hand and what must become of it.
#include <algorithm>
#include <charconv>

#include "varve/cli/document.h"
#include "varve/cli/duration.h"
#include "varve/cli/retain.h"
#include "varve/format/names.h"
#include "varve/plan/nearest.h"
#include "varve/plan/retention.h"

namespace varve::cli {
namespace {

using plan::At;
using plan::Document;

constexpr size_t kTestBytesMax = 16 << 20;
constexpr int64_t kAsOfMs = 1'800'000'000'000;  // Ages count back from here.

template <typename T>
Result<T> NumberOf(const Document& node) {
  T value{};
  const auto parsed = std::from_chars(node.text.data(), node.text.data() + node.text.size(), value);
  if (node.text.empty() || parsed.ec != std::errc() ||
      parsed.ptr != node.text.data() + node.text.size()) {
    return At(node.at, "expected a number, found '" + node.text + "'");
  }
  return value;
}

std::vector<std::string> TextsOf(const Document& node) {
  if (node.kind != Document::Kind::kList) return {node.text};
  std::vector<std::string> texts;
  for (const Document& item : node.items) texts.push_back(item.text);
  return texts;
}

Result<plan::Candidate> VersionOf(const Document& node) {
  plan::Candidate each;
  each.artifact = "run";
  each.kind = "checkpoint";
  each.time_ms = kAsOfMs;
  each.health = plan::Health::kPresent;
  each.components = {"optimizer", "weights"};
  const std::vector<std::string> known{"artifact", "kind",      "step",    "age",     "bytes",
                                       "metrics",  "alias",     "tag",     "pin",     "hold",
                                       "lease",    "parts",     "damaged", "thinned", "parents",
                                       "verified", "run.state", "owner"};
  for (const auto& [key, value] : node.fields) {
    const std::string& name = key.text;
    if (name == "artifact")
      each.artifact = value.text;
    else if (name == "kind")
      each.kind = value.text;
    else if (name == "alias")
      each.aliases = TextsOf(value);
    else if (name == "tag")
      each.tags = TextsOf(value);
    else if (name == "pin")
      each.pinned_by = value.text;
    else if (name == "hold")
      each.held_by = value.text;
    else if (name == "lease")
      each.leased_by = value.text;
    else if (name == "run.state")
      each.run_state = value.text == "unknown" ? "" : value.text;
    else if (name == "owner")
      each.owner = value.text;
    else if (name == "verified")
      each.health = value.text == "true" ? plan::Health::kVerified : plan::Health::kPresent;
    else if (name == "parents")
      each.parents = TextsOf(value);
    else if (name == "damaged" && value.text == "true")
      each.health = plan::Health::kDamaged;
    else if (name == "thinned")
      each.thinned = value.text == "true";
    else if (name == "step") {
      VARVE_TRY(each.step, NumberOf<int64_t>(value));
    } else if (name == "bytes") {
      VARVE_TRY(each.bytes, NumberOf<uint64_t>(value));
    } else if (name == "age") {
      auto age_ms = DurationMs("age", value.text);
      if (!age_ms.ok()) return At(value.at, age_ms.error().message());
      each.time_ms = kAsOfMs - *age_ms;
    } else if (name == "parts") {
      each.components = TextsOf(value);
      std::sort(each.components.begin(), each.components.end());
    } else if (name == "metrics") {
      for (const auto& [metric, number] : value.fields) {
        VARVE_TRY(each.metrics[metric.text], NumberOf<double>(number));
      }
    } else if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string nearest = plan::Nearest(name, known);
      return At(key.at, "no field '" + name + "' of a version" +
                            (nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
    }
  }
  return each;
}

std::string FateOf(const plan::Fate& verdict) {
  if (verdict.whole) return "stays";
  if (verdict.gone) return "goes";
  std::string text;
  for (const std::string& part : verdict.kept) text += (text.empty() ? "" : " + ") + part;
  return text;
}

}  // namespace

Result<PolicyTest> RunPolicyTest(const std::string& path) {
  VARVE_TRY(const std::string text, ReadLocalFile(path, kTestBytesMax));
  auto read = ReadDocument(text);
  if (!read.ok()) return std::move(read.error().Prefix(path));
  const auto fail = [&](plan::Position at, const std::string& why) {
    return At(at, why).Prefix(path);
  };
  std::optional<plan::PolicySet> policies;
  std::vector<plan::Candidate> history;
  std::map<std::string, uint64_t> newest;
  const Document* expect = nullptr;
  for (const auto& [key, value] : read->fields) {
    if (key.text == "policy") {
      auto set = plan::ParsePolicies(value.text);
      if (!set.ok()) return std::move(set.error().Prefix(path + ", in its policy"));
      policies = std::move(set).value();
    } else if (key.text == "policies" || key.text == "protect") {
      continue;  // Read together below.
    } else if (key.text == "history") {
      for (const Document& item : value.items) {
        auto each = VersionOf(item);
        if (!each.ok()) return std::move(each.error().Prefix(path));
        each->version = ++newest[each->artifact];
        each->identity = format::VersionAddress(each->artifact, each->version);
        history.push_back(std::move(each).value());
      }
    } else if (key.text == "expect") {
      expect = &value;
    } else {
      return fail(key.at, "no field '" + key.text +
                              "' of a test; fields are policy or policies, history, expect");
    }
  }
  if (!policies.has_value()) {
    Document document;
    document.kind = Document::Kind::kMap;
    for (const auto& field : read->fields) {
      if (field.key.text == "policies" || field.key.text == "protect")
        document.fields.push_back(field);
    }
    auto set = plan::PoliciesOf(document);
    if (!set.ok()) return std::move(set.error().Prefix(path));
    policies = std::move(set).value();
  }
  if (expect == nullptr || expect->fields.empty())
    return fail(read->at, "the test expects nothing; write expect: {run@v1: stays}");
  VARVE_TRY(const plan::RetentionVerdicts judged, plan::Judge(*policies, history, kAsOfMs));
  const std::vector<plan::Fate>& verdicts = judged.verdicts;
  PolicyTest test;
  for (const auto& [address, wanted] : expect->fields) {
    const auto found = std::find_if(history.begin(), history.end(), [&](const auto& each) {
      return each.identity == address.text;
    });
    if (found == history.end())
      return fail(address.at, "no version '" + address.text + "' in the history");
    const auto index = static_cast<size_t>(found - history.begin());
    std::string want;
    for (const std::string& part : TextsOf(wanted)) want += (want.empty() ? "" : " + ") + part;
    ++test.checked;
    const std::string got = FateOf(verdicts[index]);
    if (got == want) continue;
    std::string why;
    for (const plan::Reason& reason : verdicts[index].reasons)
      why += (why.empty() ? "" : "; ") + plan::ReasonText(*policies, history, index, reason);
    if (verdicts[index].miss.has_value())
      why += (why.empty() ? "nearest was " : "; nearest was ") +
             plan::MissText(*policies, *verdicts[index].miss);
    test.failures.push_back(std::to_string(wanted.at.line) + ":" +
                            std::to_string(wanted.at.column) + ": " + address.text +
                            ": expected '" + want + "', got '" + got + "' (" + why + ")");
  }
  return test;
}

}  // namespace varve::cli
