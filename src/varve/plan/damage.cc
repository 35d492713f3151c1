#include "varve/plan/damage.h"

#include <algorithm>

namespace varve::plan {
namespace {

constexpr std::string_view kBackup = "bring it back from a backup or the bucket's older versions";
constexpr std::string_view kRepairIt =
    "varve fsck --repair looks for its chunks elsewhere, also in --from LAKE";

constexpr std::array<DamageRule, kDamages> kRules{{
    {Damage::kDescriptorMissing, "descriptor-missing", Harm::kRefusal, Remedy::kByHand,
     "lake.json is gone, so the lake does not open", kBackup},
    {Damage::kDescriptorDamaged, "descriptor-damaged", Harm::kRefusal, Remedy::kByHand,
     "lake.json cannot be read, so the lake does not open", kBackup},
    {Damage::kStateMissing, "collector-state-missing", Harm::kRefusal, Remedy::kRepair,
     "gc/state is gone, so nothing can be written or collected",
     "varve fsck --repair begins it anew, past every epoch that was ever used"},
    {Damage::kStateDamaged, "collector-state-damaged", Harm::kRefusal, Remedy::kRepair,
     "gc/state cannot be read, so nothing can be written or collected",
     "varve fsck --repair begins it anew, past every epoch that was ever used"},
    {Damage::kListMissing, "collector-list-missing", Harm::kRefusal, Remedy::kRepair,
     "a list that gc/state names is gone, so collecting refuses, and some saves do",
     "varve fsck --repair begins gc/state anew, without lists"},
    {Damage::kListDamaged, "collector-list-damaged", Harm::kRefusal, Remedy::kRepair,
     "a list that gc/state names cannot be read, so collecting refuses, and some saves do",
     "varve fsck --repair begins gc/state anew, without lists"},
    {Damage::kLiveOnDeadList, "live-on-dead-list", Harm::kRedundancy, Remedy::kRepair,
     "a collector decided to delete an object that a version needs",
     "varve fsck --repair writes it anew under another name; stop every collector first"},
    {Damage::kHeadDamaged, "head-damaged", Harm::kLoss, Remedy::kByHand,
     "the head of an artifact cannot be read, so none of its versions can be addressed",
     "bring it back from a backup or the bucket's older versions; else move it out of the lake and "
     "run varve find-lost"},
    {Damage::kHeadMisplaced, "head-misplaced", Harm::kLoss, Remedy::kByHand,
     "a head lies under the name of another artifact", kBackup},
    {Damage::kHeadsMissing, "heads-missing", Harm::kLoss, Remedy::kRebuild,
     "there are fewer heads than a collector met, and heads are never deleted",
     "bring them back from a backup, or see what varve find-lost finds"},
    {Damage::kHistoryMissing, "history-missing", Harm::kLoss, Remedy::kRepair,
     "a history node is gone, so older versions cannot be addressed",
     "varve fsck --repair makes it again when every version of it is found beyond doubt"},
    {Damage::kHistoryDamaged, "history-damaged", Harm::kLoss, Remedy::kRepair,
     "a history node cannot be read, so older versions cannot be addressed",
     "varve fsck --repair makes it again when every version of it is found beyond doubt"},
    {Damage::kLabelForgotten, "label-forgotten", Harm::kNote, Remedy::kByHand,
     "an alias or tag names a version that was let go", "move it, or undelete the version"},
    {Damage::kCommitMissing, "commit-missing", Harm::kLoss, Remedy::kRepair,
     "the commit object of a version is gone, so nothing of it loads",
     "varve fsck --repair takes another of the same commit id, also from --from LAKE"},
    {Damage::kCommitDamaged, "commit-damaged", Harm::kLoss, Remedy::kRepair,
     "the commit object of a version cannot be read, so nothing of it loads",
     "varve fsck --repair takes another of the same commit id, also from --from LAKE"},
    {Damage::kCommitSwapped, "commit-swapped", Harm::kLoss, Remedy::kRepair,
     "where the commit object of a version should be is that of another",
     "varve fsck --repair takes another of the same commit id, also from --from LAKE"},
    {Damage::kPackMissing, "pack-missing", Harm::kLoss, Remedy::kRepair,
     "a pack is gone, and with it the chunks of it that versions name", kRepairIt},
    {Damage::kPackLength, "pack-length", Harm::kLoss, Remedy::kRepair,
     "a pack has another length than the one it was written with", kRepairIt},
    {Damage::kPackSwapped, "pack-swapped", Harm::kLoss, Remedy::kRepair,
     "a pack does not hold chunks that versions name in it", kRepairIt},
    {Damage::kPackChunk, "pack-chunk", Harm::kLoss, Remedy::kRepair,
     "chunks of a pack have other bytes than were saved", kRepairIt},
    {Damage::kPackFrame, "pack-frame", Harm::kRedundancy, Remedy::kRepair,
     "headers inside of a pack are damaged; every version still loads",
     "varve fsck --repair moves its chunks to a fresh pack"},
    {Damage::kPackFooter, "pack-footer", Harm::kRedundancy, Remedy::kRepair,
     "the footer of a pack is damaged; versions name its chunks without it",
     "varve fsck --repair moves its chunks to a fresh pack"},
    {Damage::kPackUnused, "pack-unused", Harm::kNote, Remedy::kNone,
     "bytes of a pack are damaged that no version uses",
     "nothing needs to be done; a collection frees them with their pack"},
    {Damage::kSessionMissing, "session-missing", Harm::kNote, Remedy::kNone,
     "the reservation of names that versions use is gone",
     "nothing needs to be done; names are random and are not reserved again"},
    {Damage::kSessionDamaged, "session-damaged", Harm::kNote, Remedy::kNone,
     "a reservation of names cannot be read", "nothing needs to be done; only people read them"},
    {Damage::kListingPartial, "listing-partial", Harm::kRefusal, Remedy::kByHand,
     "the store does not list an object that is there",
     "run varve doctor; a store that lists in part cannot be collected"},
    {Damage::kForeign, "foreign", Harm::kRefusal, Remedy::kByHand,
     "an object that is not of this lake's format lies in it, so collecting refuses",
     "move it out of the lake"},
    {Damage::kNewerFormat, "newer-format", Harm::kRefusal, Remedy::kByHand,
     "an object is of a format that this build does not know", "upgrade varve"},
}};

}  // namespace

std::string_view HarmName(Harm harm) {
  constexpr std::string_view kNames[] = {"note", "redundancy", "refusal", "loss"};
  return kNames[static_cast<size_t>(harm)];
}

const DamageRule& RuleOf(Damage kind) { return kRules[static_cast<size_t>(kind)]; }

bool JudgePack(const PackLook& look, bool deep, Damage& kind) {
  const bool frames_sound = look.header_sound && look.frames_damaged == 0;
  if (!look.there)
    kind = Damage::kPackMissing;
  else if (look.bytes != look.stated_bytes)
    kind = Damage::kPackLength;
  else if (deep && look.rows_damaged > 0)
    kind =
        look.footer_sound && look.chunks_damaged == 0 ? Damage::kPackSwapped : Damage::kPackChunk;
  else if (!deep && look.footer_sound && look.rows_unconfirmed > 0)
    kind = Damage::kPackSwapped;
  else if (!look.footer_sound || look.rows_unconfirmed > 0)
    kind = Damage::kPackFooter;
  else if (look.chunks_damaged > 0)
    kind = Damage::kPackUnused;
  else if (!frames_sound)
    kind = Damage::kPackFrame;
  else
    return false;
  return true;
}

bool FramesCover(std::vector<FrameSpan> frames, uint64_t header_bytes, uint64_t frame_header_bytes,
                 uint64_t footer_offset) {
  std::sort(frames.begin(), frames.end(),
            [](const FrameSpan& a, const FrameSpan& b) { return a.offset < b.offset; });
  uint64_t at = header_bytes;
  for (const FrameSpan& frame : frames) {
    if (frame.offset != at + frame_header_bytes) return false;
    at = frame.offset + frame.bytes;
  }
  return at == footer_offset;
}

size_t PassEnd(const std::vector<uint64_t>& bytes, size_t first, size_t most,
               const PassBudget& budget) {
  size_t end = first;
  uint64_t spent_bytes = 0;
  while (end < bytes.size() && end - first < most) {
    if (end > first && budget.bytes_limited && bytes[end] > budget.bytes_left - spent_bytes) break;
    if (end > first && budget.requests_limited && end - first >= budget.requests_left) break;
    spent_bytes +=
        bytes[end] < budget.bytes_left - spent_bytes ? bytes[end] : budget.bytes_left - spent_bytes;
    ++end;
  }
  return end;
}

}  // namespace varve::plan
