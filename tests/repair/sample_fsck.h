// What the tests of checks and repairs share: a lake with a bit of everything, and ways to damage
// it from outside, as a disk, an operator or a bucket rule would.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "varve/format/commit.h"
#include "varve/format/control.h"
#include "varve/format/json.h"
#include "varve/lake/id_source.h"
#include "varve/lake/sample_gc.h"
#include "varve/store/file/file_store.h"

namespace varve::lake {

using StorePtr = std::shared_ptr<store::ObjectStore>;

inline std::string FsckFolder() {
  const bool has_memory_disk = std::filesystem::is_directory("/dev/shm");
  const std::filesystem::path parent =
      has_memory_disk ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
  std::string pattern = (parent / "varve-fsck-XXXXXX").string();
  return mkdtemp(pattern.data());
}

// --- From outside. ---

inline Bytes BytesAt(store::ObjectStore& store, const std::string& key) {
  const auto reply = store.Get(kGcCtx, store::Key(key), {});
  EXPECT_TRUE(reply.ok()) << key;
  return reply.ok() ? reply->body : Bytes();
}
inline void RemoveAt(store::ObjectStore& store, const std::string& key) {
  const store::Key name(key);
  EXPECT_TRUE(store.Delete(kGcCtx, std::span(&name, 1)).ok());
}
inline void PutAt(store::ObjectStore& store, const std::string& key, ByteView body) {
  RemoveAt(store, key);
  EXPECT_TRUE(store.PutNew(kGcCtx, store::Key(key), body).ok()) << key;
}
inline void FlipAt(store::ObjectStore& store, const std::string& key, size_t offset) {
  Bytes body = BytesAt(store, key);
  ASSERT_LT(offset, body.size()) << key;
  body[offset] ^= std::byte{0x10};
  PutAt(store, key, body);
}
inline void CutAt(store::ObjectStore& store, const std::string& key, size_t bytes) {
  Bytes body = BytesAt(store, key);
  body.resize(bytes);
  PutAt(store, key, body);
}
inline void SwapAt(store::ObjectStore& store, const std::string& a, const std::string& b) {
  const Bytes body_a = BytesAt(store, a), body_b = BytesAt(store, b);
  PutAt(store, a, body_b);
  PutAt(store, b, body_a);
}
inline void ReplaceText(store::ObjectStore& store, const std::string& key, const std::string& from,
                        const std::string& to) {
  const Bytes body = BytesAt(store, key);
  std::string text(AsText(body));
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from << " is not in " << text;
  text.replace(at, from.size(), to);
  // A writer's mistake, not a flipped bit: the checksum in front fits.
  if (text.starts_with("{\"text_crc\""))
    text = format::Checked("{" + text.substr(text.find(',') + 1));
  PutAt(store, key, AsBytes(text));
}
inline void CopyAll(store::ObjectStore& from, store::ObjectStore& to) {
  const auto objects = store::ListAll(kGcCtx, from, "");
  ASSERT_TRUE(objects.ok());
  for (const store::ListedObject& object : *objects) {
    PutAt(to, object.key.str(), BytesAt(from, object.key.str()));
  }
}
inline std::map<std::string, Bytes> Everything(store::ObjectStore& store) {
  std::map<std::string, Bytes> all;
  for (const std::string& key : GcKeys(store, "")) all[key] = BytesAt(store, key);
  return all;
}

// --- The lake. ---

inline constexpr uint64_t kFewVersions = 3, kManyVersions = 134;

// What must load: the seeds of `w` and `m` by address.
using FsckTruth = std::map<std::string, std::pair<uint64_t, uint64_t>>;

// "a": v1 (forgotten and collected) to v6, `w` shared in pairs; v2 is "best" and v4 is "paper".
// "b": 70 + 64 versions that share all bytes, so that its head has a history node. "c": one
// version, its `w` that of a@v2, `m` of a@v3, in packs of its own. One collection ran; a save died
// in "a".
inline FsckTruth MakeFsckLake(const StorePtr& store, uint64_t b_versions) {
  FsckTruth truth;
  EXPECT_TRUE(Lake::Init(kGcCtx, *store).ok());
  const auto lake = GcOpen(store);
  const auto save = [&](const std::string& name, uint64_t version, uint64_t w, uint64_t m) {
    VARVE_EXPECT_OK(GcSave(*lake, name, w, m));
    truth[name + "@v" + std::to_string(version)] = {w, m};
  };
  for (uint64_t i = 1; i <= 6; ++i) save("a", i, (i + 1) / 2, 100 + i);
  save("c", 1, 1, 103);
  for (uint64_t i = 1; i <= b_versions; ++i) save("b", i, 50, 60);
  VARVE_EXPECT_OK(lake->SetAlias(kGcCtx, "a", "best", "a@v2"));
  VARVE_EXPECT_OK(lake->SetTag(kGcCtx, "a", "paper", "a@v4"));
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v1", "old", kGcAtOnce));
  truth.erase("a@v1");
  VARVE_EXPECT_OK(lake->CollectGarbage(kGcCtx, kGcNow));
  const auto faulty = std::make_shared<store::FaultStore>(store);
  const auto dying = GcOpen(faulty);
  faulty->Plan(store::Fault::kCrashBefore, 9);  // After the packs, before the head moves.
  EXPECT_FALSE(GcSave(*dying, "a", 70, 80).ok());
  return truth;
}

inline format::VersionEntry FsckEntry(const StorePtr& store, const std::string& address) {
  const auto info = GcOpen(store)->Describe(kGcCtx, address);
  EXPECT_TRUE(info.ok()) << address;
  return info.ok() ? info->entry : format::VersionEntry{};
}
inline std::string FsckMeta(const StorePtr& store, const std::string& address) {
  return format::MetaKey(FsckEntry(store, address).meta_id);
}
inline format::DecodedCommit FsckCommitOf(const StorePtr& store, const std::string& address) {
  auto decoded = format::DecodeCommit(BytesAt(*store, FsckMeta(store, address)));
  EXPECT_TRUE(decoded.ok()) << address;
  return decoded.ok() ? std::move(decoded).value() : format::DecodedCommit{};
}
// Where tensor `tensor` (0: `w`, 1: `m`) of a version lies.
struct FsckPlace {
  std::string pack;
  uint64_t offset = 0, payload_bytes = 0, pack_bytes = 0;
};
inline FsckPlace FsckTensor(const StorePtr& store, const std::string& address, size_t tensor) {
  const format::Commit commit = FsckCommitOf(store, address).commit;
  const format::ChunkRow& row = commit.chunks[commit.tensors[tensor].chunks[0]];
  const format::PackRow& pack = commit.packs[row.pack];
  return {format::PackKey(pack.id), row.offset, row.payload_bytes, pack.object_bytes};
}

inline std::set<std::string> FsckLoadable(const StorePtr& store, const FsckTruth& truth) {
  std::set<std::string> good;
  auto lake = Lake::Open(kGcCtx, store, kGcLake);
  if (!lake.ok()) return good;
  for (const auto& [address, seeds] : truth) {
    const Status loads = GcLoads(**lake, address, seeds.first, seeds.second);
    if (loads.ok()) good.insert(address);
    // What does not load says so: never other bytes.
    EXPECT_TRUE(loads.ok() || loads.error().code() != ErrorCode::kInternal) << address;
  }
  return good;
}

}  // namespace varve::lake
