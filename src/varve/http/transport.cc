#include "varve/http/transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace varve::http {
namespace {

constexpr long kConnectTimeoutMs = 5'000;
constexpr long kLowSpeedBytes = 1024, kLowSpeedSeconds = 20;
constexpr long kIdleSeconds = 5;  // Servers drop idle connections about then.
constexpr long kDownloadBufferBytes = 512 * 1024, kUploadBufferBytes = 512 * 1024;
constexpr size_t kHeaderBytesMax = 64 * 1024;
constexpr size_t kDroppedBytesMax =
    4 * 1024 * 1024;  // Of an error's page; above, the connection goes.
constexpr size_t kIdleHandlesMax = 64;
constexpr int kPollMs = 1000;

struct Handle {
  CURL* easy = curl_easy_init();
  CURLM* multi = curl_multi_init();
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
};

struct Exchange {
  const Request* request = nullptr;
  Reply reply;
  size_t sent_bytes = 0, header_bytes = 0, dropped_bytes = 0;
  int tries = 0;  // Times the request was about to be written to a connection.
  bool too_large = false;
};

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  return text;
}

size_t OnHeader(char* data, size_t, size_t bytes, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  exchange.header_bytes += bytes;
  if (exchange.header_bytes > kHeaderBytesMax) {
    exchange.too_large = true;
    return 0;
  }
  std::string line(data, bytes);
  if (line.starts_with("HTTP/")) {  // Also after "100 Continue": only the last reply counts.
    exchange.reply.headers.clear();
    const size_t space = line.find(' ');
    exchange.reply.status = space == std::string::npos ? 0 : std::atoi(line.c_str() + space + 1);
    return bytes;
  }
  const size_t colon = line.find(':');
  if (colon == std::string::npos) return bytes;
  const size_t first = line.find_first_not_of(" \t", colon + 1);
  const size_t last = line.find_last_not_of(" \t\r\n");
  const bool empty = first == std::string::npos || last < first;
  exchange.reply.headers[Lower(line.substr(0, colon))] =
      empty ? "" : line.substr(first, last - first + 1);
  return bytes;
}

size_t OnBody(char* data, size_t, size_t bytes, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  const bool good = exchange.reply.status >= 200 && exchange.reply.status < 300;
  if (good && !exchange.request->into.empty()) {
    const MutableByteView room = exchange.request->into.subspan(exchange.reply.into_bytes);
    if (bytes > room.size()) {
      exchange.too_large = true;
      return 0;
    }
    std::memcpy(room.data(), data, bytes);
    exchange.reply.into_bytes += bytes;
    return bytes;
  }
  ByteView piece = AsBytes({data, bytes});
  if (!good) {
    piece = piece.first(std::min(piece.size(), kErrorBodyBytesMax - exchange.reply.body.size()));
    exchange.dropped_bytes += bytes - piece.size();
  }
  if (exchange.reply.body.size() + piece.size() > exchange.request->body_bytes_max ||
      exchange.dropped_bytes > kDroppedBytesMax) {
    exchange.too_large = true;
    return 0;
  }
  exchange.reply.body.insert(exchange.reply.body.end(), piece.begin(), piece.end());
  return bytes;
}

// Called before each writing of the request; a dead kept connection makes libcurl try a second one.
int OnSend(void* context, char*, char*, int, int) {
  auto& exchange = *static_cast<Exchange*>(context);
  if (exchange.tries > 0 && exchange.request->once) return CURL_PREREQFUNC_ABORT;
  ++exchange.tries;
  return CURL_PREREQFUNC_OK;
}

size_t OnRead(char* into, size_t, size_t room, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  const ByteView left = exchange.request->body.subspan(exchange.sent_bytes);
  const size_t bytes = std::min(room, left.size());
  std::memcpy(into, left.data(), bytes);
  exchange.sent_bytes += bytes;
  return bytes;
}

int OnSeek(void* context, curl_off_t offset, int) {
  static_cast<Exchange*>(context)->sent_bytes = static_cast<size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

std::string HostOf(const std::string& url) {
  const size_t start = url.find("://");
  if (start == std::string::npos) return url;
  return url.substr(start + 3, url.find_first_of("/?", start + 3) - start - 3);
}

Error FromCurl(CURLcode code, const std::string& url) {
  const std::string host = HostOf(url);
  const bool again = code == CURLE_ABORTED_BY_CALLBACK;  // Only OnSend aborts.
  const std::string cause = again ? "the connection broke" : curl_easy_strerror(code);
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
      code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_ISSUER_ERROR) {
    return Error(
        ErrorCode::kInvalidArgument,
        "the certificate of " + host + " is not trusted; set AWS_CA_BUNDLE to its authority");
  }
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
  return Error(ErrorCode::kUnavailable, "no whole answer from " + host + ": " + cause);
}

}  // namespace

std::string Reply::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

struct Transport::Impl {
  std::mutex mutex;
  std::vector<std::unique_ptr<Handle>> idle;  // Guarded by mutex.
  std::string ca_bundle;
};

Transport::Transport() : impl_(std::make_unique<Impl>()) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(initialised);
  for (const char* name : {"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    const char* path = std::getenv(name);
    if (impl_->ca_bundle.empty() && path != nullptr) impl_->ca_bundle = path;
  }
}
Transport::~Transport() = default;

Result<Reply> Transport::Send(const OpContext& ctx, const Request& request, bool* maybe_sent) {
  if (maybe_sent != nullptr) *maybe_sent = false;
  VARVE_CHECK_OK(ctx.Check());
  std::unique_ptr<Handle> handle;
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->idle.empty()) {
      handle = std::move(impl_->idle.back());
      impl_->idle.pop_back();
    }
  }
  if (handle == nullptr) handle = std::make_unique<Handle>();
  CURL* const easy = handle->easy;
  Exchange exchange;
  exchange.request = &request;
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");
  for (const auto& [name, value] : request.headers)
    headers = curl_slist_append(headers, (name + ": " + value).c_str());

  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, kLowSpeedBytes);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, kLowSpeedSeconds);
  curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, kIdleSeconds);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kDownloadBufferBytes);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBufferBytes);
  if (!impl_->ca_bundle.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, impl_->ca_bundle.c_str());
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, OnSend);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method == "PUT" || request.method == "POST") {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, OnRead);
    curl_easy_setopt(easy, CURLOPT_READDATA, &exchange);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, OnSeek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, &exchange);
  } else if (request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }

  CURLcode outcome = CURLE_OK;
  Status stopped;
  {
    const auto wake = ctx.cancel().OnCancel([multi = handle->multi] { curl_multi_wakeup(multi); });
    curl_multi_add_handle(handle->multi, easy);
    for (int running = 1; running > 0;) {
      if (curl_multi_perform(handle->multi, &running) != CURLM_OK) {
        outcome = CURLE_SEND_ERROR;
        break;
      }
      stopped = ctx.Check();
      if (!stopped.ok() && running > 0) break;
      const auto wait_ms = static_cast<int>(std::min<int64_t>(kPollMs, ctx.LeftMs()));
      if (running > 0)
        curl_multi_poll(handle->multi, nullptr, 0, wait_ms, nullptr);
      else
        stopped = OkStatus();
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(handle->multi, &left)) {
      if (message->msg == CURLMSG_DONE) outcome = message->data.result;
    }
    curl_multi_remove_handle(handle->multi, easy);
  }
  curl_slist_free_all(headers);
  if (maybe_sent != nullptr) *maybe_sent = exchange.tries > 0;
  if (!stopped.ok())
    return std::move(stopped).error();  // The handle goes, and its connection with it.
  if (exchange.too_large) {
    return Error(ErrorCode::kResourceExhausted,
                 "the answer of " + HostOf(request.url) + " is larger than allowed");
  }
  if (outcome != CURLE_OK) return FromCurl(outcome, request.url);
  const std::lock_guard lock(impl_->mutex);
  if (impl_->idle.size() < kIdleHandlesMax) impl_->idle.push_back(std::move(handle));
  return std::move(exchange.reply);
}

}  // namespace varve::http
