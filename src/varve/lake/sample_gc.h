// What the collector's tests share: a small lake, and a store that calls the test at any request.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "varve/format/control.h"
#include "varve/format/object_key.h"
#include "varve/lake/lake.h"
#include "varve/store/fault/fault_store.h"
#include "varve/store/memory/memory_store.h"
#include "varve/testing/random_bytes.h"

namespace varve::lake {

// Calls `before` with the number of each request (from 1) before it is sent, and `listed` with each
// page. What the hook itself sends through this store is not counted.
class HookStore final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  std::function<void(uint64_t request)> before;
  std::function<Status(store::ListPage& page, std::string_view prefix)> listed;
  std::function<Status(const store::Key& key)> deleting;  // An error refuses the key.
  uint64_t requests() const { return requests_.load(); }

  Result<store::ObjectInfo> Head(const OpContext& ctx, const store::Key& key) override {
    Call();
    return inner_->Head(ctx, key);
  }
  Result<store::GetReply> Get(const OpContext& ctx, const store::Key& key,
                              const store::GetOptions& options) override {
    Call();
    return inner_->Get(ctx, key, options);
  }
  Result<store::ObjectInfo> GetRange(const OpContext& ctx, const store::Key& key, uint64_t offset,
                                     MutableByteView into) override {
    Call();
    return inner_->GetRange(ctx, key, offset, into);
  }
  Result<store::ObjectInfo> PutNew(const OpContext& ctx, const store::Key& key,
                                   ByteView body) override {
    Call();
    return inner_->PutNew(ctx, key, body);
  }
  Result<store::ObjectInfo> Cas(const OpContext& ctx, const store::Key& key, ByteView body,
                                const std::optional<store::Etag>& expected) override {
    Call();
    return inner_->Cas(ctx, key, body, expected);
  }
  Result<store::ListPage> List(const OpContext& ctx, std::string_view prefix,
                               const store::ListOptions& options) override {
    Call();
    VARVE_TRY(store::ListPage page, inner_->List(ctx, prefix, options));
    if (listed) VARVE_CHECK_OK(listed(page, prefix));
    return page;
  }
  Result<std::vector<store::DeleteReply>> Delete(const OpContext& ctx,
                                                 std::span<const store::Key> keys) override {
    Call();
    std::vector<store::DeleteReply> replies;
    for (const store::Key& key : keys) {
      if (deleting) {
        if (Status status = deleting(key); !status.ok()) {
          replies.push_back({key, std::move(status)});
          continue;
        }
      }
      VARVE_TRY(const auto reply, inner_->Delete(ctx, std::span(&key, 1)));
      replies.push_back(reply.front());
    }
    return replies;
  }

 private:
  void Call() {
    const uint64_t number = ++requests_;
    if (before) before(number);
  }
  std::atomic<uint64_t> requests_{0};
};

inline const OpContext kGcCtx;
inline const ForgetOptions kGcAtOnce{.by = "", .policy = "", .grace_ms = 0};
// One transfer at a time, so that requests come in one order.
inline constexpr LakeOptions kGcLake{
    .cpu_threads = 1, .transfers = 1, .memory_bytes = 128 * kMiB, .compress = false};
inline const GcOptions kGcNow{.apply = true, .force = true, .grace_ms = 0, .holder = "test"};

inline std::unique_ptr<Lake> GcOpen(std::shared_ptr<store::ObjectStore> store) {
  auto opened = Lake::Open(kGcCtx, std::move(store), kGcLake);
  EXPECT_TRUE(opened.ok()) << opened.error().ToString();
  return std::move(opened).value();
}

inline void GcCollect(const std::shared_ptr<store::MemoryStore>& memory) {
  const auto report = GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow);
  EXPECT_TRUE(report.ok()) << report.error().ToString();
}

// `act(lake)` on a lake over `make()`, with `strike(memory)` by another process before one of its
// requests: before each in turn, until it makes no more. After each
// `check(what act gave, lake, memory, whether it was struck)`.
template <typename Make, typename Strike, typename Act, typename Check>
void GcAtEveryRequest(uint64_t requests_max, const Make& make, const Strike& strike, const Act& act,
                      const Check& check) {
  bool struck = true;
  for (uint64_t at = 1; struck; ++at) {
    ASSERT_LT(at, requests_max);
    SCOPED_TRACE("before request " + std::to_string(at));
    const std::shared_ptr<store::MemoryStore> memory = make();
    const auto hooked = std::make_shared<HookStore>(memory);
    const auto lake = GcOpen(hooked);
    const uint64_t opened = hooked->requests();
    hooked->before = [&](uint64_t request) {
      if (request == opened + at) strike(memory);
    };
    auto done = act(*lake);
    struck = hooked->requests() >= opened + at;
    hooked->before = {};
    check(done, *lake, memory, struck);
  }
}

// A version of two tensors: `w` from one seed, `m` from another.
inline Result<SaveReport> GcSave(Lake& lake, const std::string& name, uint64_t w, uint64_t m,
                                 SaveSession::Hold hold = SaveSession::Hold::kCopy) {
  const Bytes weights = RandomBytes(160, w), moments = RandomBytes(80, m);
  VARVE_TRY(auto session, lake.BeginSave(kGcCtx, name, {}));
  VARVE_CHECK_OK(session->AddTensor(kGcCtx, "w", codec::DType::kF32, {40}, weights, hold));
  VARVE_CHECK_OK(session->AddTensor(kGcCtx, "m", codec::DType::kF32, {20}, moments, hold));
  return session->Commit(kGcCtx);
}

inline Status GcLoads(Lake& lake, const std::string& address, uint64_t w, uint64_t m) {
  VARVE_TRY(auto version, lake.OpenAt(kGcCtx, address));
  Bytes weights(160), moments(80);
  VARVE_CHECK_OK(version->ReadTensors(kGcCtx, {{0, weights}, {1, moments}}));
  if (weights == RandomBytes(160, w) && moments == RandomBytes(80, m)) return OkStatus();
  return Error(ErrorCode::kInternal, "another value came back");
}

#define VARVE_EXPECT_OK(expression)                          \
  do {                                                       \
    const auto& outcome = (expression);                      \
    EXPECT_TRUE(outcome.ok()) << outcome.error().ToString(); \
  } while (false)

// Gives the lake a feature that nobody knows, as a newer release does.
inline void GcAddFeature(store::ObjectStore& store,
                         std::set<std::string> format::Descriptor::*features) {
  const store::Key key{std::string(format::kDescriptorKey)};
  const auto reply = store.Get(kGcCtx, key, {});
  auto descriptor = format::DecodeDescriptor(AsText(reply->body));
  ASSERT_TRUE(descriptor.ok());
  (*descriptor).*features = {"lineage"};
  VARVE_EXPECT_OK(
      store.Cas(kGcCtx, key, AsBytes(*format::EncodeDescriptor(*descriptor)), reply->info.etag));
}

inline std::set<std::string> GcKeys(store::ObjectStore& store, std::string_view prefix) {
  std::set<std::string> keys;
  const auto objects = store::ListAll(kGcCtx, store, prefix);
  EXPECT_TRUE(objects.ok());
  for (const store::ListedObject& object : *objects) keys.insert(object.key.str());
  return keys;
}

// A store of its own with the same objects, so that each attempt meets the same names.
inline std::shared_ptr<store::MemoryStore> GcCopy(store::ObjectStore& from) {
  auto memory = std::make_shared<store::MemoryStore>();
  for (const std::string& key : GcKeys(from, "")) {
    const auto object = from.Get(kGcCtx, store::Key(key), {});
    EXPECT_TRUE(object.ok()) << key;
    if (object.ok()) VARVE_EXPECT_OK(memory->PutNew(kGcCtx, store::Key(key), object->body));
  }
  return memory;
}

// Two artifacts: "a" has v1 (forgotten), v2, v3 (forgotten), v4, sharing `w` in pairs; "b" has one
// version; and a pack and a commit object that no head names.
inline std::shared_ptr<store::MemoryStore> GcLittered() {
  auto memory = std::make_shared<store::MemoryStore>();
  EXPECT_TRUE(Lake::Init(kGcCtx, *memory).ok());
  const auto lake = GcOpen(memory);
  for (uint64_t i = 1; i <= 4; ++i) VARVE_EXPECT_OK(GcSave(*lake, "a", (i + 1) / 2, i));
  VARVE_EXPECT_OK(GcSave(*lake, "b", 7, 8));
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v1", "old", kGcAtOnce));
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v3", "old", kGcAtOnce));
  const auto faulty = std::make_shared<store::FaultStore>(memory);
  {
    const auto dying = GcOpen(faulty);
    faulty->Plan(store::Fault::kCrashBefore, 9);  // After the packs, before the head moves.
    EXPECT_FALSE(GcSave(*dying, "b", 70, 80).ok());
  }
  return memory;
}
inline void GcExpectLive(const std::shared_ptr<store::MemoryStore>& memory) {
  const auto lake = GcOpen(memory);
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v2", 1, 2));
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v4", 2, 4));
  VARVE_EXPECT_OK(GcLoads(*lake, "b@v1", 7, 8));
}
// What a lake as littered above holds once it is clean: 3 commit objects and their packs.
inline void GcExpectClean(const std::shared_ptr<store::MemoryStore>& memory) {
  EXPECT_EQ(GcKeys(*memory, "meta/").size(), 3U);
  const auto report = GcOpen(memory)->CollectGarbage(
      kGcCtx, {.apply = false, .force = false, .grace_ms = 0, .holder = ""});
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  const auto blocks = report->garbage[static_cast<size_t>(format::IdKind::kSession)];
  EXPECT_EQ(report->Garbage().objects, blocks.objects);
}

}  // namespace varve::lake
