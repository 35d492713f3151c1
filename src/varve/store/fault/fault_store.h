// A store that fails on purpose at a numbered request: for tests and simulation.
//
// Requests are numbered from 1 in the order they arrive, since Plan. At `at_request` the fault
// strikes; after a crash every later request fails too, as after the death of the process.
// Threads: any; Plan while no request is under way.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

#include "varve/store/forwarding.h"

namespace varve::store {

enum class Fault : uint8_t {
  kNone,
  kCrashBefore,  // Not applied; dead from here on.
  kCrashAfter,   // Applied; dead from here on.
  kCrashZombie,  // Dead from here on; applied by Settle, after whoever came next.
  kLoseAnswer,   // Applied, unanswered: kUnavailable, for Cas kUnknownOutcome.
  kLoseRequest,  // Not applied, unanswered: looks the same.
  kZombie,       // Unanswered, and applied `delay` requests later, or by Settle.
  kRefuse,       // kUnavailable, not applied.
  kThrottle,     // kThrottled, not applied.
  kFull,         // kResourceExhausted on writes from here on.
};

class FaultStore final : public ForwardingStore {
 public:
  explicit FaultStore(std::shared_ptr<ObjectStore> inner) : ForwardingStore(std::move(inner)) {}
  void Plan(Fault fault, uint64_t at_request, uint64_t delay = 2);
  // Called with the number of each request before anything else happens to it.
  void Watch(std::function<void(uint64_t number)> watcher) { watcher_ = std::move(watcher); }
  // Applies what is still on its way, as a network that was slow.
  void Settle();
  uint64_t requests() const { return requests_.load(); }

  Result<ObjectInfo> Head(const OpContext& ctx, const Key& key) override;
  Result<GetReply> Get(const OpContext& ctx, const Key& key, const GetOptions& options) override;
  Result<ObjectInfo> GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                              MutableByteView into) override;
  Result<ObjectInfo> PutNew(const OpContext& ctx, const Key& key, ByteView body) override;
  Result<ObjectInfo> Cas(const OpContext& ctx, const Key& key, ByteView body,
                         const std::optional<Etag>& expected) override;
  Result<ListPage> List(const OpContext& ctx, std::string_view prefix,
                        const ListOptions& options) override;
  Result<std::vector<DeleteReply>> Delete(const OpContext& ctx, std::span<const Key> keys) override;
  Result<std::string> CreateMultipart(const OpContext& ctx, const Key& key) override;
  Result<PartReply> PutPart(const OpContext& ctx, const Key& key, const std::string& upload_id,
                            uint32_t part_number, ByteView body) override;
  Result<ObjectInfo> CompleteMultipart(const OpContext& ctx, const Key& key,
                                       const std::string& upload_id,
                                       std::span<const PartReply> parts) override;
  Status AbortMultipart(const OpContext& ctx, const Key& key,
                        const std::string& upload_id) override;
  Result<PartPage> ListParts(const OpContext& ctx, const Key& key, const std::string& upload_id,
                             uint32_t after) override;
  Result<UploadPage> ListUploads(const OpContext& ctx, std::string_view prefix,
                                 const std::string& token) override;

 private:
  enum class Kind : uint8_t { kRead, kWrite, kSwap, kFree };  // kFree: needs no space.
  using Later = std::function<void(ObjectStore& inner, const OpContext& ctx)>;
  // `make_later`: the request as it would be applied after its caller is gone.
  template <typename T, typename Call, typename MakeLater>
  Result<T> Strike(Kind kind, const Call& call, const MakeLater& make_later);
  template <typename T, typename Call>
  Result<T> StrikeRead(const Call& call);
  void Delay(Later later, uint64_t due_at);
  void ApplyDue(uint64_t number);

  Fault fault_ = Fault::kNone;
  uint64_t at_request_ = 0, delay_ = 0;
  std::function<void(uint64_t)> watcher_;
  std::atomic<uint64_t> requests_{0};
  std::mutex mutex_;
  Later later_;          // Guarded by mutex_; at most one, since one request is struck.
  uint64_t due_at_ = 0;  // Guarded by mutex_.
};

}  // namespace varve::store
