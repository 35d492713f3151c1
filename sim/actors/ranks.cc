// A save by two or three processes, each with its share, and a join by whoever finishes last, or by
// two at once. A rank may die for good: then there must be no version, whoever joins.
#include <algorithm>

#include "sim/actors/actors.h"

namespace varve::sim {
namespace {

constexpr int kPartTries = 3, kJoinTries = 3;
constexpr int kPolls = 200;  // Until the next save begins beside one that hangs.

struct RankSave {
  Intent* intent = nullptr;
  std::string save_id;
  uint32_t ranks = 0, turn = 0;        // Rank r holds the slab (r + turn) % ranks.
  std::vector<uint64_t> cuts;          // Of the tensor that is divided; ranks + 1 of them.
  std::vector<std::string> tokens;     // By rank; empty: not finished.
  uint32_t finished = 0, at_work = 0;  // Ranks.
  uint32_t joins = 0;                  // Under way, or died.
  bool in_doubt = false, landed = false;
};
using RankSavePtr = std::shared_ptr<RankSave>;

constexpr const char *kCut = "model/t0", *kFirst = "optimizer/t1", *kAll = "ema/t2";

Result<lake::PartReport> SavePart(Process& process, lake::Lake& lake, const OpContext& ctx,
                                  const RankSave& save, uint32_t rank, int64_t pause_ms) {
  lake::SaveOptions options;
  options.message = save.intent->Message();
  options.step = static_cast<int64_t>(save.intent->number);
  options.place = lake::RankPlace{save.save_id, rank, save.ranks};
  VARVE_TRY(const auto session, lake.BeginSave(ctx, save.intent->artifact, std::move(options)));
  const auto hold = process.random->Between(0, 1) == 0 ? lake::SaveSession::Hold::kCopy
                                                       : lake::SaveSession::Hold::kBorrow;
  const uint32_t slab = (rank + save.turn) % save.ranks;
  const Bytes& cut = save.intent->tensors.at(kCut);
  const uint64_t from = save.cuts[slab], rows = save.cuts[slab + 1] - from;
  VARVE_CHECK_OK(session->AddTensorSlab(ctx, kCut, codec::DType::kU8, {{cut.size()}, from, rows},
                                        ByteView(cut).subspan(from, rows), hold));
  for (const char* name : {kFirst, kAll}) {
    if (name == kFirst && rank != 0) continue;
    const Bytes& bytes = save.intent->tensors.at(name);
    VARVE_CHECK_OK(session->AddTensor(ctx, name, codec::DType::kU8, {bytes.size()}, bytes, hold));
  }
  if (pause_ms > 0) VARVE_CHECK_OK(ctx.SleepMs(pause_ms));
  return session->FinishPart(ctx);
}

// The caller counted it in `joins`.
void Join(World& world, Process& process, lake::Lake& lake, RankSave& save) {
  const std::string where = save.intent->artifact + " " + save.intent->Message();
  std::string error;
  for (int attempt = 0; attempt < kJoinTries; ++attempt) {
    const Operation operation(world, process);
    const auto joined = lake.JoinParts(operation.ctx, save.intent->artifact, save.tokens);
    if (process.dead || world.failed()) return;
    world.CountOperation(joined.ok());
    if (joined.ok()) {
      world.Note(process, "JOINED", where, "v" + std::to_string(joined->version));
      save.landed = true;
      world.oracle().Acknowledged(*save.intent, joined->version);
      return;
    }
    const ErrorCode code = joined.error().code();
    world.Note(process, "NOT JOINED", where, ErrorName(code));
    error = joined.error().ToString();
    if (!Definite(code)) save.in_doubt = true;
    if (!world.Explained(joined.error(), operation.healed, "join", {ErrorCode::kConflict})) return;
    if (code == ErrorCode::kConflict) break;
  }
  if (--save.joins == 0 && !save.in_doubt && !save.landed) {
    world.oracle().Refused(*save.intent, error);
  }
}

// With tokens lacking it must be refused: nothing else stands between this and half a version.
void JoinTooEarly(World& world, Process& process, lake::Lake& lake, const RankSave& save) {
  std::vector<std::string> tokens = save.tokens;
  std::erase(tokens, "");
  const Operation operation(world, process);
  const auto joined = lake.JoinParts(operation.ctx, save.intent->artifact, tokens);
  if (process.dead || world.failed()) return;
  if (joined.ok()) {
    world.Fail("P2 " + save.intent->artifact + " has a version without all of its ranks");
    return;
  }
  static_cast<void>(world.Explained(joined.error(), operation.healed, "an early join",
                                    {ErrorCode::kInvalidArgument, ErrorCode::kConflict}));
}

Process& NewRank(World& world, Process& parent, const std::string& name) {
  Process& process =
      world.scheduler().NewProcess(name, parent.random->Fork(name), parent.clock.skew_ms_);
  world.oracle().SetRole(process.number, Role::kSaver);
  return process;
}

void RunRank(World& world, Process& process, const RankSavePtr& save, uint32_t rank) {
  const std::unique_ptr<lake::Lake> lake = world.OpenLake(process, false);
  if (lake == nullptr) return;
  const uint64_t draw = process.random->Next64();
  for (int attempt = 0; attempt < kPartTries && save->tokens[rank].empty(); ++attempt) {
    const Operation operation(world, process);
    const bool hours = world.weather().On(kLongSleep) && draw % 7 == 0;
    const int64_t pause_ms =
        draw % 3 == 0 ? static_cast<int64_t>(draw >> 8 & (hours ? 0x1FFFFFF : 0x1FFF)) : 0;
    const auto part = SavePart(process, *lake, operation.ctx, *save, rank, pause_ms);
    if (process.dead || world.failed()) return;
    if (part.ok()) {
      save->tokens[rank] = part->token;
      ++save->finished;
    } else if (!world.Explained(part.error(), operation.healed, "part", {})) {
      return;
    }
  }
  if (save->tokens[rank].empty()) return;
  if (save->finished < save->ranks) {
    if (draw >> 40 & 1) JoinTooEarly(world, process, *lake, *save);
    return;
  }
  save->joins = 1;
  if (draw >> 41 & 1) {
    ++save->joins;
    Process& second = NewRank(world, process, process.name + ".joiner");
    world.scheduler().Spawn(second, [&world, &second, save] {
      const std::unique_ptr<lake::Lake> own = world.OpenLake(second, false);
      if (own != nullptr) Join(world, second, *own, *save);
    });
  }
  Join(world, process, *lake, *save);
}

}  // namespace

bool SaveRanksOnce(World& world, Process& process) {
  Random& random = *process.random;
  const auto save = std::make_shared<RankSave>();
  save->intent = &world.intents().New(random.Between(0, 2) == 0 ? "m0" : "m1");
  save->save_id = save->intent->Message();
  save->ranks = static_cast<uint32_t>(random.Between(2, 3));
  save->turn = static_cast<uint32_t>(random.Between(0, 2));
  save->tokens.resize(save->ranks);
  for (const char* name : {kCut, kFirst, kAll}) {
    save->intent->tensors.emplace(name, AnyContent(random.Next64()));
  }
  const uint64_t bytes = save->intent->tensors.at(kCut).size();
  save->cuts = {0, bytes};
  while (save->cuts.size() < save->ranks + 1) save->cuts.push_back(random.Between(0, bytes));
  std::sort(save->cuts.begin(), save->cuts.end());
  std::vector<Process*> ranks;
  save->at_work = save->ranks;
  for (uint32_t rank = 0; rank < save->ranks; ++rank) {
    Process& each = NewRank(
        world, process, "Rank" + std::to_string(save->intent->number) + "." + std::to_string(rank));
    ranks.push_back(&each);
    world.scheduler().Spawn(each, [&world, &each, save, rank] {
      RunRank(world, each, save, rank);
      --save->at_work;
    });
  }
  const bool dies = random.Between(0, 2) == 0;
  const auto victim = static_cast<uint32_t>(random.Between(0, save->ranks - 1));
  const auto after_ms = static_cast<int64_t>(random.Between(0, 3'000));
  if (!process.Context().SleepMs(after_ms).ok() || process.dead) return false;
  if (dies && world.weather().On(kKill) && save->tokens[victim].empty()) {
    world.Note(*ranks[victim], "DIES", ranks[victim]->name, "");
    world.scheduler().Kill(*ranks[victim]);
    world.oracle().Refused(*save->intent, "a rank died for good");
  }
  for (int poll = 0; poll < kPolls && save->at_work > 0; ++poll) {
    if (!process.Context().SleepMs(1'000).ok() || process.dead || world.failed()) return false;
  }
  return true;
}

}  // namespace varve::sim
