// Goal: a damaged part is never taken for a sound one, a sound one comes back, and what breaks an
// invariant is neither written nor believed behind sound checksums.
#include <gtest/gtest.h>

#include <functional>

#include "varve/format/envelope.h"
#include "varve/format/sample_records.h"

namespace varve::format {
namespace {

Part WithSlab(uint64_t seed = 1) {
  for (;; ++seed) {
    SeededRandom random(seed);
    Part part = SamplePart(random, 3);
    if (!part.slabs.empty() && part.slabs[0].global_shape.size() > 1) return part;
  }
}

TEST(PartTest, RandomRecordsRoundTrip) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SeededRandom random(seed);
    const Part part = SamplePart(random, seed % 5);
    const auto object = EncodePart(part);
    ASSERT_TRUE(object.ok()) << object.error().ToString();
    const auto back = DecodePart(*object);
    ASSERT_TRUE(back.ok()) << back.error().ToString();
    EXPECT_EQ(back->rank, part.rank);
    EXPECT_EQ(back->ranks, part.ranks);
    EXPECT_EQ(back->base_epoch, part.base_epoch);
    EXPECT_EQ(back->stored_bytes, part.stored_bytes);
    EXPECT_EQ(back->shared_bytes, part.shared_bytes);
    EXPECT_EQ(back->objects_written, part.objects_written);
    EXPECT_EQ(back->named_parents, part.named_parents);
    EXPECT_EQ(back->aliases, part.aliases);
    EXPECT_EQ(back->commit.origin, part.commit.origin);
    ASSERT_EQ(back->slabs.size(), part.slabs.size());
    for (size_t i = 0; i < part.slabs.size(); ++i) {
      EXPECT_EQ(back->slabs[i].tensor, part.slabs[i].tensor);
      EXPECT_EQ(back->slabs[i].first_row, part.slabs[i].first_row);
      EXPECT_EQ(back->slabs[i].global_shape, part.slabs[i].global_shape);
    }
    EXPECT_EQ(EncodeCommit(back->commit)->commit_id, EncodeCommit(part.commit)->commit_id);
    EXPECT_EQ(*EncodePart(*back), *object);
  }
}

TEST(PartTest, EveryFlipAndCutIsNoticed) {
  SeededRandom random(4);
  const Bytes object = *EncodePart(SamplePart(random, 2));
  for (size_t i = 0; i < object.size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xFF}) {
      Bytes flipped = object;
      flipped[i] ^= static_cast<std::byte>(mask);
      EXPECT_FALSE(DecodePart(flipped).ok()) << "flip at " << i;
    }
    EXPECT_FALSE(DecodePart(ByteView(object).first(i)).ok()) << "cut to " << i;
  }
}

// Neither is taken for the other, and a part is never a version.
TEST(PartTest, APartIsNoCommitAndACommitNoPart) {
  const Part part = WithSlab();
  const Bytes object = *EncodePart(part);
  EXPECT_EQ(DecodeCommit(object).error().code(), ErrorCode::kCorrupt);
  EXPECT_FALSE(DecodePackSet(object, object.size()).ok());
  EXPECT_EQ(DecodePart(EncodeCommit(part.commit)->object).error().code(), ErrorCode::kCorrupt);
}

TEST(PartTest, WhatBreaksAnInvariantIsNeitherWrittenNorRead) {
  const std::pair<const char*, std::function<void(Part&)>> breaks[] = {
      {"rank", [](Part& part) { part.rank = part.ranks; }},
      {"no ranks", [](Part& part) { part.rank = part.ranks = 0; }},
      {"too many ranks", [](Part& part) { part.ranks = kRanksMax + 1; }},
      {"no artifact", [](Part& part) { part.commit.origin = {}; }},
      {"no version", [](Part& part) { part.commit.origin.version = 0; }},
      {"a parent that is not there", [](Part& part) { part.named_parents = 4; }},
      {"a label that is none", [](Part& part) { part.aliases = {"v3"}; }},
      {"aliases out of order", [](Part& part) { part.aliases = {"b", "a"}; }},
      {"an alias twice", [](Part& part) { part.aliases = {"a", "a"}; }},
      {"a slab of no tensor", [](Part& part) { part.slabs[0].tensor = 3; }},
      {"a tensor cut twice", [](Part& part) { part.slabs.push_back(part.slabs[0]); }},
      {"another inner dimension", [](Part& part) { ++part.slabs[0].global_shape[1]; }},
      {"fewer dimensions", [](Part& part) { part.slabs[0].global_shape.pop_back(); }},
      {"a first row outside",
       [](Part& part) { part.slabs[0].first_row = part.slabs[0].global_shape[0] + 1; }},
      {"rows outside", [](Part& part) { part.slabs[0].global_shape[0] = 0; }},
      {"a shape too large",
       [](Part& part) {
         part.commit.tensors[part.slabs[0].tensor].shape = {0, UINT64_MAX};
         part.commit.tensors[part.slabs[0].tensor].raw_bytes = 0;
         part.slabs[0].global_shape = {UINT64_MAX, UINT64_MAX};
       }},
  };
  const auto header_of = [](const Bytes& object) {
    return DecodeEnvelope(object)->sections[0].raw;
  };
  for (const auto& [what, spoil] : breaks) {
    Part part = WithSlab();
    ASSERT_TRUE(EncodePart(part).ok());
    const auto sound = DecodeEnvelope(*EncodePart(part));
    spoil(part);
    const auto written = EncodePart(part);
    ASSERT_FALSE(written.ok()) << what;
    EXPECT_EQ(written.error().code(), ErrorCode::kInternal) << what;
  }
  // Behind sound checksums: each number of the header set to what no reader may believe.
  const Part part = WithSlab();
  const auto sound = DecodeEnvelope(*EncodePart(part));
  const Bytes header = header_of(*EncodePart(part));
  for (size_t at = 0; at < header.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7F, 0xFF}) {
      Envelope hostile = *sound;
      hostile.sections[0].raw[at] = static_cast<std::byte>(value);
      const auto read = DecodePart(*EncodeEnvelope(hostile));
      if (!read.ok()) continue;
      EXPECT_TRUE(EncodePart(*read).ok()) << "byte " << at;
    }
    Envelope cut = *sound;
    cut.sections[0].raw.resize(at);
    EXPECT_FALSE(DecodePart(*EncodeEnvelope(cut)).ok()) << "cut to " << at;
  }
  for (const uint32_t tag : {Tag("PART"), Tag("CMIT")}) {
    Envelope lacking = *sound;
    std::erase_if(lacking.sections, [&](const Section& section) { return section.tag == tag; });
    EXPECT_FALSE(DecodePart(*EncodeEnvelope(lacking)).ok());
  }
}

TEST(PartTest, ASaveIdIsOfAnArtifactAndAText) {
  EXPECT_EQ(SaveIdOf("a", "b"), SaveIdOf("a", "b"));
  EXPECT_NE(SaveIdOf("a", "b"), SaveIdOf("ab", ""));
  EXPECT_NE(SaveIdOf("a", "b"), SaveIdOf("a", "c"));
}

}  // namespace
}  // namespace varve::format
