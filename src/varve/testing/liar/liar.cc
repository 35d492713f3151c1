#include "varve/testing/liar/liar.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "varve/base/clock.h"
#include "varve/base/random.h"

namespace varve::liar {

using wire::Peer;
using wire::ReadBytes;
using wire::ReadHead;
using wire::SendAll;

namespace {

constexpr int kPollMs = 20;
constexpr int kHoldMsMax = 60'000;
constexpr uint64_t kEndlessBytesMax = 256 * 1024 * 1024;
constexpr size_t kZombiesMax = 10'000;

void Pause(int64_t pause_ms) {
  if (pause_ms > 0) SystemClock().SleepUntil(SystemClock().SteadyNs() + pause_ms * 1'000'000);
}

}  // namespace

Result<std::unique_ptr<Liar>> Liar::Start(Options options) {
  std::unique_ptr<Liar> liar(new Liar(options.upstream_port));
  const auto serve = [self = liar.get()](int socket) { self->Serve(socket); };
  VARVE_TRY(liar->listener_, wire::Listener::Start(options.port, "liar", serve));
  return liar;
}

Liar::~Liar() {
  ++silences_;
  listener_.reset();
}

void Liar::Tell(Plan plan) {
  if (plan.classes.empty()) plan.classes = InfoOf(plan.lie).classes;
  const std::lock_guard lock(mutex_);
  plans_.push_back(std::move(plan));
}

void Liar::Storm(uint64_t seed, uint32_t per_mille, std::vector<Lie> lies) {
  if (lies.empty()) {
    for (const LieInfo& info : kLies) lies.push_back(info.lie);
  }
  const std::lock_guard lock(mutex_);
  storm_seed_ = seed;
  storm_per_mille_ = per_mille;
  storm_lies_ = std::move(lies);
}

void Liar::Calm() {
  const std::lock_guard lock(mutex_);
  plans_.clear();
  storm_per_mille_ = 0;
  ++silences_;
}

std::optional<Liar::Chosen> Liar::Choose(char kind) {
  const std::lock_guard lock(mutex_);
  for (auto plan = plans_.begin(); plan != plans_.end(); ++plan) {
    if (plan->classes.find(kind) == std::string::npos) continue;
    if (plan->after > 0) {
      --plan->after;
      continue;
    }
    const Chosen chosen{plan->lie, plan->seed++};
    if (--plan->times == 0) plans_.erase(plan);
    ++told_;
    return chosen;
  }
  if (storm_per_mille_ == 0) return std::nullopt;
  SeededRandom random(storm_seed_++);
  if (random.Between(0, 999) >= storm_per_mille_) return std::nullopt;
  const Lie lie = storm_lies_[random.Between(0, storm_lies_.size() - 1)];
  if (InfoOf(lie).classes.find(kind) == std::string_view::npos) return std::nullopt;
  ++told_;
  return Chosen{lie, random.Next64()};
}

int Liar::Connect() const {
  const int store = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(upstream_port_);
  if (store >= 0 && connect(store, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const int on = 1;
    setsockopt(store, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return store;
  }
  if (store >= 0) close(store);
  return -1;
}

std::optional<Message> Liar::Ask(Peer& store, const Message& request) {
  Message sent = request;
  sent.Drop("expect");
  const std::string method = request.start.substr(0, request.start.find(' '));
  // A kept connection may be dead: once more on a fresh one, when no byte of an answer came.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const bool fresh = store.socket < 0;
    if (fresh) store = {Connect(), ""};
    if (store.socket < 0) return std::nullopt;
    if (SendAll(store.socket, sent.Bytes())) {
      std::optional<Message> answer = ReadHead(store);
      while (answer.has_value() && answer->status() == 100) answer = ReadHead(store);
      if (answer.has_value() && wire::ReadAnswerBody(store, method, *answer)) {
        const std::string* kept = answer->Find("connection");
        if (kept != nullptr && *kept == "close") {
          close(store.socket);
          store = {};
        }
        answer->Drop("connection");
        answer->Drop("keep-alive");
        return answer;
      }
    }
    close(store.socket);
    store = {};
    if (fresh) return std::nullopt;
  }
  return std::nullopt;
}

std::vector<int> Liar::WakeZombies() {
  std::vector<Message> zombies;
  {
    const std::lock_guard lock(mutex_);
    zombies.swap(zombies_);
  }
  std::vector<int> statuses;
  for (const Message& zombie : zombies) {
    Peer store;
    const auto answer = Ask(store, zombie);
    statuses.push_back(answer.has_value() ? answer->status() : 0);
    if (store.socket >= 0) close(store.socket);
  }
  return statuses;
}

void Liar::Serve(int socket) {
  Peer client{socket, ""}, store;
  while (ServeOne(client, store)) {
  }
  if (store.socket >= 0) close(store.socket);
}

// Silent until the client gives up, Calm, or the end.
void Liar::Hold(int socket) {
  const uint64_t before = silences_;
  for (int waited_ms = 0; waited_ms < kHoldMsMax && silences_ == before; waited_ms += kPollMs) {
    pollfd gone{.fd = socket, .events = POLLRDHUP, .revents = 0};
    if (poll(&gone, 1, kPollMs) > 0) return;
  }
}

bool Liar::Show(Peer& client, const Telling& telling) {
  std::string_view left = telling.bytes;
  const uint64_t before = silences_;
  while (!left.empty()) {
    const std::string_view piece = left.substr(0, telling.piece_bytes);
    if (!SendAll(client.socket, piece)) return false;
    left.remove_prefix(piece.size());
    if (silences_ == before) Pause(telling.pause_ms);
  }
  if (telling.endless) {
    const std::string_view tail =
        std::string_view(telling.bytes).substr(telling.bytes.size() - kEndlessBytes);
    for (uint64_t sent = 0; sent < kEndlessBytesMax && silences_ == before; sent += tail.size()) {
      if (!SendAll(client.socket, tail)) return false;
    }
    return false;
  }
  if (telling.hold) Hold(client.socket);
  if (telling.reset) wire::Reset(client.socket);
  return !telling.hold && !telling.reset && !telling.close;
}

bool Liar::ServeOne(Peer& client, Peer& store) {
  std::optional<Message> request = ReadHead(client);
  if (!request.has_value()) return false;
  ++requests_;
  const std::optional<Chosen> chosen = Choose(ClassOf(*request));
  const uint64_t body_bytes = wire::BodyBytes(*request);
  if (chosen.has_value() && chosen->lie == Lie::kBlackHole) {
    Hold(client.socket);
    return false;
  }
  if (request->Find("expect") != nullptr &&
      !SendAll(client.socket, "HTTP/1.1 100 Continue\r\n\r\n"))
    return false;
  if (chosen.has_value() && chosen->lie == Lie::kResetInRequest) {
    static_cast<void>(ReadBytes(client, *request, body_bytes / 2));
    wire::Reset(client.socket);
    return false;
  }
  if (!ReadBytes(client, *request, body_bytes)) return false;
  const When when = chosen.has_value() ? InfoOf(chosen->lie).when : When::kAfterwards;
  if (chosen.has_value() && when == When::kInstead) {
    if (chosen->lie == Lie::kZombie) {
      const std::lock_guard lock(mutex_);
      if (zombies_.size() < kZombiesMax) zombies_.push_back(*request);
    }
    return Show(client, Invent(chosen->lie, *request, SystemClock().WallMs()));
  }
  if (chosen.has_value() && chosen->lie == Lie::kFlipRequest && !request->body.empty())
    request->body[request->body.size() / 2] ^= 1;
  if (chosen.has_value() && chosen->lie == Lie::kTwice) {
    // Served now, and once more when it is least wanted.
    const std::lock_guard lock(mutex_);
    if (zombies_.size() < kZombiesMax) zombies_.push_back(*request);
  }
  std::optional<Message> answer = Ask(store, *request);
  if (!answer.has_value()) return false;
  if (chosen.has_value() && when == When::kAfterwards)
    return Show(client, Twist(chosen->lie, *request, std::move(*answer), chosen->seed));
  return SendAll(client.socket, answer->Bytes());
}

}  // namespace varve::liar
