#include "varve/lake/id_source.h"

#include <unistd.h>

#include "varve/base/planted.h"
#include "varve/format/control.h"

namespace varve::lake {

Result<format::ObjectId> IdSource::Next(const OpContext& ctx, const std::string& target) {
  const std::lock_guard lock(mutex_);
  if (session_ == 0 || owner_pid_ != getpid() || next_counter_ > UINT32_MAX - 2 * kIdsPerBlock) {
    do session_ = ctx.random().Next64();
    while (session_ == 0);
    owner_pid_ = getpid();
    next_counter_ = reserved_end_ = 0;
  }
  if (next_counter_ == reserved_end_) {
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
    format::SessionBlock block;
    block.session = session_;
    block.block = reserved_end_ / kIdsPerBlock;
    block.first_counter = reserved_end_;
    block.last_counter = reserved_end_ + kIdsPerBlock - 1;
    block.owner = std::string(host) + ":" + std::to_string(owner_pid_);
    block.target = target;
    block.created_ms = ctx.clock().WallMs();
    VARVE_TRY(const std::string json, format::EncodeSessionBlock(block));
    const store::Key key(format::SessionKey(block.session, block.block));
    const auto reserved = store_.PutNew(ctx, key, AsBytes(json));
    if (!reserved.ok()) {
      // It may have landed, and its name takes no other bytes: the next try is another session.
      if (!PLANTED(25)) session_ = 0;
      return reserved.error();
    }
    reserved_end_ += kIdsPerBlock;
  }
  if (PLANTED(26) && next_counter_ % 4 == 3) return format::ObjectId::Make(session_, next_counter_);
  return format::ObjectId::Make(session_, next_counter_++);
}

}  // namespace varve::lake
