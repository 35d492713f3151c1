#include "varve/lake/read_lease.h"

#include "varve/base/clock.h"
#include "varve/format/names.h"

namespace varve::lake {
namespace {

constexpr int64_t kRenewNs = kLeaseRenewMs * 1'000'000;

}  // namespace

Result<std::unique_ptr<ReadLease>> ReadLease::Take(const OpContext& ctx, Lake& lake,
                                                   const std::string& address,
                                                   const std::string& owner) {
  VARVE_TRY(const VersionInfo info, lake.Describe(ctx, address));
  const std::string name = address.substr(0, address.rfind('@'));
  // Each its own: two readers of one process must not give back each other's.
  const std::string whose = owner + "#" + ctx.random().Hex128().substr(0, 8);
  std::unique_ptr<ReadLease> lease(
      new ReadLease(ctx, lake, format::VersionAddress(name, info.entry.version), whose));
  VARVE_CHECK_OK(lease->RenewIfDue(ctx));
  return lease;
}

ReadLease::~ReadLease() {
  static_cast<void>(lake_.Unpin(ctx_, address_, owner_));  // Else it ends by itself.
}

Status ReadLease::RenewIfDue(const OpContext& ctx) {
  const int64_t now_ns = ctx.clock().SteadyNs();
  int64_t due_ns = renew_at_ns_.load();
  if (now_ns < due_ns || !renew_at_ns_.compare_exchange_strong(due_ns, now_ns + kRenewNs))
    return OkStatus();
  return lake_.Pin(ctx, address_,
                   {.owner = owner_, .for_ms = kLeaseMs, .lease = true, .reason = "reading"});
}

}  // namespace varve::lake
