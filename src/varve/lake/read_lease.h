// A lease: keeps a version from retention while somebody reads it. It is a pin with an end
// (docs/retention.md, Leases), so that a reader who dies hinders nobody for longer than that.
//
// Garbage collection is safe without it: a collector takes nothing that a head names. A lease only
// keeps retention from letting the version go meanwhile. It needs the right to write the head.
// Threads: any. Destroyed: given back, best effort.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "varve/exec/op_context.h"
#include "varve/lake/lake.h"

namespace varve::lake {

inline constexpr int64_t kLeaseMs = 6 * 3'600'000;
inline constexpr int64_t kLeaseRenewMs = kLeaseMs / 3;

class ReadLease {
 public:
  // `lake` must outlive it; `ctx` too, for giving it back. Errors as Lake::Pin.
  static Result<std::unique_ptr<ReadLease>> Take(const OpContext& ctx, Lake& lake,
                                                 const std::string& address,
                                                 const std::string& owner);
  ~ReadLease();
  ReadLease(const ReadLease&) = delete;
  ReadLease& operator=(const ReadLease&) = delete;

  const std::string& address() const { return address_; }  // By number: it cannot move.
  // One request for a new end, when a third of the time has passed; else none. One caller renews,
  // others return at once. An error: the lease runs on to its old end.
  Status RenewIfDue(const OpContext& ctx);

 private:
  ReadLease(const OpContext& ctx, Lake& lake, std::string address, std::string owner)
      : ctx_(ctx), lake_(lake), address_(std::move(address)), owner_(std::move(owner)) {}

  const OpContext& ctx_;
  Lake& lake_;
  const std::string address_, owner_;
  std::atomic<int64_t> renew_at_ns_{0};
};

}  // namespace varve::lake
