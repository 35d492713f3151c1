// Records for tests and for the corpora of fuzz/: valid, varied, decided by a seed alone.
// Not part of the library: only *_test.cc and fuzz/ include it.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "varve/base/random.h"
#include "varve/format/commit.h"
#include "varve/format/control.h"
#include "varve/format/gc_state.h"
#include "varve/format/head.h"
#include "varve/format/object_key.h"
#include "varve/format/pack.h"
#include "varve/format/part.h"

namespace varve::format {

inline hash::Digest SampleDigest(Random& random) {
  hash::Digest digest;
  for (std::byte& byte : digest.bytes) byte = static_cast<std::byte>(random.Between(0, 255));
  return digest;
}

inline ObjectId SampleId(Random& random) {
  return ObjectId::Make(random.Next64(), static_cast<uint32_t>(random.Between(0, 100'000)));
}

inline Commit SampleCommit(Random& random, uint64_t items) {
  Commit commit;
  LogicalHeader& header = commit.header;
  header.artifact_type = "checkpoint";
  for (uint64_t i = random.Between(0, 2); i > 0; --i) {
    header.parents.push_back(SampleDigest(random));
  }
  for (std::byte& byte : header.save_id) byte = static_cast<std::byte>(random.Between(0, 255));
  header.created_ms = 1'790'000'000'000;
  header.has_step = random.Between(0, 1) == 1;
  header.step = header.has_step ? -3 : 0;
  header.message =
      "n\xC3\xA4"
      "chster";
  header.metadata_json = R"({"lr":0.1,"note":"a \"quoted\" [[[ text"})";
  header.metrics = {{"accuracy", 0.5}, {"loss", 1.25}};
  header.tree_json = R"({"d":[[{"s":"a"},{"T":"w0"}]]})";
  for (uint64_t i = random.Between(1, 3); i > 0; --i) {
    commit.packs.push_back({SampleId(random), 1'000'000, 0});
  }
  std::sort(commit.packs.begin(), commit.packs.end(),
            [](const PackRow& a, const PackRow& b) { return a.id < b.id; });
  const auto place = [&](uint64_t raw_bytes, std::vector<uint32_t>& chunks) {
    std::vector<hash::Digest> digests;
    for (uint64_t left = raw_bytes; left > 0;) {
      ChunkRow row;
      row.digest = SampleDigest(random);
      row.raw_bytes = static_cast<uint32_t>(std::min<uint64_t>(left, 4096));
      row.payload_bytes = static_cast<uint32_t>(random.Between(1, row.raw_bytes));
      row.pack = static_cast<uint32_t>(random.Between(0, commit.packs.size() - 1));
      row.offset = random.Between(80, 900'000);
      row.codec = codec::CodecId::kPlanes;
      commit.packs[row.pack].live_bytes += row.payload_bytes;
      left -= row.raw_bytes;
      digests.push_back(row.digest);
      chunks.push_back(static_cast<uint32_t>(commit.chunks.size()));
      commit.chunks.push_back(row);
    }
    return ItemDigest(raw_bytes, digests);
  };
  for (uint64_t i = 0; i < items; ++i) {
    TensorRow tensor;
    tensor.name = "w" + std::to_string(i);
    tensor.dtype = codec::DType::kF32;
    for (uint64_t dims = random.Between(0, 3); dims > 0; --dims) {
      tensor.shape.push_back(random.Between(0, 12));
    }
    tensor.raw_bytes = 4;
    for (const uint64_t dim : tensor.shape) tensor.raw_bytes *= dim;
    tensor.digest = place(tensor.raw_bytes, tensor.chunks);
    commit.tensors.push_back(std::move(tensor));
    FileRow file;
    file.path = "files/" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i);
    file.raw_bytes = random.Between(0, 9000);
    file.executable = i % 2 == 1;
    file.digest = place(file.raw_bytes, file.chunks);
    commit.files.push_back(std::move(file));
  }
  std::sort(commit.files.begin(), commit.files.end(),
            [](const FileRow& a, const FileRow& b) { return a.path < b.path; });
  return commit;
}

// Of `items` tensors, the first of which with a dimension is a slab.
inline Part SamplePart(Random& random, uint64_t items) {
  Part part;
  part.ranks = static_cast<uint32_t>(random.Between(2, 9));
  part.rank = static_cast<uint32_t>(random.Between(0, part.ranks - 1));
  part.base_epoch = random.Next64();
  part.stored_bytes = 1'000;
  part.shared_bytes = 10;
  part.objects_written = 2;
  part.aliases = {"best", "last"};
  part.commit = SampleCommit(random, items);
  part.commit.header.parents.assign(2, SampleDigest(random));
  part.named_parents = 2;
  part.commit.origin = {"team/llama", 7};
  for (size_t i = 0; i < part.commit.tensors.size(); ++i) {
    const TensorRow& row = part.commit.tensors[i];
    if (row.shape.empty()) continue;
    Slab slab{static_cast<uint32_t>(i), random.Between(0, 5), row.shape};
    slab.global_shape[0] += slab.first_row + random.Between(0, 5);
    part.slabs.push_back(std::move(slab));
    break;
  }
  return part;
}

inline VersionEntry SampleEntry(Random& random, uint64_t version) {
  VersionEntry entry;
  entry.version = version;
  entry.commit_id = SampleDigest(random);
  entry.meta_id = SampleId(random);
  entry.time_ms = 1'790'000'000'000 + static_cast<int64_t>(version);
  entry.has_step = version % 2 == 0;
  entry.step = entry.has_step ? static_cast<int64_t>(version) * 100 : 0;
  entry.logical_bytes = random.Next64();
  entry.stored_bytes = random.Next64();
  entry.metrics = {{"loss", random.Unit()}};
  entry.message = version % 3 == 0 ? "best so far" : "";
  return entry;
}

inline Head SampleHead(Random& random) {
  Head head;
  head.name = "team/llama-\xC3\xA9";
  head.artifact_type = "checkpoint";
  head.seq = random.Next64();
  head.nonce = std::string(32, 'a');
  head.prev_nonce = std::string(32, 'b');
  head.writer_epoch = 2;
  head.gc_epoch = 7;
  head.history = {{SampleId(random), 1, 1, 4096, 1, 2}, {SampleId(random), 0, 4097, 4160, 3, 4}};
  for (uint64_t i = 4161; i < 4164; ++i) head.versions.push_back(SampleEntry(random, i));
  head.forgotten = {{3, {1'790'000'000'001, "retention"}}, {4161, {5, "asked for"}}};
  head.aliases = {{"best", 4162}};
  head.tags = {{"release-1", 4100}};
  for (const uint64_t version : {7UL, 8UL, 9UL, 11UL}) {
    head.forgotten[version] = {1'790'000'000'002, "retention", "ada@host", "nightly", 99, 7};
  }
  head.pins = {{5, "eval", false, 12, 11, "paper"}, {5, "host:1", true, 13, 11, ""}};
  head.holds = {{6, "legal", 11, "case 7"}};
  head.layouts = {{10, {SampleId(random), {"optimizer", "rng"}, SampleId(random), 77, 7}},
                  {4162, {SampleId(random), {}, std::nullopt, 0, 0}}};
  head.verified = {{4161, 15}};
  head.late_metrics = {{4162, {{"accuracy", 0.5}, {"val_loss", 1.25}}}};
  head.run = {"preempted", "ada", 1'790'000'000'003};
  head.versions.back().parents = {SampleDigest(random)};
  head.unknown_json = R"({"newer":{"x":["1",null]}})";
  return head;
}

inline HistoryNode SampleNode(Random& random, uint32_t level) {
  HistoryNode node;
  node.level = level;
  for (uint64_t i = 0; i < 4; ++i) {
    if (level == 0) {
      node.entries.push_back(SampleEntry(random, 65 + i));
    } else {
      node.links.push_back({SampleId(random), level - 1, 64 * i + 1, 64 * i + 64, 5, 6});
    }
  }
  return node;
}

inline Descriptor SampleDescriptor() {
  Descriptor descriptor;
  descriptor.lake_id = std::string(32, 'c');
  descriptor.created_ms = 1'790'000'000'000;
  descriptor.features_gc = {"pins"};
  descriptor.unknown_json = R"({"retention":{"keep":"30"}})";
  descriptor.probe = ProbeRecord{.shared_writing = false, .reason = "swap.stale", .time_ms = 7};
  return descriptor;
}

inline GcState SampleGcState() {
  GcState state;
  state.epoch = 5;
  state.phase = GcPhase::kCondemned;
  const auto part = [](uint64_t epoch, bool dead, IdKind kind, uint32_t number) {
    return GcListPart{kind, GcListKey(epoch, dead, ObjectId::Make(7, 1), number),
                      ObjectId::Make(1, 2), ObjectId::Make(3, 4), 9};
  };
  state.lists = {{4, {part(4, true, IdKind::kPack, 0)}},
                 {5, {part(5, false, IdKind::kPack, 0), part(5, false, IdKind::kSession, 1)}}};
  state.oldest_list_epoch = 4;
  state.holder = "host:1";
  state.refs = 12;
  return state;
}

inline SessionBlock SampleSession() {
  return {0xFFFF'FFFF'FFFF'FFFF, 3, 192, 255, "host:1", "llama", 1'790'000'000'000};
}

// A whole pack: its header, the frames with payloads of 'x', and the footer.
inline Bytes SamplePack(Random& random, size_t frames, std::vector<PackEntry>& entries) {
  Bytes pack(kPackHeaderBytes);
  WritePackHeader(pack);
  for (size_t i = 0; i < frames; ++i) {
    PackEntry entry;
    entry.digest = SampleDigest(random);
    entry.payload_bytes = static_cast<uint32_t>(random.Between(1, 100));
    entry.raw_bytes = entry.payload_bytes + 50;
    entry.codec = codec::CodecId::kZstd;
    entry.offset = pack.size() + kPackFrameHeaderBytes;
    pack.resize(entry.offset);
    WritePackFrameHeader(entry, MutableByteView(pack).last(kPackFrameHeaderBytes));
    pack.resize(pack.size() + entry.payload_bytes, std::byte{'x'});
    entries.push_back(entry);
  }
  const Bytes footer = EncodePackFooter(entries);
  pack.insert(pack.end(), footer.begin(), footer.end());
  return pack;
}

}  // namespace varve::format
