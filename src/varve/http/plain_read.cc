#include "varve/http/plain_read.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "varve/base/errno.h"
#include "varve/http/exchange.h"
#include "varve/http/reply_head.h"

namespace varve::http {
namespace {

constexpr int64_t kNsPerMs = 1'000'000, kNsPerSecond = 1'000'000'000;
constexpr int64_t kPollMs = 1000;
constexpr size_t kPipeBytes = 1 * kMiB;  // What an unprivileged process may ask for.
constexpr size_t kHeadPieceBytes = 16 * kKiB;
constexpr int kHeadsMax = 4;  // "100 Continue" and the like before the reply.

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { Set(-1); }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Set(int fd) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

// Only decimal digits, at most 19 of them.
std::optional<uint64_t> LengthOf(const std::string& text) {
  if (text.empty() || text.size() > 19) return std::nullopt;
  uint64_t length = 0;
  for (const char letter : text) {
    if (letter < '0' || letter > '9') return std::nullopt;
    length = length * 10 + static_cast<uint64_t>(letter - '0');
  }
  return length;
}

class PlainRead {
 public:
  PlainRead(const OpContext& ctx, const Request& request, HostState& host,
            const PlainLimits& limits)
      : ctx_(ctx),
        request_(request),
        host_(host),
        limits_(limits),
        begun_ns_(now_ns()),
        window_begun_ns_(begun_ns_),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  PlainResult Run(const std::vector<std::string>& addresses);

 private:
  int64_t now_ns() const { return ctx_.clock().SteadyNs(); }
  // Each false: the read ends here, with ended_ or as not served.
  bool TakeKept();
  bool Connect(const std::string& address);
  bool SendRequest();
  bool ReadHeads();
  bool ReadHead(std::string& head);
  bool TakeHead(const std::string& head);
  bool ReadBody();
  bool PipeBody(uint64_t bytes);
  bool Wait(short events, int64_t until_ns);
  bool GoOn();  // Neither cancelled nor late nor all but silent.
  void Keep();

  const OpContext& ctx_;
  const Request& request_;
  HostState& host_;
  const PlainLimits& limits_;
  const int64_t begun_ns_;
  int64_t window_begun_ns_;  // Of the low-speed check.
  uint64_t window_bytes_ = 0;
  bool asked_again_ = false;
  Descriptor wake_;
  PlainConnection connection_;
  Reply reply_;
  PlainResult result_;
};

bool PlainRead::GoOn() {
  if (Status status = ctx_.Check(); !status.ok()) {
    result_.reply = std::move(status).error();
    return false;
  }
  const int64_t now = now_ns();
  const auto past = [&](int64_t limit_ms) {
    return limit_ms != 0 && now - begun_ns_ >= limit_ms * kNsPerMs;
  };
  const bool late =
      past(limits_.whole_ms) || (result_.first_byte_ns == 0 && past(limits_.first_byte_ms));
  if (late && !std::exchange(asked_again_, true) && limits_.may_ask_again()) return false;
  if (now - window_begun_ns_ >= kLowSpeedSeconds * kNsPerSecond) {
    if (window_bytes_ < static_cast<uint64_t>(kLowSpeedBytes * kLowSpeedSeconds)) return false;
    window_begun_ns_ = now;
    window_bytes_ = 0;
  }
  return true;
}

// Until the socket is ready; false also at `until_ns`.
bool PlainRead::Wait(short events, int64_t until_ns) {
  for (;;) {
    if (!GoOn()) return false;
    const int64_t now = now_ns();
    if (now >= until_ns) return false;
    int64_t wait_ms = std::min({kPollMs, ctx_.LeftMs(), (until_ns - now) / kNsPerMs + 1});
    if (result_.first_byte_ns == 0 && limits_.first_byte_ms != 0 && !asked_again_) {
      const int64_t left_ms = limits_.first_byte_ms - (now - begun_ns_) / kNsPerMs;
      wait_ms = std::min(wait_ms, left_ms);
    }
    pollfd fds[2] = {{connection_.fd, events, 0}, {wake_.get(), POLLIN, 0}};
    const int ready = poll(fds, 2, static_cast<int>(std::max<int64_t>(wait_ms, 1)));
    if (ready < 0 && errno != EINTR) return false;
    if (ready > 0 && fds[0].revents != 0) return true;
  }
}

// The connection that was idle for the shortest time, if it is still good.
bool PlainRead::TakeKept() {
  std::vector<PlainConnection> old;
  {
    const std::lock_guard lock(host_.mutex);
    while (!host_.plain.empty()) {
      PlainConnection kept = std::move(host_.plain.back());
      host_.plain.pop_back();
      const bool fresh = begun_ns_ - kept.idle_since_ns < kIdleSeconds * kNsPerSecond * 9 / 10 &&
                         begun_ns_ - kept.born_ns < kConnectionSecondsMax * kNsPerSecond &&
                         !host_.book.Resting(kept.address, begun_ns_ / kNsPerMs);
      char byte = 0;  // One that has something to say unasked, or was closed, is of no use.
      if (fresh && recv(kept.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN) {
        connection_ = std::move(kept);
        return true;
      }
      host_.book.Closed(kept.address);
      old.push_back(std::move(kept));
    }
  }
  return false;
}

bool PlainRead::Connect(const std::string& address) {
  std::string host = address;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  const std::string port = std::to_string(host_.host.port);
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return false;
  connection_.fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool begun =
      connection_.fd >= 0 &&
      (connect(connection_.fd, found->ai_addr, found->ai_addrlen) == 0 || errno == EINPROGRESS);
  freeaddrinfo(found);
  if (!begun || !Wait(POLLOUT, now_ns() + kConnectTimeoutMs * kNsPerMs)) return false;
  int failure = 0;
  socklen_t length = sizeof failure;
  if (getsockopt(connection_.fd, SOL_SOCKET, SO_ERROR, &failure, &length) != 0 || failure != 0)
    return false;
  const int on = 1;
  setsockopt(connection_.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connection_.born_ns = now_ns();
  connection_.address = address;
  result_.connected_anew = true;
  const std::lock_guard lock(host_.mutex);
  host_.book.Opened(address);
  return true;
}

bool PlainRead::SendRequest() {
  const size_t path = request_.url.find('/', request_.url.find("://") + 3);
  std::string text = request_.method + " ";
  text += path == std::string::npos ? "/" : request_.url.substr(path);
  text += " HTTP/1.1\r\n";
  bool host_named = false;
  for (const auto& [name, value] : request_.headers) {
    if ((name + value).find_first_of("\r\n") != std::string::npos) return false;
    host_named = host_named || Lower(name) == "host";
    text += name + ": " + value + "\r\n";
  }
  if (!host_named) text += "Host: " + host_.host.authority + "\r\n";
  text += "Accept: */*\r\n\r\n";
  for (size_t at = 0; at < text.size();) {
    const ssize_t sent =
        send(connection_.fd, text.data() + at, text.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) at += static_cast<size_t>(sent);
    if (sent > 0 || (sent < 0 && errno == EINTR)) continue;
    if (errno != EAGAIN || !Wait(POLLOUT, INT64_MAX)) return false;
  }
  return true;
}

// Up to the empty line and no further: the body stays in the socket.
bool PlainRead::ReadHead(std::string& head) {
  std::vector<char> piece(kHeadPieceBytes);
  while (head.size() < kHeadBytesMax) {
    const ssize_t seen = recv(connection_.fd, piece.data(), piece.size(), MSG_PEEK | MSG_DONTWAIT);
    if (seen == 0) return false;
    if (seen < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN || !Wait(POLLIN, INT64_MAX)) return false;
      continue;
    }
    if (result_.first_byte_ns == 0) result_.first_byte_ns = now_ns();
    const size_t before = head.size();
    head.append(piece.data(), static_cast<size_t>(seen));
    const size_t end = head.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end != std::string::npos) head.resize(end + 4);
    const size_t took = head.size() - before;
    window_bytes_ += took;
    if (recv(connection_.fd, piece.data(), took, MSG_DONTWAIT) != static_cast<ssize_t>(took))
      return false;
    if (end != std::string::npos) return true;
  }
  return false;
}

// False: a head that libcurl shall judge.
bool PlainRead::TakeHead(const std::string& head) {
  if (!head.starts_with("HTTP/1.1 ")) return false;
  for (size_t at = 0; at + 2 < head.size();) {
    const size_t end = head.find("\r\n", at);
    const std::string_view line = std::string_view(head).substr(at, end - at);
    if (line.starts_with(' ') || line.starts_with('\t')) return false;
    const bool again = Lower(line.substr(0, line.find(':'))) == "content-length" &&
                       reply_.headers.contains("content-length");
    if (again) return false;
    TakeHeadLine(line, reply_);
    at = end + 2;
  }
  return reply_.status >= 100 && reply_.status < 600;
}

bool PlainRead::ReadHeads() {
  for (int heads = 0; heads < kHeadsMax; ++heads) {
    std::string head;
    reply_ = {};
    if (!ReadHead(head) || !TakeHead(head)) return false;
    if (reply_.status >= 200) return true;
  }
  return false;
}

bool PlainRead::PipeBody(uint64_t bytes) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  const Descriptor out(ends[0]), in(ends[1]);
  fcntl(in.get(), F_SETPIPE_SZ, kPipeBytes);  // Refused: a smaller one, which works.
  while (result_.received_bytes < bytes) {
    if (!GoOn()) return false;
    const size_t room = std::min<uint64_t>(bytes - result_.received_bytes, kPipeBytes);
    const ssize_t got =
        splice(connection_.fd, nullptr, in.get(), nullptr, room, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && Wait(POLLIN, INT64_MAX)) continue;
    if (got <= 0) return false;
    const auto count = static_cast<uint64_t>(got);
    window_bytes_ += count;
    Status taken = request_.take_pipe(result_.received_bytes, out.get(), count);
    if (!taken.ok()) {
      result_.reply = std::move(taken).error();
      return false;
    }
    result_.received_bytes += count;
  }
  reply_.into_bytes = bytes;
  return true;
}

bool PlainRead::ReadBody() {
  const auto length = LengthOf(reply_.Header("content-length"));
  if (reply_.headers.contains("transfer-encoding")) return false;
  if (reply_.status == 204 || reply_.status == 304) return !length.has_value() || *length == 0;
  if (!length.has_value()) return false;
  if (reply_.status < 300) return *length <= request_.take_bytes && PipeBody(*length);
  if (*length > kErrorBodyBytesMax) return false;
  reply_.body.resize(*length);
  while (result_.received_bytes < *length) {
    const MutableByteView room = MutableByteView(reply_.body).subspan(result_.received_bytes);
    const ssize_t got = recv(connection_.fd, room.data(), room.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && Wait(POLLIN, INT64_MAX)) continue;
    if (got <= 0) return false;
    result_.received_bytes += static_cast<uint64_t>(got);
  }
  return true;
}

void PlainRead::Keep() {
  if (Lower(reply_.Header("connection")).find("close") != std::string::npos) return;
  connection_.idle_since_ns = now_ns();
  const std::lock_guard lock(host_.mutex);
  if (host_.plain.size() < HostState::kPlainMax) host_.plain.push_back(std::move(connection_));
}

PlainResult PlainRead::Run(const std::vector<std::string>& addresses) {
  {
    const auto waking = ctx_.cancel().OnCancel([fd = wake_.get()] {
      const uint64_t one = 1;
      static_cast<void>(!write(fd, &one, sizeof one));
    });
    const bool served =
        wake_.get() >= 0 &&
        (TakeKept() || Connect(addresses.empty() ? host_.host.name : addresses.front())) &&
        SendRequest() && ReadHeads() && ReadBody();
    if (served) {
      Keep();
      result_.reply = std::move(reply_);
    }
  }
  if (connection_.fd >= 0 && !connection_.address.empty()) {
    const std::lock_guard lock(host_.mutex);
    host_.book.Closed(connection_.address);
  }
  return std::move(result_);
}

}  // namespace

PlainResult ReadPlain(const OpContext& ctx, const Request& request, HostState& host,
                      const std::vector<std::string>& addresses, const PlainLimits& limits) {
  return PlainRead(ctx, request, host, limits).Run(addresses);
}

}  // namespace varve::http
