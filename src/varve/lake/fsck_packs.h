// The second half of a check: the packs that versions name. Private to lake/.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "varve/format/pack.h"
#include "varve/lake/fsck_survey.h"

namespace varve::lake {

// Looks at packs of a survey in the order of their ids. Threads: one; its work runs on the lake's
// transfer pool.
class FsckPacks {
 public:
  FsckPacks(Core& core, FsckSurvey& survey, FsckFindings& findings, FsckReport& report)
      : core_(core), survey_(survey), findings_(findings), report_(report) {}

  // From the pack after `cursor` on (none: the first) until the budget or `until_ns` (of the steady
  // clock) is reached; always at least one. Fills the report's counts, `complete` and `cursor`.
  Status Look(const OpContext& ctx, const FsckOptions& options, int64_t until_ns);
  // Reads the commit objects once more where that is needed to say which items are hurt, and turns
  // what was seen into findings.
  Status Judge(const OpContext& ctx, bool deep);

  // After Judge: packs with a finding that versions still name.
  const std::set<format::ObjectId>& bad() const { return bad_; }

 private:
  struct Hurt {
    uint64_t affected_total = 0;
    std::vector<std::string> affected;
    std::vector<FsckCommit> named_by;  // A few.
    plan::PackLook look;
  };
  Status LookAt(const OpContext& ctx, const FsckPack& pack, bool deep);
  Status ReadFrames(const OpContext& ctx, const FsckPack& pack,
                    const std::vector<format::PackEntry>& entries, uint64_t footer_offset,
                    plan::PackLook& look);
  Status JudgeCommit(const OpContext& ctx, const FsckCommit& commit, bool deep);
  Result<bool> JudgeRow(const OpContext& ctx, const FsckCommit& commit, const format::PackRow& pack,
                        const format::ChunkRow& row, bool deep, uint64_t print);
  bool Looked(const format::ObjectId& pack) const;

  Core& core_;
  FsckSurvey& survey_;
  FsckFindings& findings_;
  FsckReport& report_;
  size_t first_ = 0, end_ = 0;  // Of survey_.packs: looked at by this run.
  Mutex mutex_;                 // Guards what follows, the report and the rows of the survey.
  std::map<format::ObjectId, Hurt> hurt_;
  std::map<uint64_t, bool>
      rows_;  // By fingerprint: unconfirmed places, and whether they are sound.
  std::set<format::ObjectId> bad_;
};

// The store's answer says that the object is not there or not whole; any other error is no finding.
inline bool IsDamage(const Error& error) {
  return error.code() == ErrorCode::kNotFound || error.code() == ErrorCode::kCorrupt;
}

// A pack as its footer describes it; what the footer costs to read grows with its chunks.
struct FoundPack {
  bool there = true, footer_sound = false;
  uint64_t bytes = 0, read_bytes = 0;      // Of the object; of it read.
  std::vector<format::PackEntry> entries;  // When the footer is sound.
};
Result<FoundPack> ReadPackIndex(const OpContext& ctx, Core& core, const format::ObjectId& id);

// The payload of a chunk, when it is there, decodes and has its digest; empty when not. Other
// trouble is an error.
Result<Bytes> ReadSoundPayload(const OpContext& ctx, Core& core, const format::ObjectId& pack,
                               const format::ChunkRow& row);

}  // namespace varve::lake
