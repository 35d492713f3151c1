#include "varve/testing/fake_s3/http_server.h"

#include <charconv>

#include "varve/testing/wire/wire.h"

namespace varve::fake {
namespace {

constexpr uint64_t kBodyBytesMax = kGiB;

// False for what no client should send: a header twice, a length that is none, chunks.
bool Understand(const wire::Message& message, HttpRequest& request) {
  const std::string& line = message.start;
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string::npos || last <= first) return false;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  for (const auto& [name, value] : message.headers) {
    if (!request.headers.emplace(wire::Lower(name), value).second) return false;
  }
  uint64_t body_bytes = 0;
  if (const auto found = request.headers.find("content-length"); found != request.headers.end()) {
    const char* end = found->second.data() + found->second.size();
    if (std::from_chars(found->second.data(), end, body_bytes).ptr != end) return false;
  }
  if (body_bytes > kBodyBytesMax || request.headers.contains("transfer-encoding")) return false;
  request.body.resize(body_bytes);
  return true;
}

std::string HeadOf(const HttpReply& reply) {
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " Fake\r\n";
  for (const auto& [name, value] : reply.headers) head += name + ": " + value + "\r\n";
  if (reply.status != 204 && reply.status != 304) {
    head += "Content-Length: " + std::to_string(reply.content_length.value_or(reply.body.size())) +
            "\r\n";
  }
  return head + "\r\n";
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(uint16_t port, Handler handler) {
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(handler)));
  const auto serve = [self = server.get()](int socket) { self->Serve(socket); };
  VARVE_TRY(server->listener_, wire::Listener::Start(port, "fake-s3", serve));
  return server;
}

void HttpServer::Serve(int socket) {
  wire::Peer peer{socket, ""};
  for (bool open = true; open;) {
    const std::optional<wire::Message> head = wire::ReadHead(peer);
    HttpRequest request;
    if (!head.has_value() || !Understand(*head, request)) return;
    if (request.headers.contains("expect")) wire::SendAll(socket, "HTTP/1.1 100 Continue\r\n\r\n");
    if (!wire::ReadInto(peer, request.body)) return;
    const HttpReply reply = handler_(request);
    const bool lies = reply.content_length.has_value() && request.method != "HEAD";
    open = !reply.withheld && wire::SendAll(socket, HeadOf(reply)) &&
           (request.method == "HEAD" || wire::SendAll(socket, AsText(reply.body))) && !lies;
  }
}

}  // namespace varve::fake
