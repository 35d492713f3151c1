#include "varve/http/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>

#include "varve/exec/parallel.h"
#include "varve/exec/sync.h"

namespace varve::http {
namespace {

constexpr int64_t kWaitNs = 20'000'000;
constexpr uint32_t kThreads = 16;
constexpr int kLookupsMax = 64;  // Under way at once, those that their callers gave up included.

// Shared by who asks and the thread that waits for the system, which cannot be called off.
struct Lookup {
  std::string host;
  Mutex mutex;
  CondVar ended;
  bool done = false;  // Guarded by mutex, as all below.
  int failure = 0;
  addrinfo* found = nullptr;
  ~Lookup() {
    if (found != nullptr) freeaddrinfo(found);
  }
};

void Ask(Lookup& lookup) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  const int failure = getaddrinfo(lookup.host.c_str(), nullptr, &hints, &found);
  const std::lock_guard lock(lookup.mutex);
  lookup.done = true;
  lookup.failure = failure;
  lookup.found = failure == 0 ? found : nullptr;
  lookup.ended.NotifyAll();
}

struct Askers {
  const pid_t owner = getpid();
  std::atomic<int> under_way{0};
  ThreadPool pool{{.name = "varve-resolve",
                   .threads = kThreads,
                   .queue_max = kLookupsMax,
                   .background = false}};
};

// Never destroyed: a lookup that hangs would keep the process from its end. A forked child has none
// of its parent's threads, and makes its own.
Askers& AskersHere() {
  static std::atomic<Askers*> current{nullptr};
  Askers* there = current.load();
  while (there == nullptr || there->owner != getpid()) {
    auto own = std::make_unique<Askers>();
    if (current.compare_exchange_strong(there, own.get())) return *own.release();
  }
  return *there;
}

// False: too many are under way.
bool Begin(const std::shared_ptr<Lookup>& lookup) {
  Askers& askers = AskersHere();
  const auto ask = [lookup, &askers] {
    Ask(*lookup);
    --askers.under_way;
  };
  if (++askers.under_way <= kLookupsMax && askers.pool.Submit(ask).ok()) return true;
  --askers.under_way;
  return false;
}

std::string Text(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET) {
    sockaddr_in four;
    std::memcpy(&four, address, sizeof four);
    return inet_ntop(AF_INET, &four.sin_addr, text, sizeof text) == nullptr ? "" : text;
  }
  if (address->sa_family != AF_INET6) return "";
  sockaddr_in6 six;
  std::memcpy(&six, address, sizeof six);
  if (six.sin6_scope_id != 0) return "";  // Of no use without its interface.
  if (inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text) == nullptr) return "";
  return std::string("[") + text + "]";
}

}  // namespace

bool IsAddress(const std::string& host) {
  in_addr four;
  return host.starts_with('[') || inet_pton(AF_INET, host.c_str(), &four) == 1;
}

Result<std::vector<std::string>> Resolve(const OpContext& ctx, const std::string& host) {
  const Error none(ErrorCode::kUnavailable, "no such host " + host + "; check the endpoint");
  const auto lookup = std::make_shared<Lookup>();
  lookup->host = host;
  if (!Begin(lookup)) return none;
  const OpContext bounded = ctx.WithTimeout(kResolveTimeoutMs);
  std::unique_lock lock(lookup->mutex);
  while (!lookup->done) {
    lookup->ended.WaitFor(lock, kWaitNs);
    if (lookup->done || bounded.Check().ok()) continue;
    VARVE_CHECK_OK(ctx.Check());
    return Error(ErrorCode::kUnavailable,
                 "the name " + host + " could not be resolved in time; check the endpoint and DNS");
  }
  VARVE_CHECK_OK(ctx.Check());
  if (lookup->failure != 0) return none;
  std::vector<std::string> addresses;
  for (const addrinfo* at = lookup->found; at != nullptr; at = at->ai_next) {
    const std::string address = Text(at->ai_addr);
    if (!address.empty() && std::ranges::find(addresses, address) == addresses.end())
      addresses.push_back(address);
  }
  if (addresses.empty()) return none;
  return addresses;
}

}  // namespace varve::http
