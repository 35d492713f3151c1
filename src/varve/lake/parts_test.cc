// Goal: what ranks saved apart comes back as one, or no version appears and the message says which
// rank or name does not fit. Method: real lakes over the memory store.
#include <gtest/gtest.h>

#include "varve/format/control.h"
#include "varve/format/part.h"
#include "varve/lake/sample_ranks.h"

namespace varve::lake {
namespace {

// One tensor as one rank names it: a slab when `rows` is not all of them.
struct Named {
  std::string name = "w";
  codec::DType dtype = codec::DType::kF32;
  std::vector<uint64_t> shape = {6, 2};
  uint64_t first = 0, rows = 6;
  uint64_t seed = 1;
  bool cut = true;
};

Result<SaveReport> SaveNamed(Lake& lake, const std::vector<std::vector<Named>>& ranks) {
  std::vector<std::string> tokens;
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    SaveOptions options;
    options.place =
        RankPlace{"s", static_cast<uint32_t>(rank), static_cast<uint32_t>(ranks.size())};
    VARVE_TRY(auto session, lake.BeginSave(kGcCtx, "a", options));
    for (const Named& each : ranks[rank]) {
      uint64_t row_bytes = codec::ElementBytes(each.dtype);
      for (size_t i = 1; i < each.shape.size(); ++i) row_bytes *= each.shape[i];
      const Bytes whole = RandomBytes(64 * row_bytes, each.seed);
      const ByteView data = ByteView(whole).subspan(each.first * row_bytes, each.rows * row_bytes);
      VARVE_CHECK_OK(each.cut ? session->AddTensorSlab(kGcCtx, each.name, each.dtype,
                                                       {each.shape, each.first, each.rows}, data,
                                                       SaveSession::Hold::kCopy)
                              : session->AddTensor(kGcCtx, each.name, each.dtype, each.shape, data,
                                                   SaveSession::Hold::kCopy));
    }
    VARVE_TRY(const PartReport part, session->FinishPart(kGcCtx));
    tokens.push_back(part.token);
  }
  return lake.JoinParts(kGcCtx, "a", tokens);
}

TEST(Parts, TwoRanksAreOneVersionAndTheOrderOfTokensIsNothing) {
  const auto memory = LakeBeforeRanks();
  const auto lake = GcOpen(memory);
  const RankState state{.seed = 5};
  std::vector<std::string> tokens = SaveRanks(*lake, "a", state);
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_EQ(RankVersions(memory), 1U) << "nothing is visible before the join";
  VARVE_EXPECT_OK(GcLoads(*lake, "a@latest", 1, 1));
  std::swap(tokens[0], tokens[1]);
  const auto joined = lake->JoinParts(kGcCtx, "a", tokens);
  ASSERT_TRUE(joined.ok()) << joined.error().ToString();
  EXPECT_EQ(joined->version, 2U);
  EXPECT_EQ(joined->logical_bytes, 7 * kRankRowBytes + 24 + 2 * 64);
  EXPECT_GT(joined->stored_bytes, 7 * kRankRowBytes);
  VARVE_EXPECT_OK(RanksLoad(*GcOpen(memory), "a@v2", state));
  const auto info = lake->Describe(kGcCtx, "a@v2");
  EXPECT_EQ(info->entry.stored_bytes, joined->stored_bytes);
  EXPECT_EQ(GcOpen(memory)->OpenAt(kGcCtx, "a@v2").value()->commit().header.parents.size(), 1U);
}

TEST(Parts, ASingleRankIsAJoinOfOne) {
  const auto memory = LakeBeforeRanks();
  const auto lake = GcOpen(memory);
  const RankState state{.seed = 5, .ranks = 1, .rows = 3};
  VARVE_EXPECT_OK(lake->JoinParts(kGcCtx, "a", SaveRanks(*lake, "a", state)));
  VARVE_EXPECT_OK(RanksLoad(*lake, "a@v2", state));
}

TEST(Parts, JoiningAgainIsTheSameVersion) {
  const auto memory = LakeBeforeRanks();
  const auto lake = GcOpen(memory);
  const RankState state{.seed = 5};
  const auto tokens = SaveRanks(*lake, "a", state);
  const auto first = lake->JoinParts(kGcCtx, "a", tokens);
  ASSERT_TRUE(first.ok());
  const auto same = [&] {
    const auto again = GcOpen(memory)->JoinParts(kGcCtx, "a", tokens);
    ASSERT_TRUE(again.ok()) << again.error().ToString();
    EXPECT_EQ(again->version, 2U);
    EXPECT_EQ(again->commit_id, first->commit_id);
  };
  same();
  // Also when it was folded into history,
  const uint64_t more = format::kInlineVersionsMax + 10;
  for (uint64_t i = 0; i < more; ++i) VARVE_EXPECT_OK(GcSave(*lake, "a", 1, i));
  same();
  EXPECT_EQ(RankVersions(memory), 2 + more);
  // and when it was forgotten: it is not made again.
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v2", "diverged"));
  same();
  EXPECT_EQ(RankVersions(memory), 2 + more);
  EXPECT_EQ(lake->OpenAt(kGcCtx, "a@v2").error().code(), ErrorCode::kGone);
  // An equal save under another id is another version.
  RankState other = state;
  other.save_id = "step 1, again";
  VARVE_EXPECT_OK(lake->JoinParts(kGcCtx, "a", SaveRanks(*lake, "a", other)));
  EXPECT_EQ(RankVersions(memory), 3 + more);
}

TEST(Parts, WhatIsNotOfOneSaveIsRefusedByRank) {
  const auto memory = LakeBeforeRanks();
  const auto lake = GcOpen(memory);
  const RankState state{.seed = 5, .ranks = 3};
  const auto tokens = SaveRanks(*lake, "a", state);
  ASSERT_EQ(tokens.size(), 3U);
  RankState later = state;
  later.save_id = "step 2";
  const auto others = SaveRanks(*lake, "a", later);
  const auto elsewhere = SaveRanks(*lake, "b", state);
  const auto twice = SaveRank(*lake, "a", state, 1);
  const std::string commit =
      lake->Describe(kGcCtx, "a@v1")->entry.meta_id.Text();  // No part, but a version.
  struct Row {
    std::vector<std::string> tokens;
    ErrorCode code;
    std::string says;
  };
  const Row rows[] = {
      {{}, ErrorCode::kInvalidArgument, "every rank"},
      {{tokens[0], tokens[2]}, ErrorCode::kInvalidArgument, "ranks=1"},
      {{tokens[1]}, ErrorCode::kInvalidArgument, "ranks=0, 2"},
      {{tokens[0], tokens[1], twice->token}, ErrorCode::kInvalidArgument, "rank 1"},
      {{tokens[0], tokens[1], tokens[2], twice->token}, ErrorCode::kInvalidArgument, "rank 1"},
      {{tokens[0], tokens[1], tokens[1]}, ErrorCode::kInvalidArgument, "twice"},
      {{tokens[0], tokens[1], others[2]}, ErrorCode::kInvalidArgument, "save ids"},
      {{elsewhere[0], tokens[1], tokens[2]}, ErrorCode::kInvalidArgument, "'b'"},
      {{tokens[0], tokens[1], "part 3"}, ErrorCode::kInvalidArgument, "no token"},
      {{tokens[0], tokens[1], format::ObjectId::Make(1, 2).Text()},
       ErrorCode::kConflict,
       "save again"},
      {{tokens[0], tokens[1], commit}, ErrorCode::kCorrupt, "another type"},
  };
  for (const Row& row : rows) {
    const auto joined = lake->JoinParts(kGcCtx, "a", row.tokens);
    ASSERT_FALSE(joined.ok()) << row.says;
    EXPECT_EQ(joined.error().code(), row.code) << joined.error().ToString();
    EXPECT_NE(joined.error().message().find(row.says), std::string::npos)
        << joined.error().message();
  }
  EXPECT_EQ(RankVersions(memory), 1U);
  VARVE_EXPECT_OK(lake->JoinParts(kGcCtx, "a", tokens));
  VARVE_EXPECT_OK(RanksLoad(*lake, "a@v2", state));
}

TEST(Parts, TensorsThatDoNotFitTogetherAreRefusedByName) {
  const auto memory = LakeBeforeRanks();
  const auto lake = GcOpen(memory);
  const Named low{.first = 0, .rows = 3}, high{.first = 3, .rows = 3}, whole{.cut = false};
  const auto with = [](Named named, const std::function<void(Named&)>& change) {
    change(named);
    return named;
  };
  struct Row {
    std::vector<std::vector<Named>> ranks;
    ErrorCode code;
    std::string says;
  };
  const Row rows[] = {
      {{{low}, {with(high, [](Named& n) { n.first = 4, n.rows = 2; })}},
       ErrorCode::kInvalidArgument,
       "no rank wrote"},
      {{{low}, {with(high, [](Named& n) { n.rows = 2; })}},
       ErrorCode::kInvalidArgument,
       "at its end"},
      {{{high}, {with(high, [](Named& n) { n.rows = 2; })}},
       ErrorCode::kInvalidArgument,
       "no rank wrote"},
      {{{low}, {with(high, [](Named& n) { n.first = 2, n.rows = 4; })}},
       ErrorCode::kInvalidArgument,
       "two ranks wrote"},
      {{{low}, {with(high, [](Named& n) { n.dtype = codec::DType::kI32; })}},
       ErrorCode::kInvalidArgument,
       "another dtype or shape"},
      {{{low}, {with(high, [](Named& n) { n.shape = {7, 2}; })}},
       ErrorCode::kInvalidArgument,
       "another dtype or shape"},
      {{{low}, {whole}}, ErrorCode::kInvalidArgument, "whole in rank 1"},
      {{{whole}, {high}}, ErrorCode::kInvalidArgument, "cut in rank 1"},
      {{{whole}, {with(whole, [](Named& n) { n.seed = 2; })}}, ErrorCode::kConflict, "rank 1"},
      {{{whole}, {with(whole, [](Named& n) { n.dtype = codec::DType::kI32; })}},
       ErrorCode::kInvalidArgument,
       "another dtype or shape"},
      {{{low}, {high}, {with(high, [](Named& n) { n.seed = 2; })}},
       ErrorCode::kConflict,
       "rows 3 to 6"},
  };
  for (const Row& row : rows) {
    const auto joined = SaveNamed(*lake, row.ranks);
    ASSERT_FALSE(joined.ok()) << row.says;
    EXPECT_EQ(joined.error().code(), row.code) << joined.error().ToString();
    EXPECT_NE(joined.error().message().find("'w'"), std::string::npos) << joined.error().message();
    EXPECT_NE(joined.error().message().find(row.says), std::string::npos)
        << joined.error().message();
  }
  EXPECT_EQ(RankVersions(memory), 1U);
  // What fits: replicas of a slab and of a whole tensor, a rank without rows, no rows at all, rows
  // of no bytes, and whatever order the rows come in.
  const Named none{.first = 6, .rows = 0};
  const Named empty{.shape = {0, 2}, .rows = 0}, hollow{.shape = {6, 0}, .first = 0, .rows = 4};
  const Named rest{.shape = {6, 0}, .first = 4, .rows = 2};
  for (const auto& ranks :
       std::vector<std::vector<std::vector<Named>>>{{{low}, {high}, {high}, {low}},
                                                    {{whole}, {whole}},
                                                    {{none}, {high}, {low}},
                                                    {{empty}, {empty}},
                                                    {{hollow}, {rest}},
                                                    {{low}, {high, {.name = "v", .cut = false}}}}) {
    const auto joined = SaveNamed(*lake, ranks);
    ASSERT_TRUE(joined.ok()) << joined.error().ToString();
    const auto version = lake->OpenAt(kGcCtx, "a@v" + std::to_string(joined->version));
    ASSERT_TRUE(version.ok()) << version.error().ToString();
    const format::TensorRow& row = (*version)->commit().tensors[0];
    EXPECT_EQ(row.shape, ranks[0][0].shape);
    Bytes read(row.raw_bytes);
    VARVE_EXPECT_OK((*version)->ReadTensors(kGcCtx, {{0, read}}));
    const Bytes all = RandomBytes(64 * 8, 1);
    EXPECT_EQ(read, Bytes(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(read.size())));
  }
}

TEST(Parts, ASessionEndsAsItBegan) {
  const auto lake = GcOpen(LakeBeforeRanks());
  const Bytes bytes(8);
  SaveOptions options;
  options.place = RankPlace{"s", 0, 2};
  auto ranked = lake->BeginSave(kGcCtx, "a", options);
  ASSERT_TRUE(ranked.ok());
  EXPECT_EQ((*ranked)->Commit(kGcCtx).error().code(), ErrorCode::kInvalidArgument);
  auto alone = lake->BeginSave(kGcCtx, "a", {});
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ((*alone)->FinishPart(kGcCtx).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ((*alone)
                ->AddTensorSlab(kGcCtx, "w", codec::DType::kU8, {{8}, 0, 8}, bytes,
                                SaveSession::Hold::kCopy)
                .error()
                .code(),
            ErrorCode::kInvalidArgument);
  for (const SlabPlace& place :
       {SlabPlace{{}, 0, 1}, SlabPlace{{8}, 1, 8}, SlabPlace{{8}, 9, 0}, SlabPlace{{8}, 0, 7},
        SlabPlace{{UINT64_MAX, UINT64_MAX}, 0, 0}, SlabPlace{{8}, UINT64_MAX, 8}}) {
    auto session = lake->BeginSave(kGcCtx, "a", options);
    EXPECT_EQ(
        (*session)
            ->AddTensorSlab(kGcCtx, "w", codec::DType::kU8, place, bytes, SaveSession::Hold::kCopy)
            .error()
            .code(),
        ErrorCode::kInvalidArgument);
    EXPECT_FALSE((*session)->FinishPart(kGcCtx).ok()) << "what was refused is not left out";
  }
  for (const RankPlace& place :
       {RankPlace{"s", 2, 2}, RankPlace{"s", 0, 0}, RankPlace{"", 0, 1},
        RankPlace{"s", 0, format::kRanksMax + 1}, RankPlace{std::string(1025, 's'), 0, 1}}) {
    options.place = place;
    EXPECT_EQ(lake->BeginSave(kGcCtx, "a", options).error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(Parts, ASecondNameOfASlabAliasesAndParentsComeFromRankZero) {
  const auto memory = LakeBeforeRanks();
  const auto lake = GcOpen(memory);
  VARVE_EXPECT_OK(GcSave(*lake, "base", 3, 4));
  const Bytes rows = RandomBytes(16, 1);
  std::vector<std::string> tokens;
  for (uint32_t rank = 0; rank < 2; ++rank) {
    SaveOptions options;
    options.place = RankPlace{"s", rank, 2};
    options.message = "of rank " + std::to_string(rank);
    if (rank == 0) {
      options.aliases = {"last", "best"};
      options.parents = {"base"};
    }
    auto session = lake->BeginSave(kGcCtx, "a", options);
    VARVE_EXPECT_OK((*session)->AddTensorSlab(kGcCtx, "w", codec::DType::kU8, {{16}, 8 * rank, 8},
                                              ByteView(rows).subspan(8 * rank, 8),
                                              SaveSession::Hold::kCopy));
    VARVE_EXPECT_OK((*session)->AddTensorAlias("tied", "w"));
    tokens.push_back((*session)->FinishPart(kGcCtx)->token);
  }
  VARVE_EXPECT_OK(lake->JoinParts(kGcCtx, "a", tokens));
  const auto info = lake->Describe(kGcCtx, "a@best");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->entry.version, 2U);
  EXPECT_EQ(info->entry.message, "of rank 0");
  EXPECT_EQ(info->aliases, (std::vector<std::string>{"best", "last"}));
  EXPECT_EQ(info->entry.parents, std::vector{lake->Describe(kGcCtx, "base")->entry.commit_id});
  const auto version = lake->OpenAt(kGcCtx, "a@v2");
  Bytes w(16), tied(16);
  VARVE_EXPECT_OK((*version)->ReadTensors(kGcCtx, {{0, w}, {1, tied}}));
  EXPECT_EQ(w, rows);
  EXPECT_EQ(tied, rows);
}

// Four ranks write odd numbers of rows, cut by chunks inside of their slabs; one process reads all,
// and what lies between the ends of the slabs is chunked as if one had written it.
TEST(Parts, ReshardingReadsEveryByteAndSharesChunksWithOtherLayouts) {
  const auto memory = LakeBeforeRanks();
  const store::Key key{std::string(format::kDescriptorKey)};
  const auto reply = memory->Get(kGcCtx, key, {});
  auto descriptor = format::DecodeDescriptor(AsText(reply->body));
  descriptor->chunk_bytes = 64 * kKiB;
  VARVE_EXPECT_OK(
      memory->Cas(kGcCtx, key, AsBytes(*format::EncodeDescriptor(*descriptor)), reply->info.etag));
  const auto lake = GcOpen(memory);
  const RankState four{.seed = 5, .ranks = 4, .rows = 25'003};  // 1,000,120 bytes.
  VARVE_EXPECT_OK(lake->JoinParts(kGcCtx, "a", SaveRanks(*lake, "a", four)));
  VARVE_EXPECT_OK(RanksLoad(*lake, "a@v2", four));
  RankState three = four;
  three.ranks = 3;
  const auto joined = lake->JoinParts(kGcCtx, "a", SaveRanks(*lake, "a", three));
  ASSERT_TRUE(joined.ok()) << joined.error().ToString();
  VARVE_EXPECT_OK(RanksLoad(*lake, "a@v3", three));
  // All but the chunks at the ends of three and four slabs: 16 whole ones, at most 5 of them cut.
  EXPECT_GE(joined->shared_bytes, 10 * 64 * kKiB);
}

// A part is no damage to a check, and no lost version; a joined version is rebuilt as any other.
TEST(Parts, ChecksAndRebuildsKnowThem) {
  const auto memory = LakeBeforeRanks();
  const auto lake = GcOpen(memory);
  const RankState left{.seed = 8, .save_id = "left"}, state{.seed = 5};
  ASSERT_EQ(SaveRanks(*lake, "a", left).size(), 2U);
  FsckOptions deep;
  deep.deep = true;
  const auto checked = lake->Fsck(kGcCtx, deep);
  ASSERT_TRUE(checked.ok()) << checked.error().ToString();
  EXPECT_EQ(checked->findings.size(), 0U);
  EXPECT_EQ(lake->FindLost(kGcCtx)->size(), 0U);
  const auto joined = lake->JoinParts(kGcCtx, "a", SaveRanks(*lake, "a", state));
  ASSERT_TRUE(joined.ok());
  const store::Key head(format::HeadKey("a"));
  VARVE_EXPECT_OK(memory->Delete(kGcCtx, std::span(&head, 1)));
  const auto lost = GcOpen(memory)->FindLost(kGcCtx);
  ASSERT_EQ(lost->size(), 2U);
  EXPECT_EQ((*lost)[1].commit_id, joined->commit_id);
  RebuildOptions rebuild;
  rebuild.artifact = "a";
  const auto rebuilt = GcOpen(memory)->Rebuild(kGcCtx, rebuild);
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.error().ToString();
  EXPECT_EQ(rebuilt->rebuilt.size(), 2U);
  VARVE_EXPECT_OK(GcOpen(memory)->Undelete(kGcCtx, "a@v2"));
  VARVE_EXPECT_OK(RanksLoad(*GcOpen(memory), "a@v2", state));
  // It is copied as any other, too.
  const auto there = std::make_shared<store::MemoryStore>();
  ASSERT_TRUE(Lake::Init(kGcCtx, *there).ok());
  VARVE_EXPECT_OK(GcOpen(there)->CopyFrom(kGcCtx, *GcOpen(memory), "a@v2"));
  VARVE_EXPECT_OK(RanksLoad(*GcOpen(there), "a", state));
  EXPECT_EQ(GcOpen(there)->Describe(kGcCtx, "a")->entry.commit_id, joined->commit_id);
}

}  // namespace
}  // namespace varve::lake
