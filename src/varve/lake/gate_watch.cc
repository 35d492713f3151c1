#include "varve/lake/gate_watch.h"

#include <string>

#include "varve/format/control.h"
#include "varve/format/object_id.h"

namespace varve::lake {

Status GateWatch::Check(const OpContext& ctx, uint64_t epoch) {
  if (asked_ == epoch) return OkStatus();
  const auto reply = store_.Get(ctx, store::Key{std::string(format::kDescriptorKey)}, {});
  if (!reply.ok() && reply.error().code() != ErrorCode::kNotFound) return reply.error();
  if (reply.ok()) {
    VARVE_TRY(const format::Descriptor descriptor, format::DecodeDescriptor(AsText(reply->body)));
    VARVE_TRY(const format::Gate gate, format::CheckGates(descriptor));
    if (gate != format::Gate::kReadWrite) {
      return Error(ErrorCode::kUnsupported,
                   "lake " + store_.Describe() +
                       " was given a feature that this release cannot write since it was opened; "
                       "nothing was committed, upgrade varve");
    }
  }
  asked_ = epoch;
  return OkStatus();
}

}  // namespace varve::lake
