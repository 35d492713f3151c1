#include "varve/cli/interrupt.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace varve::cli {
namespace {

constexpr uint64_t kStop = uint64_t{1} << 32;  // Above any count of signals.

int event_fd = -1;  // A handler has nothing else to find it by.

extern "C" void WakeWatcher(int /*signal*/) {
  const int saved_errno = errno;
  const uint64_t one = 1;
  // A full counter would mean that the watcher was woken already.
  static_cast<void>(!write(event_fd, &one, sizeof one));
  errno = saved_errno;
}

void SetHandlers(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  // Reset: the second signal ends the process. Restart: system calls under way need no care.
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  event_fd = eventfd(0, EFD_CLOEXEC);
  if (event_fd < 0) return;
  watcher_ = std::make_unique<ThreadPool>(ThreadPool::Options{.name = "interrupt", .threads = 1});
  CancelToken cancel = context_.cancel();
  const Status started = watcher_->Submit([cancel]() mutable {
    uint64_t count = 0;
    while (read(event_fd, &count, sizeof count) < 0 && errno == EINTR) {
    }
    if (count > 0 && count < kStop) cancel.Cancel();
  });
  if (started.ok()) SetHandlers(WakeWatcher);
}

Interrupt::~Interrupt() {
  if (event_fd < 0) return;
  SetHandlers(SIG_DFL);
  ssize_t wrote = 0;
  do wrote = write(event_fd, &kStop, sizeof kStop);
  while (wrote < 0 && errno == EINTR);
  if (wrote < 0) {
    // A watcher that cannot be woken is left to the end of the process rather than waited for.
    static_cast<void>(watcher_.release());
    return;
  }
  watcher_->Stop();
  close(std::exchange(event_fd, -1));
}

}  // namespace varve::cli
