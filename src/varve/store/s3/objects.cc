// One object: its head, its bytes, its writing.
#include <algorithm>

#include "varve/store/s3/encoding.h"
#include "varve/store/s3/reply_info.h"
#include "varve/store/s3/s3_error.h"
#include "varve/store/s3/s3_store.h"

namespace varve::store {
namespace {

constexpr char kEndsBefore[] = "the object ends before the range does";
constexpr char kOtherRange[] = "the store answered with another range";
constexpr char kDamaged[] = "bytes were damaged on the way: they do not match their checksum";

Error Unknown(const Error& cause) {
  return std::move(Error(ErrorCode::kUnknownOutcome, cause.message())
                       .At("PUT", cause.key())
                       .FromHttp(cause.http_status(), cause.request_id()));
}

}  // namespace

Result<ObjectInfo> S3Store::Head(const OpContext& ctx, const Key& key) {
  const Call call{.method = "HEAD", .key = key.str(), .role = Role::kRead};
  VARVE_TRY(const Answer answer, client_.Send(ctx, call));
  const http::Reply& reply = answer.reply;
  if (reply.status != 200) return client_.ErrorOf(reply, call);
  ObjectInfo info = InfoOf(reply);
  if (!ParseNumber(reply.Header("content-length"), info.bytes))
    return client_.Malformed(reply, call, "the store's answer to HEAD has no length");
  if (!ValidEtag(info.etag.str())) return client_.Malformed(reply, call, kBadEtag);
  return info;
}

Result<GetReply> S3Store::Get(const OpContext& ctx, const Key& key, const GetOptions& options) {
  const uint64_t suffix = options.suffix_bytes;
  Call call{.method = "GET", .key = key.str(), .role = Role::kRead};
  if (suffix != 0) call.headers.emplace_back("range", "bytes=-" + std::to_string(suffix));
  if (suffix == 0 && client_.config().check_replies)
    call.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
  if (options.if_none_match.has_value())
    call.headers.emplace_back("if-none-match", "\"" + options.if_none_match->str() + "\"");
  VARVE_TRY(Answer answer, client_.Send(ctx, call));
  http::Reply& reply = answer.reply;
  GetReply result;
  result.info = InfoOf(reply);
  if (reply.status == 304 && options.if_none_match.has_value()) {
    result.info.etag = *options.if_none_match;
    result.not_modified = true;
    return result;
  }
  if (reply.status == 416 && suffix != 0) {  // An empty object has no suffix.
    VARVE_TRY(result.info, Head(ctx, key));
    if (result.info.bytes == 0) return result;
    return client_.ErrorOf(reply, call);
  }
  if (reply.status != 200 && !(reply.status == 206 && suffix != 0))
    return client_.ErrorOf(reply, call);
  if (!ValidEtag(result.info.etag.str())) return client_.Malformed(reply, call, kBadEtag);
  if (!EndIsKnown(reply))
    return client_.Malformed(reply, call, "the store's answer does not say where it ends");
  result.info.bytes = reply.body.size();
  if (reply.status == 206) {
    const auto range = RangeOf(reply);
    if (!range.has_value())
      return client_.Malformed(reply, call, "the store answered without saying which range");
    const uint64_t bytes = std::min(suffix, range->total);
    if (range->first != range->total - bytes || range->last != range->total - 1 ||
        reply.body.size() != bytes) {
      return client_.Malformed(reply, call, kOtherRange);
    }
    result.info.bytes = range->total;
  } else if (suffix != 0 && reply.body.size() > suffix) {
    reply.body.erase(reply.body.begin(), reply.body.end() - static_cast<std::ptrdiff_t>(suffix));
  } else if (client_.config().check_replies &&
             CompareBody(reply, reply.body) == SumVerdict::kDiffers) {
    Error error = client_.Malformed(reply, call, kDamaged);
    return std::move(Error(ErrorCode::kUnavailable, kDamaged)
                         .At(error.operation(), error.key())
                         .FromHttp(error.http_status(), error.request_id()));
  }
  result.body = std::move(reply.body);
  return result;
}

Result<ObjectInfo> S3Store::GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                                     MutableByteView into) {
  if (into.empty()) return Head(ctx, key);
  return ReadRange(ctx, {.method = "GET", .key = key.str(), .into = into, .role = Role::kRead},
                   offset, into.size());
}

Result<ObjectInfo> S3Store::GetPieces(const OpContext& ctx, const Key& key, uint64_t offset,
                                      uint64_t bytes, const TakePiece& take) {
  if (bytes == 0) return Head(ctx, key);
  return ReadRange(
      ctx,
      {.method = "GET", .key = key.str(), .take = take, .take_bytes = bytes, .role = Role::kRead},
      offset, bytes);
}

Result<ObjectInfo> S3Store::ReadRange(const OpContext& ctx, Call call, uint64_t offset,
                                      uint64_t bytes) {
  if (offset > UINT64_MAX - bytes)
    return std::move(Error(ErrorCode::kCorrupt, kEndsBefore).At("GET", call.key));
  const uint64_t last = offset + bytes - 1;
  call.headers.emplace_back("range",
                            "bytes=" + std::to_string(offset) + "-" + std::to_string(last));
  auto sent = client_.Send(ctx, call);
  if (!sent.ok()) {  // More than was asked for does not fit.
    Error& error = sent.error();
    if (error.code() != ErrorCode::kResourceExhausted || error.http_status() == 0)
      return std::move(error);
    return std::move(Error(ErrorCode::kCorrupt, kOtherRange)
                         .At("GET", call.key)
                         .FromHttp(error.http_status(), error.request_id()));
  }
  const http::Reply& reply = sent->reply;
  if (reply.status == 416) return client_.Malformed(reply, call, kEndsBefore);
  if (reply.status != 206 && reply.status != 200) return client_.ErrorOf(reply, call);
  ObjectInfo info = InfoOf(reply);
  const auto range = RangeOf(reply);
  const bool whole = reply.status == 200 && offset == 0;  // A server may ignore a range of all.
  const bool ranged =
      reply.status == 206 && range.has_value() && range->first == offset && range->last == last;
  if (!whole && !ranged && reply.status == 206 && reply.into_bytes < bytes)
    return client_.Malformed(reply, call, kEndsBefore);
  if ((!whole && !ranged) || reply.into_bytes != bytes)
    return client_.Malformed(reply, call, kOtherRange);
  info.bytes = whole ? bytes : range->total;
  return info;
}

// What an acknowledged write says of itself. kUnavailable: the server stored other bytes than ours.
Result<ObjectInfo> S3Store::WrittenInfo(const Answer& answer, const Call& call) {
  const http::Reply& reply = answer.reply;
  const SumVerdict verdict = CompareSum(reply, answer.sum);
  if (verdict == SumVerdict::kDiffers) {
    return std::move(Error(ErrorCode::kUnavailable, kDamaged)
                         .At(call.method, call.key)
                         .FromHttp(reply.status, OneLine(reply.Header("x-amz-request-id"))));
  }
  if (verdict == SumVerdict::kEqual) server_checksums_ = true;
  ObjectInfo info = InfoOf(reply);
  info.bytes = call.body.size();
  return info;
}

Result<ObjectInfo> S3Store::PutNew(const OpContext& ctx, const Key& key, ByteView body) {
  const Call call{.method = "PUT", .key = key.str(), .body = body, .role = Role::kWrite};
  VARVE_TRY(const Answer answer, client_.Send(ctx, call));
  if (answer.reply.status != 200) return client_.ErrorOf(answer.reply, call);
  return WrittenInfo(answer, call);
}

// `if_match`: with its quotes where the server wants them; empty: the key is to be absent.
Result<ObjectInfo> S3Store::Swap(const OpContext& ctx, const Key& key, ByteView body,
                                 const std::string& if_match) {
  Call call{.method = "PUT", .key = key.str(), .body = body, .role = Role::kWrite};
  if (if_match.empty())
    call.headers.emplace_back("if-none-match", "*");
  else
    call.headers.emplace_back("if-match", if_match);
  bool maybe_sent = false;
  auto answer = client_.Send(ctx, call, &maybe_sent);
  // No answer is no proof of anything: the request may have been served, or may still be.
  if (!answer.ok()) {
    if (!maybe_sent || answer.error().code() == ErrorCode::kCancelled)
      return std::move(answer).error();
    return Unknown(answer.error());
  }
  const http::Reply& reply = answer->reply;
  if (reply.status == 200) {
    auto info = WrittenInfo(*answer, call);
    if (!info.ok()) return Unknown(info.error());
    if (!ValidEtag(info->etag.str())) return Unknown(client_.Malformed(reply, call, kBadEtag));
    return info;
  }
  Error error = client_.ErrorOf(reply, call);
  if (reply.status == 412) {
    return std::move(Error(ErrorCode::kConflict, "another version is there")
                         .At("PUT", key.str())
                         .FromHttp(412, error.request_id()));
  }
  const bool unclear = reply.status < 300 || reply.status == 408 || reply.status >= 500;
  if (!unclear || error.code() == ErrorCode::kUnsupported) return error;
  return Unknown(error);
}

Result<ObjectInfo> S3Store::Cas(const OpContext& ctx, const Key& key, ByteView body,
                                const std::optional<Etag>& expected) {
  if (!expected.has_value()) return Swap(ctx, key, body, "");
  if (!ValidEtag(expected->str()))
    return std::move(Error(ErrorCode::kInternal, "not an etag").At("PUT", key.str()));
  const std::string quoted = "\"" + expected->str() + "\"";
  auto swapped = Swap(ctx, key, body, client_.quoted_if_match() ? quoted : expected->str());
  if (swapped.ok()) client_.LearnIfMatchWorks();
  const bool refused = !swapped.ok() && swapped.error().code() == ErrorCode::kConflict &&
                       swapped.error().http_status() == 412;
  if (!refused || client_.if_match_known()) return swapped;
  // Refused although the version is there: this server compares with the quotes.
  const auto now = Head(ctx, key);
  if (!now.ok() || now->etag != *expected) return swapped;
  auto again = Swap(ctx, key, body, quoted);
  if (again.ok()) client_.LearnQuotedIfMatch();
  return again;
}

}  // namespace varve::store
