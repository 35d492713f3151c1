#include "varve/http/exchange.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "varve/http/reply_head.h"
#include "varve/http/url.h"

namespace varve::http {
namespace {

constexpr uint64_t kDroppedBytesMax = 4 * kMiB;  // Of an error's page; above, the connection goes.

// `detail`: libcurl's own words, which quote the peer; only looked at.
Error BadCertificate(CURLcode code, const std::string& host, std::string_view detail) {
  const auto says = [&](const char* words) { return detail.find(words) != std::string_view::npos; };
  if (code == CURLE_SSL_CACERT_BADFILE) {
    return Error(ErrorCode::kInvalidArgument,
                 "the file of trusted authorities cannot be read; check AWS_CA_BUNDLE");
  }
  const std::string whose = "the certificate of " + host;
  if (says("not yet valid"))
    return Error(ErrorCode::kInvalidArgument,
                 whose + " is not valid yet; set this machine's clock");
  if (says("expired")) {
    return Error(ErrorCode::kInvalidArgument,
                 whose + " has expired; renew it, or set this machine's clock");
  }
  if (says("does not match") || says("no alternative certificate subject")) {
    return Error(ErrorCode::kInvalidArgument,
                 whose + " is for another name; set AWS_ENDPOINT_URL to a name that it has");
  }
  return Error(ErrorCode::kInvalidArgument,
               whose + " is not trusted; set AWS_CA_BUNDLE to its authority");
}

struct Failure {
  CURLcode code;
  std::string_view detail;
  long proxy_status;  // Of its answer to CONNECT.
  bool sent;          // The request may have left.
};

Error FromCurl(const std::string& url, const Failure& failure) {
  const CURLcode code = failure.code;
  const std::string host = HostOf(url).authority;
  const bool again = code == CURLE_ABORTED_BY_CALLBACK;  // Only OnSend aborts.
  const std::string cause = again ? "the connection broke" : curl_easy_strerror(code);
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
      code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_ISSUER_ERROR) {
    return BadCertificate(code, host, failure.detail);
  }
  if (code == CURLE_COULDNT_RESOLVE_PROXY) {
    return Error(ErrorCode::kUnavailable,
                 "the proxy has no such name; check http_proxy and https_proxy");
  }
  if (failure.proxy_status >= 400) {
    return Error(ErrorCode::kUnavailable,
                 "the proxy answers " + std::to_string(failure.proxy_status) +
                     " instead of connecting to " + host + "; check https_proxy and no_proxy");
  }
  if (code == CURLE_UNSUPPORTED_PROTOCOL && failure.sent)
    return Error(ErrorCode::kUnavailable, host + " does not answer in HTTP; check the endpoint");
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
    return Error(ErrorCode::kInvalidArgument, "the endpoint is not a URL: " + host);
  }
  if (code == CURLE_COULDNT_RESOLVE_HOST) {
    return Error(ErrorCode::kUnavailable, "no such host " + host + "; check the endpoint");
  }
  if (code == CURLE_COULDNT_CONNECT) {
    return Error(ErrorCode::kUnavailable,
                 "cannot connect to " + host + "; check the endpoint and that it runs");
  }
  if (code == CURLE_OPERATION_TIMEDOUT && failure.sent) return AlmostSilent(host);
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return Error(ErrorCode::kUnavailable,
                 "no answer from " + host + " for " + std::to_string(kConnectTimeoutMs / 1000) +
                     " s; check the endpoint, its https or http, and the firewalls on the way");
  }
  if (code == CURLE_SSL_CONNECT_ERROR) {
    return Error(ErrorCode::kUnavailable,
                 "no TLS with " + host + "; check whether the endpoint is https or http");
  }
  return Error(ErrorCode::kUnavailable, "no whole answer from " + host + ": " + cause);
}

}  // namespace

Error AlmostSilent(const std::string& host) {
  return Error(ErrorCode::kUnavailable, host + " said almost nothing for " +
                                            std::to_string(kLowSpeedSeconds) +
                                            " s; check its health");
}

Exchange::Exchange(CURL* easy, const Request& request, Clock& clock, Options options)
    : easy_(easy), request_(request), clock_(clock), options_(std::move(options)) {
  begun_ns_ = last_activity_ns_ = clock_.SteadyNs();
  headers_ = curl_slist_append(nullptr, "Expect:");
  for (const auto& [name, value] : request_.headers)
    headers_ = curl_slist_append(headers_, (name + ": " + value).c_str());
  curl_easy_reset(easy_);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, detail_.data());
  curl_easy_setopt(easy_, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(easy_, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  // A POST may be worked on for minutes, with a blank now and then; Transport watches its silence.
  if (request_.method != "POST") {
    curl_easy_setopt(easy_, CURLOPT_LOW_SPEED_LIMIT, kLowSpeedBytes);
    curl_easy_setopt(easy_, CURLOPT_LOW_SPEED_TIME, kLowSpeedSeconds);
  }
  curl_easy_setopt(easy_, CURLOPT_MAXAGE_CONN, kIdleSeconds);
  curl_easy_setopt(easy_, CURLOPT_MAXLIFETIME_CONN, kConnectionSecondsMax);
  curl_easy_setopt(easy_, CURLOPT_BUFFERSIZE, static_cast<long>(kReceiveBufferBytes));
  curl_easy_setopt(easy_, CURLOPT_UPLOAD_BUFFERSIZE, static_cast<long>(kSendBufferBytes));
  if (!options_.ca_bundle.empty())
    curl_easy_setopt(easy_, CURLOPT_CAINFO, options_.ca_bundle.c_str());
  if (request_.direct) curl_easy_setopt(easy_, CURLOPT_NOPROXY, "*");
  if (!options_.addresses.empty()) {
    const Host host = HostOf(request_.url);
    std::string entry = "+" + host.name + ":" + std::to_string(host.port) + ":";
    for (size_t i = 0; i < options_.addresses.size(); ++i)
      entry += (i == 0 ? "" : ",") + options_.addresses[i];
    resolve_ = curl_slist_append(nullptr, entry.c_str());
    curl_easy_setopt(easy_, CURLOPT_RESOLVE, resolve_);
  }
  if (options_.new_connection) {
    curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy_, CURLOPT_FORBID_REUSE, 1L);
  }
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy_, CURLOPT_PREREQFUNCTION, OnSend);
  curl_easy_setopt(easy_, CURLOPT_PREREQDATA, this);
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  SetMethod();
}

void Exchange::SetMethod() {
  if (request_.method == "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  } else if (request_.method == "PUT" || request_.method == "POST") {
    curl_easy_setopt(easy_, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    curl_easy_setopt(easy_, CURLOPT_INFILESIZE_LARGE,
                     static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(easy_, CURLOPT_READFUNCTION, OnRead);
    curl_easy_setopt(easy_, CURLOPT_READDATA, this);
    curl_easy_setopt(easy_, CURLOPT_SEEKFUNCTION, OnSeek);
    curl_easy_setopt(easy_, CURLOPT_SEEKDATA, this);
  } else if (request_.method != "GET") {
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
}

Exchange::~Exchange() {
  // The handle may be used again; nothing of this exchange may stay on it.
  curl_easy_reset(easy_);
  curl_slist_free_all(headers_);
  curl_slist_free_all(resolve_);
}

void Exchange::Finish(CURLcode code) {
  done_ = true;
  code_ = code;
  done_ns_ = clock_.SteadyNs();
}

bool Exchange::good() const {
  return whole() && reply_.status < 500 && reply_.status != 429 && reply_.status != 408;
}

Result<Reply> Exchange::TakeReply() {
  if (!taken_.ok()) return std::move(taken_).error();
  if (!whole()) {
    Error error =
        too_large_
            ? Error(ErrorCode::kResourceExhausted,
                    "the answer of " + HostOf(request_.url).authority + " is larger than allowed")
            : FromCurl(request_.url, {code_, detail_.data(), ProxyStatus(), maybe_sent()});
    if (reply_.status != 0) error.FromHttp(reply_.status, reply_.Header(request_.id_header));
    return error;
  }
  return std::move(reply_);
}

bool Exchange::TakeHeader(std::string_view line) {
  last_activity_ns_ = clock_.SteadyNs();
  if (first_byte_ns_ == 0) first_byte_ns_ = last_activity_ns_;
  header_bytes_ += line.size();
  if (header_bytes_ > kHeadBytesMax) {
    too_large_ = true;
    return false;
  }
  TakeHeadLine(line, reply_);
  return true;
}

bool Exchange::TakeBody(ByteView piece) {
  last_activity_ns_ = clock_.SteadyNs();
  received_bytes_ += piece.size();
  const bool good_status = reply_.status >= 200 && reply_.status < 300;
  if (good_status && options_.take) {
    too_large_ = piece.size() > request_.take_bytes - reply_.into_bytes;
    if (too_large_) return false;
    taken_ = request_.take(reply_.into_bytes, piece);
    reply_.into_bytes += piece.size();
    return taken_.ok();
  }
  if (good_status && !options_.into.empty()) {
    const MutableByteView room = options_.into.subspan(reply_.into_bytes);
    if (piece.size() > room.size()) {
      too_large_ = true;
      return false;
    }
    std::memcpy(room.data(), piece.data(), piece.size());
    copied_bytes_ += piece.size();
    reply_.into_bytes += piece.size();
    return true;
  }
  if (!good_status) {
    const size_t bytes = piece.size();
    piece = piece.first(std::min(bytes, kErrorBodyBytesMax - reply_.body.size()));
    dropped_bytes_ += bytes - piece.size();
  }
  if (reply_.body.size() + piece.size() > request_.body_bytes_max ||
      dropped_bytes_ > kDroppedBytesMax) {
    too_large_ = true;
    return false;
  }
  reply_.body.insert(reply_.body.end(), piece.begin(), piece.end());
  copied_bytes_ += piece.size();
  return true;
}

size_t Exchange::OnHeader(char* data, size_t, size_t bytes, void* self) {
  return static_cast<Exchange*>(self)->TakeHeader({data, bytes}) ? bytes : 0;
}

size_t Exchange::OnBody(char* data, size_t, size_t bytes, void* self) {
  return static_cast<Exchange*>(self)->TakeBody(AsBytes({data, bytes})) ? bytes : 0;
}

size_t Exchange::OnRead(char* into, size_t, size_t room, void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  const ByteView left = exchange.request_.body.subspan(exchange.sent_bytes_);
  size_t bytes = std::min(room, left.size());
  if (const auto& hold = exchange.request_.before_last_byte; hold && !left.empty()) {
    if (left.size() > 1) bytes = std::min(bytes, left.size() - 1);  // libcurl sends it, then asks.
    if (left.size() == 1) hold();
  }
  std::memcpy(into, left.data(), bytes);
  exchange.sent_bytes_ += bytes;
  exchange.copied_bytes_ += bytes;
  exchange.last_activity_ns_ = exchange.body_handed_ns_ = exchange.clock_.SteadyNs();
  return bytes;
}

int Exchange::OnSeek(void* self, curl_off_t offset, int) {
  auto& exchange = *static_cast<Exchange*>(self);
  exchange.sent_bytes_ = static_cast<uint64_t>(offset);
  exchange.body_left_ns_ = 0;
  return CURL_SEEKFUNC_OK;
}

// Called before each writing of the request; a dead kept connection makes libcurl try a second one.
int Exchange::OnSend(void* self, char*, char*, int, int) {
  auto& exchange = *static_cast<Exchange*>(self);
  if (exchange.tries_ > 0 && exchange.request_.once) return CURL_PREREQFUNC_ABORT;
  ++exchange.tries_;
  return CURL_PREREQFUNC_OK;
}

int64_t Exchange::body_left_ns() {
  if (body_left_ns_ != 0) return body_left_ns_;
  if (tries_ == 0 || sent_bytes_ < request_.body.size()) return 0;
  curl_socket_t socket = CURL_SOCKET_BAD;
  int queued = 0;
  if (curl_easy_getinfo(easy_, CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK &&
      socket != CURL_SOCKET_BAD && ioctl(socket, SIOCOUTQ, &queued) == 0 && queued > 0) {
    return 0;
  }
  return body_left_ns_ = clock_.SteadyNs();
}

int64_t Exchange::answer_wait_ns() const {
  const bool seen_leaving = body_left_ns_ != 0 && body_left_ns_ <= first_byte_ns_;
  return first_byte_ns_ - (seen_leaving ? body_left_ns_ : std::max(begun_ns_, body_handed_ns_));
}

bool Exchange::connected_anew() const {
  long connects = 0;
  curl_easy_getinfo(easy_, CURLINFO_NUM_CONNECTS, &connects);
  return connects > 0;
}

std::string Exchange::PeerAddress() const {
  const char* address = nullptr;
  if (curl_easy_getinfo(easy_, CURLINFO_PRIMARY_IP, &address) != CURLE_OK || address == nullptr)
    return "";
  const std::string text(address);
  return text.find(':') == std::string::npos ? text : "[" + text + "]";
}

long Exchange::ProxyStatus() const {
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_HTTP_CONNECTCODE, &status);
  return status;
}

bool Exchange::address_failed() const {
  return code_ == CURLE_COULDNT_CONNECT || code_ == CURLE_OPERATION_TIMEDOUT ||
         code_ == CURLE_SSL_CONNECT_ERROR ||
         (connected_anew() &&
          (code_ == CURLE_RECV_ERROR || code_ == CURLE_SEND_ERROR || code_ == CURLE_GOT_NOTHING));
}

}  // namespace varve::http
