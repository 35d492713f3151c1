// From the tree of the retention language back to its one spelling.
#include <algorithm>
#include <charconv>

#include "varve/plan/retention_lexer.h"

namespace varve::plan {
namespace {

constexpr int64_t kDay = 86'400'000;
constexpr int64_t kDaysMax = int64_t{9'000} * 365;  // A date that has four digits for its year.
constexpr const char* kMarks[] = {"=", "!=", "~", "<", "<=", ">", ">=", "in"};
constexpr const char* kCalendars[] = {"hourly", "daily", "weekly", "monthly", "yearly"};

std::string Joined(const std::vector<std::string>& texts, const char* between) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : between) + Quoted(text);
  return joined;
}

// `inside`: what it stands in; parentheses where they are needed.
std::string ConditionText(const Predicate& predicate, Predicate::Kind inside) {
  using Kind = Predicate::Kind;
  if (predicate.kind == Kind::kCompare) {
    std::string text =
        Quoted(predicate.field) + " " + kMarks[static_cast<size_t>(predicate.compare)] + " ";
    if (predicate.compare != Compare::kIn) return text + Joined(predicate.texts, "");
    return text + "(" + Joined(predicate.texts, ", ") + ")";
  }
  std::string text;
  if (predicate.kind == Kind::kNot) {
    text = "not " + ConditionText(predicate.children[0], Kind::kNot);
  } else {
    const char* word = predicate.kind == Kind::kAnd ? " and " : " or ";
    for (const Predicate& child : predicate.children) {
      text += (text.empty() ? "" : word) + ConditionText(child, predicate.kind);
    }
    if (inside != Kind::kCompare) return "(" + text + ")";
  }
  return text;
}

std::string ZoneText(int32_t minutes) {
  char text[32];
  const int32_t size = minutes < 0 ? -minutes : minutes;
  std::snprintf(text, sizeof text, "%c%02d:%02d", minutes < 0 ? '-' : '+', size / 60, size % 60);
  return text;
}

std::string SelectorText(const Selector& selector) {
  const std::string count = std::to_string(selector.count);
  switch (selector.kind) {
    case Selector::Kind::kAll:
      return "all";
    case Selector::Kind::kLast:
      return "last " + count;
    case Selector::Kind::kFirst:
      return "first " + count;
    case Selector::Kind::kEverySteps:
      return "every " + count + " steps" + (selector.exact ? " exact" : "");
    case Selector::Kind::kEveryEpochs:
      return "every " + count + " epochs" + (selector.exact ? " exact" : "");
    case Selector::Kind::kEveryTime:
      return "every " + DurationText(selector.duration_ms);
    case Selector::Kind::kBest:
      return "best " + count + " by " + Quoted(selector.metric) +
             (selector.maximise ? " max" : " min") +
             (selector.keep_missing ? "" : " missing ignore");
    case Selector::Kind::kBucket:
      return std::string("bucket ") + kCalendars[static_cast<size_t>(selector.calendar)] + " " +
             count + (selector.zone_minutes == 0 ? "" : " tz " + ZoneText(selector.zone_minutes));
    case Selector::Kind::kWithin:
      return "within " + DurationText(selector.duration_ms);
    case Selector::Kind::kSteps: {
      std::string text;
      for (const int64_t step : selector.steps)
        text += (text.empty() ? "" : ", ") + std::to_string(step);
      return "steps [" + text + "]";
    }
    case Selector::Kind::kWhere:
      return "where " + PredicateText(*selector.where);
  }
  return "";
}

}  // namespace

std::string DurationText(int64_t duration_ms) {
  constexpr std::pair<int64_t, char> kUnits[] = {{kDay, 'd'}, {3'600'000, 'h'}, {60'000, 'm'}};
  for (const auto& [unit_ms, letter] : kUnits) {
    if (duration_ms % unit_ms == 0) return std::to_string(duration_ms / unit_ms) + letter;
  }
  return std::to_string(duration_ms / 1000) + "s";
}

std::string DateText(int64_t date_ms) {
  int64_t days = std::clamp<int64_t>(date_ms / kDay, 0, kDaysMax);
  int64_t year = 1970;
  const auto days_of = [](int64_t y) {
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0 ? 366 : 365;
  };
  for (; days >= days_of(year); ++year) days -= days_of(year);
  const int64_t months[] = {31, days_of(year) == 366 ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
                            31};
  int64_t month = 0;
  for (; days >= months[month]; ++month) days -= months[month];
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d", static_cast<int>(year),
                static_cast<int>(month + 1), static_cast<int>(days + 1));
  return text;
}

std::string PredicateText(const Predicate& predicate) {
  return ConditionText(predicate, Predicate::Kind::kCompare);
}

std::string KeepText(const Keep& keep) {
  std::string text = SelectorText(keep.selector);
  if (!keep.parts.empty()) text += " of " + Joined(keep.parts, " + ");
  if (keep.for_ms != 0) text += " for " + DurationText(keep.for_ms);
  return text;
}

std::string TierText(const Tier& tier) {
  std::string text = SelectorText(tier.selector);
  if (!tier.parts.empty()) text += " of " + Joined(tier.parts, " + ");
  text += " after " + DurationText(tier.after_ms) + " to " + Quoted(tier.storage_class);
  return text + (tier.only_if_profitable ? " only if profitable" : "");
}

std::string CapText(const Cap& cap) {
  std::string text;
  if (cap.bytes != 0) {
    text = std::to_string(cap.bytes) + "B";
  } else {
    char number[64];
    const auto end =
        std::to_chars(number, number + sizeof number, cap.usd_month, std::chars_format::fixed);
    text = std::string(number, end.ptr) + " USD/mo";
  }
  text += " per " + cap.key + " evict ";
  if (cap.evict == Cap::Evict::kOldest) return text + "oldest";
  if (cap.evict == Cap::Evict::kCheapest) return text + "cheapest to lose";
  return text + "worst by " + Quoted(cap.metric) + (cap.maximise ? " max" : " min");
}

std::string PolicyText(const PolicySet& set) {
  std::string text;
  for (const Policy& policy : set.policies) {
    text += "policy " + Quoted(policy.name) + " {\n";
    if (policy.match.has_value()) text += "  match " + PredicateText(*policy.match) + "\n";
    if (!policy.group_by.empty()) text += "  group by " + Joined(policy.group_by, ", ") + "\n";
    if (policy.order == Order::kStep) text += "  order by step\n";
    if (policy.order == Order::kTime) text += "  order by time\n";
    for (const Keep& keep : policy.keeps) text += "  keep " + KeepText(keep) + "\n";
    for (const Tier& tier : policy.tiers) text += "  tier " + TierText(tier) + "\n";
    for (const Cap& cap : policy.caps) text += "  cap " + CapText(cap) + "\n";
    text +=
        "  floor " + std::to_string(policy.floor) + (policy.floor_verified ? " verified\n" : "\n");
    if (policy.grace_ms != kGraceMsDefault)
      text += "  grace " + DurationText(policy.grace_ms) + "\n";
    if (policy.limit_percent != kLimitPercentDefault) {
      char number[64];
      const auto end = std::to_chars(number, number + sizeof number, policy.limit_percent,
                                     std::chars_format::fixed);
      text += "  limit " + std::string(number, end.ptr) + "%\n";
    }
    if (policy.limit_bytes != kLimitBytesDefault) {
      text += "  limit " + std::to_string(policy.limit_bytes) + "B\n";
    }
    text += "}\n";
  }
  for (const Protect& protect : set.protects) {
    text +=
        "protect " + Quoted(protect.name) + " {\n  match " + PredicateText(protect.match) + "\n";
    if (protect.until_ms != 0) text += "  until " + DateText(protect.until_ms) + "\n";
    if (!protect.reason.empty()) text += "  reason " + Quoted(protect.reason) + "\n";
    text += "}\n";
  }
  return text;
}

}  // namespace varve::plan
