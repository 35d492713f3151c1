// fast_s3 [--delay-ms N] [--port N]: an S3 server that is never what is measured. Prints its port.
//
// It checks nothing, hashes nothing and keeps nothing but names and lengths: bodies are dropped in
// the kernel, and every object reads as the same 64 MiB over and over, sent without a copy. Every
// client finds what it needs: PUT, multipart, ranged GET, HEAD, ListObjectsV2, deletes. GET
// /-/requests says how many requests came before, without those that asked that. With
// --delay-ms each answer waits so long before its first byte. For benchmarks on loopback only.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "varve/base/clock.h"
#include "varve/exec/parallel.h"
#include "varve/testing/wire/wire.h"

namespace {

using varve::wire::SendAll;

constexpr uint64_t kContentBytes = uint64_t{64} << 20;
constexpr size_t kHeadBytesMax = 64 * 1024;
constexpr uint32_t kConnectionsMax = 400;
int64_t delay_ms = 0;
int content_fd = -1;

std::mutex mutex;
std::map<std::string, uint64_t> objects;                      // "bucket/key": length.
std::map<std::string, std::map<uint64_t, uint64_t>> uploads;  // Id: part number: length.
std::atomic<uint64_t> ids{1}, requests{0};

struct Request {
  std::string method, path, query;
  std::map<std::string, std::string> headers;
  uint64_t body_bytes = 0;
  std::string Header(const char* name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
  std::string Query(const std::string& name) const {
    for (size_t at = 0; at < query.size();) {
      const size_t end = std::min(query.find('&', at), query.size());
      const std::string part = query.substr(at, end - at);
      if (part == name || part == name + "=") return "";
      if (part.starts_with(name + "=")) return part.substr(name.size() + 1);
      at = end + 1;
    }
    return "";
  }
  bool Has(const std::string& name) const {
    return ("&" + query + "&").find("&" + name + "&") != std::string::npos ||
           ("&" + query).find("&" + name + "=") != std::string::npos;
  }
};

std::string Decode(const std::string& text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() + 0) {
      decoded += static_cast<char>(std::strtol(text.substr(i + 1, 2).c_str(), nullptr, 16));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

void Delay() {
  varve::Clock& clock = varve::SystemClock();
  if (delay_ms > 0) clock.SleepUntil(clock.SteadyNs() + delay_ms * 1'000'000);
}

bool Answer(int fd, int status, const std::string& headers, std::string_view body = {}) {
  Delay();
  const std::string head =
      "HTTP/1.1 " + std::to_string(status) + " OK\r\n" + headers +
      "x-amz-request-id: fast\r\nServer: fast\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\n\r\n";
  return SendAll(fd, head + std::string(body));
}

std::string Xml(const std::string& body) { return "<?xml version=\"1.0\"?>" + body; }
const std::string kXmlType = "Content-Type: application/xml\r\n";

bool List(int fd, const Request& request, const std::string& bucket) {
  const std::string prefix = Decode(request.Query("prefix"));
  const std::string delimiter = Decode(request.Query("delimiter"));
  std::string after = Decode(request.Query("continuation-token"));
  if (after.empty()) after = Decode(request.Query("start-after"));
  std::string xml = "<ListBucketResult><Name>" + bucket + "</Name><Prefix>" + prefix + "</Prefix>";
  std::string last;
  std::set<std::string> folders;
  int count = 0;
  bool truncated = false;
  {
    const std::lock_guard lock(mutex);
    const std::string root = bucket + "/";
    for (auto at = objects.lower_bound(root + std::max(prefix, after));
         at != objects.end() && at->first.starts_with(root + prefix); ++at) {
      const std::string key = at->first.substr(root.size());
      if (!after.empty() && key <= after) continue;
      if (count == 1000) {
        truncated = true;
        break;
      }
      ++count;
      last = key;
      const size_t cut = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
      if (cut != std::string::npos) {
        folders.insert(key.substr(0, cut + delimiter.size()));
        continue;
      }
      xml += "<Contents><Key>" + key +
             "</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;"
             "0123456789abcdef0123456789abcdef-1&quot;</ETag><Size>" +
             std::to_string(at->second) + "</Size><StorageClass>STANDARD</StorageClass></Contents>";
    }
  }
  for (const std::string& folder : folders)
    xml += "<CommonPrefixes><Prefix>" + folder + "</Prefix></CommonPrefixes>";
  xml += "<KeyCount>" + std::to_string(count) + "</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>" +
         (truncated ? "true" : "false") + "</IsTruncated>";
  if (truncated) xml += "<NextContinuationToken>" + last + "</NextContinuationToken>";
  return Answer(fd, 200, kXmlType, Xml(xml + "</ListBucketResult>"));
}

bool Read(int fd, const Request& request, uint64_t total) {
  uint64_t first = 0, bytes = total;
  int status = 200;
  const std::string range = request.Header("range");
  if (range.starts_with("bytes=") && total > 0) {
    const size_t dash = range.find('-');
    uint64_t last = total - 1;
    if (dash == 6) {
      first = total - std::min<uint64_t>(total, std::strtoull(range.c_str() + 7, nullptr, 10));
    } else {
      first = std::strtoull(range.c_str() + 6, nullptr, 10);
      if (dash + 1 < range.size())
        last = std::min<uint64_t>(last, std::strtoull(range.c_str() + dash + 1, nullptr, 10));
    }
    if (first >= total) return Answer(fd, 416, "");
    bytes = last - first + 1;
    status = 206;
  }
  std::string headers =
      "ETag: \"0123456789abcdef0123456789abcdef-1\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 "
      "GMT\r\nAccept-Ranges: bytes\r\nContent-Type: application/octet-stream\r\n";
  if (status == 206) {
    headers += "Content-Range: bytes " + std::to_string(first) + "-" +
               std::to_string(first + bytes - 1) + "/" + std::to_string(total) + "\r\n";
  }
  Delay();
  const std::string head = "HTTP/1.1 " + std::to_string(status) + " OK\r\n" + headers +
                           "x-amz-request-id: fast\r\nContent-Length: " + std::to_string(bytes) +
                           "\r\n\r\n";
  if (!SendAll(fd, head)) return false;
  if (request.method == "HEAD") return true;
  while (bytes > 0) {
    off_t at = static_cast<off_t>(first % kContentBytes);
    const uint64_t room = kContentBytes - static_cast<uint64_t>(at);
    const ssize_t sent = sendfile(fd, content_fd, &at, std::min({bytes, room, uint64_t{1} << 20}));
    if (sent <= 0) return false;
    first += static_cast<uint64_t>(sent);
    bytes -= static_cast<uint64_t>(sent);
  }
  return true;
}

bool Serve(int fd, const Request& request, const std::string& body) {
  if (request.path == "/-/requests") return Answer(fd, 200, "", std::to_string(requests));
  ++requests;
  const std::string path = Decode(request.path.substr(1));
  const std::string bucket = path.substr(0, path.find('/'));
  const bool is_bucket = path.size() <= bucket.size() + 1;
  const std::string etag = "ETag: \"0123456789abcdef0123456789abcdef-1\"\r\n";
  uint64_t bytes = request.body_bytes;
  if (const std::string decoded = request.Header("x-amz-decoded-content-length"); !decoded.empty())
    bytes = std::strtoull(decoded.c_str(), nullptr, 10);
  if (is_bucket) {
    if (request.method == "GET" && request.Has("location"))
      return Answer(fd, 200, kXmlType, Xml("<LocationConstraint/>"));
    if (request.method == "GET" && request.Has("versioning"))
      return Answer(fd, 200, kXmlType, Xml("<VersioningConfiguration/>"));
    if (request.method == "GET") return List(fd, request, bucket);
    return Answer(fd, 200, "x-amz-bucket-region: us-east-1\r\n");
  }
  if (request.method == "POST" && request.Has("uploads")) {
    const std::string id = "upload" + std::to_string(ids++);
    const std::lock_guard lock(mutex);
    uploads[id];
    return Answer(fd, 200, kXmlType,
                  Xml("<InitiateMultipartUploadResult><Bucket>" + bucket + "</Bucket><Key>" +
                      path.substr(bucket.size() + 1) + "</Key><UploadId>" + id +
                      "</UploadId></InitiateMultipartUploadResult>"));
  }
  if (request.method == "POST" && request.Has("uploadId")) {
    {
      const std::lock_guard lock(mutex);
      uint64_t total = 0;
      for (const auto& [number, part] : uploads[request.Query("uploadId")]) total += part;
      uploads.erase(request.Query("uploadId"));
      objects[path] = total;
    }
    return Answer(fd, 200, kXmlType,
                  Xml("<CompleteMultipartUploadResult><Bucket>" + bucket + "</Bucket><Key>" +
                      path.substr(bucket.size() + 1) +
                      "</Key><ETag>&quot;0123456789abcdef0123456789abcdef-1&quot;</ETag>"
                      "</CompleteMultipartUploadResult>"));
  }
  if (request.method == "PUT") {
    const std::lock_guard lock(mutex);
    if (request.Has("partNumber"))
      uploads[request.Query("uploadId")]
             [std::strtoull(request.Query("partNumber").c_str(), nullptr, 10)] = bytes;
    else
      objects[path] = bytes;
  }
  if (request.method == "PUT") return Answer(fd, 200, etag);
  if (request.method == "DELETE") return Answer(fd, 204, "");
  if (request.method == "GET" || request.method == "HEAD") {
    uint64_t total = 0;
    {
      const std::lock_guard lock(mutex);
      const auto found = objects.find(path);
      if (found == objects.end())
        return Answer(fd, 404, kXmlType,
                      request.method == "HEAD" ? "" : Xml("<Error><Code>NoSuchKey</Code></Error>"));
      total = found->second;
    }
    return Read(fd, request, total);
  }
  static_cast<void>(body);
  return Answer(fd, 501, "");
}

bool Parse(const std::string& head, Request& request) {
  const size_t line = head.find("\r\n"), first = head.find(' '), second = head.find(' ', first + 1);
  if (second == std::string::npos || second > line) return false;
  request.method = head.substr(0, first);
  const std::string target = head.substr(first + 1, second - first - 1);
  const size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string::npos) request.query = target.substr(mark + 1);
  for (size_t at = line + 2; at < head.size();) {
    const size_t end = std::min(head.find("\r\n", at), head.size());
    const size_t colon = head.find(':', at);
    if (colon != std::string::npos && colon < end) {
      std::string name = head.substr(at, colon - at);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const size_t value = head.find_first_not_of(' ', colon + 1);
      request.headers[name] = value >= end ? "" : head.substr(value, end - value);
    }
    at = end + 2;
  }
  request.body_bytes = std::strtoull(request.Header("content-length").c_str(), nullptr, 10);
  return !request.path.empty() && request.path[0] == '/';
}

void Connection(int fd) {
  std::string ahead;
  char piece[kHeadBytesMax];
  for (bool open = true; open;) {
    size_t end = 0;
    while ((end = ahead.find("\r\n\r\n")) == std::string::npos && ahead.size() < kHeadBytesMax) {
      // No more than the head: the body stays in the kernel, where it is dropped.
      const ssize_t seen = recv(fd, piece, sizeof piece, MSG_PEEK);
      if (seen <= 0) break;
      const std::string_view view(piece, static_cast<size_t>(seen));
      const size_t head = view.find("\r\n\r\n");
      const size_t take = head == std::string_view::npos ? view.size() : head + 4;
      if (recv(fd, piece, take, 0) != static_cast<ssize_t>(take)) break;
      ahead.append(piece, take);
    }
    if (end == std::string::npos) break;
    Request request;
    if (!Parse(ahead.substr(0, end + 2), request)) break;
    ahead.erase(0, end + 4);
    if (!request.Header("expect").empty() && !SendAll(fd, "HTTP/1.1 100 Continue\r\n\r\n")) break;
    uint64_t left = request.body_bytes;
    while (left > 0) {
      const ssize_t got = recv(fd, nullptr, std::min<uint64_t>(left, uint64_t{4} << 20), MSG_TRUNC);
      if (got <= 0) break;
      left -= static_cast<uint64_t>(got);
    }
    open = left == 0 && Serve(fd, request, "");
    if (request.Header("connection") == "close") open = false;
  }
  close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  uint16_t port = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--delay-ms") == 0) delay_ms = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--port") == 0) port = static_cast<uint16_t>(std::atoi(argv[i + 1]));
  }
  content_fd = memfd_create("content", 0);
  if (content_fd < 0 || ftruncate(content_fd, static_cast<off_t>(kContentBytes)) != 0) return 1;
  auto* content = static_cast<uint64_t*>(
      mmap(nullptr, kContentBytes, PROT_READ | PROT_WRITE, MAP_SHARED, content_fd, 0));
  for (uint64_t i = 0; i < kContentBytes / 8; ++i) content[i] = i * 0x9e3779b97f4a7c15u;
  signal(SIGPIPE, SIG_IGN);  // sendfile to a client that went away.
  const auto listening = varve::wire::ListenOnLoopback(port, 1024);
  if (!listening.ok()) return 1;
  const std::string line = std::to_string(listening->second) + "\n";
  if (write(STDOUT_FILENO, line.data(), line.size()) < 0) return 1;
  varve::ThreadPool pool({.name = "fast-s3", .threads = kConnectionsMax, .queue_max = 1024});
  for (;;) {
    const int fd = accept4(listening->first, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!pool.Submit([fd] { Connection(fd); }).ok()) close(fd);
  }
}
