// A proxy on loopback in front of an S3 server that lies on demand, or by chance from a seed.
//
// Each client request is read, judged (ClassOf), and either passed on with its true answer, or met
// with the next lie that was planned for its class. In a storm, each request meets a lie drawn by
// the seed. Requests pass in the order they come on each connection; at most
// Listener::kConnectionsMax at a time. Signatures stay valid: the Host header and every signed byte
// pass unchanged, but for lies that are about them. Requests that were swallowed as zombies are
// kept and sent by WakeZombies. Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "varve/result.h"
#include "varve/testing/liar/lies.h"
#include "varve/testing/wire/listener.h"
#include "varve/testing/wire/wire.h"

namespace varve::liar {

struct Plan {
  Lie lie = Lie::kSlowDown;
  std::string classes;  // Of the requests that meet it; empty: those of the table.
  uint32_t after = 0;   // So many such requests pass before.
  uint32_t times = 1;
  uint64_t seed = 0;
};

class Liar {
 public:
  struct Options {
    uint16_t port = 0;           // 0: any free one.
    uint16_t upstream_port = 0;  // On 127.0.0.1.
  };
  static Result<std::unique_ptr<Liar>> Start(Options options);
  ~Liar();

  uint16_t port() const { return listener_->port(); }
  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port()); }

  void Tell(Plan plan);
  // From now on `per_mille` of the requests meet a lie drawn from `lies` (empty: all).
  void Storm(uint64_t seed, uint32_t per_mille, std::vector<Lie> lies = {});
  void Calm();  // Forgets plans and storm, ends every silence.
  // Sends what was swallowed to the store; returns the statuses of its answers.
  std::vector<int> WakeZombies();

  uint64_t requests() const { return requests_; }
  uint64_t told() const { return told_; }  // Lies told.

 private:
  struct Chosen {
    Lie lie;
    uint64_t seed;
  };
  explicit Liar(uint16_t upstream_port) : upstream_port_(upstream_port) {}
  void Serve(int socket);
  // False when the connection is over.
  bool ServeOne(wire::Peer& client, wire::Peer& store);
  bool Show(wire::Peer& client, const Telling& telling);
  void Hold(int socket);
  std::optional<Chosen> Choose(char kind);
  std::optional<Message> Ask(wire::Peer& store, const Message& request);
  int Connect() const;

  const uint16_t upstream_port_;
  std::atomic<uint64_t> requests_{0}, told_{0};
  std::atomic<uint64_t> silences_{0};  // Raised by Calm: holds of before end.
  std::mutex mutex_;
  std::deque<Plan> plans_;  // Guarded by mutex_, as is the rest.
  uint32_t storm_per_mille_ = 0;
  uint64_t storm_seed_ = 0;
  std::vector<Lie> storm_lies_;
  std::vector<Message> zombies_;
  std::unique_ptr<wire::Listener> listener_;  // Last: its threads use the rest.
};

}  // namespace varve::liar
