// One source of credentials.
#pragma once

#include <memory>
#include <optional>

#include "varve/exec/op_context.h"
#include "varve/result.h"
#include "varve/store/s3/signing/sigv4.h"

namespace varve::store {

class Provider {
 public:
  virtual ~Provider() = default;
  // A fresh set; nothing when this source is not configured here. An error: it is configured and
  // does not work, so that asking the next source would hide the cause. No message holds a secret.
  // Threads: one at a time.
  virtual Result<std::optional<Credentials>> Fetch(const OpContext& ctx) = 0;
};

}  // namespace varve::store
