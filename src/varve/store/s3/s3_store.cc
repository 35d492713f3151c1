#include "varve/store/s3/s3_store.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <pugixml.hpp>

#include "varve/hash/hash.h"
#include "varve/store/s3/md5.h"
#include "varve/store/s3/s3_error.h"

namespace varve::store {
namespace {

std::string AmzDate(int64_t wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return text;
}

int64_t ParseTime(const std::string& text, const char* form) {
  std::tm utc{};
  if (text.empty() || strptime(text.c_str(), form, &utc) == nullptr) return 0;
  return int64_t{timegm(&utc)} * 1000;
}

std::string Unquoted(const std::string& etag) {
  return etag.size() >= 2 && etag.front() == '"' && etag.back() == '"'
             ? etag.substr(1, etag.size() - 2)
             : etag;
}

bool ParseNumber(const std::string& text, uint64_t& value) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && failure == std::errc() && end == text.data() + text.size();
}

std::string BigEndian64(uint64_t value) {
  std::array<std::byte, 8> bytes;
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(value >> (56 - 8 * i));
  return hash::ToBase64(bytes);
}

constexpr char kBadEtag[] = "the store's answer has no usable etag";

// What later goes into a header of ours.
bool ValidEtag(const Etag& etag) {
  const auto fits = [](char letter) { return letter > 0x20 && letter < 0x7f; };
  return !etag.empty() && etag.str().size() <= 256 &&
         std::all_of(etag.str().begin(), etag.str().end(), fits);
}

// Else a body that was cut short looks whole.
bool EndIsKnown(const http::Reply& reply) {
  return !reply.Header("content-length").empty() ||
         reply.Header("transfer-encoding").find("chunked") != std::string::npos;
}

ObjectInfo InfoOf(const http::Reply& reply) {
  ObjectInfo info;
  info.etag = Etag(Unquoted(reply.Header("etag")));
  info.modified_ms = ParseTime(reply.Header("last-modified"), "%a, %d %b %Y %H:%M:%S GMT");
  info.store_time_ms = ParseTime(reply.Header("date"), "%a, %d %b %Y %H:%M:%S GMT");
  return info;
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  const auto hex = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      if (text.size() - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return std::nullopt;
      decoded += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    }
  }
  return decoded;
}

}  // namespace

Result<std::unique_ptr<S3Store>> S3Store::Open(const std::string& url) {
  VARVE_TRY(S3Config config, LoadS3Config(url));
  return std::make_unique<S3Store>(std::move(config));
}

Error S3Store::ErrorOf(const http::Reply& reply, const Call& call) const {
  return S3Error(reply, call.method, call.key, config_.bucket);
}

Result<http::Reply> S3Store::Send(const OpContext& ctx, const Call& call, bool* maybe_sent) {
  const std::string scheme_end = "://";
  const size_t host_at = config_.endpoint.find(scheme_end) + scheme_end.size();
  std::string host = config_.endpoint.substr(host_at);
  std::string path = "/";
  if (config_.path_style)
    path += config_.bucket;
  else
    host = config_.bucket + "." + host;
  if (!call.key.empty())
    path += (path.size() > 1 ? "/" : "") + UriEncode(config_.prefix + "/" + call.key, true);

  SigningInput input;
  input.method = call.method;
  input.path = path;
  input.query = call.query;
  input.headers = call.headers;
  input.region = config_.region;
  const std::string amz_date = AmzDate(ctx.clock().WallMs());
  input.payload_hash =
      config_.unsigned_payload ? "UNSIGNED-PAYLOAD" : hash::ToHex(hash::Sha256(call.body));
  input.headers["host"] = host;
  if (call.method == "PUT" || call.method == "POST")
    input.headers["content-type"] = "application/octet-stream";
  input.headers["x-amz-date"] = amz_date;
  input.headers["x-amz-content-sha256"] = input.payload_hash;
  if (!config_.credentials.session_token.empty())
    input.headers["x-amz-security-token"] = config_.credentials.session_token;

  http::Request request;
  request.method = call.method;
  request.url = config_.endpoint.substr(0, host_at) + host + path;
  if (!call.query.empty()) request.url += "?" + EncodeQuery(call.query);
  request.headers.emplace_back("Authorization",
                               Authorization(input, config_.credentials, amz_date));
  for (const auto& [name, value] : input.headers) request.headers.emplace_back(name, value);
  request.body = call.body;
  request.into = call.into;
  request.body_bytes_max = kSmallObjectBytesMax;
  request.once = maybe_sent != nullptr;
  auto reply = transport_.Send(ctx, request, maybe_sent);
  if (!reply.ok()) return std::move(reply.error().At(call.method, call.key));
  return reply;
}

Result<ObjectInfo> S3Store::Head(const OpContext& ctx, const Key& key) {
  const Call call{
      .method = "HEAD", .key = key.str(), .query = {}, .headers = {}, .body = {}, .into = {}};
  VARVE_TRY(const http::Reply reply, Send(ctx, call));
  if (reply.status != 200) return ErrorOf(reply, call);
  ObjectInfo info = InfoOf(reply);
  if (!ParseNumber(reply.Header("content-length"), info.bytes)) {
    return Error(ErrorCode::kCorrupt, "the store's answer to HEAD has no length");
  }
  if (!ValidEtag(info.etag)) return Error(ErrorCode::kCorrupt, kBadEtag);
  return info;
}

Result<GetReply> S3Store::Get(const OpContext& ctx, const Key& key, const GetOptions& options) {
  Call call{.method = "GET", .key = key.str(), .query = {}, .headers = {}, .body = {}, .into = {}};
  if (options.suffix_bytes != 0)
    call.headers["range"] = "bytes=-" + std::to_string(options.suffix_bytes);
  if (options.if_none_match.has_value())
    call.headers["if-none-match"] = "\"" + options.if_none_match->str() + "\"";
  VARVE_TRY(http::Reply reply, Send(ctx, call));
  GetReply result;
  result.info = InfoOf(reply);
  if (reply.status == 304 && options.if_none_match.has_value()) {
    result.info.etag = *options.if_none_match;
    result.not_modified = true;
    return result;
  }
  if (reply.status == 416 && options.suffix_bytes != 0) {  // An empty object has no suffix.
    VARVE_TRY(result.info, Head(ctx, key));
    if (result.info.bytes == 0) return result;
    return ErrorOf(reply, call);
  }
  if (reply.status != 200 && !(reply.status == 206 && options.suffix_bytes != 0))
    return ErrorOf(reply, call);
  if (!ValidEtag(result.info.etag)) return Error(ErrorCode::kCorrupt, kBadEtag);
  if (!EndIsKnown(reply)) {
    return Error(ErrorCode::kCorrupt, "the store's answer does not say where it ends");
  }
  result.info.bytes = reply.body.size();
  if (reply.status == 206) {
    const std::string range = reply.Header("content-range");
    const size_t slash = range.find('/');
    uint64_t total = 0;
    if (slash == std::string::npos || !ParseNumber(range.substr(slash + 1), total) || total == 0) {
      return Error(ErrorCode::kCorrupt, "the store answered without saying which range");
    }
    const uint64_t bytes = std::min(options.suffix_bytes, total);
    const std::string wanted =
        "bytes " + std::to_string(total - bytes) + "-" + std::to_string(total - 1) + "/";
    if (range.substr(0, slash + 1) != wanted || reply.body.size() != bytes) {
      return Error(ErrorCode::kCorrupt, "the store answered with another range");
    }
    result.info.bytes = total;
  } else if (options.suffix_bytes != 0 && reply.body.size() > options.suffix_bytes) {
    reply.body.erase(reply.body.begin(),
                     reply.body.end() - static_cast<std::ptrdiff_t>(options.suffix_bytes));
  }
  result.body = std::move(reply.body);
  return result;
}

Result<ObjectInfo> S3Store::GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                                     MutableByteView into) {
  if (into.empty()) return Head(ctx, key);
  Call call{
      .method = "GET", .key = key.str(), .query = {}, .headers = {}, .body = {}, .into = into};
  if (offset > UINT64_MAX - into.size()) {
    return Error(ErrorCode::kCorrupt, "the object ends before the range does");
  }
  const std::string range = std::to_string(offset) + "-" + std::to_string(offset + into.size() - 1);
  call.headers["range"] = "bytes=" + range;
  auto sent = Send(ctx, call);
  if (!sent.ok()) {  // More than was asked for does not fit.
    if (sent.error().code() != ErrorCode::kResourceExhausted) return std::move(sent).error();
    return Error(ErrorCode::kCorrupt, "the store answered with another range");
  }
  const http::Reply& reply = *sent;
  if (reply.status == 416)
    return Error(ErrorCode::kCorrupt, "the object ends before the range does");
  if (reply.status != 206 && reply.status != 200) return ErrorOf(reply, call);
  ObjectInfo info = InfoOf(reply);
  const std::string got = reply.Header("content-range");
  const bool whole = reply.status == 200 && offset == 0;  // A server may ignore a range of all.
  const bool ranged = reply.status == 206 && got.starts_with("bytes " + range + "/") &&
                      ParseNumber(got.substr(got.find('/') + 1), info.bytes);
  if (!whole && !ranged && reply.status == 206 && reply.into_bytes < into.size()) {
    return Error(ErrorCode::kCorrupt, "the object ends before the range does");
  }
  if ((!whole && !ranged) || reply.into_bytes != into.size()) {
    return Error(ErrorCode::kCorrupt, "the store answered with another range");
  }
  if (whole) info.bytes = into.size();
  return info;
}

Result<ObjectInfo> S3Store::PutNew(const OpContext& ctx, const Key& key, ByteView body) {
  Call call{
      .method = "PUT", .key = key.str(), .query = {}, .headers = {}, .body = body, .into = {}};
  call.headers["x-amz-checksum-crc64nvme"] = BigEndian64(hash::Crc64Nvme(body));
  VARVE_TRY(const http::Reply reply, Send(ctx, call));
  if (reply.status != 200) return ErrorOf(reply, call);
  ObjectInfo info = InfoOf(reply);
  info.bytes = body.size();
  return info;
}

Result<ObjectInfo> S3Store::Cas(const OpContext& ctx, const Key& key, ByteView body,
                                const std::optional<Etag>& expected) {
  Call call{
      .method = "PUT", .key = key.str(), .query = {}, .headers = {}, .body = body, .into = {}};
  call.headers["x-amz-checksum-crc64nvme"] = BigEndian64(hash::Crc64Nvme(body));
  if (expected.has_value())
    call.headers["if-match"] = expected->str();
  else
    call.headers["if-none-match"] = "*";
  bool maybe_sent = false;
  auto reply = Send(ctx, call, &maybe_sent);
  // No answer is no proof of anything: the request may have been served, or may still be.
  if (!reply.ok()) {
    if (!maybe_sent || reply.error().code() == ErrorCode::kCancelled)
      return std::move(reply).error();
    return std::move(
        Error(ErrorCode::kUnknownOutcome, reply.error().message()).At("PUT", key.str()));
  }
  if (reply->status == 200) {
    ObjectInfo info = InfoOf(*reply);
    info.bytes = body.size();
    if (!ValidEtag(info.etag)) return Error(ErrorCode::kUnknownOutcome, kBadEtag);
    return info;
  }
  if (reply->status == 412)
    return std::move(Error(ErrorCode::kConflict, "another version is there").At("PUT", key.str()));
  const Error error = ErrorOf(*reply, call);
  if (reply->status < 300 || reply->status == 408 || reply->status >= 500) {
    return std::move(
        Error(reply->status == 501 ? ErrorCode::kUnsupported : ErrorCode::kUnknownOutcome,
              error.message())
            .At("PUT", key.str())
            .FromHttp(reply->status, error.request_id()));
  }
  return error;
}

Result<ListPage> S3Store::List(const OpContext& ctx, std::string_view prefix,
                               const ListOptions& options) {
  const std::string root = config_.prefix + "/";
  Call call{.method = "GET", .key = "", .query = {}, .headers = {}, .body = {}, .into = {}};
  call.query = {{"list-type", "2"},
                {"encoding-type", "url"},
                {"max-keys", std::to_string(std::clamp(options.page_max, 1u, kListPageMax))},
                {"prefix", root + std::string(prefix)}};
  if (!options.token.empty()) call.query["continuation-token"] = options.token;
  VARVE_TRY(const http::Reply reply, Send(ctx, call));
  if (reply.status != 200) return ErrorOf(reply, call);
  const Error bad(ErrorCode::kCorrupt, "the store's listing is not what S3 answers");
  pugi::xml_document document;
  if (!document.load_buffer(reply.body.data(), reply.body.size())) return bad;
  if (!EndIsKnown(reply)) return bad;
  const pugi::xml_node result = document.child("ListBucketResult");
  const std::string truncated = result.child_value("IsTruncated");
  if (!result || (truncated != "true" && truncated != "false")) return bad;
  const bool encoded = std::string(result.child_value("EncodingType")) == "url";
  ListPage page;
  for (const pugi::xml_node each : result.children("Contents")) {
    std::string key = each.child_value("Key");
    if (encoded) {
      const auto decoded = PercentDecode(key);
      if (!decoded.has_value()) return bad;
      key = *decoded;
    }
    ListedObject object;
    if (!key.starts_with(root + std::string(prefix)) ||
        !ParseNumber(each.child_value("Size"), object.bytes))
      return bad;
    // No lake wrote it: the marker of a console's "create folder", for one.
    if (!ValidKey(std::string_view(key).substr(root.size()))) continue;
    object.key = Key(key.substr(root.size()));
    object.etag = Etag(Unquoted(each.child_value("ETag")));
    object.modified_ms = ParseTime(each.child_value("LastModified"), "%Y-%m-%dT%H:%M:%S");
    page.objects.push_back(std::move(object));
  }
  if (truncated == "true") {
    page.next_token = result.child_value("NextContinuationToken");
    if (page.next_token.empty() || page.next_token == options.token) return bad;
  }
  return page;
}

Status S3Store::DeleteOne(const OpContext& ctx, const Key& key) {
  const Call call{
      .method = "DELETE", .key = key.str(), .query = {}, .headers = {}, .body = {}, .into = {}};
  VARVE_TRY(const http::Reply reply, Send(ctx, call));
  if (reply.status == 204 || reply.status == 200 || S3Code(reply) == "NoSuchKey") return OkStatus();
  return ErrorOf(reply, call);
}

Result<std::vector<DeleteReply>> S3Store::Delete(const OpContext& ctx, std::span<const Key> keys) {
  if (keys.size() > kDeleteKeysMax)
    return Error(ErrorCode::kInternal, "too many keys in one delete");
  std::vector<DeleteReply> replies;
  if (keys.empty()) return replies;
  // ValidKey admits no letter that XML would need escaped.
  std::string body = "<Delete>";
  for (const Key& key : keys)
    body += "<Object><Key>" + config_.prefix + "/" + key.str() + "</Key></Object>";
  body += "</Delete>";
  Call call{.method = "POST",
            .key = "",
            .query = {{"delete", ""}},
            .headers = {},
            .body = AsBytes(body),
            .into = {}};
  call.headers["content-md5"] = hash::ToBase64(Md5(call.body));
  VARVE_TRY(const http::Reply reply, Send(ctx, call));
  if (reply.status == 501 || reply.status == 405) {  // Some servers know only single deletes.
    for (const Key& key : keys) replies.push_back({key, DeleteOne(ctx, key)});
    return replies;
  }
  if (reply.status != 200) return ErrorOf(reply, call);
  pugi::xml_document document;
  const bool parsed = document.load_buffer(reply.body.data(), reply.body.size());
  const pugi::xml_node result = document.child("DeleteResult");
  if (!parsed || !result)
    return Error(ErrorCode::kCorrupt, "the store's answer to a delete is not what S3 answers");
  std::map<std::string, Status> told;
  for (const pugi::xml_node each : result.children("Deleted"))
    told.emplace(each.child_value("Key"), OkStatus());
  for (const pugi::xml_node each : result.children("Error")) {
    const std::string code = each.child_value("Code");
    if (code == "NoSuchKey") {
      told.insert_or_assign(each.child_value("Key"), OkStatus());
      continue;
    }
    Error error = S3ErrorOfCode(code, each.child_value("Message"), reply.status, config_.bucket);
    told.insert_or_assign(each.child_value("Key"), Status(std::move(error)));
  }
  for (const Key& key : keys) {
    const auto found = told.find(config_.prefix + "/" + key.str());
    // Silence is no success: garbage collection would forget a pack that is still there.
    Status status = found == told.end()
                        ? Status(Error(ErrorCode::kUnavailable,
                                       "the store did not say whether it deleted this"))
                        : found->second;
    replies.push_back({key, std::move(status)});
  }
  return replies;
}

}  // namespace varve::store
