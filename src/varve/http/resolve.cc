#include "varve/http/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>

namespace varve::http {
namespace {

constexpr long kWaitNs = 20'000'000;
constexpr int kAbandonedMax = 16;  // Lookups that hang in the system, given up by their callers.

struct Lookup {
  std::string host;
  addrinfo hints{};
  gaicb request{};
  ~Lookup() {
    if (request.ar_result != nullptr) freeaddrinfo(request.ar_result);
  }
};

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
  static std::atomic<int> abandoned{0};
  const Error none(ErrorCode::kUnavailable, "no such host " + host + "; check the endpoint");
  if (abandoned.load() >= kAbandonedMax) return none;
  auto lookup = std::make_unique<Lookup>();
  lookup->host = host;
  lookup->hints.ai_socktype = SOCK_STREAM;
  lookup->hints.ai_flags = AI_ADDRCONFIG;
  lookup->request.ar_name = lookup->host.c_str();
  lookup->request.ar_request = &lookup->hints;
  gaicb* list[] = {&lookup->request};
  if (getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr) != 0) return none;
  const OpContext bounded = ctx.WithTimeout(kResolveTimeoutMs);
  Status stopped;
  while (gai_error(&lookup->request) == EAI_INPROGRESS) {
    stopped = bounded.Check();
    if (!stopped.ok()) break;
    const timespec wait{.tv_sec = 0, .tv_nsec = kWaitNs};
    const gaicb* waiting[] = {&lookup->request};
    gai_suspend(waiting, 1, &wait);
  }
  if (gai_error(&lookup->request) == EAI_INPROGRESS &&
      gai_cancel(&lookup->request) == EAI_NOTCANCELED) {
    // The system still writes to it; nobody may free it any more.
    ++abandoned;
    static_cast<void>(lookup.release());
  }
  VARVE_CHECK_OK(ctx.Check());
  if (!stopped.ok()) {
    return Error(ErrorCode::kUnavailable,
                 "the name " + host + " could not be resolved in time; check the endpoint and DNS");
  }
  if (gai_error(&lookup->request) != 0) return none;
  std::vector<std::string> addresses;
  for (const addrinfo* at = lookup->request.ar_result; at != nullptr; at = at->ai_next) {
    const std::string address = Text(at->ai_addr);
    if (!address.empty() && std::ranges::find(addresses, address) == addresses.end())
      addresses.push_back(address);
  }
  if (addresses.empty()) return none;
  return addresses;
}

}  // namespace varve::http
