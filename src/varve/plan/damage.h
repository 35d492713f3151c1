// What can be wrong with a lake: one table of kinds, what each means, and what mends it.
//
// The words are for people and for programs: `name` is what --json gives and what docs/repair.md
// explains. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace varve::plan {

enum class Damage : uint8_t {
  kDescriptorMissing,
  kDescriptorDamaged,
  kStateMissing,
  kStateDamaged,
  kListMissing,
  kListDamaged,
  kLiveOnDeadList,
  kHeadDamaged,
  kHeadMisplaced,
  kHeadsMissing,
  kHistoryMissing,
  kHistoryDamaged,
  kLabelForgotten,
  kCommitMissing,
  kCommitDamaged,
  kCommitSwapped,
  kPackMissing,
  kPackLength,
  kPackSwapped,
  kPackChunk,
  kPackFrame,
  kPackFooter,
  kPackUnused,
  kSessionMissing,
  kSessionDamaged,
  kListingPartial,
  kForeign,
  kNewerFormat,
};
inline constexpr size_t kDamages = 28;

enum class Harm : uint8_t {
  kNote,        // Nothing is lost and nothing refuses to work.
  kRedundancy,  // Every version loads; what would help after the next damage is gone.
  kRefusal,     // Every version that can be reached loads; collecting or writing refuses to work.
  kLoss,        // A version, or part of one, does not load.
};
std::string_view HarmName(Harm harm);

enum class Remedy : uint8_t {
  kNone,     // Nothing needs to be done.
  kRepair,   // `varve fsck --repair`, as far as the bytes are found.
  kRebuild,  // `varve find-lost --rebuild`, after a person looked.
  kByHand,   // A backup, or a person who moves an object.
};

struct DamageRule {
  Damage kind;
  std::string_view name;
  Harm harm;
  Remedy remedy;
  std::string_view meaning;  // One sentence without a full stop.
  std::string_view advice;   // The same.
};
const DamageRule& RuleOf(Damage kind);

// What was seen of one pack that versions name.
struct PackLook {
  bool there = true;                              // The store has it.
  uint64_t stated_bytes = 0;                      // What the versions say of its length,
  uint64_t bytes = 0;                             // and what the store does.
  bool header_sound = true, footer_sound = true;  // As far as they were read.
  uint64_t frames_damaged = 0;                    // Headers of frames that do not hold.
  uint64_t chunks_damaged = 0;                    // Chunks whose bytes are others.
  uint64_t rows_unconfirmed = 0;  // Places that versions name and no frame of it confirms.
  uint64_t rows_damaged = 0;      // Of them, those that were read and hold other bytes.
};
// The one word for it, the worst first; false when it is sound. `deep`: every byte was read, and
// every place that no frame confirms was read by itself.
bool JudgePack(const PackLook& look, bool deep, Damage& kind);

// Whether frames, each with its header, lie one after another from the end of the pack's header to
// its footer, so that every byte of the pack is in one of the three.
struct FrameSpan {
  uint64_t offset = 0, bytes = 0;  // Of the payload.
};
bool FramesCover(std::vector<FrameSpan> frames, uint64_t header_bytes, uint64_t frame_header_bytes,
                 uint64_t footer_offset);

// How far a bounded pass over many objects gets: the index after the last one that fits, at least
// one. `bytes`, `requests`: what each would cost; limits of 0 are none.
struct PassBudget {
  uint64_t bytes_left = 0, requests_left = 0;
  bool bytes_limited = false, requests_limited = false;
  bool Spent() const {
    return (bytes_limited && bytes_left == 0) || (requests_limited && requests_left == 0);
  }
  void Spend(uint64_t bytes, uint64_t requests) {
    bytes_left -= bytes < bytes_left ? bytes : bytes_left;
    requests_left -= requests < requests_left ? requests : requests_left;
  }
};
size_t PassEnd(const std::vector<uint64_t>& bytes, size_t first, size_t most,
               const PassBudget& budget);

}  // namespace varve::plan
