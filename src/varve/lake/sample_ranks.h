// What the tests of saves by several ranks share: a state that ranks divide among them by rows.
#pragma once

#include <string>
#include <vector>

#include "varve/lake/sample_gc.h"

namespace varve::lake {

inline constexpr uint64_t kRankRowBytes = 40;  // Ten f32.

// As many rows for each as for the others, but for the last ranks.
inline uint64_t RankFirstRow(uint64_t rows, uint32_t rank, uint32_t ranks) {
  return std::min(rows, (rows + ranks - 1) / ranks * rank);
}

struct RankState {
  uint64_t seed = 0;
  uint32_t ranks = 2;
  uint64_t rows = 7;
  std::string save_id = "step 1";
  SaveSession::Hold hold = SaveSession::Hold::kCopy;

  Bytes w() const { return RandomBytes(rows * kRankRowBytes, seed); }          // Divided.
  Bytes norm() const { return RandomBytes(24, seed + 1); }                     // On all ranks.
  Bytes own(uint32_t rank) const { return RandomBytes(64, seed + 2 + rank); }  // Of each.
};

inline Result<PartReport> SaveRank(Lake& lake, const std::string& name, const RankState& state,
                                   uint32_t rank) {
  SaveOptions options;
  options.step = static_cast<int64_t>(state.seed);
  options.place = RankPlace{state.save_id, rank, state.ranks};
  VARVE_TRY(auto session, lake.BeginSave(kGcCtx, name, std::move(options)));
  const uint64_t first = RankFirstRow(state.rows, rank, state.ranks);
  const uint64_t rows = RankFirstRow(state.rows, rank + 1, state.ranks) - first;
  const Bytes w = state.w(), norm = state.norm(), own = state.own(rank);
  VARVE_CHECK_OK(session->AddTensorSlab(
      kGcCtx, "w", codec::DType::kF32, {{state.rows, kRankRowBytes / 4}, first, rows},
      ByteView(w).subspan(first * kRankRowBytes, rows * kRankRowBytes), state.hold));
  VARVE_CHECK_OK(session->AddTensor(kGcCtx, "norm", codec::DType::kU8, {norm.size()}, norm,
                                    SaveSession::Hold::kCopy));
  VARVE_CHECK_OK(session->AddTensor(kGcCtx, "own/" + std::to_string(rank), codec::DType::kU8,
                                    {own.size()}, own, SaveSession::Hold::kCopy));
  return session->FinishPart(kGcCtx);
}

inline std::vector<std::string> SaveRanks(Lake& lake, const std::string& name,
                                          const RankState& state) {
  std::vector<std::string> tokens;
  for (uint32_t rank = 0; rank < state.ranks; ++rank) {
    const auto part = SaveRank(lake, name, state, rank);
    EXPECT_TRUE(part.ok()) << part.error().ToString();
    if (part.ok()) tokens.push_back(part->token);
  }
  return tokens;
}

// Every byte of what the ranks saved.
inline Status RanksLoad(Lake& lake, const std::string& address, const RankState& state) {
  VARVE_TRY(auto version, lake.OpenAt(kGcCtx, address));
  const format::Commit& commit = version->commit();
  std::map<std::string, Bytes> expected{{"w", state.w()}, {"norm", state.norm()}};
  for (uint32_t rank = 0; rank < state.ranks; ++rank) {
    expected["own/" + std::to_string(rank)] = state.own(rank);
  }
  std::map<std::string, Bytes> read;
  std::vector<OpenVersion::TensorRead> reads;
  for (size_t i = 0; i < commit.tensors.size(); ++i) {
    Bytes& into = read[commit.tensors[i].name];
    into.resize(commit.tensors[i].raw_bytes);
    reads.push_back({i, into});
  }
  VARVE_CHECK_OK(version->ReadTensors(kGcCtx, reads));
  if (read == expected && commit.header.step == static_cast<int64_t>(state.seed)) return OkStatus();
  return Error(ErrorCode::kInternal, "another value came back");
}

// A lake whose artifact "a" has v1 of GcSave(1, 1).
inline std::shared_ptr<store::MemoryStore> LakeBeforeRanks() {
  auto memory = std::make_shared<store::MemoryStore>();
  EXPECT_TRUE(Lake::Init(kGcCtx, *memory).ok());
  VARVE_EXPECT_OK(GcSave(*GcOpen(memory), "a", 1, 1));
  return memory;
}

inline uint64_t RankVersions(const std::shared_ptr<store::MemoryStore>& memory) {
  const auto history = GcOpen(memory)->History(kGcCtx, "a", 1000);
  EXPECT_TRUE(history.ok());
  return history.ok() ? history->size() : 0;
}

}  // namespace varve::lake
