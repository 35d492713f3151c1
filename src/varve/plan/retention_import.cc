#include "varve/plan/retention_import.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "varve/plan/nearest.h"
#include "varve/plan/retention_lexer.h"

namespace varve::plan {
namespace {

Error Wrong(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

// The knobs of one import; each that is read is one the system has.
class Knobs {
 public:
  Knobs(std::string system, const std::map<std::string, std::string>& given)
      : system_(std::move(system)), given_(given) {}

  std::optional<std::string> Text(const std::string& name) {
    known_.push_back(name);
    const auto found = given_.find(name);
    if (found == given_.end() || found->second.empty() || found->second == "None")
      return std::nullopt;
    return found->second;
  }
  std::optional<int64_t> Number(const std::string& name) {
    const auto text = Text(name);
    if (!text.has_value()) return std::nullopt;
    int64_t value = 0;
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size()) {
      Fail("'" + name + "' of " + system_ + " must be a whole number, not '" + *text + "'");
      return std::nullopt;
    }
    return value;
  }
  // A count that keeps something.
  std::optional<int64_t> Count(const std::string& name) {
    const auto value = Number(name);
    if (value.has_value() && *value <= 0) {
      Fail("'" + name + "' of " + system_ + " is " + std::to_string(*value) +
           ", which would keep nothing; it must be at least 1");
      return std::nullopt;
    }
    return value;
  }
  bool Flag(const std::string& name) {
    const auto text = Text(name);
    if (!text.has_value() || *text == "false" || *text == "False") return false;
    if (*text != "true" && *text != "True")
      Fail("'" + name + "' of " + system_ + " is true or false, not '" + *text + "'");
    return true;
  }
  void Fail(const std::string& why) {
    if (status_.ok()) status_ = Wrong(why);
  }
  Status Finish() {
    VARVE_CHECK_OK(status_);
    for (const auto& [name, value] : given_) {
      if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
      const std::string nearest = Nearest(name, known_);
      std::string all;
      for (const std::string& each : known_) all += (all.empty() ? "" : ", ") + each;
      return Wrong("no knob '" + name + "' of " + system_ + " is known; " +
                   (nearest.empty() ? "known are " + all : "did you mean '" + nearest + "'?"));
    }
    return OkStatus();
  }

 private:
  std::string system_;
  const std::map<std::string, std::string>& given_;
  std::vector<std::string> known_;
  Status status_;
};

struct Translation {
  std::vector<std::string> rules, warnings;
  std::string more;  // Protections and clauses.
};

void Orbax(Knobs& knobs, Translation& to) {
  const auto last = knobs.Count("max_to_keep"), latest = knobs.Count("latest_n");
  const auto period = knobs.Count("keep_period"), steps = knobs.Count("every_n_steps");
  const bool exact = knobs.Flag("exact");
  const auto seconds = knobs.Count("every_n_seconds");
  const auto custom = knobs.Text("custom_steps"), best_n = knobs.Text("best_n");
  const auto best_fn = knobs.Text("best_fn"), mode = knobs.Text("best_mode");
  const bool all = knobs.Flag("preserve_all");
  if (best_fn.has_value()) {
    const auto count = best_n.has_value() ? knobs.Count("best_n") : last;
    const std::string end = mode.value_or("max");
    if (end != "max" && end != "min") knobs.Fail("'best_mode' of orbax is min or max");
    if (!count.has_value())
      to.rules.emplace_back("all");
    else
      to.rules.push_back("best " + std::to_string(*count) + " by " + Quoted(*best_fn) + " " + end);
    to.warnings.push_back("best_fn is taken for the name of the metric it reads: '" + *best_fn +
                          "'");
  } else if (last.has_value()) {
    to.rules.push_back("last " + std::to_string(*last));
  }
  if (best_n.has_value() && !best_fn.has_value())
    knobs.Fail("'best_n' of orbax needs 'best_fn': the metric's name");
  if (latest.has_value()) to.rules.push_back("last " + std::to_string(*latest));
  if (period.has_value()) to.rules.push_back("every " + std::to_string(*period) + " steps exact");
  if (steps.has_value())
    to.rules.push_back("every " + std::to_string(*steps) + " steps" + (exact ? " exact" : ""));
  if (seconds.has_value()) {
    to.rules.push_back("every " + std::to_string(*seconds) + "s");
    to.warnings.emplace_back(
        "every_n_seconds counts from the last one kept there; here slots of that length count from "
        "1970");
  }
  if (custom.has_value()) to.rules.push_back("steps [" + *custom + "]");
  if (all || to.rules.empty()) to.rules.emplace_back("all");
}

void Lightning(Knobs& knobs, Translation& to) {
  const auto top = knobs.Number("save_top_k");
  const auto monitor = knobs.Text("monitor"), mode = knobs.Text("mode"),
             last = knobs.Text("save_last");
  const auto every = knobs.Count("every_n_train_steps");
  const int64_t count = top.value_or(1);
  if (count < -1) knobs.Fail("'save_top_k' of lightning is -1 (all), 0 (none) or a count");
  if (mode.has_value() && *mode != "min" && *mode != "max")
    knobs.Fail("'mode' of lightning is min or max");
  if (count == -1) {
    to.rules.emplace_back("all");
  } else if (monitor.has_value() && count > 0) {
    to.rules.push_back("best " + std::to_string(count) + " by " + Quoted(*monitor) + " " +
                       mode.value_or("min"));
  } else if (count == 1) {
    to.rules.emplace_back("last 1");
    to.warnings.emplace_back("without monitor, save_top_k=1 keeps the newest only");
  } else if (count > 1) {
    knobs.Fail("'save_top_k' of lightning above 1 needs 'monitor'");
  }
  if (last.has_value() && *last != "false" && *last != "False") {
    if (*last != "true" && *last != "True" && *last != "link")
      knobs.Fail("'save_last' of lightning is true, false or link");
    to.rules.emplace_back("last 1");
  }
  if (every.has_value())
    to.warnings.emplace_back(
        "every_n_train_steps says when to save, not what to keep; it is left out");
  if (to.rules.empty())
    knobs.Fail("save_top_k=0 without save_last would keep nothing; a policy needs a keep");
}

void HuggingFace(Knobs& knobs, Translation& to) {
  const auto limit = knobs.Count("save_total_limit");
  const bool best = knobs.Flag("load_best_model_at_end");
  const auto metric = knobs.Text("metric_for_best_model");
  const auto greater = knobs.Text("greater_is_better");
  const bool maximise = greater.has_value() ? knobs.Flag("greater_is_better")
                                            : metric.has_value() && !metric->ends_with("loss");
  to.rules.push_back(limit.has_value() ? "last " + std::to_string(*limit) : "all");
  if (best) {
    to.rules.push_back("best 1 by " + Quoted(metric.value_or("loss")) +
                       (maximise ? " max" : " min"));
    to.warnings.emplace_back("the best one counts beside save_total_limit, so one more may stay");
  }
}

void Restic(Knobs& knobs, Translation& to) {
  if (const auto last = knobs.Count("keep-last"))
    to.rules.push_back("last " + std::to_string(*last));
  for (const char* calendar : {"hourly", "daily", "weekly", "monthly", "yearly"}) {
    const auto count = knobs.Number(std::string("keep-") + calendar);
    if (!count.has_value()) continue;
    if (*count == 0 || *count < -1)
      knobs.Fail(std::string("'keep-") + calendar + "' of restic is -1 (all) or at least 1");
    to.rules.push_back(std::string("bucket ") + calendar + " " +
                       std::to_string(*count == -1 ? static_cast<int64_t>(kCountMax) : *count));
  }
  if (const auto within = knobs.Text("keep-within")) {
    // "1y5m7d2h": years, months, days, hours.
    int64_t hours = 0, number = -1;
    for (const char c : *within) {
      const int64_t unit = c == 'y' ? 8760 : c == 'm' ? 730 : c == 'd' ? 24 : c == 'h' ? 1 : 0;
      if (c >= '0' && c <= '9' && number < 100'000) {
        number = std::max<int64_t>(number, 0) * 10 + (c - '0');
      } else if (unit != 0 && number >= 0) {
        hours += number * unit;
        number = -1;
      } else {
        knobs.Fail("'keep-within' of restic is a time such as 1y5m7d2h, not '" + *within + "'");
        break;
      }
    }
    if (hours <= 0 || number >= 0)
      knobs.Fail("'keep-within' of restic is a time such as 1y5m7d2h, not '" + *within + "'");
    to.rules.push_back("within " + std::to_string(hours) + "h");
    if (within->find('m') != std::string::npos)
      to.warnings.emplace_back(
          "a month of keep-within is taken for 730 hours, and a year for 365 days");
  }
  if (const auto tag = knobs.Text("keep-tag"))
    to.more += "protect keep-tag { match tag = " + Quoted(*tag) + " }\n";
  if (const auto group = knobs.Text("group-by")) {
    if (*group != "host" && *group != "host,paths" && *group != "paths")
      to.warnings.push_back("group-by=" + *group + " has no like here; groups are artifacts");
  }
  if (to.rules.empty())
    knobs.Fail("restic's knobs keep nothing; give keep-last, keep-daily, ... or keep-within");
}

}  // namespace

Result<Imported> ImportPolicy(std::string_view system,
                              const std::map<std::string, std::string>& knobs) {
  Knobs reader(std::string(system), knobs);
  Translation to;
  if (system == "orbax") {
    Orbax(reader, to);
  } else if (system == "lightning") {
    Lightning(reader, to);
  } else if (system == "huggingface") {
    HuggingFace(reader, to);
  } else if (system == "restic") {
    Restic(reader, to);
  } else {
    const std::string nearest = Nearest(system, {"orbax", "lightning", "huggingface", "restic"});
    return Error(ErrorCode::kUnsupported,
                 "cannot import from '" + std::string(system) + "'; " +
                     (nearest.empty() ? "known are orbax, lightning, huggingface, restic"
                                      : "did you mean '" + nearest + "'?"));
  }
  VARVE_CHECK_OK(reader.Finish());
  std::string text = "policy " + std::string(system) + " {\n";
  for (const std::string& rule : to.rules) text += "keep " + rule + "\n";
  text += "}\n" + to.more;
  Imported imported;
  VARVE_TRY(imported.set, ParsePolicies(text));
  imported.warnings = std::move(to.warnings);
  return imported;
}

}  // namespace varve::plan
