// What one hostile input does to each reader: decode it and, where that succeeds, encode the result
// and decode again, which must give the same. Shared by the fuzzers and the replay of the corpora.
// A violation aborts the process, which is how a fuzzer learns of it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "http_targets.h"
#include "s3_targets.h"
#include "varve/format/commit.h"
#include "varve/format/control.h"
#include "varve/format/envelope.h"
#include "varve/format/gc_state.h"
#include "varve/format/head.h"
#include "varve/format/names.h"
#include "varve/format/object_key.h"
#include "varve/format/pack.h"
#include "varve/format/part.h"
#include "varve/format/safetensors.h"
#include "varve/format/state_tree.h"
#include "varve/format/wire.h"
#include "varve/plan/retention.h"

namespace varve::fuzz {

using namespace varve::format;  // NOLINT(google-build-using-namespace): one file, two users.

inline void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

inline void FuzzEnvelope(ByteView input) {
  const auto decoded = DecodeEnvelope(input);
  if (!decoded.ok()) return;
  const auto again = EncodeEnvelope(*decoded);
  Require(again.ok(), "an envelope that was read can be written");
  const auto twice = DecodeEnvelope(*again);
  Require(twice.ok() && twice->sections.size() == decoded->sections.size(), "sections stay");
  for (size_t i = 0; i < decoded->sections.size(); ++i) {
    Require(twice->sections[i].raw == decoded->sections[i].raw, "sections keep their bytes");
  }
}

inline void CheckCommit(ByteView object) {
  const auto packs = DecodePackSet(object, object.size());
  const auto decoded = DecodeCommit(object);
  if (!decoded.ok()) return;
  Require(packs.ok() && packs->packs.size() == decoded->commit.packs.size(),
          "the pack set is the commit's");
  const auto again = EncodeCommit(decoded->commit, &decoded->logical);
  Require(again.ok() && again->commit_id == decoded->commit_id, "a commit keeps its id");
  Require(EncodeCommit(decoded->commit).ok(), "a commit that was read can be written");
}

// The raw object, and the input cut into five or six sections behind sound checksums, which no
// mutation would find by itself.
inline void FuzzCommit(ByteView input) {
  CheckCommit(input);
  Envelope envelope;
  Reader reader(input);
  for (const uint32_t tag : {Tag("HEAD"), Tag("ITEM"), Tag("CMAP"), Tag("CHNK"), Tag("PACK")}) {
    const ByteView raw = reader.Raw(reader.U32());
    envelope.sections.push_back({tag, Bytes(raw.begin(), raw.end()), false});
  }
  if (reader.failed()) return;
  if (reader.left() > 0) {
    const ByteView rest = reader.Raw(reader.left());
    envelope.sections.push_back({Tag("GONE"), Bytes(rest.begin(), rest.end()), false});
  }
  const auto object = EncodeEnvelope(envelope);
  Require(object.ok(), "small sections fit");
  CheckCommit(*object);
}

inline void CheckPart(ByteView object) {
  const auto decoded = DecodePart(object);
  if (!decoded.ok()) return;
  const auto again = EncodePart(*decoded);
  Require(again.ok() && DecodePart(*again).ok(), "a part that was read can be written");
  Require(!DecodeCommit(object).ok(), "a part is no version");
}

// The raw object, and the input as the header and the commit object behind sound checksums.
inline void FuzzPart(ByteView input) {
  CheckPart(input);
  Reader reader(input);
  const ByteView header = reader.Raw(reader.U32());
  if (reader.failed()) return;
  const ByteView commit = reader.Raw(reader.left());
  Envelope envelope;
  envelope.type = ObjectType::kPart;
  envelope.sections = {{Tag("PART"), Bytes(header.begin(), header.end()), false},
                       {Tag("CMIT"), Bytes(commit.begin(), commit.end()), false}};
  const auto object = EncodeEnvelope(envelope);
  Require(object.ok(), "small sections fit");
  CheckPart(*object);
}

inline void FuzzPack(ByteView input) {
  const auto index = DecodePackIndex(input, input.size());
  if (index.ok() && index->suffix_bytes_needed == 0) {
    const Bytes footer = EncodePackFooter(index->entries);
    Require(
        footer.size() <= input.size() &&
            Bytes(input.end() - static_cast<std::ptrdiff_t>(footer.size()), input.end()) == footer,
        "a footer has one spelling");
  }
  const auto frames = ScanPack(input);
  if (!frames.ok()) return;
  for (const PackEntry& entry : *frames) {
    Require(entry.offset + entry.payload_bytes <= input.size(), "a frame lies inside of its pack");
  }
}

// One input is tried as the head and, inside a sound envelope, as a history node.
inline void FuzzHead(ByteView input) {
  const auto head = DecodeHead(AsText(input));
  if (head.ok()) {
    const auto text = EncodeHead(*head);
    Require(text.ok() || text.error().code() == ErrorCode::kResourceExhausted,
            "a head that was read can be written");
    if (text.ok()) Require(*EncodeHead(*DecodeHead(*text)) == *text, "rewriting a head is stable");
  }
  Envelope envelope;
  envelope.type = ObjectType::kHistory;
  envelope.sections = {{Tag("NODE"), Bytes(input.begin(), input.end()), false}};
  const auto node = DecodeHistoryNode(*EncodeEnvelope(envelope));
  if (node.ok()) Require(EncodeHistoryNode(*node).ok(), "a node that was read can be written");
}

inline void FuzzControl(ByteView input) {
  const std::string_view text = AsText(input);
  if (const auto lake = DecodeDescriptor(text); lake.ok()) {
    Require(EncodeDescriptor(*lake).ok(), "a descriptor that was read can be written");
    static_cast<void>(CheckGates(*lake));
  }
  if (const auto state = DecodeGcState(text); state.ok()) {
    Require(EncodeGcState(*state).ok(), "a state that was read can be written");
  }
  if (const auto block = DecodeSessionBlock(text); block.ok()) {
    Require(DecodeSessionBlock(*EncodeSessionBlock(*block)).ok(),
            "a block that was read can be written");
  }
  if (const auto ids = DecodeGcList(input); ids.ok()) {
    Require(DecodeGcList(*EncodeGcList(*ids)).ok(), "a list that was read can be written");
  }
}

inline void FuzzNames(ByteView input) {
  const std::string_view text = AsText(input);
  const ObjectKey key = ParseKey(text);
  if (key.kind == KeyKind::kPack) Require(PackKey(key.id) == text, "a key has one spelling");
  if (key.kind == KeyKind::kSession) {
    Require(KeyOf(IdKind::kSession, key.id) == text, "a key has one spelling");
  }
  for (const Status& status : {CheckArtifactName(text), CheckLabel(text), CheckPath(text)}) {
    if (status.ok())
      Require(ValidUtf8(text), "a name is UTF-8");
    else
      Require(ValidUtf8(status.error().message()), "a message is UTF-8");
  }
  if (const auto address = ParseAddress(text); address.ok()) {
    Require(CheckArtifactName(address->name).ok(), "an address holds a name");
  }
  if (const auto id = ObjectId::FromText(text); id.ok()) {
    Require(id->Text() == text, "an id has one spelling");
  }
  const auto name = NameFromHeadKey(HeadKey(text));
  Require(name.ok() && *name == text, "a key leads back to its name");
  if (const auto back = NameFromHeadKey(text); back.ok()) {
    Require(HeadKey(*back) == text, "a head has one key");
  }
}

// A file is taken as it is, and as the header of a file whose length fields are sound.
inline void FuzzSafetensors(ByteView input) {
  const auto check = [](ByteView file) {
    auto content = DecodeSafetensors(file);
    if (!content.ok()) {
      Require(ValidUtf8(content.error().message()), "a message is UTF-8");
      return;
    }
    for (const SafetensorsRow& row : content->tensors) {
      Require(row.bytes <= file.size() && row.offset <= file.size() - row.bytes,
              "a tensor lies inside of its file");
    }
    const auto layout = LayOutSafetensors(*content);
    if (!layout.ok()) return;  // Only names and numbers that grew past a limit.
    Bytes again = layout->header;
    again.resize(layout->file_bytes);
    const auto twice = DecodeSafetensors(again);
    Require(twice.ok() && twice->tensors.size() == content->tensors.size() &&
                twice->metadata == content->metadata,
            "what is laid out reads back");
  };
  check(input);
  Bytes file;
  for (size_t i = 0; i < 8; ++i) file.push_back(static_cast<std::byte>(input.size() >> (8 * i)));
  file.insert(file.end(), input.begin(), input.end());
  file.resize(file.size() + 16);
  check(file);
  static_cast<void>(FirstPlainValue(AsText(input)));
}

inline void FuzzPolicy(ByteView input) {
  const auto set = plan::ParsePolicies(AsText(input));
  if (!set.ok()) {
    Require(ValidUtf8(set.error().message()), "a refusal is UTF-8");
    return;
  }
  const std::string text = plan::PolicyText(*set);
  const auto again = plan::ParsePolicies(text);
  Require(again.ok() || text.size() > plan::kPolicyBytesMax, "a printed policy reads back");
  if (again.ok()) Require(plan::PolicyText(*again) == text, "a tree has one spelling");
  std::vector<plan::Candidate> history(3);
  for (uint64_t i = 0; i < history.size(); ++i) {
    plan::Candidate& each = history[i];
    each.artifact = "team/llama";
    each.kind = "checkpoint";
    each.version = i + 1;
    each.time_ms = INT64_MAX / 2 * static_cast<int64_t>(i);
    each.step = INT64_MIN + static_cast<int64_t>(i);
    each.metrics = {{"loss", 1.0}};
    each.components = {"optimizer", "weights"};
  }
  const auto verdicts = plan::Judge(*set, history, INT64_MAX, {.allow_unknown_metrics = true});
  const bool floors = std::all_of(set->policies.begin(), set->policies.end(),
                                  [](const plan::Policy& each) { return each.floor > 0; });
  if (verdicts.ok()) Require(!floors || verdicts->verdicts.back().whole, "the newest stays");
}

struct Target {
  const char* name;
  void (*run)(ByteView input);
};
inline constexpr std::array<Target, 13> kTargets = {{{"envelope", FuzzEnvelope},
                                                     {"commit", FuzzCommit},
                                                     {"part", FuzzPart},
                                                     {"pack", FuzzPack},
                                                     {"head", FuzzHead},
                                                     {"control", FuzzControl},
                                                     {"names", FuzzNames},
                                                     {"safetensors", FuzzSafetensors},
                                                     {"policy", FuzzPolicy},
                                                     {"s3_replies", FuzzS3Replies},
                                                     {"s3_credentials", FuzzS3Credentials},
                                                     {"s3_signing", FuzzS3Signing},
                                                     {"http_head", FuzzHttpHead}}};

}  // namespace varve::fuzz
