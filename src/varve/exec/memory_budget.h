// A hard cap on bytes held by a pipeline: reserve a ticket before allocating, give it back when the
// bytes are gone. There is no forced path past the cap.
//
// Invariant: the sum of live tickets never exceeds limit_bytes. Waiters are served in order, so a
// large request cannot starve. Threads: any.
#pragma once

#include <cstdint>
#include <memory>

#include "varve/exec/op_context.h"
#include "varve/result.h"

namespace varve {

class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t limit_bytes);
  ~MemoryBudget();

  // Move-only; returns its bytes when it dies. Must not outlive the budget.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept;
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket();
    uint64_t bytes() const { return bytes_; }
    void Release();

   private:
    friend class MemoryBudget;
    Ticket(MemoryBudget* budget, uint64_t bytes) : budget_(budget), bytes_(bytes) {}
    MemoryBudget* budget_ = nullptr;
    uint64_t bytes_ = 0;
  };

  // Blocks until `bytes` fit. Errors: kInvalidArgument if they never can; kCancelled, kTimeout.
  Result<Ticket> Acquire(const OpContext& ctx, uint64_t bytes);

  uint64_t limit_bytes() const;
  uint64_t held_bytes() const;
  uint64_t peak_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace varve
