#include "varve/http/pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "varve/http/resolve.h"

namespace varve::http {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// libcurl opens a new connection after so long; the handle then counts as one without.
constexpr int64_t kIdleNsMax = 4'500 * kNsPerMs;
constexpr int64_t kCancelPollNs = 50 * kNsPerMs;

}  // namespace

bool ProxyIsSet() {
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != 0) return true;
  }
  return false;
}

PlainConnection& PlainConnection::operator=(PlainConnection&& other) noexcept {
  std::swap(fd, other.fd);
  std::swap(wake, other.wake);
  std::swap(pipe_in, other.pipe_in);
  std::swap(pipe_out, other.pipe_out);
  std::swap(address, other.address);
  std::swap(born_ns, other.born_ns);
  std::swap(idle_since_ns, other.idle_since_ns);
  return *this;
}

PlainConnection::~PlainConnection() {
  for (const int each : {fd, wake, pipe_in, pipe_out}) {
    if (each >= 0) close(each);
  }
}

bool PlainConnection::MakePipe(size_t bytes) {
  if (pipe_in >= 0) return true;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  pipe_out = ends[0];
  pipe_in = ends[1];
  fcntl(pipe_in, F_SETPIPE_SZ, static_cast<int>(bytes));  // Refused: a smaller one, which works.
  return true;
}

Handle::~Handle() {
  curl_easy_cleanup(easy);
  curl_multi_cleanup(multi);
}

Pool::Pool(TransportOptions options) : options_(std::move(options)) {
  if (!options_.resolve) options_.resolve = Resolve;
}

Result<HostState*> Pool::HostOfUrl(const std::string& url) {
  Host host = HostOf(url);
  const std::string key = host.name + ":" + std::to_string(host.port);
  const std::lock_guard lock(mutex_);
  const auto found = hosts_.find(key);
  if (found != hosts_.end()) return found->second.get();
  if (hosts_.size() >= kHostsMax)
    return Error(ErrorCode::kResourceExhausted, "too many hosts are asked by one client");
  return hosts_.emplace(key, std::make_unique<HostState>(std::move(host), options_.connections))
      .first->second.get();
}

Result<std::vector<std::string>> Pool::Addresses(const OpContext& ctx, HostState& state) {
  if (IsAddress(state.host.name) || ProxyIsSet()) return std::vector<std::string>();
  const auto now_ms = [&] { return ctx.clock().SteadyNs() / kNsPerMs; };
  std::unique_lock lock(state.mutex);
  while (state.resolving && state.book.empty()) {
    state.resolved.WaitFor(lock, kCancelPollNs);
    VARVE_CHECK_OK(ctx.Check());
  }
  if (state.resolving || !state.book.Stale(now_ms())) return state.book.Order(now_ms());
  state.resolving = true;
  lock.unlock();
  auto found = options_.resolve(ctx, state.host.name);
  lock.lock();
  state.resolving = false;
  state.resolved.NotifyAll();
  if (!found.ok() && state.book.empty()) return found;
  state.book.Learn(found.ok() ? *found : std::vector<std::string>(), now_ms());
  return state.book.Order(now_ms());
}

std::unique_ptr<Handle> Pool::Take(HostState& state, int64_t now_ns) {
  std::vector<std::unique_ptr<Handle>> old;
  std::unique_ptr<Handle> taken;
  {
    const std::lock_guard lock(mutex_);
    while (!idle_.empty() && now_ns - idle_.front()->idle_since_ns > kIdleNsMax) {
      old.push_back(std::move(idle_.front()));
      idle_.pop_front();
    }
    for (auto at = idle_.rbegin(); at != idle_.rend() && taken == nullptr; ++at) {
      if ((*at)->host != &state) continue;
      taken = std::move(*at);
      idle_.erase(std::next(at).base());
      break;
    }
  }
  for (auto& handle : old) Drop(std::move(handle));
  if (taken != nullptr && !taken->address.empty()) {
    const std::lock_guard lock(state.mutex);
    if (!state.book.Resting(taken->address, now_ns / kNsPerMs)) return taken;
  } else if (taken != nullptr) {
    return taken;
  }
  if (taken != nullptr) Drop(std::move(taken));
  auto handle = std::make_unique<Handle>();
  handle->host = &state;
  return handle;
}

void Pool::Give(std::unique_ptr<Handle> handle, int64_t now_ns) {
  handle->idle_since_ns = now_ns;
  std::unique_ptr<Handle> oldest;
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(handle));
    if (idle_.size() <= kIdleMax) return;
    oldest = std::move(idle_.front());
    idle_.pop_front();
  }
  Drop(std::move(oldest));
}

void Pool::Drop(std::unique_ptr<Handle> handle) { Connected(*handle, ""); }

void Pool::Connected(Handle& handle, const std::string& address) {
  if (handle.address == address) return;
  const std::lock_guard lock(handle.host->mutex);
  if (!handle.address.empty()) handle.host->book.Closed(handle.address);
  if (!address.empty()) handle.host->book.Opened(address);
  handle.address = address;
}

void Pool::Abandon() {
  // Not even the lock: a thread of the parent may have held it when the process was forked.
  for (auto& handle : idle_) static_cast<void>(handle.release());
}

}  // namespace varve::http
