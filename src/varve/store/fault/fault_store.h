// A store that fails on purpose at a numbered request: for tests and simulation.
//
// Requests are numbered from 1 in the order they arrive. At `at_request` the fault strikes; after a
// crash every later request fails too, as after the death of the process.
// Threads: any.
#pragma once

#include <atomic>

#include "varve/store/forwarding.h"

namespace varve::store {

enum class Fault : uint8_t {
  kNone,
  kFailBefore,   // kUnavailable, not applied.
  kLoseAnswer,   // Applied; kUnavailable, for Cas kUnknownOutcome.
  kCrashBefore,  // Not applied; dead from here on.
  kCrashAfter,   // Applied; dead from here on.
  kFull,         // kResourceExhausted on writes from here on.
};

class FaultStore final : public ForwardingStore {
 public:
  explicit FaultStore(std::shared_ptr<ObjectStore> inner) : ForwardingStore(std::move(inner)) {}
  void Plan(Fault fault, uint64_t at_request) {
    fault_ = fault;
    at_request_ = at_request;
    requests_ = 0;
  }
  uint64_t requests() const { return requests_.load(); }

  Result<ObjectInfo> Head(const OpContext& ctx, const Key& key) override {
    return Strike<ObjectInfo>(false, false, [&] { return inner_->Head(ctx, key); });
  }
  Result<GetReply> Get(const OpContext& ctx, const Key& key, const GetOptions& options) override {
    return Strike<GetReply>(false, false, [&] { return inner_->Get(ctx, key, options); });
  }
  Result<ObjectInfo> GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                              MutableByteView into) override {
    return Strike<ObjectInfo>(false, false,
                              [&] { return inner_->GetRange(ctx, key, offset, into); });
  }
  Result<ObjectInfo> PutNew(const OpContext& ctx, const Key& key, ByteView body) override {
    return Strike<ObjectInfo>(true, false, [&] { return inner_->PutNew(ctx, key, body); });
  }
  Result<ObjectInfo> Cas(const OpContext& ctx, const Key& key, ByteView body,
                         const std::optional<Etag>& expected) override {
    return Strike<ObjectInfo>(true, true, [&] { return inner_->Cas(ctx, key, body, expected); });
  }
  Result<ListPage> List(const OpContext& ctx, std::string_view prefix,
                        const ListOptions& options) override {
    return Strike<ListPage>(false, false, [&] { return inner_->List(ctx, prefix, options); });
  }
  Result<std::vector<DeleteReply>> Delete(const OpContext& ctx,
                                          std::span<const Key> keys) override {
    return Strike<std::vector<DeleteReply>>(false, false,
                                            [&] { return inner_->Delete(ctx, keys); });
  }

 private:
  template <typename T, typename Call>
  Result<T> Strike(bool writes, bool conditional, const Call& call) {
    const uint64_t number = ++requests_;
    const Fault fault = fault_.load();
    const uint64_t at = at_request_.load();
    const bool now = number == at, later = number > at;
    const bool crashes = fault == Fault::kCrashBefore || fault == Fault::kCrashAfter;
    if (fault == Fault::kNone || number < at) return call();
    if (crashes && (later || fault == Fault::kCrashBefore))
      return Error(ErrorCode::kCancelled, "the process is dead");
    if (fault == Fault::kFull) {
      if (writes) return Error(ErrorCode::kResourceExhausted, "no space left");
      return call();
    }
    if (!now) return call();
    if (fault == Fault::kFailBefore) return Error(ErrorCode::kUnavailable, "connection refused");
    Result<T> applied = call();
    static_cast<void>(applied);
    if (crashes) return Error(ErrorCode::kCancelled, "the process is dead");
    return Error(conditional ? ErrorCode::kUnknownOutcome : ErrorCode::kUnavailable,
                 "connection reset");
  }

  std::atomic<Fault> fault_{Fault::kNone};
  std::atomic<uint64_t> at_request_{0}, requests_{0};
};

}  // namespace varve::store
