// The connections of a transport and what is known of the hosts they go to.
//
// Not for other folders. Threads: any.
#pragma once

#include <curl/curl.h>
#include <sys/types.h>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "varve/exec/op_context.h"
#include "varve/exec/sync.h"
#include "varve/http/address_book.h"
#include "varve/http/transport.h"
#include "varve/http/url.h"
#include "varve/plan/latency.h"

namespace varve::http {

// A connection of plain_exchange.h, with what its requests need beside it. Closes all when it dies.
struct PlainConnection {
  int fd = -1;
  int wake = -1;                    // An eventfd: a cancel writes to it.
  int pipe_in = -1, pipe_out = -1;  // Made by the first large read; empty between two.
  std::string address;
  int64_t born_ns = 0, idle_since_ns = 0;
  PlainConnection() = default;
  PlainConnection(PlainConnection&& other) noexcept { *this = std::move(other); }
  PlainConnection& operator=(PlainConnection&& other) noexcept;
  ~PlainConnection();
  bool MakePipe(size_t bytes);  // Unless there is one.
};

// What is known of one host. Never removed, so that pointers stay.
struct HostState {
  static constexpr size_t kPlainMax = 256;
  HostState(Host of, uint32_t connections) : host(std::move(of)), uploads(connections) {}
  const Host host;
  Mutex mutex;
  CondVar resolved;
  bool resolving = false;    // Guarded by mutex, as are those below.
  bool met = false;          // It has answered something.
  bool odd_uploads = false;  // It answers them in a way that plain_exchange.h does not take.
  AddressBook book;
  plan::FirstByteLimit uploads;
  plan::HedgeTimer reads;
  std::vector<PlainConnection> plain;  // Idle ones, newest last.
};

// One kept connection: libcurl keeps it in the multi handle.
struct Handle {
  CURL* easy = curl_easy_init();
  CURLM* multi = curl_multi_init();
  HostState* host = nullptr;
  std::string address;  // Where its connection goes; empty: not known, or none.
  int64_t idle_since_ns = 0;
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle();
};

// Whether the environment names a proxy. It resolves names, perhaps ones that this machine cannot.
bool ProxyIsSet();

class Pool {
 public:
  explicit Pool(TransportOptions options);

  // Errors: kResourceExhausted above kHostsMax hosts.
  Result<HostState*> HostOfUrl(const std::string& url);

  // Where to connect, best first; empty when libcurl is to find out itself: a numeric address, or
  // a proxy that resolves. Asks the system when what is known is old; one thread at a time does,
  // and others go on with what is known. Errors: see Resolve.
  Result<std::vector<std::string>> Addresses(const OpContext& ctx, HostState& state);

  // The connection to this host that was idle for the shortest time, or a handle without one.
  std::unique_ptr<Handle> Take(HostState& state, int64_t now_ns);
  void Give(std::unique_ptr<Handle> handle, int64_t now_ns);
  // Ends the handle and its connection.
  void Drop(std::unique_ptr<Handle> handle);
  // The handle's connection now goes to `address`.
  void Connected(Handle& handle, const std::string& address);
  // In a forked child: forgets all without a word to the peers, whose connections the parent holds.
  void Abandon();

 private:
  static constexpr size_t kIdleMax = 256, kHostsMax = 256;
  TransportOptions options_;  // With a resolver.
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<HostState>> hosts_;  // Guarded by mutex_.
  std::deque<std::unique_ptr<Handle>> idle_;                 // Guarded by mutex_; newest last.
};

}  // namespace varve::http
