// Goal: no damaged binary object is ever taken for a sound one, and every sound one comes back.
// Method: round trips of seeded records; every one-byte flip and every truncation of small objects;
// counts and lengths chosen to make a careless reader allocate or overrun.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>

#include "varve/format/envelope.h"
#include "varve/format/sample_records.h"
#include "varve/format/wire.h"

namespace varve::format {
namespace {

Bytes BytesOf(std::string_view text) {
  const ByteView view = AsBytes(text);
  return {view.begin(), view.end()};
}

void ExpectEveryDamageNoticed(const Bytes& object, const std::function<bool(ByteView)>& accepts) {
  ASSERT_TRUE(accepts(object));
  for (size_t i = 0; i < object.size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xFF}) {
      Bytes flipped = object;
      flipped[i] ^= static_cast<std::byte>(mask);
      EXPECT_FALSE(accepts(flipped)) << "flip at " << i;
    }
  }
  for (size_t bytes = 0; bytes < object.size(); ++bytes) {
    EXPECT_FALSE(accepts(ByteView(object).first(bytes))) << "cut to " << bytes;
  }
  Bytes longer = object;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(accepts(longer));
}

Envelope TwoSections() {
  Envelope envelope;
  envelope.type = ObjectType::kHistory;
  envelope.sections = {{Tag("AAAA"), BytesOf("short"), false},
                       {Tag("BBBB"), Bytes(3000, std::byte{'z'}), true},
                       {Tag("CCCC"), {}, true}};
  return envelope;
}

TEST(EnvelopeTest, RoundTripKeepsSectionsAndCompresses) {
  const Envelope envelope = TwoSections();
  const auto object = EncodeEnvelope(envelope);
  ASSERT_TRUE(object.ok());
  EXPECT_LT(object->size(), 1000U);
  const auto decoded = DecodeEnvelope(*object);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(decoded->type, envelope.type);
  ASSERT_EQ(decoded->sections.size(), envelope.sections.size());
  for (size_t i = 0; i < envelope.sections.size(); ++i) {
    EXPECT_EQ(decoded->sections[i].tag, envelope.sections[i].tag);
    EXPECT_EQ(decoded->sections[i].raw, envelope.sections[i].raw);
  }
  EXPECT_EQ(decoded->Find(Tag("DDDD")), nullptr);
  const uint64_t bytes = object->size();
  EXPECT_FALSE(DecodeSection(*object, bytes, ObjectType::kCommit, Tag("BBBB")).ok());
  EXPECT_FALSE(DecodeSection(*object, bytes, ObjectType::kHistory, Tag("DDDD")).ok());
  // From every suffix: the section, or the length of a suffix that gives it.
  for (uint64_t suffix = 64; suffix <= bytes; ++suffix) {
    auto one =
        DecodeSection(ByteView(*object).last(suffix), bytes, ObjectType::kHistory, Tag("BBBB"));
    for (int round = 0; one.ok() && one->suffix_bytes_needed > 0; ++round) {
      ASSERT_LT(round, 2);
      ASSERT_LE(one->suffix_bytes_needed, bytes);
      one = DecodeSection(ByteView(*object).last(one->suffix_bytes_needed), bytes,
                          ObjectType::kHistory, Tag("BBBB"));
    }
    ASSERT_TRUE(one.ok()) << suffix;
    EXPECT_EQ(one->raw, envelope.sections[1].raw);
  }
}

TEST(EnvelopeTest, EveryFlipAndCutIsNoticed) {
  const auto object = EncodeEnvelope(TwoSections());
  ASSERT_TRUE(object.ok());
  ExpectEveryDamageNoticed(*object, [](ByteView bytes) { return DecodeEnvelope(bytes).ok(); });
}

TEST(EnvelopeTest, RefusesNewerReadersAndTwins) {
  Envelope newer = TwoSections();
  newer.min_reader = 2;
  const auto object = EncodeEnvelope(newer);
  ASSERT_TRUE(object.ok());
  const auto decoded = DecodeEnvelope(*object);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kUnsupported);
  Envelope twins = TwoSections();
  twins.sections[1].tag = twins.sections[0].tag;
  const auto twice = EncodeEnvelope(twins);
  EXPECT_TRUE(!twice.ok() || !DecodeEnvelope(*twice).ok());
}

// A footer whose checksum is right but whose lengths are hostile.
TEST(EnvelopeTest, HostileLengthsAreRefusedBeforeAllocation) {
  for (const uint64_t raw_bytes : {uint64_t{1} << 29, uint64_t{1} << 40, ~uint64_t{0}}) {
    for (const uint8_t codec : {uint8_t{0}, uint8_t{1}, uint8_t{2}}) {
      Writer table;
      for (int i = 0; i < 6; ++i) table.U16(1);  // Versions, type, one section.
      table.U32(Tag("HEAD"));
      table.U8(codec);
      table.U64(8);
      table.U64(4);
      table.U64(raw_bytes);
      table.U32(hash::Crc32c(AsBytes("abcd")));
      table.Raw(hash::Digest{}.bytes);
      const uint64_t footer_bytes = table.size() + 20;
      Writer checked;
      checked.Raw(table.view());
      checked.U64(footer_bytes);
      Writer object;
      object.Raw(AsBytes("\x89VARVE\r\n"));
      object.Raw(AsBytes("abcd"));
      object.Raw(table.view());
      object.U32(hash::Crc32c(checked.view()));
      object.U64(footer_bytes);
      object.Raw(AsBytes("EVRAVEND"));
      const auto decoded = DecodeEnvelope(object.view());
      ASSERT_FALSE(decoded.ok());
      EXPECT_EQ(decoded.error().code(), ErrorCode::kCorrupt);
    }
  }
}

TEST(WireTest, CountsNeverPassWhatFollows) {
  Writer writer;
  writer.U64(1'000'000);
  writer.U32(7);
  Reader reader(writer.view());
  EXPECT_EQ(reader.Count(2'000'000, 4), 0U);
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.U32(), 0U);
  EXPECT_FALSE(reader.AtEnd());
}

TEST(PackTest, FooterRoundTripInOneOrTwoReads) {
  SeededRandom random(3);
  for (const size_t frames : {0U, 1U, 3U, 40U}) {
    std::vector<PackEntry> entries;
    const Bytes pack = SamplePack(random, frames, entries);
    const auto first = DecodePackIndex(ByteView(pack).last(16), pack.size());
    ASSERT_TRUE(first.ok());
    ASSERT_GT(first->suffix_bytes_needed, 16U);
    auto index = DecodePackIndex(ByteView(pack).last(first->suffix_bytes_needed), pack.size());
    ASSERT_TRUE(index.ok());
    if (index->suffix_bytes_needed > 0) {
      index = DecodePackIndex(ByteView(pack).last(index->suffix_bytes_needed), pack.size());
    }
    ASSERT_TRUE(index.ok());
    EXPECT_EQ(index->suffix_bytes_needed, 0U);
    EXPECT_EQ(index->entries, entries);
    const auto scanned = ScanPack(pack);
    ASSERT_TRUE(scanned.ok());
    EXPECT_EQ(*scanned, entries);
  }
}

TEST(PackTest, EveryFlipAndCutOfTheFooterIsNoticed) {
  SeededRandom random(4);
  std::vector<PackEntry> entries;
  const Bytes pack = SamplePack(random, 2, entries);
  const size_t footer_at = pack.size() - PackFooterBytesMax(2);
  for (size_t i = footer_at; i < pack.size(); ++i) {
    Bytes flipped = pack;
    flipped[i] ^= std::byte{0x10};
    const auto index = DecodePackIndex(flipped, flipped.size());
    EXPECT_FALSE(index.ok() && index->suffix_bytes_needed == 0) << i;
  }
  for (size_t bytes = 0; bytes < pack.size(); ++bytes) {
    const auto index = DecodePackIndex(ByteView(pack).first(bytes), bytes);
    EXPECT_FALSE(index.ok() && index->suffix_bytes_needed == 0) << bytes;
  }
}

TEST(PackTest, ScanGivesEveryFrameWhoseHeaderIsSound) {
  SeededRandom random(5);
  std::vector<PackEntry> entries;
  const Bytes pack = SamplePack(random, 3, entries);
  const size_t header_at = entries[1].offset - kPackFrameHeaderBytes;
  for (size_t i = 0; i < kPackFrameHeaderBytes; ++i) {
    Bytes damaged = pack;
    damaged[header_at + i] ^= std::byte{0x10};
    const auto scanned = ScanPack(damaged);
    ASSERT_TRUE(scanned.ok());
    EXPECT_EQ(*scanned, (std::vector<PackEntry>{entries[0], entries[2]})) << i;
  }
}

TEST(CommitTest, RandomRecordsRoundTripAndKeepTheirId) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SeededRandom random(seed);
    const Commit commit = SampleCommit(random, seed);
    const auto encoded = EncodeCommit(commit);
    ASSERT_TRUE(encoded.ok()) << encoded.error().ToString();
    const auto decoded = DecodeCommit(encoded->object);
    ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
    EXPECT_EQ(decoded->commit_id, encoded->commit_id);
    EXPECT_EQ(decoded->commit.LogicalBytes(), commit.LogicalBytes());
    ASSERT_EQ(decoded->commit.tensors.size(), commit.tensors.size());
    for (size_t i = 0; i < commit.tensors.size(); ++i) {
      EXPECT_EQ(decoded->commit.tensors[i].name, commit.tensors[i].name);
      EXPECT_EQ(decoded->commit.tensors[i].shape, commit.tensors[i].shape);
      EXPECT_EQ(decoded->commit.tensors[i].chunks, commit.tensors[i].chunks);
      EXPECT_EQ(decoded->commit.files[i].executable, commit.files[i].executable);
    }
    EXPECT_EQ(decoded->commit.header.metrics, commit.header.metrics);
    EXPECT_EQ(decoded->commit.header.step, commit.header.step);
    EXPECT_EQ(decoded->commit.header.tree_json, commit.header.tree_json);
    const auto again = EncodeCommit(decoded->commit);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->object, encoded->object);
    const auto packs = DecodePackSet(encoded->object, encoded->object.size());
    ASSERT_TRUE(packs.ok());
    EXPECT_EQ(packs->packs.size(), commit.packs.size());
  }
}

TEST(CommitTest, EveryFlipAndCutIsNoticed) {
  SeededRandom random(8);
  const auto encoded = EncodeCommit(SampleCommit(random, 2));
  ASSERT_TRUE(encoded.ok());
  ExpectEveryDamageNoticed(encoded->object,
                           [](ByteView bytes) { return DecodeCommit(bytes).ok(); });
}

TEST(CommitTest, MovingChunksKeepsTheIdAndForeignItemsAreRefused) {
  SeededRandom random(9);
  const Commit commit = SampleCommit(random, 3);
  const auto encoded = EncodeCommit(commit);
  ASSERT_TRUE(encoded.ok());
  const auto decoded = DecodeCommit(encoded->object);
  ASSERT_TRUE(decoded.ok());
  Commit moved = decoded->commit;
  uint64_t live_bytes = 0;
  for (ChunkRow& row : moved.chunks) {
    row.pack = 0;
    row.offset += 4;
    live_bytes += row.payload_bytes;
  }
  moved.packs = {{SampleId(random), 1'000'000, live_bytes}};
  const auto repacked = EncodeCommit(moved, &decoded->logical);
  ASSERT_TRUE(repacked.ok()) << repacked.error().ToString();
  EXPECT_EQ(repacked->commit_id, encoded->commit_id);
  EXPECT_NE(repacked->object, encoded->object);
  moved.tensors[0].name = "other";
  EXPECT_FALSE(EncodeCommit(moved, &decoded->logical).ok());
}

TEST(CommitTest, MoveChunksMovesThoseAndNoOthers) {
  SeededRandom random(10);
  for (uint64_t round = 0; round < 100; ++round) {
    const Commit commit = SampleCommit(random, 1 + round % 7);
    const auto encoded = EncodeCommit(commit);
    ASSERT_TRUE(encoded.ok());
    const auto decoded = DecodeCommit(encoded->object);
    ASSERT_TRUE(decoded.ok());
    std::map<Digest, ChunkPlace> moved;
    const ObjectId fresh = SampleId(random);
    for (const ChunkRow& row : commit.chunks) {
      if (random.Between(0, 1) == 0) continue;
      ChunkPlace& to = moved[row.digest];
      to.row = row;
      to.row.offset = 100'000'000;
      to.pack = fresh;
      to.pack_object_bytes = 200'000'000;
    }
    const Commit next = MoveChunks(decoded->commit, moved);
    const auto again = EncodeCommit(next, &decoded->logical);
    ASSERT_TRUE(again.ok()) << again.error().ToString();  // Checks what readers rely on.
    EXPECT_EQ(again->commit_id, encoded->commit_id);
    for (size_t i = 0; i < commit.chunks.size(); ++i) {
      const ChunkRow &before = commit.chunks[i], &after = next.chunks[i];
      EXPECT_EQ(after.digest, before.digest);
      const bool has_moved = moved.contains(before.digest);
      EXPECT_EQ(after.offset, has_moved ? 100'000'000 : before.offset);
      EXPECT_EQ(next.packs[after.pack].id, has_moved ? fresh : commit.packs[before.pack].id);
    }
  }
}

TEST(CommitTest, AnOriginIsPhysicalAndChecked) {
  SeededRandom random(11);
  Commit commit = SampleCommit(random, 2);
  const auto without = EncodeCommit(commit);
  commit.origin = {"team/llama", 17};
  const auto with = EncodeCommit(commit);
  ASSERT_TRUE(without.ok() && with.ok());
  EXPECT_EQ(with->commit_id, without->commit_id);
  EXPECT_EQ(DecodeCommit(with->object)->commit.origin, commit.origin);
  EXPECT_EQ(DecodeCommit(without->object)->commit.origin, Origin{});
  EXPECT_EQ(ThinCommit(commit, {}).origin, commit.origin);
  for (const Origin& bad : {Origin{"../x", 1}, Origin{"a", (uint64_t{1} << 53) + 1}}) {
    commit.origin = bad;
    const auto encoded = EncodeCommit(commit);
    ASSERT_TRUE(encoded.ok());
    EXPECT_FALSE(DecodeCommit(encoded->object).ok());
  }
}

TEST(CommitTest, ThinningKeepsTheIdAndWhatIsLeft) {
  SeededRandom random(31);
  for (uint64_t round = 0; round < 300; ++round) {
    const Commit commit = SampleCommit(random, 1 + round % 7);
    const auto encoded = EncodeCommit(commit);
    ASSERT_TRUE(encoded.ok());
    const auto decoded = DecodeCommit(encoded->object);
    LetGo first{"optimizer", 5, "ada@host", "nightly", {}}, second{"ema", 6, "", "", {}};
    const size_t items = commit.tensors.size() + commit.files.size();
    for (uint32_t item = 0; item < items; ++item) {
      const uint64_t where = random.Between(0, 2);
      if (where == 1) first.items.push_back(item);
      if (where == 2) second.items.push_back(item);
    }
    if (first.items.empty() || second.items.empty()) continue;
    const Commit once = ThinCommit(decoded->commit, {first});
    const auto thin = EncodeCommit(ThinCommit(once, {second}), &decoded->logical);
    ASSERT_TRUE(thin.ok()) << thin.error().ToString();
    EXPECT_EQ(thin->commit_id, encoded->commit_id);
    const auto back = DecodeCommit(thin->object);
    ASSERT_TRUE(back.ok()) << back.error().ToString();
    EXPECT_EQ(back->commit_id, encoded->commit_id);
    ASSERT_EQ(back->commit.let_go.size(), 2U);
    EXPECT_EQ(back->commit.let_go[0].component, "ema");
    EXPECT_EQ(back->commit.let_go[1].policy, "nightly");
    const auto digests = [](const Commit& of, const std::vector<uint32_t>& chunks) {
      std::vector<std::pair<Digest, ObjectId>> found;
      for (const uint32_t chunk : chunks) {
        found.emplace_back(of.chunks[chunk].digest, of.packs[of.chunks[chunk].pack].id);
      }
      return found;
    };
    for (size_t i = 0; i < commit.tensors.size(); ++i) {
      const bool gone = back->commit.GoneBy(i) != nullptr;
      EXPECT_EQ(digests(back->commit, back->commit.tensors[i].chunks),
                digests(commit, gone ? std::vector<uint32_t>{} : commit.tensors[i].chunks));
    }
    EXPECT_LE(back->commit.packs.size(), commit.packs.size());
  }
}

TEST(CommitTest, SaveIdMakesEqualContentDistinct) {
  SeededRandom random(10);
  Commit commit = SampleCommit(random, 1);
  const auto one = EncodeCommit(commit);
  commit.header.save_id[0] ^= std::byte{1};
  const auto two = EncodeCommit(commit);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_NE(one->commit_id, two->commit_id);
}

TEST(CommitTest, WhatBreaksAnInvariantIsNeverWritten) {
  using Break = std::function<void(Commit&)>;
  const std::vector<std::pair<const char*, Break>> breaks = {
      {"same name twice", [](Commit& c) { c.tensors[1].name = c.tensors[0].name; }},
      {"a file named as a tensor", [](Commit& c) { c.files.back().path = c.tensors[0].name; }},
      {"path out of the version", [](Commit& c) { c.files.back().path = "../x"; }},
      {"files out of order", [](Commit& c) { std::swap(c.files[0], c.files[1]); }},
      {"shape", [](Commit& c) { c.tensors[0].shape = {99}; }},
      {"shape overflows", [](Commit& c) { c.tensors[0].shape = {1ULL << 40, 1ULL << 40}; }},
      {"raw bytes", [](Commit& c) { ++c.files[0].raw_bytes; }},
      {"digest", [](Commit& c) { c.files[0].digest.bytes[0] ^= std::byte{1}; }},
      {"ordinal", [](Commit& c) { c.files[0].chunks[0] = 9999; }},
      {"chunk twice", [](Commit& c) { c.chunks.push_back(c.chunks[0]); }},
      {"pack ordinal", [](Commit& c) { c.chunks[0].pack = 77; }},
      {"offset", [](Commit& c) { c.chunks[0].offset = ~uint64_t{0}; }},
      {"empty payload", [](Commit& c) { c.chunks[0].payload_bytes = 0; }},
      {"payload longer than raw", [](Commit& c) { c.chunks[0].raw_bytes = 0; }},
      {"live bytes", [](Commit& c) { ++c.packs[0].live_bytes; }},
      {"pack twice", [](Commit& c) { c.packs.insert(c.packs.begin(), c.packs[0]); }},
      {"without its chunks", [](Commit& c) { c.files[0].chunks.clear(); }},
      {"let go with chunks", [](Commit& c) { c.let_go = {{"x", 1, "", "", {0}}}; }},
      {"let go twice",
       [](Commit& c) {
         c = ThinCommit(c, {{"x", 1, "", "", {0}}});
         c.let_go.push_back({"y", 1, "", "", {0}});
       }},
      {"let go of nothing", [](Commit& c) { c.let_go = {{"x", 1, "", "", {}}}; }},
      {"let go of what is not there", [](Commit& c) { c.let_go = {{"x", 1, "", "", {99}}}; }},
      {"tree", [](Commit& c) { c.header.tree_json = "{\"a\":"; }},
      {"deep tree", [](Commit& c) { c.header.tree_json = std::string(5000, '['); }},
      {"metadata", [](Commit& c) { c.header.metadata_json = "[1]"; }},
      {"message", [](Commit& c) { c.header.message = "\xFF"; }},
      {"type", [](Commit& c) { c.header.artifact_type = ""; }},
      {"parents", [](Commit& c) { c.header.parents.resize(kParentsMax + 1); }},
  };
  for (const auto& [what, make] : breaks) {
    SeededRandom random(12);
    Commit commit = SampleCommit(random, 2);
    for (FileRow& file : commit.files) ASSERT_GT(file.raw_bytes, 0U);
    ASSERT_TRUE(EncodeCommit(commit).ok());
    make(commit);
    EXPECT_FALSE(EncodeCommit(commit).ok()) << what;
  }
}

TEST(CommitTest, HostileCountsInsideSoundSectionsAreRefused) {
  SeededRandom random(13);
  const auto encoded = EncodeCommit(SampleCommit(random, 2));
  ASSERT_TRUE(encoded.ok());
  const auto sound = DecodeEnvelope(encoded->object);
  ASSERT_TRUE(sound.ok());
  for (size_t at = 0; at < sound->sections.size(); ++at) {
    const size_t bytes = sound->sections[at].raw.size();
    for (size_t i = 0; i + 8 <= bytes; ++i) {
      Envelope hostile = *sound;
      std::fill_n(hostile.sections[at].raw.begin() + static_cast<std::ptrdiff_t>(i), 8,
                  std::byte{0xFF});
      const auto object = EncodeEnvelope(hostile);
      ASSERT_TRUE(object.ok());
      const auto decoded = DecodeCommit(*object);
      if (decoded.ok()) {
        EXPECT_NE(decoded->commit_id, encoded->commit_id);
      } else {
        EXPECT_EQ(decoded.error().code(), ErrorCode::kCorrupt);
      }
    }
    for (size_t keep = 0; keep < bytes; ++keep) {
      Envelope cut = *sound;
      cut.sections[at].raw.resize(keep);
      const auto object = EncodeEnvelope(cut);
      ASSERT_TRUE(object.ok());
      EXPECT_FALSE(DecodeCommit(*object).ok()) << at << " " << keep;
    }
  }
}

TEST(GcListTest, RoundTripDamageAndOrder) {
  std::vector<ObjectId> ids;
  SeededRandom random(14);
  for (int i = 0; i < 5; ++i) ids.push_back(SampleId(random));
  std::sort(ids.begin(), ids.end());
  const auto object = EncodeGcList(ids);
  ASSERT_TRUE(object.ok());
  const auto decoded = DecodeGcList(*object);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, ids);
  ExpectEveryDamageNoticed(*object, [](ByteView bytes) { return DecodeGcList(bytes).ok(); });
  std::swap(ids[0], ids[1]);
  EXPECT_FALSE(EncodeGcList(ids).ok());
  EXPECT_FALSE(DecodePackSet(*object, object->size()).ok());
}

// The bytes that docs/format.md shows are the bytes that are written.
TEST(DocumentTest, WorkedExamplesAreWhatIsWritten) {
  const auto lines = [](ByteView bytes) {
    std::string text;
    for (size_t at = 0; at < bytes.size(); at += 16) {
      char offset[8];
      std::snprintf(offset, sizeof offset, "%04x", static_cast<unsigned>(at));
      text += offset;
      for (size_t i = at; i < std::min(at + 16, bytes.size()); ++i) {
        text += " " + hash::ToHex(bytes.subspan(i, 1));
      }
      text += "\n";
    }
    return text;
  };
  std::ifstream file(VARVE_FORMAT_DOCUMENT);
  const std::string document{std::istreambuf_iterator<char>(file),
                             std::istreambuf_iterator<char>()};
  const auto envelope = EncodeGcList({ObjectId::Make(1, 2)});
  ASSERT_TRUE(envelope.ok());
  PackEntry entry;
  entry.digest = hash::Blake3Of(AsBytes("abc"));
  entry.offset = kPackHeaderBytes + kPackFrameHeaderBytes;
  entry.payload_bytes = entry.raw_bytes = 3;
  Bytes pack(entry.offset);
  WritePackHeader(pack);
  WritePackFrameHeader(entry, MutableByteView(pack).subspan(kPackHeaderBytes));
  for (const Bytes& bytes : {*envelope, pack}) {
    EXPECT_NE(document.find(lines(bytes)), std::string::npos) << lines(bytes);
  }
  EXPECT_NE(document.find(ObjectId::Make(1, 2).Text()), std::string::npos);
  EXPECT_NE(document.find(PackKey(ObjectId::Make(1, 2))), std::string::npos)
      << PackKey(ObjectId::Make(1, 2));
}

}  // namespace
}  // namespace varve::format
