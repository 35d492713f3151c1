#include "varve/store/s3/remedy.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "varve/store/s3/replies.h"
#include "varve/store/s3/signing/times.h"

namespace varve::store {
namespace {

// Less is no cause of a refusal: servers allow 15 minutes.
constexpr int64_t kSkewMsMin = 4 * 60 * 1000;

template <size_t kCount>
bool OneOf(std::string_view code, const std::array<std::string_view, kCount>& codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

constexpr std::array<std::string_view, 5> kStaleCredentials = {
    "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired",
    "InvalidAccessKeyId"};
constexpr std::array<std::string_view, 5> kUnknownHeader = {
    "NotImplemented", "InvalidRequest", "InvalidArgument", "XNotImplemented", "UnsupportedHeader"};

Remedy ForRegion(const http::Reply& reply, const SentRequest& sent, const ErrorReply& error) {
  Remedy remedy;
  const std::string told = reply.Header("x-amz-bucket-region");
  const std::string region = told.empty() ? error.region : told;
  if (ValidRegion(region) && region != sent.region) {
    remedy.kind = Remedy::Kind::kRegion;
    remedy.region = region;
  } else if (sent.head && region.empty()) {
    remedy.kind = Remedy::Kind::kAskWhy;
  }
  return remedy;
}

bool SaysWrongRegion(const http::Reply& reply, const SentRequest& sent, const ErrorReply& error) {
  if (reply.status == 301 || reply.status == 302 || reply.status == 307 || reply.status == 308)
    return true;
  return reply.status == 400 &&
         (error.code == "AuthorizationHeaderMalformed" ||
          error.code == "IllegalLocationConstraintException" || (sent.head && reply.body.empty()));
}

Remedy ForClock(const http::Reply& reply, const SentRequest& sent) {
  Remedy remedy;
  const int64_t server_ms = ParseHttpDate(reply.Header("date"));
  if (server_ms == 0 || std::abs(server_ms - sent.signed_at_ms) < kSkewMsMin) return remedy;
  remedy.kind = Remedy::Kind::kClock;
  remedy.clock_offset_ms = server_ms - sent.signed_at_ms;
  return remedy;
}

Checksum StepDown(Checksum checksum) {
  if (checksum == Checksum::kCrc64Nvme) return Checksum::kCrc32c;
  return checksum == Checksum::kCrc32c ? Checksum::kMd5 : checksum;
}

}  // namespace

Remedy RemedyFor(const http::Reply& reply, const SentRequest& sent) {
  Remedy remedy;
  if (reply.status < 300 || reply.status == 304 || reply.status == 404 || reply.status == 412)
    return remedy;
  const ErrorReply error = ParseError(AsText(reply.body));
  if (SaysWrongRegion(reply, sent, error)) return ForRegion(reply, sent, error);
  const bool silent = sent.head && reply.body.empty();
  if (error.code == "RequestTimeTooSkewed" || error.code == "RequestExpired" ||
      (reply.status == 403 && silent)) {
    remedy = ForClock(reply, sent);
    if (remedy.kind != Remedy::Kind::kNone) return remedy;
  }
  const bool denied = reply.status == 403 && (error.code == "AccessDenied" || silent);
  if (OneOf(error.code, kStaleCredentials) || (denied && sent.renewable)) {
    remedy.kind = Remedy::Kind::kCredentials;
    return remedy;
  }
  if (silent && (reply.status == 403 || reply.status == 400)) {
    remedy.kind = Remedy::Kind::kAskWhy;
    return remedy;
  }
  const Checksum lower = StepDown(sent.checksum);
  const bool unknown =
      reply.status == 501 || (reply.status == 400 && OneOf(error.code, kUnknownHeader));
  if (unknown && lower != sent.checksum) {
    remedy.kind = Remedy::Kind::kChecksum;
    remedy.checksum = lower;
  }
  return remedy;
}

}  // namespace varve::store
