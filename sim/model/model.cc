#include "model.h"

#include <algorithm>
#include <bit>

namespace varve::model {
namespace {

// Packs 0 and 1 are there at the start, then one fresh pack per writer.
constexpr uint8_t kOldPacks = 0b11;
constexpr uint8_t OwnPack(size_t writer) { return static_cast<uint8_t>(1U << (2 + writer)); }

enum Phase : uint8_t { kIdle, kCondemned, kSweeping };
enum WriterStep : uint8_t { kBase, kLearn, kUpload, kRead, kValidate, kSwap, kOver };
enum CollectorStep : uint8_t {
  kBegin,
  kMark,
  kCondemn,
  kList,
  kFence,
  kDecide,
  kSweep,
  kEnd,
};

size_t RefCount(const Config& config) { return config.table ? 3 : 2; }

uint8_t Named(const Ref& ref) {
  uint8_t packs = 0;
  for (const uint8_t entry : ref.entries) packs |= entry;
  return packs;
}

bool Append(Ref& ref, uint8_t packs) {
  if (ref.entries.back() != 0) return false;
  ref.entries.back() = packs;
  std::sort(ref.entries.begin(), ref.entries.end(), std::greater<>());
  return true;
}

void Remove(Ref& ref, size_t entry) {
  ref.entries[entry] = 0;
  std::sort(ref.entries.begin(), ref.entries.end(), std::greater<>());
}

class Machine {
 public:
  Machine(const Config& config, const State& state, bool name_steps, std::vector<Next>& out)
      : config_(config), state_(state), name_steps_(name_steps), out_(out) {}

  void All() {
    for (size_t i = 0; i < config_.writers.size(); ++i) StepWriter(i);
    for (size_t i = 0; i < config_.collectors; ++i) StepCollector(i);
    StepOperator();
  }

 private:
  bool Is(Mutation mutation) const { return config_.mutation == mutation; }

  void Emit(const State& next, const std::string& who, const std::string& what) {
    out_.push_back({next, name_steps_ ? who + " " + what : std::string()});
  }

  // The ref changed: whoever read it before holds a stale version.
  static void Changed(State& state, size_t ref) {
    for (Writer& writer : state.writers) {
      if (writer.target == ref) writer.current = 0;
    }
  }
  static void StateMoved(State& state) {
    for (Collector& collector : state.collectors) collector.current = 0;
  }

  // Epochs whose list a writer heeds, from `base` on.
  uint8_t Forbidden(const State& state, uint8_t base) const {
    const bool idle = state.phase == kIdle && state.epoch == base;
    if (idle && Is(Mutation::kIdleMeansNothingNew)) return 0;
    uint8_t packs = 0;
    for (size_t epoch = std::max<size_t>(base, 1); epoch <= state.epoch; ++epoch) {
      packs |= state.lists[epoch];
    }
    if (Is(Mutation::kNewestListOnly)) packs = base <= state.epoch ? state.lists[state.epoch] : 0;
    return packs;
  }
  uint8_t BaseNow(const State& state) const {
    if (Is(Mutation::kIdleMeansNothingNew)) return state.epoch;
    return static_cast<uint8_t>(state.phase == kIdle ? state.epoch + 1 : state.epoch);
  }

  // --- Writers ---

  void StepWriter(size_t index) {
    const Role role = config_.writers[index];
    const std::string who = name_steps_ ? "W" + std::to_string(index) : std::string();
    switch (state_.writers[index].step) {
      case kBase: {
        State next = state_;
        Writer& writer = next.writers[index];
        writer.step = kLearn;
        if (!Is(Mutation::kBaseAfterLearning)) writer.base = BaseNow(state_);
        if (role == Role::kExclusive) return Take(index, who);
        Emit(next, who, "reads its base");
        break;
      }
      case kLearn:
        Learn(index, role, who);
        break;
      case kUpload: {
        State next = state_;
        Writer& writer = next.writers[index];
        if (Is(Mutation::kBaseAfterLearning)) writer.base = BaseNow(state_);
        next.objects |= OwnPack(index);
        writer.use |= OwnPack(index);
        writer.step = Is(Mutation::kStateBeforeRef) ? kValidate : kRead;
        Emit(next, who, "uploads its pack");
        break;
      }
      case kRead:
        Read(index, role, who);
        break;
      case kValidate:
        Validate(index, role, who);
        break;
      case kSwap:
        Swap(index, role, who);
        break;
      default:
        break;
    }
  }

  // The exclusive writer moves the head's writer epoch, so that older writers stop.
  void Take(size_t index, const std::string& who) {
    State next = state_;
    Writer& writer = next.writers[index];
    writer.base = BaseNow(state_);
    Ref& ref = next.refs[0];
    writer.epoch = ++ref.writer_epoch;
    Changed(next, 0);
    writer.step = kLearn;
    Emit(next, who, "takes ref 0 over");
  }

  void Learn(size_t index, Role role, const std::string& who) {
    const size_t heads = 2;
    for (size_t from = 0; from < heads; ++from) {
      const Ref& ref = state_.refs[from];
      if (ref.exists == 0) continue;
      if (role == Role::kUndeleter) {
        if (ref.tomb != 0) LearnOne(index, from, ref.tomb, ref.tomb_base, who, "finds a tombstone");
        continue;
      }
      for (const uint8_t entry : ref.entries) {
        if (entry == 0) break;
        LearnOne(index, from, entry, 0, who, "reuses a version of ref");
      }
    }
    if (role == Role::kSaver || role == Role::kExclusive) {
      LearnOne(index, 0, 0, 0, who, "reuses nothing, ref");
    }
  }

  void LearnOne(size_t index, size_t from, uint8_t packs, uint8_t tomb_base, const std::string& who,
                const char* what) {
    const Role role = config_.writers[index];
    State next = state_;
    Writer& writer = next.writers[index];
    writer.old = packs;
    const std::string which = name_steps_ ? std::string(what) + " " + std::to_string(from) : "";
    switch (role) {
      case Role::kSaver:
      case Role::kExclusive:
        writer.use = packs;
        writer.step = kUpload;
        for (uint8_t target = 0; target < 2; ++target) {
          if (role == Role::kExclusive && target != 0) continue;
          writer.target = target;
          Emit(next, who, which + (name_steps_ ? ", for ref " + std::to_string(target) : ""));
        }
        return;
      case Role::kTagger:
        writer.use = packs;
        writer.target = 2;
        writer.step = kRead;
        break;
      case Role::kRepacker:
        writer.use = 0;
        writer.target = static_cast<uint8_t>(from);
        writer.step = kUpload;
        break;
      case Role::kUndeleter:
        writer.use = packs;
        writer.base = tomb_base;
        writer.target = static_cast<uint8_t>(from);
        writer.step = kRead;
        break;
    }
    Emit(next, who, which);
  }

  void Read(size_t index, Role role, const std::string& who) {
    State next = state_;
    Writer& writer = next.writers[index];
    Ref& ref = next.refs[writer.target];
    const bool first_after_validate = Is(Mutation::kStateBeforeRef);
    if (ref.exists == 0) {
      ref.exists = 1;
      if (Is(Mutation::kBornWithContent)) {
        // Asked before it was born; nothing was read.
        if ((writer.use & Forbidden(state_, writer.base)) != 0) return;
        writer.current = 2;  // In flight: the create lands with the next step.
        ref.exists = 0;
        writer.step = kSwap;
        Emit(next, who, "asks gc/state, will create the ref with its version");
        return;
      }
      ref.gc_epoch = state_.epoch;
      writer.current = 1;
      writer.step = first_after_validate ? kSwap : kValidate;
      Emit(next, who, "creates the ref empty");
      return;
    }
    if (role == Role::kExclusive && ref.writer_epoch != writer.epoch) {
      writer.step = kOver;
      Emit(next, who, "was replaced, stops");
      return;
    }
    writer.current = 1;
    const bool skip = Is(Mutation::kNoSecondValidation) && writer.validated != 0;
    writer.step = skip || first_after_validate ? kSwap : kValidate;
    Emit(next, who, "reads the ref");
  }

  void Validate(size_t index, Role role, const std::string& who) {
    State next = state_;
    Writer& writer = next.writers[index];
    const bool unasked = (role == Role::kRepacker && Is(Mutation::kRepackUnvalidated)) ||
                         (role == Role::kUndeleter && Is(Mutation::kUndeleteUnvalidated));
    if ((writer.use & Forbidden(state_, writer.base)) != 0 && !unasked) {
      writer = {};
      writer.step = kOver;  // It would write those under fresh names: as a new writer.
      Emit(next, who, "finds what it uses condemned, gives up");
      return;
    }
    writer.validated = static_cast<uint8_t>(state_.epoch + 1);
    writer.step = Is(Mutation::kStateBeforeRef) ? kRead : kSwap;
    Emit(next, who, "reads gc/state");
  }

  void Swap(size_t index, Role role, const std::string& who) {
    State next = state_;
    Writer& writer = next.writers[index];
    Ref& ref = next.refs[writer.target];
    const uint8_t current = writer.current;
    if (current == 2 && ref.exists == 0) {
      ref.exists = 1;
      writer.current = 1;
    } else if (current != 1) {
      writer.step = Is(Mutation::kStateBeforeRef) ? kValidate : kRead;
      if (current == 2) writer.current = 0;
      Emit(next, who, "loses the race for the ref");
      return;
    }
    const uint8_t mine = writer.epoch;
    if (!Change(next, index, role, ref)) {
      writer = {};
      writer.step = kOver;
      Emit(next, who, "finds nothing to do");
      return;
    }
    if (ref.writer_epoch != mine && writer.target == 0 && Exclusive()) {
      if (!Is(Mutation::kOldWriterGoesOn)) {
        State stopped = state_;
        stopped.writers[index] = {};
        stopped.writers[index].step = kOver;
        Emit(stopped, who, "was replaced, stops");
        return;
      }
      next.broken = 1;
    }
    ref.gc_epoch = std::max<uint8_t>(
        ref.gc_epoch, static_cast<uint8_t>(writer.validated == 0 ? 0 : writer.validated - 1));
    Changed(next, writer.target);
    writer = {};
    writer.step = kOver;
    Emit(next, who, "commits to the ref");
  }

  bool Exclusive() const {
    return std::find(config_.writers.begin(), config_.writers.end(), Role::kExclusive) !=
           config_.writers.end();
  }

  bool Change(State& next, size_t index, Role role, Ref& ref) const {
    const Writer& writer = next.writers[index];
    const auto held = std::find(ref.entries.begin(), ref.entries.end(), writer.old);
    switch (role) {
      case Role::kSaver:
      case Role::kExclusive:
        if (ref.sealed != 0) {
          if (!Is(Mutation::kUnsealWithContent)) return false;
          ref.sealed = 0;
        }
        return Append(ref, writer.use);
      case Role::kTagger:
        return Append(ref, writer.use);
      case Role::kRepacker:
        if (held == ref.entries.end() && Is(Mutation::kRepackBlind)) {
          return Append(ref, static_cast<uint8_t>(writer.use | (writer.old & (writer.old - 1))));
        }
        if (held == ref.entries.end() || writer.old == 0) return false;
        *held = static_cast<uint8_t>(writer.use | (writer.old & (writer.old - 1)));
        std::sort(ref.entries.begin(), ref.entries.end(), std::greater<>());
        return true;
      case Role::kUndeleter:
        if (ref.tomb != writer.old || ref.sealed != 0) return false;
        ref.tomb = 0;
        ref.tomb_base = 0;
        return Append(ref, writer.old);
    }
    return false;
  }

  // --- Collectors ---

  void StepCollector(size_t index) {
    const std::string who = name_steps_ ? "C" + std::to_string(index) : std::string();
    State next = state_;
    Collector& self = next.collectors[index];
    switch (self.step) {
      case kBegin:
        Begin(next, self, who);
        break;
      case kMark:
        Mark(index, who);
        break;
      case kCondemn:
        if (self.current == 0) return Restart(next, self, who, "loses gc/state");
        next.epoch = static_cast<uint8_t>(state_.epoch + 1);
        next.phase = kCondemned;
        next.lists[next.epoch] = self.list;
        StateMoved(next);
        self.current = 1;
        self.epoch = next.epoch;
        self.step = Is(Mutation::kNoFence) ? kDecide : kList;
        self.live = 0;
        Emit(next, who, "condemns");
        break;
      case kList:
        self.refs = Listed();
        self.met = self.live = 0;
        self.step = kFence;
        Emit(next, who, "lists the refs again");
        break;
      case kFence:
        Fence(index, who);
        break;
      case kDecide: {
        if (self.current == 0) return Restart(next, self, who, "loses gc/state");
        const uint8_t rescued = Is(Mutation::kNoRescue) ? 0 : self.live;
        self.left = self.list & static_cast<uint8_t>(~rescued);
        next.lists[next.epoch] = self.left;
        next.phase = kSweeping;
        StateMoved(next);
        self.current = 1;
        self.live = self.list = self.refs = self.met = 0;
        self.step = kSweep;
        Emit(next, who, "decides");
        break;
      }
      case kSweep:
        if (self.left == 0) {
          self.step = kEnd;
          return Emit(next, who, "has swept");
        }
        next.objects &= static_cast<uint8_t>(~(self.left & -self.left));
        self.left &= static_cast<uint8_t>(self.left - 1);
        Emit(next, who, "deletes a pack");
        break;
      case kEnd:
        if (self.current != 0) {
          next.phase = kIdle;
          StateMoved(next);
        }
        self = {};
        Emit(next, who, "ends");
        break;
      default:
        break;
    }
  }

  void Restart(State& next, Collector& self, const std::string& who, const char* what) {
    self = {};
    Emit(next, who, what);
  }

  uint8_t Listed() const {
    uint8_t refs = 0;
    for (size_t i = 0; i < RefCount(config_); ++i) {
      if (state_.refs[i].exists != 0) refs |= static_cast<uint8_t>(1U << i);
    }
    return refs;
  }

  void Begin(State& next, Collector& self, const std::string& who) {
    if (state_.phase == kIdle && state_.epoch == config_.epochs) return;
    self = {};
    self.current = 1;
    self.epoch = state_.epoch;
    if (state_.phase == kIdle) {
      self.refs = Listed();
      self.step = kMark;
      return Emit(next, who, "begins, lists the refs");
    }
    if (state_.phase == kCondemned) {
      self.list = state_.lists[state_.epoch];
      self.step = Is(Mutation::kNoFence) ? kDecide : kList;
      return Emit(next, who, "resumes at the fence");
    }
    self.left = state_.lists[state_.epoch];
    self.step = kSweep;
    Emit(next, who, "resumes the sweep");
  }

  void Mark(size_t index, const std::string& who) {
    const Collector& now = state_.collectors[index];
    for (size_t ref = 0; ref < RefCount(config_); ++ref) {
      const uint8_t bit = static_cast<uint8_t>(1U << ref);
      if ((now.refs & bit) == 0 || (now.met & bit) != 0) continue;
      State next = state_;
      Collector& self = next.collectors[index];
      self.met |= bit;
      self.live |= Named(state_.refs[ref]);
      Emit(next, who, name_steps_ ? "marks ref " + std::to_string(ref) : "");
    }
    if (now.met != now.refs) return;
    State next = state_;
    Collector& self = next.collectors[index];
    self.list = state_.objects & static_cast<uint8_t>(~now.live);
    self.live = self.refs = self.met = 0;
    self.step = kCondemn;
    Emit(next, who, "lists the objects");
  }

  void Fence(size_t index, const std::string& who) {
    const Collector& now = state_.collectors[index];
    for (size_t ref = 0; ref < RefCount(config_); ++ref) {
      const uint8_t bit = static_cast<uint8_t>(1U << ref);
      if ((now.refs & bit) == 0 || (now.met & bit) != 0) continue;
      State next = state_;
      Collector& self = next.collectors[index];
      Ref& head = next.refs[ref];
      self.met |= bit;
      if (ref == 2 && Is(Mutation::kTableNotFenced)) {
        Emit(next, who, "leaves the table out");
        continue;
      }
      self.live |= Named(head);
      const bool fenced = config_.skip_fenced && head.gc_epoch >= now.epoch;
      const bool sealed = config_.skip_sealed && head.sealed != 0;
      if (!fenced && !sealed && !Is(Mutation::kFenceOnlyReads)) {
        head.gc_epoch = now.epoch;
        Changed(next, ref);
      }
      Emit(next, who, name_steps_ ? "fences ref " + std::to_string(ref) : "");
    }
    if (now.met != now.refs) return;
    State next = state_;
    Collector& self = next.collectors[index];
    self.refs = self.met = 0;
    self.step = kDecide;
    Emit(next, who, "has fenced all");
  }

  // --- People ---

  void StepOperator() {
    for (size_t ref = 0; state_.forgets > 0 && ref < RefCount(config_); ++ref) {
      for (size_t entry = 0; entry < kEntriesMax; ++entry) {
        if (state_.refs[ref].entries[entry] == 0) break;
        if (entry > 0 && state_.refs[ref].entries[entry] == state_.refs[ref].entries[entry - 1]) {
          continue;
        }
        State next = state_;
        --next.forgets;
        Ref& head = next.refs[ref];
        if (Undeletes()) {
          head.tomb = head.entries[entry];
          head.tomb_base = state_.epoch;
        }
        Remove(head, entry);
        head.gc_epoch = state_.epoch;  // Read just before, as the lost race would say otherwise.
        Changed(next, ref);
        Emit(next, "P", name_steps_ ? "forgets a version of ref " + std::to_string(ref) : "");
      }
    }
    if (state_.seals > 0) {
      State next = state_;
      --next.seals;
      next.refs[0].sealed ^= 1;
      Changed(next, 0);
      Emit(next, "P", next.refs[0].sealed != 0 ? "seals ref 0" : "opens ref 0");
    }
  }

  bool Undeletes() const {
    return std::find(config_.writers.begin(), config_.writers.end(), Role::kUndeleter) !=
           config_.writers.end();
  }

  const Config& config_;
  const State& state_;
  const bool name_steps_;
  std::vector<Next>& out_;
};

}  // namespace

State Initial(const Config& config) {
  State state;
  state.objects = kOldPacks;
  state.refs[0].exists = 1;
  state.refs[0].entries = {0b10, 0b01, 0, 0};
  state.refs[2].exists = config.table ? 1 : 0;
  state.forgets = config.forgets;
  state.seals = config.seals;
  return state;
}

void Successors(const Config& config, const State& state, bool name_steps, std::vector<Next>& out) {
  Machine(config, state, name_steps, out).All();
}

std::string Violation(const Config& config, const State& state) {
  for (size_t ref = 0; ref < RefCount(config); ++ref) {
    if ((Named(state.refs[ref]) & static_cast<uint8_t>(~state.objects)) != 0) {
      return "ref " + std::to_string(ref) + " names a version whose pack is gone";
    }
  }
  if (state.broken != 0) return "a replaced writer committed";
  return {};
}

}  // namespace varve::model
