// From words to the tree of the retention language, by recursive descent.
#include <algorithm>
#include <set>

#include "varve/plan/nearest.h"
#include "varve/plan/retention_lexer.h"
#include "varve/plan/retention_values.h"

namespace varve::plan {
namespace {

constexpr int64_t kDay = 86'400'000;
constexpr double kUsdMonthMax = 1e12;
constexpr std::string_view kFields[] = {"artifact", "project",   "run",       "kind", "tag",
                                        "alias",    "version",   "step",      "age",  "bytes",
                                        "owner",    "run.state", "registered"};
constexpr std::string_view kRunStates[] = {"running", "preempted", "finished", "failed", "unknown"};
constexpr std::string_view kGroupKeys[] = {"artifact", "project", "run", "kind"};
constexpr std::string_view kSelectors[] = {"all",    "last",   "first", "every", "best",
                                           "bucket", "within", "steps", "where"};
constexpr std::string_view kCalendars[] = {"hourly", "daily", "weekly", "monthly", "yearly"};

template <size_t n>
bool Among(const std::string_view (&words)[n], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}
template <size_t n>
std::string NearestOf(const std::string_view (&words)[n], std::string_view word) {
  return Nearest(word, std::vector<std::string>(std::begin(words), std::end(words)));
}
std::string DidYouMean(const std::string& nearest) {
  return nearest.empty() ? "" : "; did you mean '" + nearest + "'?";
}

class Parser {
 public:
  // `before`: words that a document says by its key, so that places count from its leaf.
  static Result<Parser> Make(std::string_view text, Position start, std::string_view before = {}) {
    if (!ValidUtf8(text)) return At(start, "the policy is not UTF-8");
    VARVE_TRY(std::vector<Word> words, SplitWords(before, start));
    words.pop_back();
    VARVE_TRY(std::vector<Word> rest, SplitWords(text, start));
    words.insert(words.end(), std::make_move_iterator(rest.begin()),
                 std::make_move_iterator(rest.end()));
    return Parser(std::move(words));
  }

  Result<PolicySet> File() {
    PolicySet set;
    SkipSeparators();
    if (!Now().Is("policy") && !Now().Is("protect")) {
      Policy rules;
      rules.name = "rules";
      rules.at = Now().at;
      VARVE_CHECK_OK(Statements(rules, Word::Kind::kEnd));
      set.policies.push_back(std::move(rules));
      return set;
    }
    while (Now().kind != Word::Kind::kEnd) {
      const Position at = Now().at;
      if (Accept("policy")) {
        Policy policy;
        policy.at = at;
        VARVE_TRY(policy.name, Name("a policy"));
        VARVE_CHECK_OK(Expect("{"));
        VARVE_CHECK_OK(Statements(policy, Word::Kind::kMark));
        VARVE_CHECK_OK(Expect("}"));
        set.policies.push_back(std::move(policy));
      } else if (Accept("protect")) {
        VARVE_TRY(Protect protect, Protection(at));
        set.protects.push_back(std::move(protect));
      } else {
        return Unexpected("'policy' or 'protect'");
      }
      SkipSeparators();
    }
    return set;
  }

  Result<Keep> OneKeep() {
    Keep keep;
    keep.at = Now().at;
    Accept("keep");
    VARVE_TRY(keep.selector, Select());
    VARVE_TRY(keep.parts, Parts());
    if (Accept("for")) {
      VARVE_TRY(keep.for_ms, Time("a time such as 2d"));
    }
    return keep;
  }

  Result<Predicate> Condition(size_t depth = 0) {
    VARVE_TRY(Predicate first, AndTerm(depth));
    if (!Now().Is("or")) return first;
    Predicate both;
    both.kind = Predicate::Kind::kOr;
    both.at = first.at;
    both.children.push_back(std::move(first));
    while (Accept("or")) {
      VARVE_TRY(Predicate next, AndTerm(depth));
      both.children.push_back(std::move(next));
    }
    return both;
  }

  Result<int64_t> Date() {
    const Word word = Take();
    int64_t year = 0, month = 0, day = 0;
    const std::string& t = word.text;
    if (t.size() == 10 && t[4] == '-' && t[7] == '-') {
      year = Number<int64_t>(t.substr(0, 4)).value_or(0);
      month = Number<int64_t>(t.substr(5, 2)).value_or(0);
      day = Number<int64_t>(t.substr(8, 2)).value_or(0);
    }
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const int64_t days[] = {31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1970 || t == "1970-01-01" || month < 1 || month > 12 || day < 1 ||
        day > days[month - 1]) {
      return At(word.at, "expected a date such as 2027-01-31");
    }
    int64_t total = 0;
    for (int64_t y = 1970; y < year; ++y) {
      total += (y % 4 == 0 && y % 100 != 0) || y % 400 == 0 ? 366 : 365;
    }
    for (int64_t m = 1; m < month; ++m) total += days[m - 1];
    return (total + day - 1) * kDay;
  }

  // One statement of a policy beside match and keep; false when the next word begins none.
  Result<bool> Clause(Policy& policy) {
    const Position at = Now().at;
    if (Accept("group")) {
      VARVE_CHECK_OK(Expect("by"));
      do {
        const Word key = Take();
        if (!Among(kGroupKeys, key.text)) {
          return At(key.at,
                    "cannot group by '" + key.text + "'; keys are artifact, project, run, kind");
        }
        policy.group_by.push_back(key.text);
      } while (Accept(","));
      std::sort(policy.group_by.begin(), policy.group_by.end());
      policy.group_by.erase(std::unique(policy.group_by.begin(), policy.group_by.end()),
                            policy.group_by.end());
    } else if (Accept("order")) {
      VARVE_CHECK_OK(Expect("by"));
      const Word order = Take();
      if (order.text == "commit")
        policy.order = Order::kCommit;
      else if (order.text == "step")
        policy.order = Order::kStep;
      else if (order.text == "time")
        policy.order = Order::kTime;
      else
        return At(order.at, "order is by commit, step or time, not '" + order.text + "'");
    } else if (Accept("floor")) {
      const Word count = Take();
      const auto number = Number<uint64_t>(count.text);
      if (!number.has_value() || *number > kCountMax) {
        return At(count.at, "expected how many versions the floor keeps, such as floor 1");
      }
      policy.floor = *number;
      policy.floor_verified = Accept("verified");
    } else if (Accept("grace")) {
      VARVE_TRY(policy.grace_ms, Time("a time such as 7d"));
      if (policy.grace_ms < kGraceMsMin) return At(at, "the grace is at least 24h");
    } else if (Accept("limit")) {
      const Word limit = Take();
      const auto size = SizeOf(limit.text);
      std::optional<double> percent;
      if (limit.text.ends_with('%')) {
        percent = Number<double>(std::string_view(limit.text).substr(0, limit.text.size() - 1));
      }
      if (percent.has_value() && *percent > 0 && *percent <= 100)
        policy.limit_percent = *percent;
      else if (size.has_value() && *size > 0)
        policy.limit_bytes = *size;
      else
        return At(limit.at, "expected a limit such as 20% or 10TB");
    } else if (Accept("tier")) {
      VARVE_TRY(Tier tier, OneTier(at));
      policy.tiers.push_back(std::move(tier));
      if (policy.tiers.size() > kRulesMax) return At(at, "a policy has at most 256 tiers");
    } else if (Accept("cap")) {
      VARVE_TRY(Cap cap, OneCap(at, policy));
      policy.caps.push_back(std::move(cap));
      if (policy.caps.size() > kRulesMax) return At(at, "a policy has at most 256 caps");
    } else {
      return false;
    }
    return true;
  }

  Status AtEnd() {
    SkipSeparators();
    if (Now().kind == Word::Kind::kEnd) return OkStatus();
    return Unexpected("the end");
  }

 private:
  explicit Parser(std::vector<Word> words) : words_(std::move(words)) {}

  const Word& Now() const { return words_[at_]; }
  Word Take() {
    Word word = words_[at_];
    if (word.kind != Word::Kind::kEnd) ++at_;
    return word;
  }
  bool Accept(std::string_view wanted) {
    if (!Now().Is(wanted)) return false;
    ++at_;
    return true;
  }
  Status Expect(std::string_view wanted) {
    if (Accept(wanted)) return OkStatus();
    return Unexpected("'" + std::string(wanted) + "'");
  }
  Error Unexpected(const std::string& wanted) const {
    std::string found = "'" + Now().text + "'";
    if (Now().kind == Word::Kind::kEnd) found = "the end";
    if (Now().kind == Word::Kind::kSeparator) found = "the end of the rule";
    return At(Now().at, "expected " + wanted + ", found " + found);
  }
  void SkipSeparators() {
    while (Now().kind == Word::Kind::kSeparator) ++at_;
  }

  Result<std::string> Name(const std::string& what) {
    if ((Now().kind != Word::Kind::kWord && Now().kind != Word::Kind::kQuoted) ||
        Now().text.empty() || Now().text.size() > 200) {
      return Unexpected("the name of " + what);
    }
    return Take().text;
  }

  // Time that is positive.
  Result<int64_t> Time(const std::string& what) {
    const Word word = Take();
    const auto duration = DurationOf(word.text);
    if (word.kind != Word::Kind::kWord || !duration.has_value() || *duration <= 0) {
      return At(word.at, "expected " + what + ", found '" + word.text + "'");
    }
    return *duration;
  }

  Result<uint64_t> Count(const std::string& rule) {
    const Word word = Take();
    const auto number = Number<int64_t>(word.text);
    if (word.kind != Word::Kind::kWord || !number.has_value()) {
      return At(word.at, "expected a number after '" + rule + "', found '" + word.text + "'");
    }
    if (*number <= 0 || static_cast<uint64_t>(*number) > kCountMax) {
      return At(word.at, "'" + rule + "' wants 1 to 1,000,000,000, not " + word.text +
                             "; to keep nothing by it, leave the rule out");
    }
    return static_cast<uint64_t>(*number);
  }

  Status Statements(Policy& policy, Word::Kind end) {
    while (true) {
      SkipSeparators();
      if (Now().kind == Word::Kind::kEnd || (end == Word::Kind::kMark && Now().Is("}"))) {
        return OkStatus();
      }
      const Position at = Now().at;
      VARVE_TRY(const bool clause, Clause(policy));
      if (clause) continue;
      if (end == Word::Kind::kMark && Accept("match")) {
        if (policy.match.has_value()) return At(at, "a policy has one match; join them with 'and'");
        VARVE_TRY(policy.match, Condition());
      } else if (Now().Is("keep") || Among(kSelectors, Now().text)) {
        VARVE_TRY(Keep keep, OneKeep());
        policy.keeps.push_back(std::move(keep));
        if (policy.keeps.size() > kRulesMax) return At(at, "a policy has at most 256 rules");
      } else {
        std::vector<std::string> known{"keep", "match", "group", "order", "tier",
                                       "cap",  "floor", "grace", "limit"};
        for (const std::string_view each : kSelectors) known.emplace_back(each);
        return At(at, Unexpected("a rule such as 'keep last 3'")
                              .message()
                              .substr(Unexpected("").message().find(": ") + 2) +
                          DidYouMean(Nearest(Now().text, known)));
      }
    }
  }

  Result<Protect> Protection(Position at) {
    Protect protect;
    protect.at = at;
    VARVE_TRY(protect.name, Name("a protection"));
    VARVE_CHECK_OK(Expect("{"));
    bool matched = false;
    while (SkipSeparators(), !Now().Is("}")) {
      if (Accept("match")) {
        VARVE_TRY(protect.match, Condition());
        matched = true;
      } else if (Accept("until")) {
        VARVE_TRY(protect.until_ms, Date());
      } else if (Accept("reason")) {
        VARVE_TRY(protect.reason, Name("the reason"));
      } else {
        return Unexpected("match, until, reason or '}'");
      }
    }
    VARVE_CHECK_OK(Expect("}"));
    if (!matched) return At(at, "protection '" + protect.name + "' has no match");
    return protect;
  }

  Result<Selector> Select() {
    const Word word = Take();
    Selector selector;
    using Kind = Selector::Kind;
    if (word.kind == Word::Kind::kQuoted || !Among(kSelectors, word.text)) {
      return At(word.at, "'" + word.text +
                             "' is no rule; rules are all, last, first, every, best, "
                             "bucket, within, steps, where" +
                             DidYouMean(NearestOf(kSelectors, word.text)));
    }
    if (word.text == "last" || word.text == "first") {
      selector.kind = word.text == "last" ? Kind::kLast : Kind::kFirst;
      VARVE_TRY(selector.count, Count(word.text));
    } else if (word.text == "every") {
      VARVE_CHECK_OK(Every(selector));
    } else if (word.text == "best") {
      VARVE_CHECK_OK(Best(selector));
    } else if (word.text == "bucket") {
      VARVE_CHECK_OK(Bucket(selector));
    } else if (word.text == "within") {
      selector.kind = Kind::kWithin;
      VARVE_TRY(selector.duration_ms, Time("a time such as 14d after 'within'"));
    } else if (word.text == "steps") {
      selector.kind = Kind::kSteps;
      VARVE_CHECK_OK(Expect("["));
      do {
        const Word step = Take();
        const auto number = Number<int64_t>(step.text);
        if (!number.has_value()) return At(step.at, "expected a step, found '" + step.text + "'");
        selector.steps.push_back(*number);
        if (selector.steps.size() > kListMax) return At(step.at, "a rule has at most 4,096 steps");
      } while (Accept(","));
      VARVE_CHECK_OK(Expect("]"));
    } else if (word.text == "where") {
      selector.kind = Kind::kWhere;
      VARVE_TRY(selector.where, Condition());
    }
    return selector;
  }

  // ["of" part {"+" part}]; "full" is all of them.
  Result<std::vector<std::string>> Parts() {
    std::vector<std::string> parts;
    const Position at = Now().at;
    if (!Accept("of")) return parts;
    do {
      if (Accept("full")) continue;
      VARVE_TRY(std::string part, Name("a component"));
      parts.push_back(std::move(part));
    } while (Accept("+"));
    std::sort(parts.begin(), parts.end());
    parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
    if (parts.size() > kListMax) return At(at, "a rule has too many components");
    return parts;
  }

  Result<Tier> OneTier(Position at) {
    Tier tier;
    tier.at = at;
    VARVE_TRY(tier.selector, Select());
    VARVE_TRY(tier.parts, Parts());
    VARVE_CHECK_OK(Expect("after"));
    VARVE_TRY(tier.after_ms, Time("a time such as 30d after 'after'"));
    VARVE_CHECK_OK(Expect("to"));
    VARVE_TRY(tier.storage_class, Name("a storage class"));
    if (Accept("only")) {
      VARVE_CHECK_OK(Expect("if"));
      VARVE_CHECK_OK(Expect("profitable"));
      tier.only_if_profitable = true;
    }
    return tier;
  }

  // `policy` so far: a metric that one of its keeps ranks by has that rule's end.
  Result<Cap> OneCap(Position at, const Policy& policy) {
    Cap cap;
    cap.at = at;
    const Word limit = Take();
    const auto size = SizeOf(limit.text);
    const auto money = Number<double>(limit.text);
    if (Accept("USD/mo")) {
      if (!money.has_value() || !(*money > 0) || *money > kUsdMonthMax)
        return At(limit.at, "expected an amount of money such as 2000 USD/mo");
      cap.usd_month = *money;
    } else if (size.has_value() && *size > 0 &&
               limit.text.find_first_not_of("0123456789") != std::string::npos) {
      cap.bytes = *size;
    } else {
      return At(limit.at, "expected a size such as 2TB, or money such as 2000 USD/mo, after 'cap'");
    }
    VARVE_CHECK_OK(Expect("per"));
    const Word key = Take();
    if (!Among(kGroupKeys, key.text)) {
      return At(key.at, "a cap is per artifact, project, run or kind, not '" + key.text + "'" +
                            DidYouMean(NearestOf(kGroupKeys, key.text)));
    }
    cap.key = key.text;
    VARVE_CHECK_OK(Expect("evict"));
    if (Accept("oldest")) return cap;
    if (Accept("cheapest")) {
      VARVE_CHECK_OK(Expect("to"));
      VARVE_CHECK_OK(Expect("lose"));
      cap.evict = Cap::Evict::kCheapest;
      return cap;
    }
    if (!Accept("worst")) return Unexpected("oldest, 'worst by METRIC' or 'cheapest to lose'");
    VARVE_CHECK_OK(Expect("by"));
    cap.evict = Cap::Evict::kWorst;
    const Position metric_at = Now().at;
    VARVE_TRY(cap.metric, Name("a metric"));
    if (Accept("min")) return cap;
    cap.maximise = Accept("max");
    if (cap.maximise) return cap;
    const auto same = std::find_if(policy.keeps.begin(), policy.keeps.end(), [&](const Keep& keep) {
      return keep.selector.kind == Selector::Kind::kBest && keep.selector.metric == cap.metric;
    });
    if (same == policy.keeps.end()) {
      return At(metric_at, "say min or max: which end of '" + cap.metric + "' is best");
    }
    cap.maximise = same->selector.maximise;
    return cap;
  }

  Status Every(Selector& selector) {
    using Kind = Selector::Kind;
    const Word first = Now();
    const auto duration = DurationOf(first.text);
    if (duration.has_value()) {
      selector.kind = Kind::kEveryTime;
      VARVE_TRY(selector.duration_ms, Time("a time such as 24h after 'every'"));
      return OkStatus();
    }
    VARVE_TRY(selector.count, Count("every"));
    const Word unit = Take();
    if (unit.text == "steps" || unit.text == "step")
      selector.kind = Kind::kEverySteps;
    else if (unit.text == "epochs" || unit.text == "epoch")
      selector.kind = Kind::kEveryEpochs;
    else
      return At(unit.at,
                "expected steps or epochs after 'every " + first.text + "', or a time such as 24h");
    selector.exact = Accept("exact");
    return OkStatus();
  }

  Status Best(Selector& selector) {
    selector.kind = Selector::Kind::kBest;
    VARVE_TRY(selector.count, Count("best"));
    VARVE_CHECK_OK(Expect("by"));
    VARVE_TRY(selector.metric, Name("a metric"));
    if (Accept("max"))
      selector.maximise = true;
    else if (!Accept("min"))
      return Unexpected("min or max: which end of '" + selector.metric + "' is best");
    if (Accept("missing")) {
      if (Accept("ignore"))
        selector.keep_missing = false;
      else if (!Accept("keep"))
        return Unexpected("keep or ignore after 'missing'");
    }
    return OkStatus();
  }

  Status Bucket(Selector& selector) {
    selector.kind = Selector::Kind::kBucket;
    const Word calendar = Take();
    const auto* found = std::find(std::begin(kCalendars), std::end(kCalendars), calendar.text);
    if (found == std::end(kCalendars)) {
      return At(calendar.at, "buckets are hourly, daily, weekly, monthly or yearly, not '" +
                                 calendar.text + "'");
    }
    selector.calendar = static_cast<Calendar>(found - std::begin(kCalendars));
    VARVE_TRY(selector.count, Count("bucket " + calendar.text));
    if (!Accept("tz")) return OkStatus();
    const bool ahead = Accept("+");
    const Word zone = Take();
    std::string_view text = zone.text;
    if (text == "UTC" && !ahead) return OkStatus();
    const bool behind = !ahead && text.starts_with('-');
    if (behind) text.remove_prefix(1);
    const size_t colon = text.find(':');
    const auto hours = Number<int32_t>(text.substr(0, colon));
    const auto minutes =
        colon == std::string_view::npos ? std::nullopt : Number<int32_t>(text.substr(colon + 1));
    if ((!ahead && !behind) || text.size() != 5 || colon != 2 || !hours.has_value() ||
        !minutes.has_value() || *hours < 0 || *hours > 14 || *minutes < 0 || *minutes > 59) {
      return At(zone.at,
                "a zone is UTC or an offset such as +02:00; names of places are not known here");
    }
    selector.zone_minutes = (*hours * 60 + *minutes) * (behind ? -1 : 1);
    return OkStatus();
  }

  Result<Predicate> AndTerm(size_t depth) {
    VARVE_TRY(Predicate first, Unary(depth));
    if (!Now().Is("and")) return first;
    Predicate both;
    both.kind = Predicate::Kind::kAnd;
    both.at = first.at;
    both.children.push_back(std::move(first));
    while (Accept("and")) {
      VARVE_TRY(Predicate next, Unary(depth));
      both.children.push_back(std::move(next));
    }
    return both;
  }

  Result<Predicate> Unary(size_t depth) {
    if (depth >= kPredicateDepthMax) return At(Now().at, "the condition is nested too deep");
    const Position at = Now().at;
    if (Accept("not")) {
      VARVE_TRY(Predicate inner, Unary(depth + 1));
      Predicate negated;
      negated.kind = Predicate::Kind::kNot;
      negated.at = at;
      negated.children.push_back(std::move(inner));
      return negated;
    }
    if (Accept("(")) {
      VARVE_TRY(Predicate inner, Condition(depth + 1));
      VARVE_CHECK_OK(Expect(")"));
      return inner;
    }
    return Comparison();
  }

  Result<Predicate> Comparison() {
    Predicate made;
    made.at = Now().at;
    VARVE_TRY(made.field, Name("a field"));
    if (made.field == "class") {
      return At(made.at,
                "field 'class' is not recorded: the class of an object is the bucket's; see tier");
    }
    const bool metric = made.field.starts_with("metric.") && made.field.size() > 7;
    if (!metric && !Among(kFields, made.field)) {
      return At(made.at, "no field '" + made.field +
                             "'; fields are artifact, project, run, kind, tag, "
                             "alias, version, step, age, bytes, owner, run.state, registered, "
                             "metric.NAME" +
                             DidYouMean(NearestOf(kFields, made.field)));
    }
    const Word mark = Take();
    constexpr std::pair<std::string_view, Compare> kMarks[] = {
        {"=", Compare::kEqual},         {"!=", Compare::kNotEqual},  {"~", Compare::kMatch},
        {"<", Compare::kLess},          {"<=", Compare::kLessEqual}, {">", Compare::kGreater},
        {">=", Compare::kGreaterEqual}, {"in", Compare::kIn}};
    const auto* known = std::find_if(std::begin(kMarks), std::end(kMarks),
                                     [&](const auto& each) { return mark.Is(each.first); });
    if (known == std::end(kMarks)) {
      return At(mark.at, "expected one of = != ~ < <= > >= in after '" + made.field + "', found '" +
                             mark.text + "'");
    }
    made.compare = known->second;
    const bool number = IsNumberField(made.field);
    const bool ordered = made.compare != Compare::kEqual && made.compare != Compare::kNotEqual &&
                         made.compare != Compare::kIn && made.compare != Compare::kMatch;
    if ((number && made.compare == Compare::kMatch) || (!number && ordered)) {
      return At(mark.at, "'" + mark.text + "' does not fit '" + made.field + "', which is " +
                             (number ? "a number" : "text"));
    }
    if (made.compare != Compare::kIn) {
      VARVE_CHECK_OK(Value(made, number));
      return made;
    }
    VARVE_CHECK_OK(Expect("("));
    do {
      VARVE_CHECK_OK(Value(made, number));
      if (made.texts.size() > kListMax) return At(made.at, "a list has at most 4,096 values");
    } while (Accept(","));
    VARVE_CHECK_OK(Expect(")"));
    return made;
  }

  Status Value(Predicate& made, bool number) {
    const Word word = Take();
    if (word.kind != Word::Kind::kWord && word.kind != Word::Kind::kQuoted) {
      return At(word.at, "expected a value for '" + made.field + "'");
    }
    if (made.compare != Compare::kMatch && made.field == "run.state" &&
        !Among(kRunStates, word.text)) {
      return At(word.at, "the state of a run is running, preempted, finished, failed or unknown" +
                             DidYouMean(NearestOf(kRunStates, word.text)));
    }
    if (made.field == "registered" && word.text != "yes" && word.text != "no") {
      return At(word.at, "registered is yes or no: whether an alias names it");
    }
    made.texts.push_back(word.text);
    if (!number) return OkStatus();
    std::optional<double> value = Number<double>(word.text);
    if (made.field == "age") {
      const auto duration = DurationOf(word.text);
      value = duration.has_value() ? std::optional<double>(static_cast<double>(*duration))
                                   : std::nullopt;
    } else if (made.field == "bytes") {
      const auto size = SizeOf(word.text);
      value = size.has_value() ? std::optional<double>(static_cast<double>(*size)) : std::nullopt;
    }
    if (!value.has_value() || *value != *value) {
      return At(word.at, "'" + word.text + "' is no value of '" + made.field + "'; expected " +
                             (made.field == "age"     ? "a time such as 30d"
                              : made.field == "bytes" ? "a size such as 10GB"
                                                      : "a number"));
    }
    made.numbers.push_back(*value);
    return OkStatus();
  }

  std::vector<Word> words_;
  size_t at_ = 0;
};

}  // namespace

bool IsNumberField(std::string_view field) {
  return field == "step" || field == "version" || field == "age" || field == "bytes" ||
         field.starts_with("metric.");
}

Status CheckPolicies(const PolicySet& set) {
  if (set.policies.empty() && set.protects.empty()) {
    return At({}, "the policy is empty; write a rule such as 'keep last 3'");
  }
  std::set<std::string> names;
  const auto once = [&](const std::string& name, Position at) -> Status {
    if (names.size() >= kPoliciesMax) return At(at, "there are more than 256 policies");
    if (names.insert(name).second) return OkStatus();
    return At(at, "the name '" + name + "' is used twice");
  };
  for (const Policy& policy : set.policies) {
    VARVE_CHECK_OK(once(policy.name, policy.at));
    if (policy.keeps.empty()) {
      return At(policy.at, "policy '" + policy.name +
                               "' has no keep, so it would let everything go; write what to keep");
    }
  }
  for (const Protect& protect : set.protects) VARVE_CHECK_OK(once(protect.name, protect.at));
  return OkStatus();
}

Result<PolicySet> ParsePolicies(std::string_view text) {
  VARVE_TRY(Parser parser, Parser::Make(text, {}));
  VARVE_TRY(PolicySet set, parser.File());
  VARVE_CHECK_OK(parser.AtEnd());
  VARVE_CHECK_OK(CheckPolicies(set));
  return set;
}

Result<Keep> ParseKeep(std::string_view text, Position at) {
  VARVE_TRY(Parser parser, Parser::Make(text, at));
  VARVE_TRY(Keep keep, parser.OneKeep());
  VARVE_CHECK_OK(parser.AtEnd());
  return keep;
}

Result<Predicate> ParsePredicate(std::string_view text, Position at) {
  VARVE_TRY(Parser parser, Parser::Make(text, at));
  VARVE_TRY(Predicate predicate, parser.Condition());
  VARVE_CHECK_OK(parser.AtEnd());
  return predicate;
}

Status ParseClause(std::string_view key, std::string_view text, Position at, Policy& policy) {
  VARVE_TRY(Parser parser, Parser::Make(text, at, key));
  VARVE_TRY(const bool clause, parser.Clause(policy));
  if (!clause) return At(at, "expected group, order, tier, cap, floor, grace or limit");
  return parser.AtEnd();
}

Result<int64_t> ParseDate(std::string_view text, Position at) {
  VARVE_TRY(Parser parser, Parser::Make(text, at));
  VARVE_TRY(const int64_t date_ms, parser.Date());
  VARVE_CHECK_OK(parser.AtEnd());
  return date_ms;
}

}  // namespace varve::plan
