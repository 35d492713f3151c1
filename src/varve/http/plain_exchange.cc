#include "varve/http/plain_exchange.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "varve/base/errno.h"
#include "varve/http/exchange.h"
#include "varve/http/reply_head.h"

namespace varve::http {
namespace {

constexpr int64_t kNsPerMs = 1'000'000, kNsPerSecond = 1'000'000'000;
constexpr int64_t kPollMs = 1000;
constexpr int64_t kQueuePollMs = 100;    // While the last of a body is on its way.
constexpr size_t kPipeBytes = 1 * kMiB;  // What an unprivileged process may ask for.
constexpr size_t kBufferBytes = 32 * kKiB;
constexpr int kHeadsMax = 4;  // "100 Continue" and the like before the reply.

// Empty: a value that would end its line.
std::string HeadOf(const Request& request, const Host& host) {
  const size_t path = request.url.find('/', request.url.find("://") + 3);
  std::string text;
  text.reserve(1024);
  text.append(request.method).append(" ");
  if (path == std::string::npos)
    text.append("/");
  else
    text.append(request.url, path);
  text.append(" HTTP/1.1\r\n");
  bool host_named = false;
  for (const auto& [name, value] : request.headers) {
    if (name.find_first_of("\r\n") != std::string::npos ||
        value.find_first_of("\r\n") != std::string::npos) {
      return "";
    }
    host_named = host_named || Lower(name) == "host";
    text.append(name).append(": ").append(value).append("\r\n");
  }
  if (!host_named) text.append("Host: ").append(host.authority).append("\r\n");
  if (request.method == "PUT")
    text.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
  return text.append("Accept: */*\r\n\r\n");
}

class PlainExchange {
 public:
  PlainExchange(const OpContext& ctx, const Request& request, HostState& host,
                const PlainLimits& limits)
      : ctx_(ctx),
        request_(request),
        host_(host),
        limits_(limits),
        upload_(request.method == "PUT"),
        begun_ns_(now_ns()),
        window_begun_ns_(begun_ns_) {
    result_.begun_ns = begun_ns_;
  }

  PlainResult Run(const std::vector<std::string>& addresses);

 private:
  int64_t now_ns() const { return ctx_.clock().SteadyNs(); }
  // Each false: the exchange ends here, with result_.reply or as not served.
  bool TakeKept();
  bool Connect(const std::string& address);
  bool SendRequest();
  bool ReadHeads();
  bool ReadHead(std::string_view& head);
  bool ReadBody();
  bool TakeBody(uint64_t bytes);
  bool PipeBody(uint64_t bytes);
  bool ReadIntoReply(uint64_t bytes);
  // What of the next `bytes` of the body came along with the head.
  ByteView Behind(uint64_t bytes);
  ssize_t Receive(MutableByteView into);  // > 0, or the exchange ends.
  bool Wait(short events, int64_t until_ns);
  bool GoOn();         // Neither cancelled nor late nor all but silent.
  void LookAtQueue();  // Whether the body has left.
  int64_t WaitMs(int64_t until_ns);
  void Keep();

  const OpContext& ctx_;
  const Request& request_;
  HostState& host_;
  const PlainLimits& limits_;
  const bool upload_;
  const int64_t begun_ns_;
  int64_t window_begun_ns_;  // Of the low-speed check.
  uint64_t window_bytes_ = 0;
  bool asked_again_ = false;
  bool sent_all_ = false, left_ = false;  // The request; the request and the socket's queue.
  short ready_ = 0;                       // What Wait saw.
  PlainConnection connection_;
  Reply reply_;
  PlainResult result_;
  size_t taken_ = 0, filled_ = 0;  // Of the buffer: the heads and more; what was received.
  std::array<char, kBufferBytes> buffer_;
};

void PlainExchange::LookAtQueue() {
  int queued = 0;
  if (ioctl(connection_.fd, SIOCOUTQ, &queued) == 0 && queued > 0) return;
  left_ = true;
  result_.body_left_ns = now_ns();
}

bool PlainExchange::GoOn() {
  if (Status status = ctx_.Check(); !status.ok()) {
    result_.reply = std::move(status).error();
    return false;
  }
  const int64_t now = now_ns();
  const auto past = [&](int64_t limit_ms) {
    return limit_ms != 0 && now - begun_ns_ >= limit_ms * kNsPerMs;
  };
  const bool answering = result_.first_byte_ns != 0;
  const bool late =
      !upload_ && (past(limits_.whole_ms) || (!answering && past(limits_.first_byte_ms)));
  if (late && !std::exchange(asked_again_, true) && limits_.may_ask_again()) return false;
  if (upload_ && limits_.cut_off_ms != 0 && sent_all_ && !answering) {
    if (!left_) LookAtQueue();
    result_.cut_off = left_ && now - result_.body_left_ns >= limits_.cut_off_ms * kNsPerMs;
    if (result_.cut_off) return false;
  }
  if (now - window_begun_ns_ >= kLowSpeedSeconds * kNsPerSecond) {
    result_.silent = window_bytes_ < static_cast<uint64_t>(kLowSpeedBytes * kLowSpeedSeconds);
    if (result_.silent) return false;
    window_begun_ns_ = now;
    window_bytes_ = 0;
  }
  return true;
}

int64_t PlainExchange::WaitMs(int64_t until_ns) {
  const int64_t now = now_ns();
  int64_t wait_ms = std::min({kPollMs, ctx_.LeftMs(), (until_ns - now) / kNsPerMs + 1});
  if (result_.first_byte_ns != 0) return wait_ms;
  if (!upload_ && limits_.first_byte_ms != 0 && !asked_again_)
    wait_ms = std::min(wait_ms, limits_.first_byte_ms - (now - begun_ns_) / kNsPerMs);
  if (upload_ && limits_.cut_off_ms != 0 && sent_all_) wait_ms = std::min(wait_ms, kQueuePollMs);
  return wait_ms;
}

// Until the socket is ready; false also at `until_ns`.
bool PlainExchange::Wait(short events, int64_t until_ns) {
  for (;;) {
    if (!GoOn() || now_ns() >= until_ns) return false;
    pollfd fds[2] = {{connection_.fd, events, 0}, {connection_.wake, POLLIN, 0}};
    const int64_t wait_ms = std::max<int64_t>(WaitMs(until_ns), 1);
    const int ready = poll(fds, 2, static_cast<int>(wait_ms));
    if (ready < 0 && errno != EINTR) return false;
    if (ready > 0 && fds[1].revents != 0) {  // Perhaps by the request before this one.
      uint64_t times = 0;
      static_cast<void>(!read(connection_.wake, &times, sizeof times));
    }
    ready_ = fds[0].revents;
    if (ready > 0 && ready_ != 0) return true;
  }
}

// The connection that was idle for the shortest time, if it is still good.
bool PlainExchange::TakeKept() {
  std::vector<PlainConnection> old;
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
  return false;
}

bool PlainExchange::Connect(const std::string& address) {
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

// An upload whose answer comes before its end is not sent further.
bool PlainExchange::SendRequest() {
  std::string head = HeadOf(request_, host_.host);
  if (head.empty()) return false;
  const ByteView body = request_.body;
  const short events = body.empty() ? POLLOUT : POLLOUT | POLLIN;
  for (size_t sent = 0; sent < head.size() + body.size();) {
    iovec parts[2];
    size_t count = 0;
    if (sent < head.size()) parts[count++] = {head.data() + sent, head.size() - sent};
    const size_t at = std::max(sent, head.size()) - head.size();
    if (at < body.size())
      parts[count++] = {const_cast<std::byte*>(body.data()) + at, body.size() - at};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    const ssize_t put = sendmsg(connection_.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put > 0) {
      sent += static_cast<size_t>(put);
      window_bytes_ += static_cast<size_t>(put);
      result_.sent_bytes = std::max(sent, head.size()) - head.size();
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return sent > 0 && !body.empty();  // The peer may have said why.
    if (!Wait(events, INT64_MAX)) return false;
    if ((ready_ & POLLIN) != 0) return true;
  }
  sent_all_ = true;
  result_.body_left_ns = now_ns();
  return true;
}

ssize_t PlainExchange::Receive(MutableByteView into) {
  for (;;) {
    const ssize_t got = recv(connection_.fd, into.data(), into.size(), MSG_DONTWAIT);
    if (got > 0) {
      window_bytes_ += static_cast<uint64_t>(got);
      return got;
    }
    if (got == 0) return 0;
    if (errno != EINTR && (errno != EAGAIN || !Wait(POLLIN, INT64_MAX))) return -1;
  }
}

ByteView PlainExchange::Behind(uint64_t bytes) {
  const size_t count = std::min<uint64_t>(bytes, filled_ - taken_);
  const ByteView view = AsBytes({buffer_.data() + taken_, count});
  taken_ += count;
  return view;
}

// A large body stays in the socket, for the pipe; of others as much comes along as there is.
bool PlainExchange::ReadHead(std::string_view& head) {
  const bool leave = request_.take_bytes > kBufferBytes;
  const size_t begin = taken_;
  if (filled_ == taken_ && !Wait(POLLIN, INT64_MAX)) return false;
  for (size_t looked = begin;;) {
    const std::string_view seen(buffer_.data(), filled_);
    const size_t end = seen.find("\r\n\r\n", looked < begin + 3 ? begin : looked - 3);
    if (end != std::string_view::npos) {
      taken_ = end + 4;
      head = seen.substr(begin, taken_ - begin);
      return true;
    }
    if (filled_ == buffer_.size()) return false;
    looked = filled_;
    const MutableByteView room(reinterpret_cast<std::byte*>(buffer_.data()) + filled_,
                               buffer_.size() - filled_);
    ssize_t got = 0;
    if (leave) {
      got = recv(connection_.fd, room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN && !Wait(POLLIN, INT64_MAX)) return false;
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (got <= 0) return false;
      const std::string_view peeked(buffer_.data(), filled_ + static_cast<size_t>(got));
      const size_t stop = peeked.find("\r\n\r\n", looked < begin + 3 ? begin : looked - 3);
      if (stop != std::string_view::npos) got = static_cast<ssize_t>(stop + 4 - filled_);
      got = Receive(room.first(static_cast<size_t>(got)));
    } else {
      got = Receive(room);
    }
    if (got <= 0) return false;
    if (result_.first_byte_ns == 0) result_.first_byte_ns = now_ns();
    filled_ += static_cast<size_t>(got);
  }
}

bool PlainExchange::ReadHeads() {
  for (int heads = 0; heads < kHeadsMax; ++heads) {
    std::string_view head;
    if (!ReadHead(head)) return false;
    auto parsed = ParseHead(head);
    result_.odd = !parsed.has_value();
    if (result_.odd) return false;
    reply_ = std::move(*parsed);
    if (reply_.status >= 200) return true;
    if (!sent_all_) return false;  // It asks for what this does not do.
  }
  return false;
}

bool PlainExchange::PipeBody(uint64_t bytes) {
  if (!connection_.MakePipe(kPipeBytes)) return false;
  while (result_.received_bytes < bytes) {
    if (!GoOn()) return false;
    const size_t room = std::min<uint64_t>(bytes - result_.received_bytes, kPipeBytes);
    const ssize_t got = splice(connection_.fd, nullptr, connection_.pipe_in, nullptr, room,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && Wait(POLLIN, INT64_MAX)) continue;
    if (got <= 0) return false;
    const auto count = static_cast<uint64_t>(got);
    window_bytes_ += count;
    Status taken = request_.take_pipe(result_.received_bytes, connection_.pipe_out, count);
    if (!taken.ok()) {
      result_.reply = std::move(taken).error();
      return false;
    }
    result_.received_bytes += count;
  }
  return true;
}

bool PlainExchange::TakeBody(uint64_t bytes) {
  while (result_.received_bytes < bytes) {
    ByteView piece = Behind(bytes - result_.received_bytes);
    if (piece.empty() && bytes > kBufferBytes) return PipeBody(bytes);
    if (piece.empty()) {
      taken_ = filled_ = 0;
      const ssize_t got = Receive({reinterpret_cast<std::byte*>(buffer_.data()), buffer_.size()});
      if (got <= 0) return false;
      filled_ = static_cast<size_t>(got);
      continue;
    }
    if (Status taken = request_.take(result_.received_bytes, piece); !taken.ok()) {
      result_.reply = std::move(taken).error();
      return false;
    }
    result_.received_bytes += piece.size();
  }
  return true;
}

bool PlainExchange::ReadIntoReply(uint64_t bytes) {
  reply_.body.resize(bytes);
  const ByteView behind = Behind(bytes);
  std::ranges::copy(behind, reply_.body.begin());
  result_.received_bytes = behind.size();
  while (result_.received_bytes < bytes) {
    const ssize_t got = Receive(MutableByteView(reply_.body).subspan(result_.received_bytes));
    if (got <= 0) return false;
    result_.received_bytes += static_cast<uint64_t>(got);
  }
  result_.copied_bytes += bytes;
  return true;
}

bool PlainExchange::ReadBody() {
  const auto length = BodyBytes(reply_);
  const bool good = reply_.status < 300;
  const uint64_t most = good && !upload_ ? request_.take_bytes : kErrorBodyBytesMax;
  result_.odd = !length.has_value();
  if (result_.odd || *length > most) return false;
  if (!good || upload_) return ReadIntoReply(*length);
  reply_.into_bytes = *length;
  return TakeBody(*length);
}

void PlainExchange::Keep() {
  if (!sent_all_ || taken_ != filled_ ||
      Lower(reply_.Header("connection")).find("close") != std::string::npos) {
    return;
  }
  connection_.idle_since_ns = now_ns();
  const std::lock_guard lock(host_.mutex);
  if (host_.plain.size() < HostState::kPlainMax) host_.plain.push_back(std::move(connection_));
}

PlainResult PlainExchange::Run(const std::vector<std::string>& addresses) {
  const bool kept = TakeKept();
  if (!kept) connection_.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (connection_.wake < 0) return std::move(result_);
  bool served = false;
  {
    const auto waking = ctx_.cancel().OnCancel([fd = connection_.wake] {
      const uint64_t one = 1;
      static_cast<void>(!write(fd, &one, sizeof one));
    });
    served = (kept || Connect(addresses.empty() ? host_.host.name : addresses.front())) &&
             SendRequest() && ReadHeads() && ReadBody();
  }
  result_.address = connection_.address;
  if (served) {
    Keep();  // Only now that nobody wakes it.
    result_.reply = std::move(reply_);
  }
  if (connection_.fd >= 0 && !connection_.address.empty()) {
    const std::lock_guard lock(host_.mutex);
    host_.book.Closed(connection_.address);
  }
  return std::move(result_);
}

}  // namespace

bool ServedPlain(const Request& request) {
  if (request.once || !request.url.starts_with("http://")) return false;
  if (request.method == "GET") return static_cast<bool>(request.take_pipe);
  return request.method == "PUT" && !request.before_last_byte;
}

PlainResult ExchangePlain(const OpContext& ctx, const Request& request, HostState& host,
                          const std::vector<std::string>& addresses, const PlainLimits& limits) {
  return PlainExchange(ctx, request, host, limits).Run(addresses);
}

}  // namespace varve::http
