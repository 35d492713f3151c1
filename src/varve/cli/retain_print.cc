#include <nlohmann/json.hpp>
#include <set>

#include "varve/cli/print.h"
#include "varve/cli/retain.h"
#include "varve/format/names.h"
#include "varve/plan/price.h"

namespace varve::cli {
namespace {

std::string Joined(const std::vector<std::string>& texts, const char* between) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : between) + text;
  return joined;
}

// Estimates at list price, each with its day; nothing where no price is known.
void AddMoney(const format::RetentionPlan& plan, std::vector<std::string>& lines) {
  if (plan.price.has_value() && plan.bill.has_value()) {
    const format::RetentionPrice& price = *plan.price;
    lines.push_back(plan::UsdText(plan.bill->saved_month) + " of " +
                    plan::UsdText(plan.bill->now_month) +
                    " a month are saved: an estimate by the list price of " + price.as_of +
                    " for " + price.provider + " " + price.region + " " + price.storage_class +
                    " (confidence " + (price.confidence.empty() ? "?" : price.confidence) +
                    "), as if all of it lay in that class");
    if (!plan.bill->first_bill.empty()) {
      lines.push_back("the first bill that falls is that of " + plan.bill->first_bill +
                      ", later where the bucket keeps old versions or deleted objects (varve "
                      "doctor says)");
    }
    if (plan.bill->early > 0) {
      lines.push_back(plan::UsdText(plan.bill->early) +
                      " of minimum duration are billed whether it goes at once or not: it may come "
                      "back for all of its " +
                      std::to_string(price.min_days) + " days");
    } else {
      lines.emplace_back("no minimum duration is cut short: the penalty is $0.00");
    }
  }
  for (const format::RetentionCap& cap : plan.caps) {
    lines.push_back("cap " + cap.rule + (cap.key.empty() ? "" : " (" + cap.key + ")") + ": " +
                    Size(cap.bytes) + " stay, " + std::to_string(cap.evicted) +
                    " versions are evicted" + (cap.over ? "; STILL OVER" : ""));
  }
  for (const format::RetentionTier& tier : plan.tiers) {
    std::string line = "tier " + tier.rule + ": " + std::to_string(tier.versions) + " versions, " +
                       Size(tier.bytes) + ", " + (tier.proposed ? "proposed" : "not proposed");
    if (tier.priced && tier.bytes > 0) {
      char days[32];
      std::snprintf(days, sizeof days, "%.0f", tier.break_even_days);
      line += ": " + plan::UsdText(tier.once) + " once, " + plan::UsdText(tier.saved_month) +
              " less a month" +
              (tier.saved_month > 0 ? std::string(", pays after ") + days + " days" : "");
    } else if (!tier.priced) {
      line += ": no price is known for that class here";
    }
    lines.push_back(line);
  }
}

// What stays although no rule of the policy keeps it, by what does.
void AddKeepers(const format::RetentionPlan& plan, std::vector<std::string>& lines) {
  constexpr std::pair<const char*, const char*> kKinds[] = {
      {"hold of", "held"},       {"protected by", "protected"}, {"alias", "named by an alias"},
      {"tag", "named by a tag"}, {"pin of", "pinned"},          {"in use by", "in use"},
      {"damaged", "damaged"}};
  std::string text;
  for (const auto& [beginning, word] : kKinds) {
    uint64_t count = 0;
    for (const format::RetentionItem& item : plan.items)
      count += !item.reasons.empty() && item.reasons[0].starts_with(beginning) ? 1U : 0U;
    if (count > 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + word;
  }
  if (!text.empty()) lines.push_back("whatever the rules say, these stay: " + text);
  uint64_t unmanaged = 0, unmanaged_bytes = 0;
  for (const format::RetentionItem& item : plan.items) {
    if (item.reasons.empty() || item.reasons.back() != "no policy matches") continue;
    ++unmanaged;
    unmanaged_bytes += item.logical_bytes;
  }
  if (unmanaged > 0) {
    lines.push_back(std::to_string(unmanaged) + " versions (" + Size(unmanaged_bytes) +
                    ") match no policy and stay");
  }
}

// What comes of it, line by line.
std::string Footer(const format::RetentionPlan& plan, const std::string& indent) {
  uint64_t forgotten = 0, thinned = 0, logical_bytes = 0;
  std::map<std::string, uint64_t> left;
  std::set<std::string> loses;
  for (const format::RetentionItem& item : plan.items) {
    left[item.artifact] += item.kept.empty() ? 0U : 1U;
    thinned += !item.let_go.empty() && !item.kept.empty() ? 1U : 0U;
    if (!item.kept.empty()) continue;
    loses.insert(item.artifact);
    ++forgotten;
    logical_bytes += item.logical_bytes;
  }
  std::vector<std::string> lines{
      std::to_string(forgotten) + " versions go (" + Size(logical_bytes) + " logical), " +
      std::to_string(thinned) + " are thinned, " +
      std::to_string(plan.items.size() - forgotten - thinned) + " stay whole"};
  if (plan.freed_bytes.has_value()) {
    lines.push_back(Size(*plan.freed_bytes) + " stored bytes are freed after the grace: " +
                    Size(*plan.freed_whole_bytes) + " by varve gc at once, " +
                    Size(*plan.freed_bytes - *plan.freed_whole_bytes) + " after varve gc --repack");
  }
  if (plan.shared_bytes.value_or(0) > 0) {
    lines.push_back(Size(*plan.shared_bytes) +
                    " of what goes is shared with what stays, and is never freed");
  }
  AddMoney(plan, lines);
  AddKeepers(plan, lines);
  for (const auto& [artifact, versions] : left) {
    if (versions == 1 && loses.contains(artifact))
      lines.push_back(artifact + " is left with 1 version");
  }
  for (const format::RetentionShare& share : plan.shares) {
    if (!share.over) continue;
    lines.push_back("policy " + share.policy + " lets go of " + std::to_string(share.let_go) +
                    " of " + std::to_string(share.matched) + " versions" +
                    (share.project.empty() ? "" : " of project " + share.project) +
                    ", more than its limit: apply wants --ack");
  }
  for (const std::string& warning : plan.warnings) lines.push_back("warning: " + warning);
  std::string text;
  for (const std::string& line : lines) text += indent + Printable(line) + "\n";
  return text;
}

}  // namespace

std::string RetentionTable(const format::RetentionPlan& plan) {
  std::string text = "judged at " + Time(plan.as_of_ms) + "\n";
  const std::string* artifact = nullptr;
  for (const format::RetentionItem& item : plan.items) {
    if (artifact == nullptr || *artifact != item.artifact) {
      artifact = &item.artifact;
      text += "\n" + Printable(item.artifact) + "\n";
    }
    std::string line = "  v" + std::to_string(item.version);
    line.resize(std::max<size_t>(line.size(), 8), ' ');
    line += item.step.has_value() ? " step " + std::to_string(*item.step) : "";
    line.resize(std::max<size_t>(line.size(), 22), ' ');
    line += " " + Time(item.time_ms) + "  " + Size(item.logical_bytes);
    line.resize(std::max<size_t>(line.size(), 56), ' ');
    const std::string reasons = Joined(item.reasons, "; ");
    if (item.let_go.empty()) {
      line += "  stays: " + reasons;
    } else if (item.kept.empty()) {
      line += "  GOES: nearest was " + item.missed;
    } else {
      line += "  keeps " + Joined(item.kept, ", ") + ": " + reasons + "; LETS GO " +
              Joined(item.let_go, ", ");
    }
    text += Printable(line) + "\n";
  }
  text += "\n" + Footer(plan, "");
  return text;
}

std::string RetentionMarkdown(const format::RetentionPlan& plan, const std::string& id) {
  // What a name may hold must not end a cell.
  const auto cell = [](const std::string& text) {
    std::string safe;
    for (const char c : Printable(text)) safe += c == '|' ? "\\|" : std::string(1, c);
    return safe;
  };
  std::string text = "# Retention plan " + id.substr(0, 16) + "\n\nJudged at " +
                     Time(plan.as_of_ms) + ".\n\n```\n" + plan.policy + "```\n";
  const std::string* artifact = nullptr;
  for (const format::RetentionItem& item : plan.items) {
    if (artifact == nullptr || *artifact != item.artifact) {
      artifact = &item.artifact;
      text += "\n## " + cell(item.artifact) +
              "\n\n| version | step | size | fate | why |\n| --- | --- | --- | --- | --- |\n";
    }
    const std::string fate = item.let_go.empty() ? "stays"
                             : item.kept.empty() ? "**goes**"
                                                 : "keeps " + Joined(item.kept, " + ");
    text += "| v" + std::to_string(item.version) + " | " +
            (item.step.has_value() ? std::to_string(*item.step) : "") + " | " +
            Size(item.logical_bytes) + " | " + cell(fate) + " | " +
            cell(item.reasons.empty() ? "nearest was " + item.missed : Joined(item.reasons, "; ")) +
            " |\n";
  }
  return text + "\n" + Footer(plan, "- ");
}

std::string ChangesText(const std::vector<format::FateChange>& changes, const char* indent) {
  if (changes.empty()) return "as by the earlier plan\n";
  std::string text = std::to_string(changes.size()) + " otherwise than by the earlier plan:\n";
  for (const format::FateChange& each : changes) {
    text += indent + format::VersionAddress(Printable(each.artifact), each.version) + ": " +
            Printable(each.before) + " -> " + Printable(each.after) + "\n";
  }
  return text;
}

nlohmann::json ChangesJson(const std::vector<format::FateChange>& changes) {
  nlohmann::json rows = nlohmann::json::array();
  for (const format::FateChange& each : changes) {
    rows.push_back({{"artifact", each.artifact},
                    {"version", each.version},
                    {"before", each.before},
                    {"after", each.after}});
  }
  return rows;
}

nlohmann::json PoliciesJson(const plan::PolicySet& set) {
  nlohmann::json policies = nlohmann::json::array(), protect = nlohmann::json::array();
  for (const plan::Policy& policy : set.policies) {
    nlohmann::json each = {
        {"name", policy.name},
        {"floor", std::to_string(policy.floor) + (policy.floor_verified ? " verified" : "")}};
    if (policy.match.has_value()) each["match"] = plan::PredicateText(*policy.match);
    if (!policy.group_by.empty()) each["group by"] = policy.group_by;
    if (policy.order != plan::Order::kCommit)
      each["order by"] = policy.order == plan::Order::kStep ? "step" : "time";
    for (const plan::Keep& keep : policy.keeps) each["keep"].push_back(plan::KeepText(keep));
    for (const plan::Tier& tier : policy.tiers) each["tier"].push_back(plan::TierText(tier));
    for (const plan::Cap& cap : policy.caps) each["cap"].push_back(plan::CapText(cap));
    if (policy.grace_ms != plan::kGraceMsDefault)
      each["grace"] = plan::DurationText(policy.grace_ms);
    if (policy.limit_percent != plan::kLimitPercentDefault)
      each["limit"].push_back(nlohmann::json(policy.limit_percent).dump() + "%");
    if (policy.limit_bytes != plan::kLimitBytesDefault)
      each["limit"].push_back(std::to_string(policy.limit_bytes) + "B");
    policies.push_back(std::move(each));
  }
  for (const plan::Protect& each : set.protects) {
    nlohmann::json row = {{"name", each.name}, {"match", plan::PredicateText(each.match)}};
    if (each.until_ms != 0) row["until"] = plan::DateText(each.until_ms);
    if (!each.reason.empty()) row["reason"] = each.reason;
    protect.push_back(std::move(row));
  }
  nlohmann::json document = {{"policies", std::move(policies)}};
  if (!protect.empty()) document["protect"] = std::move(protect);
  return document;
}

}  // namespace varve::cli
