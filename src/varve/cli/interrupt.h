// Ctrl-C as a cancelled operation: the verb stops at its next wait, cleans up, and says so.
//
// The first SIGINT or SIGTERM cancels the context; a second one ends the process at once.
// Threads: make one, in main, before any other thread.
#pragma once

#include <memory>

#include "varve/exec/op_context.h"
#include "varve/exec/parallel.h"

namespace varve::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();  // Signals have their default meaning again.
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  const OpContext& context() const { return context_; }

 private:
  OpContext context_;
  std::unique_ptr<ThreadPool>
      watcher_;  // None where no descriptor was left: Ctrl-C then just ends.
};

}  // namespace varve::cli
