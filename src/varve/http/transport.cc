#include "varve/http/transport.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>

#include "varve/http/exchange.h"
#include "varve/http/plain_exchange.h"
#include "varve/http/pool.h"
#include "varve/http/resolve.h"
#include "varve/plan/pacing.h"

namespace varve::http {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kPollMs = 1000;
constexpr int64_t kQueuePollMs = 100;        // While the last of a body is on its way.
constexpr int64_t kPostSilenceMs = 120'000;  // A store that works on a request sends blanks.
constexpr int kHedgesMax = 4;

Error LateAnswer(const std::string& host, int64_t after_ms) {
  return Error(ErrorCode::kUnavailable, "no answer from " + host + " for " +
                                            std::to_string(after_ms) +
                                            " ms after the body, far longer than usual");
}

}  // namespace

std::string Reply::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

struct Transport::Impl {
  explicit Impl(TransportOptions options)
      : first_answer_ms(options.first_answer_ms),
        ca_bundle(options.ca_bundle),
        pool(std::move(options)) {}
  const pid_t owner_pid = getpid();
  const int64_t first_answer_ms;
  std::string ca_bundle;
  Pool pool;
  Mutex hedge_mutex;
  int hedges_running = 0;  // Guarded by hedge_mutex, as the next.
  uint64_t hedge_bytes = 0;
  void Waited(int64_t wait_ns, int64_t whole_ns) {
    const std::lock_guard lock(waits_mutex);
    waits.Finished(wait_ns, whole_ns);
    wait_share = waits.share();
  }
  Mutex waits_mutex;
  plan::WaitShare waits;  // Guarded by waits_mutex.
  std::atomic<double> wait_share{0};
  std::atomic<uint64_t> requests{0}, connections{0}, sent_bytes{0}, received_bytes{0},
      copied_bytes{0}, hedges{0}, hedges_won{0}, cut_offs{0};
};

Transport::Transport(TransportOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(initialised);
  for (const char* name : {"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    const char* path = std::getenv(name);
    if (impl_->ca_bundle.empty() && path != nullptr) impl_->ca_bundle = path;
  }
}

Transport::~Transport() {
  if (getpid() == impl_->owner_pid) return;
  impl_->pool.Abandon();
  static_cast<void>(impl_.release());
}

TransportStats Transport::stats() const {
  return {.requests = impl_->requests,
          .connections = impl_->connections,
          .sent_bytes = impl_->sent_bytes,
          .received_bytes = impl_->received_bytes,
          .copied_bytes = impl_->copied_bytes,
          .hedges = impl_->hedges,
          .hedges_won = impl_->hedges_won,
          .cut_offs = impl_->cut_offs};
}

double Transport::WaitShare() const { return impl_->wait_share; }

// One call of Send: the request, and where it is late a second one beside it, in one multi handle.
class Race {
 public:
  Race(Transport::Impl& shared, const OpContext& ctx, const Request& request, HostState& host,
       std::vector<std::string> addresses)
      : shared_(shared),
        ctx_(ctx),
        request_(request),
        host_(host),
        addresses_(std::move(addresses)),
        handle_(shared_.pool.Take(host, ctx.clock().SteadyNs())) {}
  Race(const Race&) = delete;
  Race& operator=(const Race&) = delete;
  ~Race();

  Result<Reply> Run(bool* maybe_sent);

 private:
  int64_t now_ns() const { return ctx_.clock().SteadyNs(); }
  uint64_t wanted_bytes() const {
    return request_.take ? request_.take_bytes : request_.into.size();
  }
  bool is_read() const { return request_.method == "GET" && !request_.once; }
  bool is_upload() const { return request_.method == "PUT" && !request_.once; }
  void ReadLimits();
  Status Loop();  // Until one answer counts; the error of one who stops it.
  void TakeMessages();
  bool Decided();
  Status CheckLate();  // Cuts off an upload, or a POST that fell silent; hedges a read.
  void StartHedge();
  int64_t WaitMs();
  void Account(Exchange& exchange);
  void Learn(Exchange& winner);

  Transport::Impl& shared_;
  const OpContext& ctx_;
  const Request& request_;
  HostState& host_;
  const std::vector<std::string> addresses_;
  std::unique_ptr<Handle> handle_;
  std::optional<Exchange> first_, second_;
  CURL* second_easy_ = nullptr;
  Bytes second_into_;
  Exchange* winner_ = nullptr;
  bool hedged_ = false;
  bool clean_ = false;  // The handle's connection, if any, is fit for the next request.
  int64_t cut_off_ms_ = 0, hedge_first_byte_ms_ = 0, hedge_whole_ms_ = 0;
  int64_t first_answer_ms_ = 0;  // 0: the host has answered before.
};

Race::~Race() {
  for (auto* exchange : {&first_, &second_}) {
    if (!exchange->has_value()) continue;
    Account(**exchange);
    curl_multi_remove_handle(handle_->multi, (*exchange)->easy());
    exchange->reset();
  }
  if (second_easy_ != nullptr) {
    curl_easy_cleanup(second_easy_);
    const std::lock_guard lock(shared_.hedge_mutex);
    shared_.hedge_bytes -= second_into_.size();
    --shared_.hedges_running;
  }
  if (clean_)
    shared_.pool.Give(std::move(handle_), now_ns());
  else
    shared_.pool.Drop(std::move(handle_));
}

void Race::ReadLimits() {
  const std::lock_guard lock(host_.mutex);
  if (!host_.met) first_answer_ms_ = shared_.first_answer_ms;
  if (is_upload()) cut_off_ms_ = host_.uploads.limit_ms();
  if (!is_read()) return;
  hedge_first_byte_ms_ = host_.reads.first_byte_ms();
  hedge_whole_ms_ = wanted_bytes() == 0 ? 0 : host_.reads.whole_ms(wanted_bytes());
}

Result<Reply> Race::Run(bool* maybe_sent) {
  ReadLimits();
  ++shared_.requests;
  first_.emplace(handle_->easy, request_, ctx_.clock(),
                 Exchange::Options{.into = request_.into,
                                   .take = static_cast<bool>(request_.take),
                                   .addresses = addresses_,
                                   .ca_bundle = shared_.ca_bundle});
  Status stopped;
  {
    const auto wake =
        ctx_.cancel().OnCancel([multi = handle_->multi] { curl_multi_wakeup(multi); });
    curl_multi_add_handle(handle_->multi, first_->easy());
    stopped = Loop();
  }
  if (maybe_sent != nullptr)
    *maybe_sent = first_->maybe_sent() || (second_.has_value() && second_->maybe_sent());
  if (!stopped.ok()) return std::move(stopped).error();  // The handle goes, with its connection.
  Learn(*winner_);
  if (winner_ != &*first_) {
    ++shared_.hedges_won;
    // The first may have begun to write there; only its end makes the place ours.
    curl_multi_remove_handle(handle_->multi, first_->easy());
    auto reply = winner_->TakeReply();
    if (!reply.ok()) return reply;
    const ByteView got = ByteView(second_into_).first(reply->into_bytes);
    if (request_.take) {
      VARVE_CHECK_OK(request_.take(0, got));
    } else if (!got.empty()) {
      std::memcpy(request_.into.data(), got.data(), got.size());
    }
    return reply;
  }
  return winner_->TakeReply();
}

Status Race::Loop() {
  for (;;) {
    int running = 0;
    if (curl_multi_perform(handle_->multi, &running) != CURLM_OK)
      return Error(ErrorCode::kUnavailable,
                   "no whole answer from " + host_.host.authority + ": the transport failed");
    TakeMessages();
    if (Decided()) return OkStatus();
    VARVE_CHECK_OK(ctx_.Check());
    VARVE_CHECK_OK(CheckLate());
    curl_multi_poll(handle_->multi, nullptr, 0, static_cast<int>(WaitMs()), nullptr);
  }
}

void Race::TakeMessages() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(handle_->multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const bool is_first = message->easy_handle == first_->easy();
    (is_first ? *first_ : *second_).Finish(message->data.result);
  }
}

bool Race::Decided() {
  const bool second_open = second_.has_value() && !second_->done();
  if (first_->done() && (first_->good() || !second_open)) {
    winner_ = second_.has_value() && !first_->good() && second_->good() ? &*second_ : &*first_;
  } else if (second_.has_value() && second_->done() && second_->good()) {
    winner_ = &*second_;
  }
  return winner_ != nullptr;
}

Status Race::CheckLate() {
  const int64_t now = now_ns();
  if (cut_off_ms_ != 0 && !first_->answering()) {
    const int64_t left_ns = first_->body_left_ns();
    if (left_ns != 0 && now - left_ns >= cut_off_ms_ * kNsPerMs) {
      ++shared_.cut_offs;
      const std::lock_guard lock(host_.mutex);
      host_.uploads.CutOff(cut_off_ms_);
      return LateAnswer(host_.host.authority, cut_off_ms_);
    }
  }
  const bool silent = !first_->answering() && !(second_.has_value() && second_->answering());
  if (first_answer_ms_ != 0 && silent && first_->maybe_sent() &&
      now - first_->last_activity_ns() >= first_answer_ms_ * kNsPerMs) {
    return Error(ErrorCode::kUnavailable,
                 host_.host.authority + " takes connections and answers nothing for " +
                     std::to_string(first_answer_ms_ / 1000) +
                     " s; check the endpoint, its port and its https or http");
  }
  if (request_.method == "POST" && now - first_->last_activity_ns() >= kPostSilenceMs * kNsPerMs) {
    return Error(ErrorCode::kUnavailable, "no sign of life from " + host_.host.authority + " for " +
                                              std::to_string(kPostSilenceMs / 1000) + " s");
  }
  const int64_t age = now - first_->begun_ns();
  if (is_read() && !hedged_ &&
      ((!first_->answering() && age >= hedge_first_byte_ms_ * kNsPerMs) ||
       (hedge_whole_ms_ != 0 && age >= hedge_whole_ms_ * kNsPerMs))) {
    hedged_ = true;
    StartHedge();
  }
  return OkStatus();
}

void Race::StartHedge() {
  {
    const std::lock_guard lock(host_.mutex);
    if (!host_.reads.Spend()) return;
  }
  const uint64_t bytes = wanted_bytes();
  {
    const std::lock_guard lock(shared_.hedge_mutex);
    if (shared_.hedges_running >= kHedgesMax || shared_.hedge_bytes + bytes > kHedgeBytesMax)
      return;
    ++shared_.hedges_running;
    shared_.hedge_bytes += bytes;
  }
  ++shared_.hedges;
  ++shared_.requests;
  second_easy_ = curl_easy_init();
  second_into_.resize(bytes);
  std::vector<std::string> addresses = addresses_;
  if (addresses.size() > 1) std::rotate(addresses.begin(), addresses.begin() + 1, addresses.end());
  second_.emplace(second_easy_, request_, ctx_.clock(),
                  Exchange::Options{.into = second_into_,
                                    .addresses = std::move(addresses),
                                    .ca_bundle = shared_.ca_bundle,
                                    .new_connection = true});
  curl_multi_add_handle(handle_->multi, second_easy_);
}

int64_t Race::WaitMs() {
  int64_t wait_ms = std::min(kPollMs, ctx_.LeftMs());
  const int64_t age_ms = (now_ns() - first_->begun_ns()) / kNsPerMs;
  if (is_read() && !hedged_) {
    if (!first_->answering()) wait_ms = std::min(wait_ms, hedge_first_byte_ms_ - age_ms);
    if (hedge_whole_ms_ != 0) wait_ms = std::min(wait_ms, hedge_whole_ms_ - age_ms);
  }
  if (cut_off_ms_ != 0 && !first_->answering() && first_->sent_bytes() == request_.body.size())
    wait_ms = std::min(wait_ms, kQueuePollMs);
  if (first_answer_ms_ != 0 && !first_->answering())
    wait_ms = std::min(wait_ms, std::max(kQueuePollMs, first_answer_ms_ - age_ms));
  return std::max<int64_t>(0, wait_ms);
}

void Race::Account(Exchange& exchange) {
  shared_.sent_bytes += exchange.sent_bytes();
  shared_.received_bytes += exchange.received_bytes();
  shared_.copied_bytes += exchange.copied_bytes();
  if (exchange.connected_anew()) ++shared_.connections;
}

void Race::Learn(Exchange& winner) {
  const int64_t now_ms = now_ns() / kNsPerMs;
  const std::string address = winner.PeerAddress();
  if (winner.address_failed()) {
    const std::lock_guard lock(host_.mutex);
    // Nobody there: all that were tried. Silence: the one that was silent.
    const bool all = !winner.maybe_sent();
    for (const std::string& each : addresses_) {
      if (all || each == address) host_.book.Failed(each, now_ms);
    }
    return;
  }
  clean_ = winner.whole();
  if (&winner == &*first_ && winner.connected_anew()) shared_.pool.Connected(*handle_, address);
  if (&winner != &*first_) shared_.pool.Connected(*handle_, "");
  const std::lock_guard lock(host_.mutex);
  host_.met = host_.met || winner.answering();
  host_.book.Worked(address);
  if (&winner == &*first_ && winner.connected_anew()) {
    // Those before it in the order were tried, and did not answer.
    for (const std::string& each : addresses_) {
      if (each == address) break;
      host_.book.Failed(each, now_ms);
    }
  }
  if (!winner.good() || !winner.answering()) return;
  shared_.Waited(winner.answer_wait_ns(), winner.done_ns() - winner.begun_ns());
  if (is_upload()) host_.uploads.Answered(winner.answer_wait_ns() / kNsPerMs);
  if (is_read()) {
    host_.reads.Finished(wanted_bytes(), (winner.first_byte_ns() - winner.begun_ns()) / kNsPerMs,
                         (winner.done_ns() - winner.begun_ns()) / kNsPerMs);
  }
}

// Nothing where libcurl is to ask.
std::optional<Result<Reply>> Transport::SendPlain(const OpContext& ctx, const Request& request,
                                                  HostState& host,
                                                  const std::vector<std::string>& addresses) {
  if (!ServedPlain(request) || ProxyIsSet() || (addresses.empty() && !IsAddress(host.host.name)))
    return std::nullopt;
  const bool upload = request.method == "PUT";
  PlainLimits limits;
  {
    const std::lock_guard lock(host.mutex);
    if (!host.met || (upload && host.odd_uploads)) return std::nullopt;
    limits.first_byte_ms = host.reads.first_byte_ms();
    limits.whole_ms = host.reads.whole_ms(request.take_bytes);
    limits.cut_off_ms = host.uploads.limit_ms();
  }
  limits.may_ask_again = [&] {
    const std::lock_guard lock(host.mutex);
    return host.reads.Spend();
  };
  PlainResult result = ExchangePlain(ctx, request, host, addresses, limits);
  ++impl_->requests;
  impl_->sent_bytes += result.sent_bytes;
  impl_->received_bytes += result.received_bytes;
  impl_->copied_bytes += result.copied_bytes;
  if (result.connected_anew) ++impl_->connections;
  const std::lock_guard lock(host.mutex);
  if (upload && result.odd) host.odd_uploads = true;
  if (upload && result.cut_off) {
    ++impl_->cut_offs;
    host.uploads.CutOff(limits.cut_off_ms);
    return LateAnswer(host.host.authority, limits.cut_off_ms);
  }
  const int64_t now_ns = ctx.clock().SteadyNs();
  if (upload && result.silent) {
    host.book.Failed(result.address, now_ns / kNsPerMs);
    return AlmostSilent(host.host.authority);
  }
  if (!result.reply.has_value() || !result.reply->ok()) return std::move(result.reply);
  const int status = (*result.reply)->status;
  if (status >= 500 || status == 429 || status == 408) return std::move(result.reply);
  // An answer that came before the whole body had left tells nothing of waits.
  const bool waited = result.body_left_ns != 0;
  const int64_t wait_ns = result.first_byte_ns - result.body_left_ns;
  if (waited) impl_->Waited(wait_ns, now_ns - result.begun_ns);
  if (upload && waited) host.uploads.Answered(wait_ns / kNsPerMs);
  if (!upload && status < 300) {
    host.reads.Finished(request.take_bytes, (result.first_byte_ns - result.begun_ns) / kNsPerMs,
                        (now_ns - result.begun_ns) / kNsPerMs);
  }
  return std::move(result.reply);
}

Result<Reply> Transport::Send(const OpContext& ctx, const Request& request, bool* maybe_sent) {
  if (maybe_sent != nullptr) *maybe_sent = false;
  if (getpid() != impl_->owner_pid) {
    return Error(ErrorCode::kUnsupported, "this process is a fork; open the lake again in it");
  }
  VARVE_CHECK_OK(ctx.Check());
  VARVE_TRY(HostState* const host, impl_->pool.HostOfUrl(request.url));
  VARVE_TRY(std::vector<std::string> addresses, impl_->pool.Addresses(ctx, *host));
  if (auto reply = SendPlain(ctx, request, *host, addresses); reply.has_value()) {
    if (maybe_sent != nullptr) *maybe_sent = true;
    return std::move(*reply);
  }
  return Race(*impl_, ctx, request, *host, std::move(addresses)).Run(maybe_sent);
}

}  // namespace varve::http
