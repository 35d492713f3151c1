// The commit and collection protocol as a finite machine, small enough to be explored whole.
//
// Every line of docs/format.md (Collector) that safety rests on is one step here, taken by one
// process at a time in any order; a process that crashes or sleeps is one that takes no more steps.
// Versions of mutable objects are not numbered: what a process holds is the current one or a stale
// one, which is all that a conditional write can tell. Nothing is assumed of time.
// Pure; plain values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace varve::model {

inline constexpr size_t kRefsMax = 3;     // The last one may be a table of tags.
inline constexpr size_t kEntriesMax = 4;  // Of one ref.
inline constexpr size_t kWritersMax = 2;
inline constexpr size_t kCollectorsMax = 2;
inline constexpr size_t kEpochsMax = 3;

// What is left out or done wrong. Each gives a counterexample, or the model proves nothing.
enum class Mutation : uint8_t {
  kNone,
  kNoFence,              // M1: decide as soon as it is condemned.
  kStateBeforeRef,       // M2: gc/state is read before the head's version.
  kNoSecondValidation,   // M3: a lost race reads the head again, but not gc/state.
  kFenceOnlyReads,       // M4: the fence does not change the heads.
  kBornWithContent,      // M5: a head is created with its first version in it.
  kBaseAfterLearning,    // M7: the base is read after what is reused.
  kNoRescue,             // M8: what the fence meets is not taken from the list.
  kNewestListOnly,       // M10: of the lists since the base only the newest is heeded.
  kIdleMeansNothingNew,  // An idle state of the base's epoch is taken for "nothing condemned
                         // since".
  kUnsealWithContent,    // A sealed head is opened and appended to in one write.
  kTableNotFenced,       // The table of tags is marked but not fenced.
  kOldWriterGoesOn,      // A replaced writer looks at the writer epoch only when it opens.
  kRepackUnvalidated,    // Repack swaps a layout without asking gc/state.
  kRepackBlind,          // Repack writes a layout though the head no longer names what it read.
  kUndeleteUnvalidated,  // A tombstone is removed without asking the lists since it was set.
};

enum class Role : uint8_t {
  kSaver,     // Appends a version: reuses packs it sees, and writes one of its own.
  kTagger,    // Adds to the table a row that names a version of a ref.
  kRepacker,  // Swaps one of a version's packs for a fresh copy; the others it names anew, unasked.
  kUndeleter,  // Brings a forgotten version back.
  kExclusive,  // A saver that takes the head over first: older ones must stop.
};

struct Config {
  std::vector<Role> writers;
  size_t collectors = 1;
  uint8_t epochs = 1;
  uint8_t forgets = 1;
  bool table = false;       // The last ref is a table of tags.
  uint8_t seals = 0;        // Times that the first ref may be sealed or opened.
  bool skip_fenced = true;  // A head that carries the epoch already is read, not rewritten.
  bool skip_sealed = false;
  Mutation mutation = Mutation::kNone;
};

struct Ref {
  uint8_t exists = 0, sealed = 0;
  uint8_t gc_epoch = 0, writer_epoch = 0;
  std::array<uint8_t, kEntriesMax> entries{};  // Packs named, as bits; 0: none. Sorted.
  uint8_t tomb = 0;                            // Packs of the last version forgotten.
  uint8_t tomb_base = 0;                       // The epoch it was forgotten in.
};
struct Writer {
  uint8_t step = 0;
  uint8_t base = 0, use = 0, old = 0;  // `old`: what repack replaces, what undelete brings back.
  uint8_t target = 0, current = 0;     // `current`: the head is still as it was read.
  uint8_t validated = 0;               // The epoch seen.
  uint8_t epoch = 0;                   // Of the exclusive writer.
};
struct Collector {
  uint8_t step = 0;
  uint8_t current = 0;  // gc/state is still as it was read.
  uint8_t epoch = 0;
  uint8_t refs = 0, met = 0;             // As listed; as read or rewritten so far.
  uint8_t live = 0, list = 0, left = 0;  // Marked or rescued; condemned; dead and not yet deleted.
};
struct State {
  uint8_t objects = 0;
  uint8_t epoch = 0, phase = 0;
  std::array<uint8_t, kEpochsMax + 1> lists{};
  std::array<Ref, kRefsMax> refs{};
  std::array<Writer, kWritersMax> writers{};
  std::array<Collector, kCollectorsMax> collectors{};
  uint8_t forgets = 0, seals = 0;
  uint8_t broken = 0;  // A rule that no state shows: a replaced writer committed.
};
static_assert(sizeof(State) == 3 + 4 + 3 * 10 + 2 * 8 + 2 * 8 + 3, "no padding: it is hashed");

State Initial(const Config& config);

struct Next {
  State state;
  std::string step;  // Filled on request.
};
// All states that one step of one process leads to.
void Successors(const Config& config, const State& state, bool name_steps, std::vector<Next>& out);

// Empty when every invariant holds: every version that a ref names has all its packs (I1, and for
// acknowledged versions I2), and only the newest exclusive writer commits.
std::string Violation(const Config& config, const State& state);

}  // namespace varve::model
