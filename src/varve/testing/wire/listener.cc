#include "varve/testing/wire/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "varve/testing/wire/wire.h"

namespace varve::wire {
namespace {

constexpr time_t kIdleSeconds = 30;
constexpr int kBacklog = 128;

}  // namespace

Result<std::unique_ptr<Listener>> Listener::Start(uint16_t port, std::string name,
                                                  std::function<void(int socket)> serve) {
  VARVE_TRY(const auto listening, ListenOnLoopback(port, kBacklog));
  return std::unique_ptr<Listener>(
      new Listener(listening.first, listening.second, std::move(name), std::move(serve)));
}

Listener::Listener(int socket, uint16_t port, std::string name,
                   std::function<void(int socket)> serve)
    : socket_(socket),
      port_(port),
      serve_(std::move(serve)),
      pool_({.name = std::move(name),
             .threads = kConnectionsMax + 1,
             .queue_max = 1024,
             .background = false}) {
  static_cast<void>(pool_.Submit([this] { Accept(); }));
}

Listener::~Listener() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    shutdown(socket_, SHUT_RDWR);
    for (const int each : connections_) shutdown(each, SHUT_RDWR);
  }
  pool_.Stop();
  close(socket_);
}

void Listener::Accept() {
  for (;;) {
    const int connection = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (connection < 0 && stopping_) return;
    if (connection < 0) continue;
    if (stopping_) {
      close(connection);
      return;
    }
    const int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const timeval idle{.tv_sec = kIdleSeconds, .tv_usec = 0};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle);
    connections_.insert(connection);
    const Status queued = pool_.Submit([this, connection] {
      serve_(connection);
      const std::lock_guard closing(mutex_);
      Close(connection);
    });
    if (!queued.ok()) Close(connection);
  }
}

// Requires mutex_, so that the destructor ends no connection that reuses the number.
void Listener::Close(int connection) {
  connections_.erase(connection);
  close(connection);
}

}  // namespace varve::wire
