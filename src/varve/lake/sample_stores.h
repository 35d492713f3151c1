// Stores that the tests of named losses share: one that keeps a trace, one with a clock of its own,
// one with small pages; and clocks that are wrong.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "varve/base/clock.h"
#include "varve/lake/sample_gc.h"

namespace varve::lake {

// Every request in the order of its end: "cas ref/b/a", with "!" behind what failed.
class TraceStore final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  std::vector<std::string> trace() const {
    const std::lock_guard lock(mutex_);
    return trace_;
  }
  size_t Count(std::string_view start) const {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::count_if(
        trace_.begin(), trace_.end(), [&](const auto& each) { return each.starts_with(start); }));
  }
  void Clear() {
    const std::lock_guard lock(mutex_);
    trace_.clear();
  }

  Result<store::GetReply> Get(const OpContext& ctx, const store::Key& key,
                              const store::GetOptions& options) override {
    return Noted("get", key, inner_->Get(ctx, key, options));
  }
  Result<store::ObjectInfo> PutNew(const OpContext& ctx, const store::Key& key,
                                   ByteView body) override {
    return Noted("put", key, inner_->PutNew(ctx, key, body));
  }
  Result<store::ObjectInfo> Cas(const OpContext& ctx, const store::Key& key, ByteView body,
                                const std::optional<store::Etag>& expected) override {
    return Noted(expected.has_value() ? "cas" : "create", key,
                 inner_->Cas(ctx, key, body, expected));
  }
  Result<std::vector<store::DeleteReply>> Delete(const OpContext& ctx,
                                                 std::span<const store::Key> keys) override {
    return Noted("delete", keys.front(), inner_->Delete(ctx, keys));
  }
  Status AbortMultipart(const OpContext& ctx, const store::Key& key,
                        const std::string& upload_id) override {
    return Noted("abort", key, inner_->AbortMultipart(ctx, key, upload_id));
  }

 private:
  template <typename T>
  T Noted(const char* what, const store::Key& key, T result) {
    const std::lock_guard lock(mutex_);
    trace_.push_back(std::string(what) + " " + key.str() + (result.ok() ? "" : "!"));
    return result;
  }
  mutable std::mutex mutex_;
  std::vector<std::string> trace_;  // Guarded by mutex_.
};

// The memory store stamps objects with the clock of the request; this one with its own, as a
// server.
class Stamped final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<store::ObjectInfo> PutNew(const OpContext&, const store::Key& key,
                                   ByteView body) override {
    return inner_->PutNew(kGcCtx, key, body);
  }
  Result<store::ObjectInfo> Cas(const OpContext&, const store::Key& key, ByteView body,
                                const std::optional<store::Etag>& expected) override {
    return inner_->Cas(kGcCtx, key, body, expected);
  }
  Result<store::ObjectInfo> Head(const OpContext&, const store::Key& key) override {
    return inner_->Head(kGcCtx, key);
  }
  Result<store::GetReply> Get(const OpContext&, const store::Key& key,
                              const store::GetOptions& options) override {
    return inner_->Get(kGcCtx, key, options);
  }
};

// Days off, or jumping to and fro at every look.
class Off final : public Clock {
 public:
  explicit Off(int64_t off_ms, bool jumps = false) : off_ms_(off_ms), jumps_(jumps) {}
  int64_t WallMs() const override {
    const bool back = jumps_ && looks_++ % 2 == 1;
    return SystemClock().WallMs() + (back ? -off_ms_ : off_ms_);
  }
  int64_t SteadyNs() const override { return SystemClock().SteadyNs(); }
  void SleepUntil(int64_t steady_ns) override { SystemClock().SleepUntil(steady_ns); }

 private:
  const int64_t off_ms_;
  const bool jumps_;
  mutable std::atomic<uint64_t> looks_{0};
};

// Listings come in pages of three.
class SmallPages final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<store::ListPage> List(const OpContext& ctx, std::string_view prefix,
                               const store::ListOptions& options) override {
    return inner_->List(ctx, prefix, {.token = options.token, .page_max = 3});
  }
};

inline std::string GcBody(store::ObjectStore& store, const std::string& key) {
  const auto reply = store.Get(kGcCtx, store::Key(key), {});
  EXPECT_TRUE(reply.ok()) << key;
  return reply.ok() ? std::string(AsText(reply->body)) : "";
}

// The commit object of a version, and where its first chunk of tensor `tensor` lies.
inline format::DecodedCommit GcCommit(const std::shared_ptr<store::MemoryStore>& memory,
                                      const std::string& address) {
  const auto info = GcOpen(memory)->Describe(kGcCtx, address);
  EXPECT_TRUE(info.ok()) << address;
  const auto object = memory->Get(kGcCtx, store::Key(format::MetaKey(info->entry.meta_id)), {});
  return std::move(format::DecodeCommit(object->body)).value();
}
struct GcPlace {
  std::string pack;
  uint64_t offset = 0, payload_bytes = 0;
};
inline GcPlace GcPlaceOf(const std::shared_ptr<store::MemoryStore>& memory,
                         const std::string& address, size_t tensor) {
  const format::Commit commit = GcCommit(memory, address).commit;
  const format::ChunkRow& row = commit.chunks[commit.tensors[tensor].chunks[0]];
  return {format::PackKey(commit.packs[row.pack].id), row.offset, row.payload_bytes};
}

}  // namespace varve::lake
