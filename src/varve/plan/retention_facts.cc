#include "varve/plan/retention_facts.h"

#include <algorithm>
#include <set>

#include "varve/plan/nearest.h"

namespace varve::plan {
namespace {

bool Matches(std::string_view glob, std::string_view text) {
  size_t g = 0, t = 0, star = std::string_view::npos, back = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      back = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g, ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++back;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', g) == std::string_view::npos;
}

bool TextHolds(const Predicate& predicate, const std::string& text) {
  if (predicate.compare == Compare::kMatch) return Matches(predicate.texts[0], text);
  const bool equal =
      std::find(predicate.texts.begin(), predicate.texts.end(), text) != predicate.texts.end();
  return predicate.compare == Compare::kNotEqual ? !equal : equal;
}

bool LabelHolds(const Predicate& predicate, const std::vector<std::string>& labels) {
  if (predicate.compare == Compare::kNotEqual) {
    return std::find(labels.begin(), labels.end(), predicate.texts[0]) == labels.end();
  }
  return std::any_of(labels.begin(), labels.end(),
                     [&](const std::string& label) { return TextHolds(predicate, label); });
}

// What is missing compares with nothing.
bool NumberHolds(const Predicate& predicate, std::optional<double> value) {
  if (!value.has_value()) return false;
  const double wanted = predicate.numbers[0];
  switch (predicate.compare) {
    case Compare::kEqual:
      return *value == wanted;
    case Compare::kNotEqual:
      return *value != wanted;
    case Compare::kLess:
      return *value < wanted;
    case Compare::kLessEqual:
      return *value <= wanted;
    case Compare::kGreater:
      return *value > wanted;
    case Compare::kGreaterEqual:
      return *value >= wanted;
    case Compare::kMatch:
      return false;
    case Compare::kIn:
      break;
  }
  return std::find(predicate.numbers.begin(), predicate.numbers.end(), *value) !=
         predicate.numbers.end();
}

std::optional<double> NumberOf(const std::string& field, const Candidate& candidate,
                               int64_t as_of_ms) {
  if (field == "version") return static_cast<double>(candidate.version);
  if (field == "bytes") return static_cast<double>(candidate.bytes);
  if (field == "age") return static_cast<double>(as_of_ms) - static_cast<double>(candidate.time_ms);
  if (field == "step") {
    if (!candidate.step.has_value()) return std::nullopt;
    return static_cast<double>(*candidate.step);
  }
  const auto metric = candidate.metrics.find(field.substr(7));  // Behind "metric.".
  if (metric == candidate.metrics.end()) return std::nullopt;
  return metric->second;
}

void MetricsOf(const Predicate& predicate, std::vector<std::string>& metrics) {
  if (predicate.field.starts_with("metric.")) metrics.push_back(predicate.field.substr(7));
  for (const Predicate& child : predicate.children) MetricsOf(child, metrics);
}

struct NamedMetric {
  std::string metric;
  Position at;
  std::vector<std::string> known;
};

// Every metric that a rule names and nothing it applies to has.
std::vector<NamedMetric> FindUnknown(const PolicySet& set, const std::vector<Candidate>& candidates,
                                     int64_t as_of_ms) {
  std::vector<NamedMetric> unknown;
  const auto look = [&](const std::vector<std::string>& metrics, Position at,
                        const std::optional<Predicate>& match) {
    if (metrics.empty()) return;
    std::set<std::string> known;
    bool any = false;
    for (const Candidate& each : candidates) {
      if (!each.managed || (match.has_value() && !Holds(*match, each, as_of_ms))) continue;
      any = true;
      for (const auto& [metric, value] : each.metrics) known.insert(metric);
    }
    if (!any) return;
    for (const std::string& metric : metrics) {
      if (!known.contains(metric)) unknown.push_back({metric, at, {known.begin(), known.end()}});
    }
  };
  for (const Policy& policy : set.policies) {
    std::vector<std::string> metrics;
    if (policy.match.has_value()) {
      MetricsOf(*policy.match, metrics);
      look(metrics, policy.match->at, std::nullopt);
    }
    for (const Keep& keep : policy.keeps) {
      metrics.clear();
      if (keep.selector.kind == Selector::Kind::kBest) metrics.push_back(keep.selector.metric);
      if (keep.selector.kind == Selector::Kind::kEveryEpochs) metrics.emplace_back("epoch");
      if (keep.selector.where.has_value()) MetricsOf(*keep.selector.where, metrics);
      look(metrics, keep.at, policy.match);
    }
  }
  for (const Protect& protect : set.protects) {
    std::vector<std::string> metrics;
    MetricsOf(protect.match, metrics);
    look(metrics, protect.match.at, std::nullopt);
  }
  return unknown;
}

}  // namespace

std::string ProjectOf(const std::string& artifact) {
  const size_t slash = artifact.rfind('/');
  return slash == std::string::npos ? "" : artifact.substr(0, slash);
}
std::string RunOf(const std::string& artifact) { return artifact.substr(artifact.rfind('/') + 1); }

std::string KeyOf(std::string_view key, const Candidate& candidate) {
  if (key == "kind") return candidate.kind;
  if (key == "project") return ProjectOf(candidate.artifact);
  if (key == "run") return RunOf(candidate.artifact);
  return candidate.artifact;
}

bool Holds(const Predicate& predicate, const Candidate& candidate, int64_t as_of_ms) {
  const auto holds = [&](const Predicate& child) { return Holds(child, candidate, as_of_ms); };
  switch (predicate.kind) {
    case Predicate::Kind::kAnd:
      return std::all_of(predicate.children.begin(), predicate.children.end(), holds);
    case Predicate::Kind::kOr:
      return std::any_of(predicate.children.begin(), predicate.children.end(), holds);
    case Predicate::Kind::kNot:
      return !holds(predicate.children[0]);
    case Predicate::Kind::kCompare:
      break;
  }
  const std::string& field = predicate.field;
  if (IsNumberField(field)) return NumberHolds(predicate, NumberOf(field, candidate, as_of_ms));
  if (field == "tag") return LabelHolds(predicate, candidate.tags);
  if (field == "alias") return LabelHolds(predicate, candidate.aliases);
  if (field == "owner") return TextHolds(predicate, candidate.owner);
  if (field == "run.state")
    return TextHolds(predicate, candidate.run_state.empty() ? "unknown" : candidate.run_state);
  if (field == "registered") return TextHolds(predicate, candidate.aliases.empty() ? "no" : "yes");
  if (field == "kind") return TextHolds(predicate, candidate.kind);
  if (field == "project") return TextHolds(predicate, ProjectOf(candidate.artifact));
  if (field == "run") return TextHolds(predicate, RunOf(candidate.artifact));
  return TextHolds(predicate, candidate.artifact);
}

Status CheckMetrics(const PolicySet& set, const std::vector<Candidate>& candidates,
                    int64_t as_of_ms) {
  for (const NamedMetric& each : FindUnknown(set, candidates, as_of_ms)) {
    const std::string nearest = Nearest(each.metric, each.known);
    std::string message = "no version it applies to has a metric '" + each.metric + "'";
    if (!nearest.empty()) message += "; did you mean '" + nearest + "'?";
    return At(each.at, message);
  }
  return OkStatus();
}

std::vector<std::string> UnknownMetrics(const PolicySet& set,
                                        const std::vector<Candidate>& candidates,
                                        int64_t as_of_ms) {
  std::set<std::string> names;
  for (const NamedMetric& each : FindUnknown(set, candidates, as_of_ms)) names.insert(each.metric);
  return {names.begin(), names.end()};
}

}  // namespace varve::plan
