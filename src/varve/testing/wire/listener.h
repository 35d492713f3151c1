// A port on loopback: each connection is given to `serve` in a thread of its own, at most
// kConnectionsMax at a time; more wait. Closes a connection when `serve` returns.
// Threads: any; `serve` runs in many at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "varve/exec/parallel.h"
#include "varve/result.h"

namespace varve::wire {

class Listener {
 public:
  static constexpr uint32_t kConnectionsMax = 64;
  // `port` 0: any free one. kUnavailable when it is taken.
  static Result<std::unique_ptr<Listener>> Start(uint16_t port, std::string name,
                                                 std::function<void(int socket)> serve);
  // Ends every connection and waits for those who serve them.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  uint16_t port() const { return port_; }

 private:
  Listener(int socket, uint16_t port, std::string name, std::function<void(int socket)> serve);
  void Accept();
  void Close(int connection);

  const int socket_;
  const uint16_t port_;
  const std::function<void(int socket)> serve_;
  std::mutex mutex_;
  bool stopping_ = false;      // Guarded by mutex_.
  std::set<int> connections_;  // Guarded by mutex_.
  ThreadPool pool_;            // Last: its threads use the rest.
};

}  // namespace varve::wire
