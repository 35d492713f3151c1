// Damages as rows of a table: what is done from outside, and what a check should call it.
#pragma once

#include "sample_fsck.h"
#include "varve/format/envelope.h"
#include "varve/format/pack.h"

namespace varve::lake {

using plan::Damage;
using Found = std::multiset<std::pair<std::string, std::string>>;  // Kind and object.

inline std::pair<std::string, std::string> Is(Damage kind, const std::string& object) {
  return {std::string(plan::RuleOf(kind).name), object};
}

// What a damage should be called.
struct Expected {
  Found quick, deep;
  std::set<std::string> hurt;  // Versions that no longer load.
  bool opens = true;           // The lake does.
};
inline Expected Both(Damage kind, const std::string& object, std::set<std::string> hurt = {}) {
  return {{Is(kind, object)}, {Is(kind, object)}, std::move(hurt), true};
}

inline FsckOptions Options(bool deep, std::string cursor = {}) {
  FsckOptions options;
  options.deep = deep;
  options.cursor = std::move(cursor);
  return options;
}

struct Row {
  const char* name;
  std::function<Expected(const StorePtr&)> damage;
  bool history = false;  // Of a lake with a history node.
};

inline std::string SomeNode(const StorePtr& store) {
  const auto keys = GcKeys(*store, "hist/");
  EXPECT_EQ(keys.size(), 1U);
  return *keys.begin();
}
inline std::string SomeList(const StorePtr& store) { return *GcKeys(*store, "gc/list/").begin(); }
inline std::set<std::string> AllOf(const std::string& name, uint64_t first, uint64_t last) {
  std::set<std::string> all;
  for (uint64_t i = first; i <= last; ++i) all.insert(name + "@v" + std::to_string(i));
  return all;
}
// The session block that names the pack of a@v6 `m`.
inline std::string BlockOf(const StorePtr& store) {
  const auto meta = FsckEntry(store, "a@v6").meta_id;
  return format::SessionKey(meta.session(), meta.counter() / kIdsPerBlock);
}
// `w` of a@v3 is that of a@v4 too; `m` of a@v6 is nobody else's.
inline const std::set<std::string> kShared{"a@v3", "a@v4"};
inline const std::set<std::string> kOwn{"a@v6"};

inline std::vector<Row> PackRows() {
  return {
      {"pack gone",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         RemoveAt(*s, at.pack);
         return Both(Damage::kPackMissing, at.pack, kOwn);
       }},
      {"pack of several versions gone",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v3", 0);
         RemoveAt(*s, at.pack);
         return Both(Damage::kPackMissing, at.pack, kShared);
       }},
      {"a pack gone whose chunks others hold",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "c@v1", 0);
         RemoveAt(*s, at.pack);
         return Both(Damage::kPackMissing, at.pack, {"c@v1"});
       }},
      {"a pack gone with a copy that nothing names",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         PutAt(*s, format::PackKey(format::ObjectId::Make(77, 0)), BytesAt(*s, at.pack));
         RemoveAt(*s, at.pack);
         return Both(Damage::kPackMissing, at.pack, kOwn);
       }},
      {"pack cut short",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         CutAt(*s, at.pack, at.offset + 8);
         return Both(Damage::kPackLength, at.pack, kOwn);
       }},
      {"pack of no bytes",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         CutAt(*s, at.pack, 0);
         return Both(Damage::kPackLength, at.pack, kOwn);
       }},
      {"pack with bytes after its end",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         CutAt(*s, at.pack, at.pack_bytes + 100);
         return Both(Damage::kPackLength, at.pack);
       }},
      {"a flipped bit in a chunk",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         FlipAt(*s, at.pack, at.offset + 3);
         return Expected{{}, {Is(Damage::kPackChunk, at.pack)}, kOwn, true};
       }},
      {"a flipped bit in a frame's header",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         FlipAt(*s, at.pack, at.offset - 20);
         return Expected{{}, {Is(Damage::kPackFrame, at.pack)}, {}, true};
       }},
      {"a flipped bit in a pack's header",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         FlipAt(*s, at.pack, 2);
         return Expected{{}, {Is(Damage::kPackFrame, at.pack)}, {}, true};
       }},
      {"a flipped bit in a footer",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         FlipAt(*s, at.pack, at.pack_bytes - 40);
         return Both(Damage::kPackFooter, at.pack);
       }},
      {"a flipped bit in a footer and one in a chunk",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         FlipAt(*s, at.pack, at.pack_bytes - 40);
         FlipAt(*s, at.pack, at.offset + 3);
         return Expected{
             {Is(Damage::kPackFooter, at.pack)}, {Is(Damage::kPackChunk, at.pack)}, kOwn, true};
       }},
      {"two packs swapped",
       [](const StorePtr& s) {
         const auto a = FsckTensor(s, "a@v6", 1), b = FsckTensor(s, "a@v5", 1);
         SwapAt(*s, a.pack, b.pack);
         if (a.pack_bytes == b.pack_bytes) {
           const Found both{Is(Damage::kPackSwapped, a.pack), Is(Damage::kPackSwapped, b.pack)};
           return Expected{both, both, {"a@v5", "a@v6"}, true};
         }
         const Found both{Is(Damage::kPackLength, a.pack), Is(Damage::kPackLength, b.pack)};
         return Expected{both, both, {"a@v5", "a@v6"}, true};
       }},
      {"a pack under another's name",
       [](const StorePtr& s) {
         const auto a = FsckTensor(s, "a@v4", 1), b = FsckTensor(s, "a@v2", 1);
         PutAt(*s, a.pack, BytesAt(*s, b.pack));
         return Both(Damage::kPackSwapped, a.pack, {"a@v4"});
       }},
      {"a pack in the wrong shard",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         std::string other = at.pack;
         other[5] = other[5] == '0' ? '1' : '0';
         PutAt(*s, other, BytesAt(*s, at.pack));
         RemoveAt(*s, at.pack);
         const Found both{Is(Damage::kPackMissing, at.pack), Is(Damage::kForeign, other)};
         return Expected{both, both, kOwn, true};
       }},
      {"a chunk's place in a commit object points elsewhere",
       [](const StorePtr& s) {
         auto decoded = FsckCommitOf(s, "a@v6");
         auto& row = decoded.commit.chunks[decoded.commit.tensors[1].chunks[0]];
         const std::string pack = format::PackKey(decoded.commit.packs[row.pack].id);
         row.offset -= 1;
         const auto encoded = format::EncodeCommit(decoded.commit, &decoded.logical);
         EXPECT_TRUE(encoded.ok());
         PutAt(*s, FsckMeta(s, "a@v6"), encoded->object);
         return Both(Damage::kPackSwapped, pack, kOwn);
       }},
  };
}

inline std::vector<Row> RecordRows() {
  return {
      {"commit object gone",
       [](const StorePtr& s) {
         const std::string key = FsckMeta(s, "a@v6");
         RemoveAt(*s, key);
         return Both(Damage::kCommitMissing, key, kOwn);
       }},
      {"commit object cut short",
       [](const StorePtr& s) {
         const std::string key = FsckMeta(s, "a@v6");
         CutAt(*s, key, 50);
         return Both(Damage::kCommitDamaged, key, kOwn);
       }},
      {"commit object of no bytes",
       [](const StorePtr& s) {
         const std::string key = FsckMeta(s, "a@v6");
         CutAt(*s, key, 0);
         return Both(Damage::kCommitDamaged, key, kOwn);
       }},
      {"a flipped bit in a commit object",
       [](const StorePtr& s) {
         const std::string key = FsckMeta(s, "a@v6");
         FlipAt(*s, key, 20);
         return Both(Damage::kCommitDamaged, key, kOwn);
       }},
      {"two commit objects swapped",
       [](const StorePtr& s) {
         const std::string a = FsckMeta(s, "a@v6"), b = FsckMeta(s, "a@v5");
         SwapAt(*s, a, b);
         const Found both{Is(Damage::kCommitSwapped, a), Is(Damage::kCommitSwapped, b)};
         return Expected{both, both, {"a@v5", "a@v6"}, true};
       }},
      {"a commit object of a future format",
       [](const StorePtr& s) {
         const std::string key = FsckMeta(s, "a@v6");
         Bytes body = BytesAt(*s, key);
         const auto decoded = format::DecodeEnvelope(body);
         EXPECT_TRUE(decoded.ok());
         format::Envelope newer = *decoded;
         newer.min_reader = 9;
         const auto encoded = format::EncodeEnvelope(newer);
         EXPECT_TRUE(encoded.ok());
         PutAt(*s, key, *encoded);
         return Both(Damage::kNewerFormat, key, kOwn);
       }},
      {"history node gone",
       [](const StorePtr& s) {
         const std::string key = SomeNode(s);
         RemoveAt(*s, key);
         return Both(Damage::kHistoryMissing, key, AllOf("b", 1, 64));
       },
       true},
      {"a flipped bit in a history node",
       [](const StorePtr& s) {
         const std::string key = SomeNode(s);
         FlipAt(*s, key, 30);
         return Both(Damage::kHistoryDamaged, key, AllOf("b", 1, 64));
       },
       true},
      {"head gone",
       [](const StorePtr& s) {
         RemoveAt(*s, format::HeadKey("c"));
         return Both(Damage::kHeadsMissing, "ref/b/", {"c@v1"});
       }},
      {"head cut short",
       [](const StorePtr& s) {
         CutAt(*s, format::HeadKey("c"), 40);
         return Both(Damage::kHeadDamaged, format::HeadKey("c"), {"c@v1"});
       }},
      {"head of no bytes",
       [](const StorePtr& s) {
         CutAt(*s, format::HeadKey("c"), 0);
         return Both(Damage::kHeadDamaged, format::HeadKey("c"), {"c@v1"});
       }},
      {"head of another artifact",
       [](const StorePtr& s) {
         PutAt(*s, format::HeadKey("c"), BytesAt(*s, format::HeadKey("a")));
         return Both(Damage::kHeadMisplaced, format::HeadKey("c"), {"c@v1"});
       }},
      {"head that names another commit",
       [](const StorePtr& s) {
         const std::string id = FsckEntry(s, "c@v1").commit_id.Hex();
         ReplaceText(*s, format::HeadKey("c"), id, hash::Blake3Of(AsBytes("other")).Hex());
         return Both(Damage::kCommitSwapped, FsckMeta(s, "c@v1"), {"c@v1"});
       }},
      {"alias of a version that was let go",
       [](const StorePtr& s) {
         ReplaceText(*s, format::HeadKey("a"), "\"best\":\"2\"", "\"best\":\"1\"");
         // What a label names must stay, and its objects are gone.
         const auto head = format::DecodeHead(AsText(BytesAt(*s, format::HeadKey("a"))));
         const std::string gone = format::MetaKey(head->versions[0].meta_id);
         const Found both{Is(Damage::kLabelForgotten, format::HeadKey("a")),
                          Is(Damage::kCommitMissing, gone), Is(Damage::kLiveOnDeadList, gone)};
         return Expected{both, both, {}, true};
       }},
      {"tag of no version",
       [](const StorePtr& s) {
         ReplaceText(*s, format::HeadKey("a"), "\"paper\":\"4\"", "\"paper\":\"99\"");
         return Both(Damage::kHeadDamaged, format::HeadKey("a"), AllOf("a", 2, 6));
       }},
      {"a head of a future format",
       [](const StorePtr& s) {
         ReplaceText(*s, format::HeadKey("c"), "\"format\":\"1\"", "\"format\":\"7\"");
         return Both(Damage::kNewerFormat, format::HeadKey("c"), {"c@v1"});
       }},
  };
}

inline std::vector<Row> OtherRows() {
  return {
      {"nothing", [](const StorePtr&) { return Expected{}; }},
      {"descriptor gone",
       [](const StorePtr& s) {
         RemoveAt(*s, "lake.json");
         Expected expected = Both(Damage::kDescriptorMissing, "lake.json");
         expected.opens = false;
         return expected;
       }},
      {"descriptor cut short",
       [](const StorePtr& s) {
         CutAt(*s, "lake.json", 10);
         Expected expected = Both(Damage::kDescriptorDamaged, "lake.json");
         expected.opens = false;
         return expected;
       }},
      {"collector's state gone",
       [](const StorePtr& s) {
         RemoveAt(*s, "gc/state");
         return Both(Damage::kStateMissing, "gc/state");
       }},
      {"collector's state cut short",
       [](const StorePtr& s) {
         CutAt(*s, "gc/state", 30);
         return Both(Damage::kStateDamaged, "gc/state");
       }},
      {"a list gone",
       [](const StorePtr& s) {
         const std::string key = SomeList(s);
         RemoveAt(*s, key);
         return Both(Damage::kListMissing, key);
       }},
      {"a flipped bit in a list",
       [](const StorePtr& s) {
         const std::string key = SomeList(s);
         FlipAt(*s, key, 30);
         return Both(Damage::kListDamaged, key);
       }},
      {"a version's pack on a list of the dead",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         const auto id = format::ParseKey(at.pack).id;
         auto state = format::DecodeGcState(AsText(BytesAt(*s, "gc/state")));
         EXPECT_TRUE(state.ok());
         const auto list = format::EncodeGcList({id});
         format::GcListPart part;
         part.kind = format::IdKind::kPack;
         part.key = format::GcListKey(state->epoch, true, id, 7);
         part.first = part.last = id;
         part.ids = 1;
         state->lists[state->epoch] = {part};
         PutAt(*s, part.key, *list);
         PutAt(*s, "gc/state", AsBytes(*format::EncodeGcState(*state)));
         return Both(Damage::kLiveOnDeadList, at.pack);
       }},
      {"a session block gone",
       [](const StorePtr& s) {
         const std::string key = BlockOf(s);
         RemoveAt(*s, key);
         return Both(Damage::kSessionMissing, key);
       }},
      {"a session block cut short",
       [](const StorePtr& s) {
         const std::string key = BlockOf(s);
         CutAt(*s, key, 20);
         return Expected{{}, {Is(Damage::kSessionDamaged, key)}, {}, true};
       }},
      {"foreign objects",
       [](const StorePtr& s) {
         PutAt(*s, "notes.txt", AsBytes("mine"));
         PutAt(*s, "ref/x/y", AsBytes("{}"));
         const Found both{Is(Damage::kForeign, "notes.txt"), Is(Damage::kForeign, "ref/x/y")};
         return Expected{both, both, {}, true};
       }},
      {"a second copy of a pack under a name of its own",
       [](const StorePtr& s) {
         const auto at = FsckTensor(s, "a@v6", 1);
         PutAt(*s, format::PackKey(format::ObjectId::Make(77, 0)), BytesAt(*s, at.pack));
         return Expected{};  // More than is needed is no damage.
       }},
      {"a damaged commit object that nothing names",
       [](const StorePtr& s) {
         PutAt(*s, format::MetaKey(format::ObjectId::Make(77, 1)), AsBytes("junk"));
         return Expected{};
       }},
  };
}

inline std::vector<Row> AllRows() {
  std::vector<Row> rows = OtherRows();
  for (Row& row : PackRows()) rows.push_back(std::move(row));
  for (Row& row : RecordRows()) rows.push_back(std::move(row));
  return rows;
}

inline Found FoundBy(const FsckReport& report) {
  Found found;
  for (const FsckFinding& finding : report.findings) found.insert(Is(finding.kind, finding.object));
  return found;
}

// Lakes as of MakeFsckLake, copied for each row.
class Lakes {
 public:
  Lakes(bool folders, uint64_t b_versions) : folders_(folders), root_(folders ? FsckFolder() : "") {
    truth = MakeFsckLake(original_, b_versions);
  }
  ~Lakes() {
    if (folders_) std::filesystem::remove_all(root_);
  }
  const StorePtr& original() const { return original_; }
  StorePtr Fresh() {
    StorePtr store = std::make_shared<store::MemoryStore>();
    if (folders_) {
      std::filesystem::remove_all(root_ + "/" + std::to_string(count_));
      store = store::FileStore::Open(root_ + "/" + std::to_string(++count_)).value();
    }
    CopyAll(*original_, *store);
    return store;
  }
  FsckTruth truth;

 private:
  const bool folders_;
  const std::string root_;
  const StorePtr original_ = std::make_shared<store::MemoryStore>();
  int count_ = 0;
};

}  // namespace varve::lake
