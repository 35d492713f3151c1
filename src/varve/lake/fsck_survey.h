// The first half of a check: the records, and the listing. Private to lake/.
//
// Unlike the collector's walk, which stops at the first thing that it cannot believe, this one
// notes it and goes on. Beside writers and collectors: what is missing is asked for once more, and
// counts only when a head still names it.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "varve/exec/sync.h"
#include "varve/format/gc_state.h"
#include "varve/lake/core.h"
#include "varve/lake/fsck.h"
#include "varve/plan/live_set.h"

namespace varve::lake {

// Collects findings up to the limit. Threads: any.
class FsckFindings {
 public:
  void Add(FsckFinding finding);
  void Add(plan::Damage kind, std::string object, std::string detail,
           std::vector<std::string> affected = {});
  // By harm, the worst first, then by object.
  std::vector<FsckFinding> Take(uint64_t& total);

 private:
  Mutex mutex_;
  std::vector<FsckFinding> findings_;
  uint64_t total_ = 0;
};

// One commit object that a head names and that must stay.
struct FsckCommit {
  format::ObjectId meta_id;
  hash::Digest commit_id;
  uint32_t name = 0;  // Index into FsckSurvey::names.
  uint64_t version = 0;
  bool full = false;      // Of what a thinned version may get back.
  bool laid_out = false;  // Named by a layout, not by the entry.
};
struct FsckPack {
  format::ObjectId id;
  uint64_t object_bytes = 0;  // As its commits say.
};
struct FsckListed {
  format::ObjectId id;
  uint64_t bytes = 0;
};
struct FsckLostNode {  // A history node that cannot be read.
  uint32_t name = 0;
  format::HistoryLink link;
};

struct FsckSurvey {
  int64_t now_ms = 0;              // The store's clock.
  std::vector<std::string> names;  // Of the heads that could be read.
  std::vector<FsckCommit> commits;
  std::vector<FsckCommit> bad_commits;  // Missing, damaged, swapped.
  std::vector<FsckLostNode> lost_nodes;
  std::vector<format::ObjectId> nodes;  // History nodes of live heads.
  std::vector<FsckPack> packs;          // By id; of commits that could be read.
  std::array<std::vector<FsckListed>, format::kIdKinds> listed;  // By id.
  plan::LiveSet rows;  // RowFingerprint of every place that a commit names.
  uint64_t salt = 0;
  std::vector<format::ObjectId> doomed;  // Live, but on a list of what is to be deleted; by id.
  bool state_bad = false;                // gc/state, or a list of it.
  std::optional<format::GcState> state;  // Where it could be read.
  std::set<format::ObjectId> live_metas;
  std::set<hash::Digest> known_commits;  // Of every version of a head that could be read.
  size_t heads_listed = 0;
  uint64_t newest_epoch = 0;  // Named anywhere: by a head, a list, a mark, the state.
  uint64_t versions = 0;

  const FsckListed* Find(format::IdKind kind, const format::ObjectId& id) const;
};

uint64_t RowFingerprint(const format::ObjectId& pack, const hash::Digest& digest, uint64_t offset,
                        uint64_t payload_bytes, uint64_t raw_bytes, codec::CodecId codec,
                        uint64_t salt);

// Reads all records; `report` gets the counts.
Result<FsckSurvey> Survey(const OpContext& ctx, Core& core, FsckFindings& findings,
                          FsckReport& report);

// Whether the head of `name` still names the commit object as one that must stay.
Result<bool> StillNamed(const OpContext& ctx, Core& core, const std::string& name,
                        const format::ObjectId& meta_id, int64_t now_ms);
// "llama@v3".
std::string AddressOf(const FsckSurvey& survey, const FsckCommit& commit);

}  // namespace varve::lake
