// Goal: inputs that once mattered never break a reader again.
// Method: every file of corpus/<target>/ is replayed, whole, cut and flipped at a few places.
// With VARVE_WRITE_CORPUS set, the valid seeds are written first.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "targets.h"
#include "varve/format/sample_records.h"

namespace varve::fuzz {
namespace {

namespace fs = std::filesystem;

Bytes ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const ByteView view = AsBytes(text);
  return {view.begin(), view.end()};
}

void Put(const std::string& name, ByteView bytes) {
  const fs::path path = fs::path(VARVE_CORPUS_DIR) / name;
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << AsText(bytes);
}

void WriteSeeds() {
  SeededRandom random(2026);
  for (uint64_t items = 0; items < 3; ++items) {
    const std::string number = std::to_string(items);
    const auto commit = EncodeCommit(SampleCommit(random, items));
    ASSERT_TRUE(commit.ok());
    Put("commit/object-" + number, commit->object);
    Writer sections;
    const auto envelope = DecodeEnvelope(commit->object);
    ASSERT_TRUE(envelope.ok());
    for (const Section& section : envelope->sections) {
      sections.Text(AsText(section.raw));
    }
    if (items > 0) {
      const auto whole = DecodeCommit(commit->object);
      const auto thin =
          EncodeCommit(ThinCommit(whole->commit, {{"rng", 1, "a", "b", {0}}}), &whole->logical);
      ASSERT_TRUE(thin.ok());
      Put("commit/thin-" + number, thin->object);
      const auto sections_of = DecodeEnvelope(thin->object);
      Writer cut;
      for (const Section& section : sections_of->sections) {
        if (section.tag == Tag("GONE"))
          cut.Raw(section.raw);
        else
          cut.Text(AsText(section.raw));
      }
      Put("commit/thin-sections-" + number, cut.view());
    }
    Put("commit/sections-" + number, sections.view());
    Put("envelope/commit-" + number, commit->object);
    // From seeds of their own, so that the other records stay what they are.
    SeededRandom of_part(2027 + items);
    const auto part = EncodePart(SamplePart(of_part, items));
    ASSERT_TRUE(part.ok());
    Put("part/object-" + number, *part);
    const auto inside = DecodeEnvelope(*part);
    Writer halves;
    halves.Text(AsText(inside->sections[0].raw));
    halves.Raw(inside->sections[1].raw);
    Put("part/halves-" + number, halves.view());
    std::vector<PackEntry> entries;
    Put("pack/pack-" + number, SamplePack(random, items, entries));
    const auto node = EncodeHistoryNode(SampleNode(random, static_cast<uint32_t>(items)));
    ASSERT_TRUE(node.ok());
    Put("envelope/history-" + number, *node);
    Put("head/node-" + number, DecodeEnvelope(*node)->sections[0].raw);
  }
  const auto unchecked = [](const std::string& text) {  // So that a mutation gets past it.
    return "{" + text.substr(text.find(',') + 1);
  };
  const std::string head = *EncodeHead(SampleHead(random));
  Put("head/full", AsBytes(head));
  Put("head/unchecked", AsBytes(unchecked(head)));
  Head born;
  born.name = "llama";
  born.artifact_type = "model";
  Put("head/born", AsBytes(*EncodeHead(born)));
  const std::string lake = *EncodeDescriptor(SampleDescriptor());
  Put("control/lake", AsBytes(lake));
  Put("control/lake-unchecked", AsBytes(unchecked(lake)));
  const std::string state = *EncodeGcState(SampleGcState());
  Put("control/gc-state", AsBytes(state));
  Put("control/gc-state-unchecked", AsBytes(unchecked(state)));
  Put("control/session", AsBytes(*EncodeSessionBlock(SampleSession())));
  Put("control/gc-list", *EncodeGcList({ObjectId::Make(1, 2)}));
  const std::string_view names[] = {"team/llama",   "a@v17",     "a@best",
                                    "ref/b/a%2Fb",  "ref/b/%61", "mod\xC3\xA8le",
                                    "\xED\xA0\x80", "../a",      "v017"};
  for (size_t i = 0; i < std::size(names); ++i) {
    Put("names/name-" + std::to_string(i), AsBytes(names[i]));
  }
  const std::string_view headers[] = {
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"BF16","shape":[2,4],"data_offsets":[0,16]}})",
      R"({"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]},)"
      R"("b":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[2,5]},)"
      R"("c":{"dtype":"U8","shape":[11],"data_offsets":[5,16]}})",
      R"({"d":[[{"s":"m"},{"l":[{"T":"m/0"},{"i":"1"}]}]]})"};
  for (size_t i = 0; i < std::size(headers); ++i) {
    Put("safetensors/header-" + std::to_string(i), AsBytes(headers[i]));
  }
  Safetensors file;
  file.metadata = {{"format", "pt"}};
  file.tensors = {{"w", codec::DType::kF32, {2, 3}}, {"b", codec::DType::kBool, {5}}};
  const auto layout = LayOutSafetensors(file);
  Bytes whole = layout->header;
  whole.resize(layout->file_bytes);
  Put("safetensors/file", whole);
  Put("names/id", AsBytes(SampleId(random).Text()));
}

TEST(CorpusTest, EveryInputIsHandled) {
  if (std::getenv("VARVE_WRITE_CORPUS") != nullptr) WriteSeeds();
  for (const Target& target : kTargets) {
    size_t files = 0;
    for (const auto& entry : fs::directory_iterator(fs::path(VARVE_CORPUS_DIR) / target.name)) {
      ++files;
      SCOPED_TRACE(entry.path().string());
      const Bytes input = ReadAll(entry.path());
      target.run(input);
      SeededRandom random(input.size());
      for (int i = 0; i < 200 && !input.empty(); ++i) {
        Bytes mutated = input;
        for (uint64_t flips = random.Between(1, 3); flips > 0; --flips) {
          mutated[random.Between(0, input.size() - 1)] = static_cast<std::byte>(random.Next64());
        }
        if (i % 4 == 0) mutated.resize(random.Between(0, input.size()));
        target.run(mutated);
      }
    }
    EXPECT_GT(files, 0U) << target.name;
  }
}

}  // namespace
}  // namespace varve::fuzz
