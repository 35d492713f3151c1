// Goal: what made other systems lose data loses nothing here. Method: each loss as a case of its
// own, by the number that docs/incidents.md gives it, on real lakes over the memory store; most
// cases about collections alone are in gc_test.cc, the lost answer in heads_test.cc.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "varve/format/control.h"
#include "varve/format/pack.h"
#include "varve/lake/id_source.h"
#include "varve/lake/sample_stores.h"

namespace varve::lake {
namespace {

using store::Fault;
using store::FaultStore;
using store::MemoryStore;
using MemoryPtr = std::shared_ptr<MemoryStore>;

// The store says no to every move of the head: nothing landed, for sure. Nothing is cleaned up.
TEST(Case02, ARaceThatIsLostForSureDeletesNothing) {
  class Refusing final : public store::ForwardingStore {
   public:
    using ForwardingStore::ForwardingStore;
    Result<store::ObjectInfo> Cas(const OpContext& ctx, const store::Key& key, ByteView body,
                                  const std::optional<store::Etag>& expected) override {
      if (!expected.has_value()) return inner_->Cas(ctx, key, body, expected);
      return Error(ErrorCode::kConflict, "another version is there");
    }
  };
  const auto memory = GcLittered();
  const std::set<std::string> before = GcKeys(*memory, "");
  const auto traced = std::make_shared<TraceStore>(std::make_shared<Refusing>(memory));
  EXPECT_FALSE(GcSave(*GcOpen(traced), "a", 100, 101).ok());
  EXPECT_EQ(traced->Count("delete"), 0U);
  const std::set<std::string> after = GcKeys(*memory, "");
  EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
  EXPECT_GT(GcKeys(*memory, "pack/").size(), 0U);
  EXPECT_GT(after.size(), before.size() + 2) << "its packs and its commit object stay";
  GcExpectLive(memory);
  VARVE_EXPECT_OK(GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow));
  GcExpectLive(memory);
  GcExpectClean(memory);
}

// The sweep of round k stops before any one of its deletes. Meanwhile its round ends, the content
// comes back, dies again, and the sweep of round k + 1 dies half way; then the old one goes on.
TEST(Case05, SweepsOfBothRoundsInterleaved) {
  size_t deletes = 1;
  for (size_t at = 1; at <= deletes; ++at) {
    for (uint64_t dies_at = 12; dies_at < 30; dies_at += 3) {
      SCOPED_TRACE("before delete " + std::to_string(at) + ", the other dies at request " +
                   std::to_string(dies_at));
      const auto memory = GcLittered();
      const auto hooked = std::make_shared<HookStore>(memory);
      size_t seen = 0;
      hooked->deleting = [&](const store::Key&) -> Status {
        if (++seen != at) return OkStatus();
        const auto other = GcOpen(memory);
        VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));  // Ends round k.
        VARVE_EXPECT_OK(GcSave(*other, "b", 70, 80));
        VARVE_EXPECT_OK(GcSave(*other, "a", 1, 3));
        VARVE_EXPECT_OK(other->Forget(kGcCtx, "b@v2", "again", kGcAtOnce));
        const auto faulty = std::make_shared<FaultStore>(memory);
        const auto dying = GcOpen(faulty);
        faulty->Plan(Fault::kCrashAfter, dies_at);
        static_cast<void>(dying->CollectGarbage(kGcCtx, kGcNow).ok());
        VARVE_EXPECT_OK(GcSave(*other, "b", 70, 80));
        return OkStatus();
      };
      VARVE_EXPECT_OK(GcOpen(hooked)->CollectGarbage(kGcCtx, kGcNow));
      deletes = std::max(deletes, seen);
      VARVE_EXPECT_OK(GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow));
      VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "b@v3", 70, 80));
      VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v5", 1, 3));
      EXPECT_EQ(GcOpen(memory)->OpenAt(kGcCtx, "b@v2").error().code(), ErrorCode::kGone);
      GcExpectLive(memory);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(deletes, 3U);
}

// A bucket rule or an operator deletes a pack that an open lake knows.
TEST(Case08, APackDeletedBehindOurBackIsNamedAndNotReused) {
  const auto memory = GcLittered();
  const auto lake = GcOpen(memory);
  VARVE_EXPECT_OK(GcSave(*lake, "b", 7, 9));  // `w` is that of v1: its pack was seen.
  const store::Key pack(GcPlaceOf(memory, "b@v1", 0).pack);
  ASSERT_EQ(GcPlaceOf(memory, "b@v2", 0).pack, pack.str());
  ASSERT_TRUE(memory->Delete(kGcCtx, std::span(&pack, 1)).ok());
  const auto report = GcOpen(memory)->Fsck(kGcCtx, {});
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  ASSERT_EQ(report->findings.size(), 1U);
  EXPECT_EQ(report->findings[0].kind, plan::Damage::kPackMissing);
  EXPECT_EQ(report->findings[0].object, pack.str());
  const std::vector<std::string>& affected = report->findings[0].affected;
  for (const char* tensor : {"b@v1: w", "b@v2: w"}) {
    EXPECT_EQ(std::count(affected.begin(), affected.end(), tensor), 1) << tensor;
  }
  const Status lost = GcLoads(*GcOpen(memory), "b@v2", 7, 9);
  EXPECT_EQ(lost.error().code(), ErrorCode::kCorrupt) << lost.error().ToString();
  EXPECT_NE(lost.error().ToString().find("'w'"), std::string::npos) << lost.error().ToString();
  for (const auto& saver : {GcOpen(memory), GcOpen(memory)}) {
    const auto saved = GcSave(*saver, "b", 7, 9);
    ASSERT_TRUE(saved.ok()) << saved.error().ToString();
    VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "b@v" + std::to_string(saved->version), 7, 9));
  }
  VARVE_EXPECT_OK(GcSave(*lake, "b", 7, 10));  // The one that saw the pack.
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "b", 7, 10));
}

// Before every delete of a sweep another session saves what is being swept.
TEST(Case09, ContentSavedAgainWhileItsOldCopyIsSwept) {
  size_t deletes = 1;
  for (size_t at = 1; at <= deletes; ++at) {
    SCOPED_TRACE("before delete " + std::to_string(at));
    const auto memory = GcLittered();
    const auto hooked = std::make_shared<HookStore>(memory);
    const auto other = GcOpen(memory);
    size_t seen = 0;
    hooked->deleting = [&](const store::Key&) -> Status {
      if (++seen != at) return OkStatus();
      VARVE_EXPECT_OK(GcSave(*other, "b", 70, 80));
      VARVE_EXPECT_OK(GcSave(*other, "a", 1, 3));
      return OkStatus();
    };
    VARVE_EXPECT_OK(GcOpen(hooked)->CollectGarbage(kGcCtx, kGcNow));
    deletes = std::max(deletes, seen);
    for (int round = 0; round < 2; ++round) {
      VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "b@v2", 70, 80));
      VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v5", 1, 3));
      GcExpectLive(memory);
      GcCollect(memory);
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(deletes, 3U);
}

// One page of many fails, or comes back empty as if it were the last.
TEST(Case10, APageOfManyThatFailsOrIsEmpty) {
  const auto littered = GcLittered();
  for (const bool fails : {true, false}) {
    int pages = 0, refused = 0;
    for (int at = 1; at == pages + 1; ++at) {
      SCOPED_TRACE(std::string(fails ? "failed" : "empty") + " page " + std::to_string(at));
      const auto memory = GcCopy(*littered);
      const std::string state = GcBody(*memory, "gc/state");
      const std::set<std::string> before = GcKeys(*memory, "");
      const auto hooked = std::make_shared<HookStore>(std::make_shared<SmallPages>(memory));
      int seen = 0;
      hooked->listed = [&](store::ListPage& page, std::string_view) -> Status {
        if (++seen != at) return OkStatus();
        if (fails) return Error(ErrorCode::kUnavailable, "this page failed");
        page = {};
        return OkStatus();
      };
      const auto report = GcOpen(hooked)->CollectGarbage(kGcCtx, kGcNow);
      if (seen >= at) pages = at;
      GcExpectLive(memory);
      if (report.ok()) continue;
      ++refused;
      if (GcBody(*memory, "gc/state") != state) continue;  // It was the listing of the fence.
      const std::set<std::string> after = GcKeys(*memory, "");
      EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
    }
    EXPECT_GT(pages, 6);
    EXPECT_GT(refused, fails ? 6 : 2);
  }
}

// A pack as another writer may make it: the first chunk of `w` twice, then both `m`.
struct Twice {
  MemoryPtr memory = std::make_shared<MemoryStore>();
  Twice() {
    EXPECT_TRUE(Lake::Init(kGcCtx, *memory).ok());
    const auto lake = GcOpen(memory);
    VARVE_EXPECT_OK(GcSave(*lake, "a", 1, 2));
    VARVE_EXPECT_OK(GcSave(*lake, "a", 1, 3));
    const format::DecodedCommit first = GcCommit(memory, "a@v1"), second = GcCommit(memory, "a@v2");
    Bytes object(format::kPackHeaderBytes);
    format::WritePackHeader(object);
    std::vector<format::PackEntry> entries;
    const auto add = [&](const format::Commit& commit, size_t tensor) {
      const format::ChunkRow& row = commit.chunks[commit.tensors[tensor].chunks[0]];
      Bytes payload(row.payload_bytes);
      const store::Key pack(format::PackKey(commit.packs[row.pack].id));
      VARVE_EXPECT_OK(memory->GetRange(kGcCtx, pack, row.offset, payload));
      format::PackEntry entry{row.digest, object.size() + format::kPackFrameHeaderBytes,
                              row.payload_bytes, row.raw_bytes, row.codec};
      Bytes header(format::kPackFrameHeaderBytes);
      format::WritePackFrameHeader(entry, header);
      object.insert(object.end(), header.begin(), header.end());
      object.insert(object.end(), payload.begin(), payload.end());
      entries.push_back(entry);
    };
    add(first.commit, 0);
    add(second.commit, 0);
    add(first.commit, 1);
    add(second.commit, 1);
    EXPECT_EQ(entries[0].digest, entries[1].digest);
    const Bytes footer = format::EncodePackFooter(entries);
    object.insert(object.end(), footer.begin(), footer.end());
    IdSource ids(*memory);
    const format::ObjectId pack = *ids.Next(kGcCtx, "a");
    VARVE_EXPECT_OK(memory->PutNew(kGcCtx, store::Key(format::PackKey(pack)), object));
    Adopt(ids, first, 1, pack, object.size(), {entries[0], entries[2]});
    Adopt(ids, second, 2, pack, object.size(), {entries[1], entries[3]});
  }

  // Version `version` lies in that pack from now on.
  void Adopt(IdSource& ids, const format::DecodedCommit& old, uint64_t version,
             const format::ObjectId& pack, uint64_t object_bytes,
             const std::vector<format::PackEntry>& entries) const {
    std::map<hash::Digest, format::ChunkPlace> moved;
    for (const format::PackEntry& entry : entries) {
      moved[entry.digest] = {
          pack,
          object_bytes,
          {entry.digest, 0, entry.offset, entry.payload_bytes, entry.raw_bytes, entry.codec}};
    }
    const auto encoded = format::EncodeCommit(format::MoveChunks(old.commit, moved), &old.logical);
    ASSERT_TRUE(encoded.ok()) << encoded.error().ToString();
    const format::ObjectId meta = *ids.Next(kGcCtx, "a");
    VARVE_EXPECT_OK(memory->PutNew(kGcCtx, store::Key(format::MetaKey(meta)), encoded->object));
    const store::Key key(format::HeadKey("a"));
    const auto reply = memory->Get(kGcCtx, key, {});
    auto head = format::DecodeHead(AsText(reply->body));
    head->layouts[version].meta_id = meta;
    ++head->seq;
    VARVE_EXPECT_OK(
        memory->Cas(kGcCtx, key, AsBytes(*format::EncodeHead(*head)), reply->info.etag));
  }
};

TEST(Case13, APackThatHoldsOneDigestTwice) {
  for (const uint64_t forgotten : {0U, 1U, 2U}) {
    SCOPED_TRACE("v" + std::to_string(forgotten) + " is let go");
    const Twice twice;
    if (forgotten > 0) {
      VARVE_EXPECT_OK(GcOpen(twice.memory)
                          ->Forget(kGcCtx, "a@v" + std::to_string(forgotten), "old", kGcAtOnce));
    }
    GcCollect(twice.memory);
    EXPECT_EQ(GcKeys(*twice.memory, "pack/").size(), 1U) << "the packs of before are gone";
    for (const uint64_t version : {1U, 2U}) {
      if (version == forgotten) continue;
      VARVE_EXPECT_OK(
          GcLoads(*GcOpen(twice.memory), "a@v" + std::to_string(version), 1, version + 1));
    }
    FsckOptions deep;
    deep.deep = true;
    const auto report = GcOpen(twice.memory)->Fsck(kGcCtx, deep);
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_EQ(report->Count(plan::Harm::kLoss) + report->Count(plan::Harm::kRefusal), 0U);
    VARVE_EXPECT_OK(GcSave(*GcOpen(twice.memory), "a", 1, 4));
    VARVE_EXPECT_OK(GcLoads(*GcOpen(twice.memory), "a@v3", 1, 4));
  }
}

// A tag is set on a version at every request of its forgetting and collecting, and the reverse.
TEST(Case15, ATagOnAVersionThatIsBeingForgottenAndCondemned) {
  for (const bool tagger_waits : {false, true}) {
    uint64_t requests = 1, kept = 0, gone = 0;
    for (uint64_t at = 1; at <= requests; ++at) {
      SCOPED_TRACE((tagger_waits ? "tagger at request " : "collector at request ") +
                   std::to_string(at));
      const auto memory = GcLittered();
      const auto hooked = std::make_shared<HookStore>(memory);
      const auto slow = GcOpen(hooked), other = GcOpen(memory);
      Status tagged = Error(ErrorCode::kInternal, "it was not tried"), forgotten = tagged;
      const auto tag = [&](Lake& lake) { tagged = lake.SetTag(kGcCtx, "a", "paper", "a@v4"); };
      const auto let_go = [&](Lake& lake) {
        forgotten = lake.Forget(kGcCtx, "a@v4", "old", kGcAtOnce);
        VARVE_EXPECT_OK(lake.CollectGarbage(kGcCtx, kGcNow));
      };
      const uint64_t begun = hooked->requests();
      hooked->before = [&](uint64_t request) {
        if (request != begun + at) return;
        tagger_waits ? let_go(*other) : tag(*other);
      };
      tagger_waits ? tag(*slow) : let_go(*slow);
      requests = std::max(requests, hooked->requests() - begun);
      hooked->before = nullptr;
      if (hooked->requests() - begun < at) break;  // There were fewer.
      EXPECT_NE(tagged.ok(), forgotten.ok()) << "one of them came first";
      GcCollect(memory);
      const auto after = GcOpen(memory);
      if (tagged.ok()) {
        ++kept;
        EXPECT_EQ(forgotten.error().code(), ErrorCode::kConflict) << forgotten.error().ToString();
        VARVE_EXPECT_OK(GcLoads(*after, "a@paper", 2, 4));
      } else {
        ++gone;
        EXPECT_EQ(tagged.error().code(), ErrorCode::kGone) << tagged.error().ToString();
        EXPECT_EQ(after->OpenAt(kGcCtx, "a@v4").error().code(), ErrorCode::kGone);
      }
      if (HasFailure()) return;
    }
    EXPECT_GT(gone, 0U);
    // The last request of a tagger is the one that sets it.
    EXPECT_EQ(kept > 0, !tagger_waits);
  }
}

// As a newer release that knows the feature sees the lake.
class Knowing final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<store::GetReply> Get(const OpContext& ctx, const store::Key& key,
                              const store::GetOptions& options) override {
    VARVE_TRY(store::GetReply reply, inner_->Get(ctx, key, options));
    if (key.str() != format::kDescriptorKey) return reply;
    VARVE_TRY(format::Descriptor descriptor, format::DecodeDescriptor(AsText(reply.body)));
    descriptor.features_write.clear();
    VARVE_TRY(const std::string json, format::EncodeDescriptor(descriptor));
    reply.body.assign(AsBytes(json).begin(), AsBytes(json).end());
    return reply;
  }
};

// Shuts writers of this release out: the feature first, then a collection that fences every head.
void RaiseGate(const MemoryPtr& memory) {
  GcAddFeature(*memory, &format::Descriptor::features_write);
  VARVE_EXPECT_OK(GcOpen(std::make_shared<Knowing>(memory))->CollectGarbage(kGcCtx, kGcNow));
}

TEST(Case16, AnOldWriterUnderWayStopsWhenAFeatureShutsItOut) {
  uint64_t requests = 1, saved = 0, refused = 0;
  for (uint64_t at = 1; at <= requests; ++at) {
    SCOPED_TRACE("raised at request " + std::to_string(at));
    const auto memory = GcLittered();
    const auto hooked = std::make_shared<HookStore>(memory);
    const auto lake = GcOpen(hooked);
    VARVE_EXPECT_OK(lake->SetAlias(kGcCtx, "b", "best", "b@v1"));  // It asked once already.
    const uint64_t begun = hooked->requests();
    std::string head;
    hooked->before = [&](uint64_t request) {
      if (request != begun + at) return;
      RaiseGate(memory);
      head = GcBody(*memory, "ref/b/a");
    };
    const auto report = GcSave(*lake, "a", 2, 99, SaveSession::Hold::kBorrow);
    requests = std::max(requests, hooked->requests() - begun);
    hooked->before = nullptr;
    if (head.empty()) break;  // There were fewer requests.
    EXPECT_EQ(GcBody(*memory, "ref/b/a"), head) << "a commit landed past the fence";
    (report.ok() ? saved : refused) += 1;
    if (!report.ok()) {
      EXPECT_EQ(report.error().code(), ErrorCode::kUnsupported) << report.error().ToString();
      EXPECT_NE(report.error().message().find("upgrade varve"), std::string::npos);
    }
    // Nor does the lake that is open move labels, let go or collect.
    for (const Status& status :
         {lake->SetAlias(kGcCtx, "a", "best", "a@v2"), lake->Forget(kGcCtx, "a@v2", "old")}) {
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().code(), ErrorCode::kUnsupported);
    }
    const std::set<std::string> keys = GcKeys(*memory, "");
    const auto collected = lake->CollectGarbage(kGcCtx, kGcNow);
    ASSERT_FALSE(collected.ok());
    EXPECT_EQ(collected.error().code(), ErrorCode::kUnsupported);
    EXPECT_EQ(GcKeys(*memory, ""), keys);
    GcExpectLive(memory);  // It is still read.
    if (HasFailure()) return;
  }
  EXPECT_GT(refused, 5U);
}

// A head and a commit object carried by hand into another lake, with ids of packs that are not
// there.
TEST(Case25, APackOfAnotherLakeIsRefusedAndACopyStandsAlone) {
  const auto owner = GcLittered(), thief = GcLittered();
  const format::VersionEntry entry = GcOpen(owner)->Describe(kGcCtx, "b@v1")->entry;
  format::Head head = *format::DecodeHead(GcBody(*owner, "ref/b/b"));
  head.name = "stolen";
  const std::string meta = format::MetaKey(entry.meta_id);
  VARVE_EXPECT_OK(thief->PutNew(kGcCtx, store::Key(meta), AsBytes(GcBody(*owner, meta))));
  const store::Key key(format::HeadKey("stolen"));
  VARVE_EXPECT_OK(thief->Cas(kGcCtx, key, AsBytes(*format::EncodeHead(head)), std::nullopt));
  const Status loaded = GcLoads(*GcOpen(thief), "stolen@v1", 7, 8);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code(), ErrorCode::kCorrupt) << loaded.error().ToString();
  EXPECT_NE(loaded.error().ToString().find("pack/"), std::string::npos);
  // It is no base of a save either, and stops a collection rather than be passed over.
  const auto saved = GcSave(*GcOpen(thief), "stolen", 7, 8);
  ASSERT_TRUE(saved.ok()) << saved.error().ToString();
  VARVE_EXPECT_OK(GcLoads(*GcOpen(thief), "stolen@v2", 7, 8));
  const std::set<std::string> packs = GcKeys(*thief, "pack/");
  const auto collected = GcOpen(thief)->CollectGarbage(kGcCtx, kGcNow);
  EXPECT_EQ(collected.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(GcKeys(*thief, "pack/"), packs);
  // The right way has bytes of its own: the owner may let go and collect.
  const auto buyer = std::make_shared<MemoryStore>();
  ASSERT_TRUE(Lake::Init(kGcCtx, *buyer).ok());
  const auto source = GcOpen(owner);
  VARVE_EXPECT_OK(GcOpen(buyer)->CopyFrom(kGcCtx, *source, "b@v1"));
  VARVE_EXPECT_OK(source->Forget(kGcCtx, "b@v1", "sold", kGcAtOnce));
  GcCollect(owner);
  GcCollect(buyer);
  VARVE_EXPECT_OK(GcLoads(*GcOpen(buyer), "b@v1", 7, 8));
  EXPECT_EQ(GcOpen(buyer)->Describe(kGcCtx, "b@v1")->entry.commit_id, entry.commit_id);
}

// Three sessions take their ids in one order and commit in every other, collections in between.
TEST(Case26, IdsOfOneOrderCommittedInAnother) {
  std::vector<size_t> order{0, 1, 2};
  do {
    const auto memory = GcLittered();
    const auto lake = GcOpen(memory);  // One source of ids.
    std::vector<Bytes> moments;
    for (uint64_t i = 0; i < 3; ++i) moments.push_back(RandomBytes(80, 90 + i));
    const Bytes weights = RandomBytes(160, 2);
    std::vector<std::unique_ptr<SaveSession>> sessions;
    for (const Bytes& each : moments) {
      auto session = lake->BeginSave(kGcCtx, "a", {});
      ASSERT_TRUE(session.ok());
      for (const auto& [name, bytes] : {std::pair{"w", &weights}, std::pair{"m", &each}}) {
        VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, name, codec::DType::kF32, {bytes->size() / 4},
                                              *bytes, SaveSession::Hold::kBorrow));
      }
      sessions.push_back(std::move(session).value());
    }
    for (const size_t each : order) {
      GcCollect(memory);
      const auto saved = sessions[each]->Commit(kGcCtx);
      ASSERT_TRUE(saved.ok()) << saved.error().ToString();
    }
    GcCollect(memory);
    for (size_t place = 0; place < 3; ++place) {
      VARVE_EXPECT_OK(
          GcLoads(*GcOpen(memory), "a@v" + std::to_string(5 + place), 2, 90 + order[place]));
    }
    GcExpectLive(memory);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Case27, WhatIsEmptyHasNoChunk) {
  const auto memory = std::make_shared<MemoryStore>();
  ASSERT_TRUE(Lake::Init(kGcCtx, *memory).ok());
  const auto lake = GcOpen(memory);
  std::string folder = testing::TempDir() + "varve-case27-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string file = folder + "/empty";
  std::fclose(std::fopen(file.c_str(), "wb"));
  auto session = lake->BeginSave(kGcCtx, "a", {});
  for (const auto& shape : std::vector<std::vector<uint64_t>>{{0}, {0, 3}, {5, 0, 7}}) {
    VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "t" + std::to_string(shape.size()),
                                          codec::DType::kBf16, shape, {},
                                          SaveSession::Hold::kCopy));
  }
  VARVE_EXPECT_OK((*session)->AddFile(kGcCtx, "empty", file));
  const auto saved = (*session)->Commit(kGcCtx);
  ASSERT_TRUE(saved.ok()) << saved.error().ToString();
  const format::Commit commit = GcCommit(memory, "a@v1").commit;
  EXPECT_TRUE(commit.chunks.empty() && commit.packs.empty());
  EXPECT_TRUE(GcKeys(*memory, "pack/").empty());
  GcCollect(memory);
  const auto reader = GcOpen(memory);
  const auto version = reader->OpenAt(kGcCtx, "a@v1");
  ASSERT_TRUE(version.ok());
  VARVE_EXPECT_OK((*version)->ReadTensors(kGcCtx, {{0, {}}, {1, {}}, {2, {}}}));
  VARVE_EXPECT_OK((*version)->ReadFile(kGcCtx, 0, folder + "/out"));
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(lake->Verify(kGcCtx, "a")->damage.empty());
  EXPECT_EQ(lake->Fsck(kGcCtx, {})->findings_total, 0U);
  // A scalar is no empty tensor.
  auto scalar = lake->BeginSave(kGcCtx, "a", {});
  const Bytes four = RandomBytes(4, 4);
  VARVE_EXPECT_OK(
      (*scalar)->AddTensor(kGcCtx, "s", codec::DType::kF32, {}, four, SaveSession::Hold::kCopy));
  VARVE_EXPECT_OK((*scalar)->Commit(kGcCtx));
  EXPECT_EQ(GcCommit(memory, "a@v2").commit.chunks.size(), 1U);
}

// A store that lost, or never had, one of the things that it must do.
enum class Lacks { kCreate, kSwap, kPut, kRange, kList, kDelete };
class Poor final : public store::ForwardingStore {
 public:
  Poor(std::shared_ptr<ObjectStore> inner, Lacks lacks)
      : ForwardingStore(std::move(inner)), lacks_(lacks) {}
  Result<store::ObjectInfo> PutNew(const OpContext& ctx, const store::Key& key,
                                   ByteView body) override {
    if (lacks_ == Lacks::kPut) return NotHere();
    return inner_->PutNew(ctx, key, body);
  }
  Result<store::ObjectInfo> Cas(const OpContext& ctx, const store::Key& key, ByteView body,
                                const std::optional<store::Etag>& expected) override {
    if (lacks_ == (expected.has_value() ? Lacks::kSwap : Lacks::kCreate)) return NotHere();
    return inner_->Cas(ctx, key, body, expected);
  }
  Result<store::ObjectInfo> GetRange(const OpContext& ctx, const store::Key& key, uint64_t offset,
                                     MutableByteView into) override {
    if (lacks_ == Lacks::kRange) return NotHere();
    return inner_->GetRange(ctx, key, offset, into);
  }
  Result<store::ListPage> List(const OpContext& ctx, std::string_view prefix,
                               const store::ListOptions& options) override {
    if (lacks_ == Lacks::kList) return NotHere();
    return inner_->List(ctx, prefix, options);
  }
  Result<std::vector<store::DeleteReply>> Delete(const OpContext& ctx,
                                                 std::span<const store::Key> keys) override {
    if (lacks_ == Lacks::kDelete) return NotHere();
    return inner_->Delete(ctx, keys);
  }

 private:
  static Error NotHere() { return Error(ErrorCode::kUnsupported, "501 NotImplemented"); }
  const Lacks lacks_;
};

TEST(Case29, AStoreWithoutAPrimitiveIsALoudError) {
  struct Needs {
    Lacks lacks;
    bool to_begin, to_save, to_load, to_collect;
  };
  for (const Needs& needs : {Needs{Lacks::kCreate, true, true, false, false},
                             {Lacks::kSwap, false, true, false, true},
                             {Lacks::kPut, false, true, false, true},
                             {Lacks::kRange, false, false, true, false},
                             {Lacks::kList, true, false, false, true},
                             {Lacks::kDelete, false, false, false, true}}) {
    SCOPED_TRACE(static_cast<int>(needs.lacks));
    const auto fresh = std::make_shared<MemoryStore>();
    Poor poor_fresh(fresh, needs.lacks);
    EXPECT_EQ(Lake::Init(kGcCtx, poor_fresh).ok(), !needs.to_begin);
    const auto memory = GcLittered();
    const auto poor = GcOpen(std::make_shared<Poor>(memory, needs.lacks));
    const auto expect = [&](const char* what, bool needed, const Status& status) {
      EXPECT_NE(status.ok(), needed) << what;
      if (!status.ok()) {
        EXPECT_NE(status.error().ToString().find("501"), std::string::npos)
            << what << ": " << status.error().ToString();
      }
    };
    expect("load", needs.to_load, GcLoads(*poor, "a@v2", 1, 2));
    const auto saved = GcSave(*poor, "new", 5, 6);
    expect("save", needs.to_save, saved.ok() ? OkStatus() : Status(saved.error()));
    const auto collected = poor->CollectGarbage(kGcCtx, kGcNow);
    // Quietly doing nothing would be the worst.
    expect("collect", needs.to_collect, collected.ok() ? OkStatus() : Status(collected.error()));
    GcExpectLive(memory);
  }
}

}  // namespace
}  // namespace varve::lake
