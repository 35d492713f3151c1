// The way from one process to a bucket, and what may go wrong on it.
//
// A request is sent, applied, answered and heard, each at a moment of its own; the weather may
// lose, delay or double any of them. A process that dies leaves its requests under way. What the
// client is told keeps to the contract of ObjectStore: an unheard Cas is kUnknownOutcome, any other
// unheard request kUnavailable, or kTimeout at the context's deadline.
// Threads: fibers of its process.
#pragma once

#include <memory>
#include <string>

#include "sim/faults.h"
#include "sim/fiber/scheduler.h"
#include "sim/store/bucket.h"
#include "sim/trace.h"
#include "varve/store/forwarding.h"

namespace varve::sim {

enum class Request : uint8_t { kHead, kGet, kGetRange, kPutNew, kCas, kList, kDelete };

// What happens to one request.
struct Fate {
  bool applied = true, heard = true, doubled = false, hear_second = false, refused = false;
  uint64_t damage = 0;  // Which bit of the answer is flipped; 0: none.
  ErrorCode refusal = ErrorCode::kUnavailable;
  int64_t send_ns = 0, answer_ns = 0, second_ns = 0;
  const char* name = "";  // Of the fault; empty when all is well.
};

class Weather {
 public:
  Weather(const Config& config, Scheduler& scheduler) : config_(config), scheduler_(scheduler) {}
  Fate Draw(Process& process, Request request, const std::string& key);
  int64_t StaleMs(Process& process);
  uint32_t page_max() const { return config_.page_max; }
  bool Denied(const std::string& key) const;
  void Heal() { healed_ = true; }
  bool healed() const { return healed_; }
  bool On(Fault fault) const { return !healed_ && config_.Has(fault); }
  uint64_t strikes() const { return strikes_; }
  void Begin();  // Before this, all is well.

 private:
  const Config& config_;
  Scheduler& scheduler_;
  bool healed_ = false, begun_ = false;
  uint64_t strikes_ = 0;
  int64_t outage_from_ns_ = 0, outage_until_ns_ = 0;
};

class Link final : public store::ObjectStore {
 public:
  Link(Scheduler& scheduler, Weather& weather, Trace& trace, Bucket& bucket, Process& process,
       std::string name)
      : scheduler_(scheduler),
        weather_(weather),
        trace_(trace),
        bucket_(bucket),
        process_(process),
        name_(std::move(name)) {}

  static int64_t StoreMs(const Scheduler& scheduler);  // The store's clock.
  uint64_t sent() const { return sent_; }  // Requests that something may repeat: all but Cas.
  std::string Describe() const override { return name_; }
  store::Features features() const override {
    return {.conditional_create = true,
            .conditional_swap = true,
            .multipart = false,
            .server_checksums = true};
  }
  Result<store::ObjectInfo> Head(const OpContext& ctx, const store::Key& key) override;
  Result<store::GetReply> Get(const OpContext& ctx, const store::Key& key,
                              const store::GetOptions& options) override;
  Result<store::ObjectInfo> GetRange(const OpContext& ctx, const store::Key& key, uint64_t offset,
                                     MutableByteView into) override;
  Result<store::ObjectInfo> PutNew(const OpContext& ctx, const store::Key& key,
                                   ByteView body) override;
  Result<store::ObjectInfo> Cas(const OpContext& ctx, const store::Key& key, ByteView body,
                                const std::optional<store::Etag>& expected) override;
  Result<store::ListPage> List(const OpContext& ctx, std::string_view prefix,
                               const store::ListOptions& options) override;
  Result<std::vector<store::DeleteReply>> Delete(const OpContext& ctx,
                                                 std::span<const store::Key> keys) override;

 private:
  template <typename T, typename Apply>
  class Flight;
  template <typename T, typename Apply>
  Result<T> Call(const OpContext& ctx, Request request, const std::string& key, Apply apply,
                 uint64_t* damage = nullptr);

  Scheduler& scheduler_;
  Weather& weather_;
  Trace& trace_;
  Bucket& bucket_;
  Process& process_;
  const std::string name_;
  uint64_t sent_ = 0;
};

// Counts what is asked for above whatever repeats requests.
class Asked final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  uint64_t asked() const { return asked_; }
  Result<store::ObjectInfo> Head(const OpContext& ctx, const store::Key& key) override {
    ++asked_;
    return inner_->Head(ctx, key);
  }
  Result<store::GetReply> Get(const OpContext& ctx, const store::Key& key,
                              const store::GetOptions& options) override {
    ++asked_;
    return inner_->Get(ctx, key, options);
  }
  Result<store::ObjectInfo> GetRange(const OpContext& ctx, const store::Key& key, uint64_t offset,
                                     MutableByteView into) override {
    ++asked_;
    return inner_->GetRange(ctx, key, offset, into);
  }
  Result<store::ObjectInfo> PutNew(const OpContext& ctx, const store::Key& key,
                                   ByteView body) override {
    ++asked_;
    return inner_->PutNew(ctx, key, body);
  }
  Result<store::ListPage> List(const OpContext& ctx, std::string_view prefix,
                               const store::ListOptions& options) override {
    ++asked_;
    return inner_->List(ctx, prefix, options);
  }
  Result<std::vector<store::DeleteReply>> Delete(const OpContext& ctx,
                                                 std::span<const store::Key> keys) override {
    ++asked_;
    return inner_->Delete(ctx, keys);
  }

 private:
  uint64_t asked_ = 0;
};

}  // namespace varve::sim
