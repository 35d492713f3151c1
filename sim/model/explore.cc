#include "explore.h"

#include <algorithm>
#include <cstring>

namespace varve::model {
namespace {

// States seen, numbered in the order of arrival, each with the one it came from.
class Seen {
 public:
  // The number of `state`, and whether it is new.
  std::pair<uint32_t, bool> Add(const State& state, uint32_t from) {
    if ((states_.size() + 1) * 2 > slots_.size()) Grow();
    for (size_t at = Slot(state);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at] == kEmpty) {
        const uint32_t number = static_cast<uint32_t>(states_.size());
        slots_[at] = number;
        states_.push_back(state);
        from_.push_back(from);
        return {number, true};
      }
      if (std::memcmp(&states_[slots_[at]], &state, sizeof state) == 0) return {slots_[at], false};
    }
  }
  const State& operator[](uint32_t number) const { return states_[number]; }
  uint32_t from(uint32_t number) const { return from_[number]; }
  size_t size() const { return states_.size(); }

 private:
  static constexpr uint32_t kEmpty = UINT32_MAX;

  size_t Slot(const State& state) const {
    uint64_t words[(sizeof(State) + 7) / 8] = {};
    std::memcpy(words, &state, sizeof state);
    uint64_t hash = 0;
    for (const uint64_t word : words) {
      hash = (hash ^ word) * 0x9E37'79B9'7F4A'7C15;
      hash ^= hash >> 32;
    }
    return hash & (slots_.size() - 1);
  }
  void Grow() {
    slots_.assign(std::max<size_t>(1024, slots_.size() * 2), kEmpty);
    for (uint32_t number = 0; number < states_.size(); ++number) {
      size_t at = Slot(states_[number]);
      while (slots_[at] != kEmpty) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = number;
    }
  }

  std::vector<State> states_;
  std::vector<uint32_t> from_, slots_;
};

std::vector<std::string> TraceTo(const Config& config, const Seen& seen, uint32_t number) {
  std::vector<uint32_t> path{number};
  while (path.back() != 0) path.push_back(seen.from(path.back()));
  std::reverse(path.begin(), path.end());
  std::vector<std::string> trace;
  std::vector<Next> nexts;
  for (size_t i = 1; i < path.size(); ++i) {
    nexts.clear();
    Successors(config, seen[path[i - 1]], true, nexts);
    for (const Next& next : nexts) {
      if (std::memcmp(&next.state, &seen[path[i]], sizeof(State)) != 0) continue;
      trace.push_back(next.step);
      break;
    }
  }
  return trace;
}

}  // namespace

Outcome Explore(const Config& config, uint64_t states_max) {
  Seen seen;
  seen.Add(Initial(config), 0);
  Outcome outcome;
  std::vector<Next> nexts;
  for (uint32_t number = 0; number < seen.size(); ++number) {
    nexts.clear();
    Successors(config, State(seen[number]), false, nexts);
    for (const Next& next : nexts) {
      const auto [found, fresh] = seen.Add(next.state, number);
      if (!fresh) continue;
      outcome.violation = Violation(config, next.state);
      outcome.states = seen.size();
      if (!outcome.violation.empty()) {
        outcome.trace = TraceTo(config, seen, found);
        return outcome;
      }
      if (outcome.states >= states_max) return outcome;
    }
  }
  outcome.states = seen.size();
  outcome.complete = true;
  return outcome;
}

}  // namespace varve::model
