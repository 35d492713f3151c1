// An operation's context that a second party may cancel too: its caller, or the engine that stops.
//
// Threads: one; the context inside may be copied to others that end before it does.
#pragma once

#include <memory>

#include "varve/exec/op_context.h"

namespace varve::transfer {

class LinkedContext {
 public:
  LinkedContext(const OpContext& ctx, const CancelToken& other)
      : linked_(ctx.clock(), ctx.random(), token_), ctx_(WithDeadlineOf(ctx)) {
    const auto cancel = [token = token_]() mutable { token.Cancel(); };
    first_ = ctx.cancel().OnCancel(cancel);
    second_ = other.OnCancel(cancel);
  }
  LinkedContext(const LinkedContext&) = delete;
  LinkedContext& operator=(const LinkedContext&) = delete;
  const OpContext& ctx() const { return ctx_; }

 private:
  OpContext WithDeadlineOf(const OpContext& ctx) const {
    return ctx.deadline_ns() == OpContext::kNoDeadline ? linked_
                                                       : linked_.WithTimeout(ctx.LeftMs());
  }
  CancelToken token_;
  OpContext linked_, ctx_;
  std::unique_ptr<CancelToken::Registration> first_, second_;
};

}  // namespace varve::transfer
