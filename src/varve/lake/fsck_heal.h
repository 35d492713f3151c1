// Mends versions whose packs or commit objects are damaged, from bytes that are whole elsewhere.
// Private to lake/.
//
// What a version is (its commit id) never changes; where its chunks lie is its layout, which a head
// may move (docs/format.md, Layout). So a chunk that is found whole, in its own damaged pack, in
// another pack of this lake, named or not, or in another lake, is written under a fresh name, and
// the version's commit object is written anew with the new places and the same commit id. The head
// moves to it as a save would: rule O, and only if it still names what was mended.
// Every chunk is decoded and hashed before it is written again. Nothing is deleted or overwritten;
// a crash leaves unreferenced objects for the collector. Threads: one.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "varve/lake/chunk_writer.h"
#include "varve/lake/fsck_lost.h"
#include "varve/lake/fsck_survey.h"
#include "varve/lake/relayout.h"

namespace varve::lake {

class FsckHealer {
 public:
  // `from`: another lake to look for chunks and commit objects in, or null. `base_epoch`: from
  // before the survey.
  FsckHealer(const OpContext& ctx, Core& core, const FsckSurvey& survey, Core* from,
             uint64_t base_epoch)
      : ctx_(ctx), core_(core), survey_(survey), from_(from), base_epoch_(base_epoch) {}

  // `bad_packs`: their chunks move away, as far as they are found.
  Status Run(const std::set<format::ObjectId>& bad_packs);

  struct Outcome {
    uint64_t moved = 0;  // Places of versions that no longer point there.
    uint64_t left = 0;   // Those that still do.
    std::string why;     // When something is left.
  };
  // By pack, and by the commit object that was to be replaced.
  const std::map<format::ObjectId, Outcome>& packs() const { return packs_; }
  const std::map<format::ObjectId, Outcome>& commits() const { return commits_; }
  uint64_t written_bytes() const { return written_bytes_; }

 private:
  struct Source {
    Core* core = nullptr;
    format::ObjectId pack;
    format::ChunkRow row;
  };
  struct Replacement {  // Where else the commit object is.
    Core* core = nullptr;
    format::ObjectId meta_id;
    std::vector<std::string> let_go;  // Of the version, as its head says.
  };
  struct Job {
    FsckCommit at;
    bool rewrite = false;  // The object itself is damaged or doomed.
    std::optional<Replacement> replacement;
    std::vector<hash::Digest> needs;  // Chunks to be written again.
  };
  using Needs = std::map<hash::Digest, std::vector<Source>>;

  Status FindJobs();
  Status FindReplacements();
  Status Replace(Job& job, const std::vector<LostCommit>& lost);
  Result<format::DecodedCommit> TablesOf(const Job& job);
  Status CollectNeeds(Job& job);
  void AddSource(const hash::Digest& digest, Source source);
  Status AddSourcesOf(Core& core, const FsckSurvey& survey,
                      const std::set<format::ObjectId>& except);
  Status AddSourcesOfOtherPacks();
  Status Choose();
  void DropHopeless();
  Status Put();
  Status Settle();  // Finishes the packs begun, and learns where the chunks lie.
  Status MoveHead(const std::string& name, const std::vector<const Job*>& jobs);
  // Nothing: there is nothing to gain for it.
  Result<std::optional<Relay>> WriteTables(const Job& job, std::vector<format::ObjectId>& used);
  Status Count();

  const OpContext& ctx_;
  Core& core_;
  const FsckSurvey& survey_;
  Core* const from_;
  uint64_t base_epoch_;
  std::set<format::ObjectId> bad_packs_;
  std::vector<Job> jobs_;
  std::optional<FsckSurvey> from_survey_;
  Mutex mutex_;  // Guards needs_ while workers run.
  Needs needs_;
  std::map<hash::Digest, Source> chosen_;  // Read, and found sound.
  std::set<hash::Digest> put_;
  std::unique_ptr<ChunkWriter> writer_;
  std::map<hash::Digest, format::ChunkPlace> moved_;
  std::map<format::ObjectId, Outcome> packs_, commits_;
  std::set<const Job*> done_;
  uint64_t written_bytes_ = 0;
};

}  // namespace varve::lake
