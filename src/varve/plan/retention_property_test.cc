// Goal: no history and no policy make retention let go of what a rule, a floor or a protection
// keeps, or keep what none does.
// Method: random histories (metrics that are NaN, infinite or missing, steps set back, clocks that
// jump, pins, labels, holds, damage, lineage) under random policies, against a model that decides
// each version by itself from the words of docs/retention.md; and the promises R1 to R6, the floors
// and that a second pass lets nothing more go, as invariants.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <set>

#include "varve/base/random.h"
#include "varve/plan/retention.h"

namespace varve::plan {
namespace {

constexpr int64_t kHour = 3'600'000, kDay = 24 * kHour;
constexpr const char* kComponents[] = {"ema", "optimizer", "rng", "weights"};
constexpr const char* kStates[] = {"", "running", "preempted", "finished", "failed"};
constexpr const char* kArtifacts[] = {"a", "team/a", "team/b"};

// ---- The model. Every function asks one question about one version.

struct Model {
  const PolicySet& set;
  const std::vector<Candidate>& all;
  int64_t now;
  const Usage& usage;

  bool InGroup(const Policy& p, const Candidate& x, const Candidate& y) const {
    if (p.group_by.empty()) return x.artifact == y.artifact;
    for (const std::string& key : p.group_by) {
      if (Part(x, key) != Part(y, key)) return false;
    }
    return true;
  }
  static std::string Part(const Candidate& c, const std::string& key) {
    const size_t slash = c.artifact.find('/');
    if (key == "kind") return c.kind;
    if (key == "artifact") return c.artifact;
    if (key == "project") return slash == std::string::npos ? "" : c.artifact.substr(0, slash);
    return slash == std::string::npos ? c.artifact : c.artifact.substr(slash + 1);
  }
  bool Applies(const Policy& p, const Candidate& c) const {
    return c.managed && (!p.match.has_value() || Holds(*p.match, c, now));
  }
  // Members of the group of `x`, itself included, damaged ones not.
  std::vector<const Candidate*> Group(const Policy& p, const Candidate& x) const {
    std::vector<const Candidate*> group;
    for (const Candidate& y : all) {
      if (Applies(p, y) && y.health != Health::kDamaged && InGroup(p, x, y)) group.push_back(&y);
    }
    return group;
  }
  static bool Earlier(const Candidate& x, const Candidate& y) {
    if (x.artifact == y.artifact) return x.version < y.version;
    if (x.time_ms != y.time_ms) return x.time_ms < y.time_ms;
    return x.artifact < y.artifact;
  }
  static bool EarlierBy(Order order, const Candidate& x, const Candidate& y) {
    if (order == Order::kStep && x.step != y.step) {
      return !x.step.has_value() || (y.step.has_value() && *x.step < *y.step);
    }
    if (order == Order::kTime && x.time_ms != y.time_ms) return x.time_ms < y.time_ms;
    return Earlier(x, y);
  }
  static std::optional<double> Value(const Candidate& c, const std::string& metric) {
    const auto found = c.metrics.find(metric);
    if (found == c.metrics.end() || !std::isfinite(found->second)) return std::nullopt;
    return found->second;
  }
  static int64_t Day(int64_t time_ms) {
    return (time_ms + 10'000 * kDay) / kDay;
  }  // Times are later than that.

  bool Selected(const Policy& p, const Keep& keep, const Candidate& x,
                const std::vector<const Candidate*>& group) const {
    if (keep.for_ms != 0 && now - x.time_ms > keep.for_ms) return false;
    const Selector& s = keep.selector;
    const auto count = [&](const std::function<bool(const Candidate&)>& holds) {
      uint64_t found = 0;
      for (const Candidate* y : group) found += holds(*y) ? 1U : 0U;
      return found;
    };
    const Candidate& newest = **std::max_element(
        group.begin(), group.end(), [](const auto* a, const auto* b) { return Earlier(*a, *b); });
    switch (s.kind) {
      case Selector::Kind::kAll:
        return true;
      case Selector::Kind::kLast:
        return count([&](const Candidate& y) { return EarlierBy(p.order, x, y); }) < s.count;
      case Selector::Kind::kFirst:
        return count([&](const Candidate& y) { return EarlierBy(p.order, y, x); }) < s.count;
      case Selector::Kind::kSteps:
        return x.step.has_value() && std::count(s.steps.begin(), s.steps.end(), *x.step) > 0;
      case Selector::Kind::kWhere:
        return Holds(*s.where, x, now);
      case Selector::Kind::kWithin:
        return newest.time_ms - x.time_ms <= s.duration_ms;
      case Selector::Kind::kBest: {
        if (!x.metrics.contains(s.metric))
          return s.keep_missing && now - newest.time_ms <= 7 * kDay;
        const auto mine = Value(x, s.metric);
        if (!mine.has_value()) return false;
        return count([&](const Candidate& y) {
                 const auto other = Value(y, s.metric);
                 if (!other.has_value()) return false;
                 if (*other == *mine) return Earlier(x, y);
                 return s.maximise ? *other > *mine : *other < *mine;
               }) < s.count;
      }
      case Selector::Kind::kBucket: {
        std::set<int64_t> later;
        for (const Candidate* y : group) {
          if (Day(y->time_ms) == Day(x.time_ms) && Earlier(x, *y)) return false;
          if (Day(y->time_ms) > Day(x.time_ms)) later.insert(Day(y->time_ms));
        }
        return later.size() < s.count;
      }
      case Selector::Kind::kEverySteps: {
        if (!x.step.has_value()) return false;
        const auto n = static_cast<int64_t>(s.count);
        if (s.exact) return *x.step % n == 0;
        const auto multiple = [&](int64_t step) {
          return std::floor(static_cast<double>(step) / static_cast<double>(n));
        };
        const Candidate* before = nullptr;
        for (const Candidate* y : group) {
          if (y->artifact != x.artifact || !y->step.has_value() || !Earlier(*y, x)) continue;
          if (before == nullptr || Earlier(*before, *y)) before = y;
        }
        return before == nullptr || multiple(*before->step) != multiple(*x.step);
      }
      case Selector::Kind::kEveryTime:
        return count([&](const Candidate& y) {
                 return y.time_ms / s.duration_ms == x.time_ms / s.duration_ms && Earlier(y, x);
               }) == 0;
      case Selector::Kind::kEveryEpochs:
        return false;
    }
    return false;
  }

  static bool Good(const Policy& p, const Candidate& c) {
    if (!p.floor_verified) return true;
    if (c.health != Health::kPresent && c.health != Health::kVerified) return false;
    for (const auto& [metric, value] : c.metrics) {
      if (!std::isfinite(value)) return false;
    }
    return !c.thinned;
  }
  bool OnFloor(const Policy& p, const Candidate& x) const {
    if (p.floor == 0 || x.health == Health::kDamaged) return false;
    const auto group = Group(p, x);
    uint64_t newer = 0, newer_good = 0, good = 0;
    for (const Candidate* y : group) {
      const bool later = Earlier(x, *y);
      newer += later ? 1U : 0U;
      newer_good += later && Good(p, *y) ? 1U : 0U;
      good += Good(p, *y) ? 1U : 0U;
    }
    if (newer == 0) return true;
    if (LastGood(x) && std::none_of(group.begin(), group.end(), [&](const Candidate* y) {
          return Earlier(x, *y) && LastGood(*y);
        }))
      return true;
    if (Good(p, x)) return newer_good < p.floor;
    return good < p.floor && newer - newer_good < p.floor - good;
  }
  static bool LastGood(const Candidate& c) {
    for (const auto& [metric, value] : c.metrics) {
      if (!std::isfinite(value)) return false;
    }
    return c.health == Health::kVerified && !c.thinned;
  }
  bool OfARunThatGoesOn(const Candidate& c) const {
    const auto whole = [](const Candidate& y) {
      return y.health == Health::kVerified && !y.thinned;
    };
    if (c.kind != "checkpoint" || c.run_state == "finished" || c.run_state == "failed" || !whole(c))
      return false;
    return std::none_of(all.begin(), all.end(), [&](const Candidate& y) {
      return y.artifact == c.artifact && y.version > c.version && whole(y);
    });
  }
  bool Protected(const Candidate& c) const {
    if (OfARunThatGoesOn(c)) return true;
    for (const Protect& protect : set.protects) {
      if ((protect.until_ms == 0 || now < protect.until_ms) && Holds(protect.match, c, now))
        return true;
    }
    return !c.held_by.empty() || !c.aliases.empty() || !c.tags.empty() || !c.pinned_by.empty() ||
           !c.leased_by.empty() || c.health == Health::kDamaged;
  }

  struct Alone {  // What stays of a version, whatever becomes of the others.
    std::set<std::string> parts;
    std::set<const Policy*> keepers;
    bool strong = false;  // By more than a keep.
  };
  Alone KeptAlone(const Candidate& c) const {
    const std::set<std::string> whole(c.components.begin(), c.components.end());
    bool matched = false;
    Alone alone;
    for (const Policy& p : set.policies) {
      if (!Applies(p, c)) continue;
      matched = true;
      alone.strong = alone.strong || OnFloor(p, c);
      if (c.health == Health::kDamaged) continue;
      const auto group = Group(p, c);
      for (const Keep& keep : p.keeps) {
        if (!Selected(p, keep, c, group)) continue;
        alone.keepers.insert(&p);
        std::set<std::string> parts;
        for (const std::string& part : keep.parts) {
          if (whole.contains(part)) parts.insert(part);
        }
        if (parts.empty()) parts = whole;
        alone.parts.insert(parts.begin(), parts.end());
      }
    }
    alone.strong = alone.strong || !matched || Protected(c);
    if (alone.strong) alone.parts = whole;
    return alone;
  }
  bool NamesAsParent(size_t child, size_t parent) const {
    const auto& parents = all[child].parents;
    return child != parent && std::count(parents.begin(), parents.end(), all[parent].identity) > 0;
  }
  using Parts = std::vector<std::set<std::string>>;
  Parts WithParents(Parts kept) const {
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = 0; i < all.size(); ++i) {
        for (size_t j = 0; j < all.size() && !kept[i].empty(); ++j) {
          if (!NamesAsParent(i, j)) continue;
          const std::set<std::string> whole(all[j].components.begin(), all[j].components.end());
          changed = changed || kept[j] != whole;
          kept[j] = whole;
        }
      }
    }
    return kept;
  }

  uint64_t BytesOf(const Parts& kept, const std::vector<size_t>& members) const {
    std::set<uint32_t> blobs;
    for (const size_t i : members) {
      for (size_t c = 0; c < all[i].components.size(); ++c) {
        if (!kept[i].contains(all[i].components[c])) continue;
        blobs.insert(usage.of[i][c].begin(), usage.of[i][c].end());
      }
    }
    uint64_t bytes = 0;
    for (const uint32_t blob : blobs) bytes += usage.blobs[blob].bytes;
    return bytes;
  }
  static int Knowledge(const Candidate& c, const std::string& metric) {
    return !c.metrics.contains(metric) ? 2 : Value(c, metric).has_value() ? 1 : 0;
  }
  bool GoesFirst(const Policy& p, const Cap& cap, size_t i, size_t j, const Parts& alone) const {
    const Candidate &x = all[i], &y = all[j];
    std::string metric = cap.evict == Cap::Evict::kWorst ? cap.metric : "";
    bool maximise = cap.maximise;
    if (cap.evict == Cap::Evict::kCheapest) {
      const auto full = [&](size_t k) {
        return !all[k].thinned && alone[k].size() == all[k].components.size();
      };
      if (full(i) != full(j)) return full(j);
      for (auto keep = p.keeps.rbegin(); keep != p.keeps.rend(); ++keep) {
        if (keep->selector.kind != Selector::Kind::kBest) continue;
        metric = keep->selector.metric;
        maximise = keep->selector.maximise;
      }
    }
    if (!metric.empty() && Knowledge(x, metric) != Knowledge(y, metric))
      return Knowledge(x, metric) < Knowledge(y, metric);
    if (!metric.empty() && Value(x, metric) != Value(y, metric))
      return maximise ? *Value(x, metric) < *Value(y, metric)
                      : *Value(x, metric) > *Value(y, metric);
    return Earlier(x, y);
  }
  void Evict(const Policy& p, const Cap& cap, const std::vector<size_t>& members,
             const std::vector<Alone>& alone, Parts& base) const {
    const Parts before = base;
    while (true) {
      const Parts kept = WithParents(base);
      if (BytesOf(kept, members) <= cap.bytes) return;
      std::optional<size_t> next;
      for (const size_t i : members) {
        if (base[i].empty() || alone[i].strong || alone[i].keepers != std::set{&p}) continue;
        bool needed = false, last = p.floor != 0;
        for (size_t j = 0; j < all.size(); ++j) {
          needed = needed || (!kept[j].empty() && NamesAsParent(j, i));
          if (j != i && !base[j].empty() && alone[j].keepers.contains(&p) &&
              InGroup(p, all[i], all[j]))
            last = false;
        }
        needed = needed || last;
        if (!needed && (!next.has_value() || GoesFirst(p, cap, i, *next, before))) next = i;
      }
      if (!next.has_value()) return;
      base[*next].clear();
    }
  }
  Parts Kept() const {
    std::vector<Alone> alone;
    Parts base;
    for (const Candidate& c : all) {
      alone.push_back(KeptAlone(c));
      base.push_back(alone.back().parts);
    }
    for (Parts before; before != base;) {
      before = base;
      for (const Policy& p : set.policies) {
        for (const Cap& cap : p.caps) {
          std::map<std::string, std::vector<size_t>> groups;
          for (size_t i = 0; i < all.size(); ++i) {
            if (Applies(p, all[i])) groups[Part(all[i], cap.key)].push_back(i);
          }
          for (const auto& [key, members] : groups) Evict(p, cap, members, alone, base);
        }
      }
    }
    return WithParents(base);
  }
  // Some policy without "floor 0" selects nothing of some group.
  bool Refused() const {
    for (const Policy& p : set.policies) {
      for (const Candidate& x : all) {
        if (p.floor == 0 || !Applies(p, x) || x.health == Health::kDamaged) continue;
        bool any = false;
        const auto group = Group(p, x);
        if (group.front() != &x) continue;  // Once per group.
        for (const Candidate* y : group) {
          for (const Keep& keep : p.keeps) any = any || Selected(p, keep, *y, group);
        }
        if (!any) return true;
      }
    }
    return false;
  }
};

// ---- Random histories and policies.

bool Chance(Random& random, uint64_t one_in) { return random.Between(1, one_in) == 1; }

std::vector<Candidate> RandomHistory(Random& random) {
  std::vector<Candidate> all;
  const uint64_t artifacts = random.Between(1, 3);
  for (uint64_t a = 0; a < artifacts; ++a) {
    int64_t time_ms = static_cast<int64_t>(random.Between(0, 40)) * kDay, step = 0;
    const uint64_t versions = random.Between(0, 8);
    const char* state = kStates[random.Between(0, std::size(kStates) - 1)];
    for (uint64_t v = 1; v <= versions; ++v) {
      Candidate c;
      c.artifact = kArtifacts[a];
      c.kind = a == 1 ? "model" : "checkpoint";
      c.run_state = state;
      c.owner = a == 0 ? "ada" : "";
      c.version = v + (Chance(random, 8) ? 100 * v : 0);
      if (!all.empty() && all.back().artifact == c.artifact)
        c.version = std::max(c.version, all.back().version + 1);
      const int64_t previous_ms = time_ms;
      time_ms += static_cast<int64_t>(random.Between(1, 30)) * kHour;
      if (Chance(random, 16)) time_ms += 60 * kDay;  // A clock jumps ahead,
      if (Chance(random, 16))
        time_ms -= 20 * kDay;  // or back, where a commit is still the later one.
      time_ms = std::max(time_ms, previous_ms + 1);
      c.time_ms = time_ms;
      step += static_cast<int64_t>(random.Between(0, 700));
      if (Chance(random, 8)) step = static_cast<int64_t>(random.Between(0, 600)) - 300;
      if (!Chance(random, 8)) c.step = step;
      const double odd[] = {std::nan(""), std::numeric_limits<double>::infinity(),
                            -std::numeric_limits<double>::infinity()};
      if (!Chance(random, 6))
        c.metrics["loss"] = Chance(random, 5) ? odd[random.Between(0, 2)]
                                              : static_cast<double>(random.Between(0, 5));
      if (Chance(random, 2)) c.metrics["acc"] = static_cast<double>(random.Between(0, 3));
      if (Chance(random, 12)) c.aliases.emplace_back("best");
      if (Chance(random, 12)) c.tags.emplace_back("paper");
      if (Chance(random, 20)) c.held_by = "legal";
      if (Chance(random, 12)) c.pinned_by = "eval";
      if (Chance(random, 20)) c.leased_by = "host:1";
      c.health = static_cast<Health>(Chance(random, 12) ? 3 : random.Between(0, 2));
      c.managed = !Chance(random, 24);
      c.thinned = Chance(random, 8);
      c.bytes = random.Between(0, 1000);
      for (const char* component : kComponents) {
        if (!Chance(random, 4)) c.components.emplace_back(component);
      }
      if (c.components.empty()) c.components.emplace_back("weights");
      c.identity = c.artifact + "#" + std::to_string(v);
      if (!all.empty() && Chance(random, 12))
        c.parents.push_back(all[random.Between(0, all.size() - 1)].identity);
      if (Chance(random, 40)) c.parents.push_back("elsewhere#1");
      all.push_back(std::move(c));
    }
  }
  return all;
}

// A few chunks that many versions share.
Usage RandomUsage(Random& random, const std::vector<Candidate>& all) {
  Usage usage;
  usage.packs = 1;
  for (int b = 0; b < 10; ++b) usage.blobs.push_back({random.Between(0, 100), 0, 0});
  for (const Candidate& c : all) {
    usage.of.emplace_back(c.components.size());
    for (auto& blobs : usage.of.back()) {
      for (uint64_t n = random.Between(0, 2); n > 0; --n)
        blobs.push_back(static_cast<uint32_t>(random.Between(0, 9)));
    }
  }
  return usage;
}

std::string RandomCap(Random& random) {
  constexpr const char* kKeys[] = {"artifact", "project", "run", "kind"};
  constexpr const char* kEvicts[] = {"oldest", "worst by loss min", "worst by acc max",
                                     "cheapest to lose"};
  return "cap " + std::to_string(random.Between(1, 400)) + "B per " + kKeys[random.Between(0, 3)] +
         " evict " + kEvicts[random.Between(0, 3)] + "\n";
}

std::string RandomCondition(Random& random) {
  constexpr const char* kAtoms[] = {
      "artifact = a",      "artifact ~ team/*", "project = team",        "run in (a, b)",
      "kind = checkpoint", "tag = paper",       "alias != best",         "step >= 500",
      "age > 10d",         "bytes < 500B",      "metric.loss < 3",       "not metric.acc = 1",
      "version <= 4",      "owner = ada",       "run.state != finished", "registered = yes"};
  std::string text = kAtoms[random.Between(0, std::size(kAtoms) - 1)];
  while (Chance(random, 3)) {
    text = (Chance(random, 2) ? "(" + text + ")" : text) + (Chance(random, 2) ? " and " : " or ") +
           kAtoms[random.Between(0, std::size(kAtoms) - 1)];
  }
  return text;
}

std::string RandomRule(Random& random) {
  const auto number = [&](uint64_t high) { return std::to_string(random.Between(1, high)); };
  std::string rule;
  switch (random.Between(0, 10)) {
    case 0:
      rule = "all";
      break;
    case 1:
      rule = "last " + number(4);
      break;
    case 2:
      rule = "first " + number(2);
      break;
    case 3:
      rule = "every " + number(900) + " steps" + (Chance(random, 4) ? " exact" : "");
      break;
    case 4:
      rule = "every " + number(100) + "h";
      break;
    case 5:
    case 6:
      rule = "best " + number(3) + (Chance(random, 3) ? " by acc max" : " by loss min") +
             (Chance(random, 3) ? " missing ignore" : "");
      break;
    case 7:
      rule = "bucket daily " + number(4);
      break;
    case 8:
      rule = "within " + number(100) + "h";
      break;
    case 9:
      rule = "steps [" + number(900) + ", 0, -" + number(300) + "]";
      break;
    default:
      rule = "where " + RandomCondition(random);
  }
  if (Chance(random, 3)) rule += Chance(random, 2) ? " of weights" : " of optimizer + rng";
  if (Chance(random, 5)) rule += " for " + number(60) + "d";
  return "keep " + rule + "\n";
}

std::string RandomPolicies(Random& random) {
  constexpr const char* kGroups[] = {"", "group by project\n", "group by kind\n",
                                     "group by run, kind\n", "group by artifact\n"};
  constexpr const char* kOrders[] = {"", "", "order by step\n", "order by time\n"};
  std::string text;
  for (uint64_t p = random.Between(1, 2); p > 0; --p) {
    text += "policy p" + std::to_string(p) + " {\n";
    if (Chance(random, 2)) text += "match " + RandomCondition(random) + "\n";
    text += std::string(kGroups[random.Between(0, 4)]) + kOrders[random.Between(0, 3)];
    for (uint64_t rules = random.Between(1, 3); rules > 0; --rules) text += RandomRule(random);
    if (Chance(random, 4)) text += RandomCap(random);
    if (Chance(random, 2))
      text += "floor " + std::to_string(random.Between(0, 3)) +
              (Chance(random, 2) ? " verified\n" : "\n");
    text += "}\n";
  }
  if (Chance(random, 6))
    text += "protect x { match " + RandomCondition(random) +
            (Chance(random, 2) ? "\nuntil 1970-02-01 }" : " }");
  return text;
}

// ---- The promises, in the words of docs/consistency.md.

void ExpectPromises(const PolicySet& set, const std::vector<Candidate>& all, int64_t now,
                    const std::vector<Fate>& verdicts) {
  const Usage none;
  const Model model{set, all, now, none};
  for (size_t i = 0; i < all.size(); ++i) {
    const Candidate& c = all[i];
    const Fate& verdict = verdicts[i];
    const auto applies = [&](const Policy& p) { return model.Applies(p, c); };
    const bool matched = std::any_of(set.policies.begin(), set.policies.end(), applies);
    EXPECT_TRUE(verdict.whole || matched) << "R4: of another run";
    EXPECT_TRUE(verdict.whole ||
                (c.pinned_by.empty() && c.tags.empty() && c.aliases.empty() && c.held_by.empty()))
        << "R2: named";
    EXPECT_TRUE(verdict.whole || verdict.gone || !verdict.kept.empty());
    EXPECT_EQ(verdict.kept.size() + verdict.let_go.size(), c.components.size());
    EXPECT_TRUE(verdict.gone == verdict.reasons.empty()) << "every item has its reasons";
    EXPECT_TRUE(verdict.whole || verdict.miss.has_value());
    for (const Policy& p : set.policies) {
      if (!applies(p) || c.health == Health::kDamaged) continue;
      bool newest = true, newest_good = Model::Good(p, c);
      const auto group = model.Group(p, c);
      for (const Candidate* y : group) {
        newest = newest && !Model::Earlier(c, *y);
        newest_good = newest_good && !(Model::Earlier(c, *y) && Model::Good(p, *y));
      }
      EXPECT_TRUE(verdict.whole || p.floor == 0 || (!newest && !newest_good))
          << "R1, R5: the newest, and the newest good one";
      for (const Keep& keep : p.keeps) {
        if (keep.selector.kind != Selector::Kind::kBest || !p.caps.empty() ||
            !model.Selected(p, keep, c, group))
          continue;
        EXPECT_FALSE(verdict.gone) << "R3: among the best";
      }
    }
    for (const Reason& reason : verdict.reasons) {
      if (reason.why != Why::kKeep || reason.rank == 0) continue;
      const Selector& s = set.policies[reason.policy].keeps[reason.rule].selector;
      EXPECT_TRUE(s.kind != Selector::Kind::kBest || std::isfinite(c.metrics.at(s.metric)))
          << "R6: NaN is worst";
    }
  }
}

// What is left after the verdicts were carried out is let go by no second pass. Not so where a
// floor of 0 takes a group's newest version, from which some rules count, nor where checkpoints
// that "every n steps" chose age out or go by a cap (the next one of a rewound run may then cross
// no multiple), nor while a cap is over: what a floor held may be among what the keeps select by
// then.
bool MayMove(const Policy& p) {
  return p.floor == 0 || std::any_of(p.keeps.begin(), p.keeps.end(), [&](const Keep& keep) {
           return keep.selector.kind == Selector::Kind::kEverySteps &&
                  (keep.for_ms != 0 || !p.caps.empty());
         });
}
void ExpectStable(const PolicySet& set, const std::vector<Candidate>& all, int64_t now,
                  const std::vector<Fate>& verdicts, const Usage& usage, bool over) {
  std::vector<Candidate> left;
  Usage usage_left = usage;
  usage_left.of.clear();
  for (size_t i = 0; i < all.size(); ++i) {
    if (verdicts[i].gone) continue;
    left.push_back(all[i]);
    usage_left.of.emplace_back();
    for (size_t c = 0; c < all[i].components.size(); ++c) {
      const auto& kept = verdicts[i].kept;
      if (std::count(kept.begin(), kept.end(), all[i].components[c]) > 0)
        usage_left.of.back().push_back(usage.of[i][c]);
    }
    left.back().components = verdicts[i].kept;
    left.back().thinned = left.back().thinned || !verdicts[i].whole;
  }
  const auto again = Judge(set, left, now, {.allow_unknown_metrics = true, .usage = &usage_left});
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  for (const Fate& verdict : again->verdicts) EXPECT_TRUE(verdict.whole || over);
}

TEST(RetentionProperty, RandomHistoriesAgainstTheModel) {
  const char* wanted = std::getenv("VARVE_RETENTION_HISTORIES");
  const uint64_t histories = wanted == nullptr ? 1'000'000 : std::strtoull(wanted, nullptr, 10);
  const char* seed_text = std::getenv("VARVE_SEED");
  const uint64_t seed = seed_text == nullptr ? 20'261'124 : std::strtoull(seed_text, nullptr, 10);
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
  SeededRandom random(seed);
  uint64_t refused = 0, thinned = 0, gone = 0, kept = 0;
  PolicySet set;
  std::string text;
  for (uint64_t round = 0; round < histories; ++round) {
    if (round % 4 == 0) {  // Parsing costs more than judging; four histories per policy.
      text = RandomPolicies(random);
      auto parsed = ParsePolicies(text);
      ASSERT_TRUE(parsed.ok()) << parsed.error().ToString() << "\n" << text;
      set = std::move(parsed).value();
    }
    const std::vector<Candidate> all = RandomHistory(random);
    int64_t now = static_cast<int64_t>(random.Between(0, 90)) * kDay;
    if (!all.empty() && Chance(random, 2))
      now = all.back().time_ms + static_cast<int64_t>(random.Between(0, 200)) * kHour;
    const Usage usage = RandomUsage(random, all);
    const auto judged = Judge(set, all, now, {.allow_unknown_metrics = true, .usage = &usage});
    const Model model{set, all, now, usage};
    ASSERT_EQ(!judged.ok(), model.Refused()) << "round " << round << "\n" << text;
    if (!judged.ok()) {
      ++refused;
      continue;
    }
    const std::vector<Fate>& verdicts = judged->verdicts;
    const auto wanted_kept = model.Kept();
    for (size_t i = 0; i < all.size(); ++i) {
      const Fate& verdict = verdicts[i];
      ASSERT_TRUE(std::equal(verdict.kept.begin(), verdict.kept.end(), wanted_kept[i].begin(),
                             wanted_kept[i].end()))
          << "round " << round << ": " << all[i].artifact << "@v" << all[i].version << "\n"
          << text;
      ++(verdict.whole ? kept : verdict.gone ? gone : thinned);
    }
    ExpectPromises(set, all, now, verdicts);
    if (std::none_of(set.policies.begin(), set.policies.end(), MayMove))
      ExpectStable(set, all, now, verdicts, usage,
                   std::any_of(judged->caps.begin(), judged->caps.end(),
                               [](const CapState& cap) { return cap.over; }));
    ASSERT_FALSE(testing::Test::HasFailure()) << "round " << round << "\n" << text;
  }
  RecordProperty("refused", std::to_string(refused));
  RecordProperty("kept", std::to_string(kept));
  RecordProperty("thinned", std::to_string(thinned));
  RecordProperty("gone", std::to_string(gone));
  if (histories < 1000) return;  // A share that no history reaches would prove nothing.
  EXPECT_GT(refused, histories / 100);
  EXPECT_GT(kept, histories / 2);
  EXPECT_GT(thinned, histories / 20);
  EXPECT_GT(gone, histories / 4);
}

}  // namespace
}  // namespace varve::plan
