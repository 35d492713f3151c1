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
  std::string clauses, more;  // Of the policy; and what follows it.
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

void TensorFlow(Knobs& knobs, Translation& to) {
  const auto last = knobs.Number("max_to_keep");
  const auto hours = knobs.Text("keep_checkpoint_every_n_hours");
  if (last.has_value() && *last < 0)
    knobs.Fail("'max_to_keep' of tensorflow is 0 (all) or a count");
  to.rules.push_back(last.value_or(5) == 0 ? "all" : "last " + std::to_string(last.value_or(5)));
  if (!last.has_value())
    to.warnings.emplace_back("max_to_keep of tf.train.CheckpointManager is 5 unless given");
  if (!hours.has_value()) return;
  const auto value = ParsePredicate("metric.hours >= " + *hours, {});
  const double minutes = value.ok() ? value->numbers[0] * 60 : 0;
  if (!(minutes >= 1) || minutes > 1e7)
    return knobs.Fail("'keep_checkpoint_every_n_hours' of tensorflow is a number of hours, not '" +
                      *hours + "'");
  to.rules.push_back("every " + std::to_string(static_cast<int64_t>(minutes)) + "m");
}

void Automodel(Knobs& knobs, Translation& to) {
  const auto last = knobs.Count("max_recent_checkpoints");
  to.rules.push_back(last.has_value() ? "last " + std::to_string(*last) : "all");
  to.warnings.emplace_back(
      "what the pointer files LATEST and LOWEST_VAL named stays where an alias names it");
}

void Wandb(Knobs& knobs, Translation& to) {
  const auto days = knobs.Count("ttl_days");
  if (!days.has_value()) return knobs.Fail("wandb needs ttl_days, the time to live of a type");
  to.rules.push_back("all for " + std::to_string(*days) + "d");
  to.rules.emplace_back("last 1");
  to.more += "protect registered { match registered = yes }\n";
  to.warnings.emplace_back("a TTL there lets the newest version go as well; here the newest stays");
}

void MlFlow(Knobs& knobs, Translation& to) {
  const auto older = knobs.Text("older_than");
  if (!older.has_value()) return knobs.Fail("mlflow gc needs older_than, such as 30d");
  const auto age = ParsePredicate("age > " + *older, {});
  if (!age.ok() || age->numbers[0] < static_cast<double>(kGraceMsMin))
    return knobs.Fail("'older_than' of mlflow is at least a day, such as 30d, not '" + *older +
                      "'");
  to.rules.emplace_back("all");
  to.clauses = "grace " + *older + "\n";
  to.warnings.emplace_back(
      "mlflow gc takes runs that somebody deleted before; here varve forget --grace " + *older +
      " lets a version go, and nothing else does");
}

void LakeFs(Knobs& knobs, Translation& to) {
  const auto days = knobs.Count("default_retention_days");
  if (!days.has_value()) return knobs.Fail("lakefs needs default_retention_days");
  to.rules.push_back("within " + std::to_string(*days) + "d");
  to.warnings.emplace_back(
      "days there count from now; within counts from the newest commit, so that a line that rests "
      "is not emptied");
  const auto branches = knobs.Text("branches");
  for (size_t at = 0; branches.has_value() && at <= branches->size();) {
    const size_t end = std::min(branches->find(',', at), branches->size());
    const std::string each = branches->substr(at, end - at);
    at = end + 1;
    const size_t colon = each.rfind(':');
    if (colon == std::string::npos || colon == 0 ||
        each.find_first_not_of("0123456789", colon + 1) != std::string::npos ||
        colon + 1 == each.size())
      return knobs.Fail("'branches' of lakefs are NAME:DAYS,NAME:DAYS, not '" + each + "'");
    to.more += "policy " + Quoted("branch-" + each.substr(0, colon)) +
               " {\n  match artifact = " + Quoted(each.substr(0, colon)) + "\n  keep within " +
               each.substr(colon + 1) + "d\n}\n";
  }
  if (branches.has_value())
    to.warnings.emplace_back("a branch is taken for an artifact; of two policies the longer wins");
}

void Iceberg(Knobs& knobs, Translation& to) {
  const auto age_ms = knobs.Count("history.expire.max-snapshot-age-ms");
  const auto least = knobs.Count("history.expire.min-snapshots-to-keep");
  to.rules.push_back("where age <= " + DurationText(age_ms.value_or(5 * 86'400'000) / 1000 * 1000));
  to.rules.push_back("last " + std::to_string(least.value_or(1)));
  to.warnings.emplace_back("what a branch or tag names stays where an alias or tag names it");
}

constexpr std::pair<std::string_view, void (*)(Knobs&, Translation&)> kSystems[] = {
    {"orbax", Orbax},    {"lightning", Lightning},   {"huggingface", HuggingFace},
    {"restic", Restic},  {"tensorflow", TensorFlow}, {"automodel", Automodel},
    {"wandb", Wandb},    {"mlflow", MlFlow},         {"lakefs", LakeFs},
    {"iceberg", Iceberg}};

}  // namespace

Result<Imported> ImportPolicy(std::string_view system,
                              const std::map<std::string, std::string>& knobs) {
  Knobs reader(std::string(system), knobs);
  Translation to;
  std::vector<std::string> known;
  bool found = false;
  for (const auto& [name, translate] : kSystems) {
    known.emplace_back(name);
    if (name != system) continue;
    translate(reader, to);
    found = true;
  }
  if (!found) {
    std::string all;
    for (const std::string& name : known) all += (all.empty() ? "" : ", ") + name;
    if (system == "s3" || system == "velero") {
      return Error(ErrorCode::kUnsupported,
                   "rules of a bucket are not imported: one that can delete a lake's objects is an "
                   "error, which varve doctor shows; known are " +
                       all);
    }
    const std::string nearest = Nearest(system, known);
    return Error(ErrorCode::kUnsupported,
                 "cannot import from '" + std::string(system) + "'; " +
                     (nearest.empty() ? "known are " + all : "did you mean '" + nearest + "'?"));
  }
  VARVE_CHECK_OK(reader.Finish());
  std::string text = "policy " + std::string(system) + " {\n";
  for (const std::string& rule : to.rules) text += "keep " + rule + "\n";
  text += to.clauses + "}\n" + to.more;
  Imported imported;
  VARVE_TRY(imported.set, ParsePolicies(text));
  imported.warnings = std::move(to.warnings);
  return imported;
}

}  // namespace varve::plan
