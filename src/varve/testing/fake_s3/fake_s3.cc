#include "varve/testing/fake_s3/fake_s3.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <pugixml.hpp>

#include "varve/base/clock.h"
#include "varve/store/s3/signing/sigv4.h"
#include "varve/testing/fake_s3/check_request.h"

namespace varve::fake {
namespace {

std::tm Utc(int64_t wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return utc;
}

std::string HttpTime(int64_t wall_ms) {
  const std::tm utc = Utc(wall_ms);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

std::string IsoTime(int64_t wall_ms) {
  const std::tm utc = Utc(wall_ms);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", &utc)};
}

HttpReply WithText(int status, std::string_view text) {
  HttpReply reply;
  const ByteView bytes = AsBytes(text);
  reply.status = status;
  reply.owner = std::make_shared<const Bytes>(bytes.begin(), bytes.end());
  reply.body = *reply.owner;
  reply.headers.emplace_back("Content-Type", "application/xml");
  return reply;
}

HttpReply Refuse(int status, const std::string& code) {
  return WithText(status, "<?xml version=\"1.0\"?><Error><Code>" + code +
                              "</Code><Message>refused by the fake</Message></Error>");
}

int StatusOf(const std::string& refusal) {
  return refusal == "BadDigest" || refusal == "XAmzContentSHA256Mismatch" ||
                 refusal == "AuthorizationHeaderMalformed"
             ? 400
             : 403;
}

bool Number(std::string_view text, uint64_t& value) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && failure == std::errc() && end == text.data() + text.size();
}

std::string Quoted(const std::string& etag) {
  return etag.starts_with('"') ? etag : '"' + etag + '"';
}

// [first, last] of a Range header over `total` bytes; none: cannot be satisfied.
std::optional<std::pair<uint64_t, uint64_t>> RangeOf(const std::string& header, uint64_t total) {
  if (!header.starts_with("bytes=") || total == 0) return std::nullopt;
  const std::string range = header.substr(6);
  const size_t dash = range.find('-');
  uint64_t first = 0, last = 0;
  if (dash == 0 && Number(range.substr(1), last) && last > 0) {
    return std::pair(total - std::min(last, total), total - 1);
  }
  if (dash == std::string::npos || !Number(range.substr(0, dash), first) || first >= total)
    return std::nullopt;
  if (dash + 1 == range.size()) return std::pair(first, total - 1);
  if (!Number(range.substr(dash + 1), last) || last < first) return std::nullopt;
  return std::pair(first, std::min(last, total - 1));
}

}  // namespace

Result<std::unique_ptr<FakeS3>> FakeS3::Start(Options options) {
  const uint16_t port = options.port;
  std::unique_ptr<FakeS3> fake(new FakeS3(std::move(options)));
  const auto handler = [self = fake.get()](const HttpRequest& request) {
    return self->Handle(request);
  };
  VARVE_TRY(fake->server_, HttpServer::Start(port, handler));
  return fake;
}

void FakeS3::Inject(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(fault);
}

HttpReply FakeS3::Handle(const HttpRequest& request) {
  const uint64_t number = ++requests_;
  const int64_t now_ms = SystemClock().WallMs() + options_.clock_offset_ms;
  HttpReply reply;
  const std::string refusal =
      Refusal(request, options_.access_key, options_.secret_key, options_.region, now_ms);
  std::optional<Fault> fault;
  if (refusal.empty()) {
    const std::lock_guard lock(mutex_);
    if (!faults_.empty()) {
      fault = faults_.front();
      faults_.pop_front();
    }
  }
  const size_t mark = request.target.find('?');
  auto path = PercentDecode(std::string_view(request.target).substr(0, mark));
  const bool virtual_host = Header(request, "host").starts_with(options_.bucket + ".");
  if (path.has_value() && virtual_host) path = "/" + options_.bucket + *path;
  std::map<std::string, std::string> query;
  for (size_t at = mark; at != std::string::npos && at < request.target.size();) {
    const size_t next = request.target.find('&', at + 1);
    const std::string part =
        request.target.substr(at + 1, next == std::string::npos ? next : next - at - 1);
    const size_t equals = part.find('=');
    query[PercentDecode(part.substr(0, equals)).value_or("")] =
        equals == std::string::npos ? "" : PercentDecode(part.substr(equals + 1)).value_or("");
    at = next;
  }
  const std::string root = "/" + options_.bucket;
  HttpRequest changed;  // Only for the faults that alter what is asked.
  const HttpRequest* asked = &request;
  if (fault == Fault::kWholeObject) {
    changed = request;
    changed.headers.erase("range");
    asked = &changed;
  } else if (fault == Fault::kOtherRange) {
    changed = request;
    std::string& range = changed.headers["range"];
    uint64_t first = 0;
    const size_t dash = range.find('-');
    Number(std::string_view(range).substr(6, dash - 6), first);
    range = "bytes=" + std::to_string(first + 1) + "-" + std::to_string(first + 2);
    asked = &changed;
  }
  if (!refusal.empty()) {
    reply = Refuse(StatusOf(refusal), refusal);
  } else if (fault == Fault::kWithholdRequest) {
    reply.withheld = true;
  } else if (fault == Fault::kSlowDown) {
    reply = Refuse(503, "SlowDown");
  } else if (!path.has_value() || (*path != root && !path->starts_with(root + "/"))) {
    reply = Refuse(404, "NoSuchBucket");
  } else {
    reply =
        Route(*asked, path->size() <= root.size() + 1 ? "" : path->substr(root.size() + 1), query);
  }
  if (fault == Fault::kWithholdAnswer) reply.withheld = true;
  if (fault == Fault::kServedButError) reply = Refuse(500, "InternalError");
  if (fault == Fault::kTruncateBody) {
    reply.content_length = reply.body.size();
    reply.body = reply.body.first(reply.body.size() / 2);
  }
  if (fault == Fault::kBadListing)
    reply = WithText(200, "<ListBucketResult><IsTruncated>false</IsTru");
  reply.headers.emplace_back("Date", HttpTime(now_ms));
  reply.headers.emplace_back("x-amz-request-id", "fake-" + std::to_string(number));
  return reply;
}

HttpReply FakeS3::Route(const HttpRequest& request, const std::string& key,
                        const std::map<std::string, std::string>& query) {
  if (key.empty()) {
    if (request.method == "PUT" || request.method == "HEAD") return HttpReply{};
    if (request.method == "GET" && query.contains("list-type")) return List(query);
    if (request.method == "POST" && query.contains("delete")) return DeleteMany(request);
    if (request.method == "GET" && query.contains("uploads"))
      return RouteUpload(request, "", query);
    return Refuse(501, "NotImplemented");
  }
  if (query.contains("uploads") || query.contains("uploadId"))
    return RouteUpload(request, key, query);
  const bool presigned = query.contains("X-Amz-Signature");
  if (!query.empty() && !presigned) return Refuse(501, "NotImplemented");
  if (request.method == "PUT") return Put(request, key);
  if (request.method == "GET" || request.method == "HEAD") return Read(request, key);
  if (request.method != "DELETE") return Refuse(405, "MethodNotAllowed");
  const std::lock_guard lock(mutex_);
  objects_.erase(key);
  HttpReply reply;
  reply.status = 204;
  return reply;
}

HttpReply FakeS3::Put(const HttpRequest& request, const std::string& key) {
  const auto body = std::make_shared<const Bytes>(request.body);
  const std::string if_match = Header(request, "if-match");
  const std::string if_none_match = Header(request, "if-none-match");
  if (!if_none_match.empty() && if_none_match != "*") return Refuse(501, "NotImplemented");
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  if (!if_none_match.empty() && found != objects_.end()) return Refuse(412, "PreconditionFailed");
  if (!if_match.empty() && found == objects_.end()) return Refuse(404, "NoSuchKey");
  if (!if_match.empty() && found->second.etag != Quoted(if_match))
    return Refuse(412, "PreconditionFailed");
  const std::string etag = "\"fake-" + std::to_string(++writes_) + "\"";
  objects_[key] = {body, etag, SystemClock().WallMs()};
  HttpReply reply;
  reply.headers.emplace_back("ETag", etag);
  // Only bodies that matched came so far.
  if (const std::string crc = Header(request, "x-amz-checksum-crc64nvme"); !crc.empty())
    reply.headers.emplace_back("x-amz-checksum-crc64nvme", crc);
  return reply;
}

HttpReply FakeS3::RouteUpload(const HttpRequest& request, const std::string& key,
                              const std::map<std::string, std::string>& query) {
  const auto value = [&](const char* name) {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  };
  const std::lock_guard lock(mutex_);
  if (request.method == "GET" && key.empty()) {
    uint64_t count_max = 1000;
    Number(value("max-uploads"), count_max);
    return WithText(200, uploads_.UploadsXml(value("prefix"), value("key-marker"),
                                             value("upload-id-marker"), count_max));
  }
  if (request.method == "POST" && query.contains("uploads")) {
    return WithText(200, "<InitiateMultipartUploadResult><UploadId>" + uploads_.Create(key) +
                             "</UploadId></InitiateMultipartUploadResult>");
  }
  const std::string id = value("uploadId");
  Uploads::Upload* const upload = uploads_.Find(key, id);
  if (upload == nullptr) return Refuse(404, "NoSuchUpload");
  uint64_t number = 0;
  if (request.method == "PUT" && Number(value("partNumber"), number)) {
    if (number < 1 || number > 10'000) return Refuse(400, "InvalidArgument");
    const std::string crc = Header(request, "x-amz-checksum-crc64nvme");
    HttpReply reply;
    reply.headers.emplace_back("ETag", uploads_.PutPart(*upload, number, request.body, crc));
    if (!crc.empty()) reply.headers.emplace_back("x-amz-checksum-crc64nvme", crc);
    return reply;
  }
  if (request.method == "GET") {
    uint64_t after = 0, count_max = 1000;
    Number(value("part-number-marker"), after);
    Number(value("max-parts"), count_max);
    return WithText(200, uploads_.PartsXml(*upload, after, count_max));
  }
  if (request.method == "POST") return Complete(request, key, id);
  if (request.method != "DELETE") return Refuse(405, "MethodNotAllowed");
  uploads_.Erase(id);
  HttpReply reply;
  reply.status = 204;
  return reply;
}

// The caller holds mutex_.
HttpReply FakeS3::Complete(const HttpRequest& request, const std::string& key,
                           const std::string& id) {
  std::string refusal;
  auto body = uploads_.Assemble(*uploads_.Find(key, id), request.body, refusal);
  if (!body.has_value()) return Refuse(400, refusal);
  const std::string crc = Header(request, "x-amz-checksum-crc64nvme");
  if (!crc.empty() && crc != Crc64NvmeText(*body)) return Refuse(400, "BadDigest");
  const std::string size = Header(request, "x-amz-mp-object-size");
  if (!size.empty() && size != std::to_string(body->size())) return Refuse(400, "InvalidRequest");
  const std::string etag = "\"fake-" + std::to_string(++writes_) + "-n\"";
  objects_[key] = {std::make_shared<const Bytes>(std::move(*body)), etag, SystemClock().WallMs()};
  uploads_.Erase(id);
  return WithText(200,
                  "<CompleteMultipartUploadResult><ETag>&quot;fake&quot;</ETag>"
                  "</CompleteMultipartUploadResult>");
}

HttpReply FakeS3::Read(const HttpRequest& request, const std::string& key) {
  Object object;
  {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(key);
    if (found == objects_.end()) return Refuse(404, "NoSuchKey");
    object = found->second;
  }
  HttpReply reply;
  reply.headers.emplace_back("ETag", object.etag);
  reply.headers.emplace_back("Last-Modified", HttpTime(object.modified_ms));
  if (Quoted(Header(request, "if-none-match")) == object.etag) {
    reply.status = 304;
    return reply;
  }
  reply.owner = object.body;
  reply.body = *object.body;
  if (const std::string header = Header(request, "range"); !header.empty()) {
    const uint64_t total = object.body->size();
    const auto range = RangeOf(header, total);
    if (!range.has_value()) return Refuse(416, "InvalidRange");
    reply.status = 206;
    reply.body = reply.body.subspan(range->first, range->second - range->first + 1);
    reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(range->first) + "-" +
                                                    std::to_string(range->second) + "/" +
                                                    std::to_string(total));
  }
  if (request.method == "HEAD") reply.content_length = reply.body.size();
  return reply;
}

HttpReply FakeS3::List(const std::map<std::string, std::string>& query) {
  const auto value = [&](const char* name) {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  };
  const std::string prefix = value("prefix"), after = value("continuation-token");
  uint64_t keys_max = 1000;
  Number(value("max-keys"), keys_max);
  keys_max = std::min<uint64_t>(keys_max, 1000);
  const bool encode = value("encoding-type") == "url";
  std::string contents, last;
  bool truncated = false;
  uint64_t count = 0;
  const std::lock_guard lock(mutex_);
  for (auto at = after.empty() ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
       at != objects_.end() && at->first.starts_with(prefix); ++at) {
    if (count == keys_max) {
      truncated = true;
      break;
    }
    ++count;
    last = at->first;
    contents += "<Contents><Key>" + (encode ? store::UriEncode(last, true) : last) +
                "</Key><LastModified>" + IsoTime(at->second.modified_ms) +
                "</LastModified><ETag>&quot;" +
                at->second.etag.substr(1, at->second.etag.size() - 2) + "&quot;</ETag><Size>" +
                std::to_string(at->second.body->size()) + "</Size></Contents>";
  }
  std::string xml = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>";
  xml += truncated ? "true" : "false";
  xml += "</IsTruncated>";
  if (encode) xml += "<EncodingType>url</EncodingType>";
  if (truncated) xml += "<NextContinuationToken>" + last + "</NextContinuationToken>";
  return WithText(200, xml + contents + "</ListBucketResult>");
}

HttpReply FakeS3::DeleteMany(const HttpRequest& request) {
  if (Header(request, "content-md5").empty()) return Refuse(400, "InvalidRequest");
  pugi::xml_document document;
  if (!document.load_buffer(request.body.data(), request.body.size()))
    return Refuse(400, "MalformedXML");
  std::string xml = "<?xml version=\"1.0\"?><DeleteResult>";
  const std::lock_guard lock(mutex_);
  for (const pugi::xml_node each : document.child("Delete").children("Object")) {
    const std::string key = each.child_value("Key");
    if (key.find("locked") != std::string::npos) {  // As under Object Lock.
      xml += "<Error><Key>" + key + "</Key><Code>AccessDenied</Code></Error>";
      continue;
    }
    objects_.erase(key);
    xml += "<Deleted><Key>" + key + "</Key></Deleted>";
  }
  return WithText(200, xml + "</DeleteResult>");
}

}  // namespace varve::fake
