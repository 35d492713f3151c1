#include "varve/store/s3/s3_error.h"

#include "varve/store/s3/encoding.h"
#include "varve/store/s3/replies.h"

namespace varve::store {
namespace {

struct Row {
  const char* s3_code;
  ErrorCode code;
  const char* advice;
};
constexpr Row kRows[] = {
    {"NoSuchKey", ErrorCode::kNotFound, "no such object"},
    {"NoSuchBucket", ErrorCode::kNotFound, "does not exist; create it or check its name"},
    {"InvalidAccessKeyId", ErrorCode::kPermissionDenied,
     "the access key is not known here; check AWS_ACCESS_KEY_ID and the endpoint"},
    {"SignatureDoesNotMatch", ErrorCode::kPermissionDenied,
     "the secret key does not fit; check AWS_SECRET_ACCESS_KEY and AWS_REGION"},
    {"AccountProblem", ErrorCode::kPermissionDenied, "the account has a problem; ask its owner"},
    {"InvalidToken", ErrorCode::kPermissionDenied,
     "the session token is not valid; check AWS_SESSION_TOKEN"},
    {"ExpiredToken", ErrorCode::kPermissionDenied,
     "the session token expired; get new credentials"},
    {"RequestTimeTooSkewed", ErrorCode::kPermissionDenied,
     "this machine's clock is off by more than the store allows; set it"},
    {"AccessDenied", ErrorCode::kPermissionDenied,
     "the store denies access; check credentials, bucket policy and object lock"},
    {"AllAccessDisabled", ErrorCode::kPermissionDenied,
     "the store denies access; check credentials and bucket policy"},
    {"InvalidObjectState", ErrorCode::kPermissionDenied,
     "the object is archived; restore it, and keep lakes out of archive classes"},
    {"InvalidStorageClass", ErrorCode::kInvalidArgument,
     "the store does not know this storage class; check VARVE_S3_STORAGE_CLASS"},
    {"KMS.DisabledException", ErrorCode::kPermissionDenied,
     "the encryption key is disabled; enable it or check VARVE_S3_SSE_KMS_KEY_ID"},
    {"KMS.NotFoundException", ErrorCode::kPermissionDenied,
     "the encryption key does not exist; check VARVE_S3_SSE_KMS_KEY_ID"},
    {"KMS.ThrottlingException", ErrorCode::kThrottled, "the key service asks to slow down"},
    {"TooManyRequests", ErrorCode::kThrottled, "the store asks to slow down"},
    {"ThrottlingException", ErrorCode::kThrottled, "the store asks to slow down"},
    {"XAmzContentSHA256Mismatch", ErrorCode::kUnavailable, "bytes were damaged on the way"},
    {"IncompleteBody", ErrorCode::kUnavailable, "the request was cut short"},
    {"TokenRefreshRequired", ErrorCode::kPermissionDenied,
     "the session token expired; get new credentials"},
    {"AuthorizationHeaderMalformed", ErrorCode::kInvalidArgument,
     "the region is wrong; set AWS_REGION"},
    {"PermanentRedirect", ErrorCode::kInvalidArgument,
     "the bucket is in another region; set AWS_REGION"},
    {"SlowDown", ErrorCode::kThrottled, "the store asks to slow down"},
    {"ServiceUnavailable", ErrorCode::kThrottled, "the store asks to slow down"},
    {"InternalError", ErrorCode::kUnavailable, "the store failed inside"},
    {"RequestTimeout", ErrorCode::kUnavailable, "the store timed out"},
    {"BadDigest", ErrorCode::kUnavailable, "bytes were damaged on the way"},
    {"QuotaExceeded", ErrorCode::kResourceExhausted, "the quota is used up"},
    {"EntityTooLarge", ErrorCode::kResourceExhausted, "the object is too large for this store"},
    {"NotImplemented", ErrorCode::kUnsupported, "the store lacks a feature that a lake needs"},
};

// An address without its query and its user's name and password.
std::string WithoutSecrets(const std::string& address) {
  std::string shown = address.substr(0, address.find('?'));
  const size_t start = shown.find("//"), end = shown.rfind('@');
  if (start != std::string::npos && end != std::string::npos && end > start)
    shown.erase(start + 2, end - start - 1);
  return shown;
}

ErrorCode CodeOfStatus(int status) {
  if (status == 404) return ErrorCode::kNotFound;
  if (status == 401 || status == 403) return ErrorCode::kPermissionDenied;
  if (status == 409 || status == 412) return ErrorCode::kConflict;
  if (status == 416) return ErrorCode::kCorrupt;
  if (status == 429 || status == 503) return ErrorCode::kThrottled;
  if (status == 408 || status >= 500)
    return status == 501 ? ErrorCode::kUnsupported : ErrorCode::kUnavailable;
  return ErrorCode::kInvalidArgument;
}

}  // namespace

std::string S3Code(const http::Reply& reply) { return ParseError(AsText(reply.body)).code; }

Error S3ErrorOfCode(const std::string& s3_code, const std::string& s3_message, int status,
                    const std::string& bucket) {
  for (const Row& row : kRows) {
    if (s3_code != row.s3_code) continue;
    std::string message = std::string(row.advice) + " (" + s3_code + ")";
    if (s3_code == "NoSuchBucket") message = "the bucket '" + bucket + "' " + message;
    return Error(row.code, message);
  }
  if (s3_code.empty() && status == 407) {
    return Error(ErrorCode::kPermissionDenied,
                 "the proxy wants a name and a password; check http_proxy");
  }
  if (s3_code.empty() && (status == 401 || status == 403)) {
    return Error(ErrorCode::kPermissionDenied,
                 "the store denies access; check credentials and bucket policy");
  }
  return Error(CodeOfStatus(status), s3_code.empty()
                                         ? "the store answered " + std::to_string(status)
                                         : OneLine(s3_code) + ": " + OneLine(s3_message));
}

Error S3Error(const http::Reply& reply, const std::string& method, const std::string& key,
              const std::string& bucket) {
  const ErrorReply told = ParseError(AsText(reply.body));
  Error error = S3ErrorOfCode(told.code, told.message, reply.status, bucket);
  const std::string header = OneLine(reply.Header("x-amz-bucket-region"));
  const std::string region = header.empty() ? told.region : header;
  const std::string location = OneLine(reply.Header("location"));
  const bool moved =
      reply.status == 301 || reply.status == 302 || reply.status == 307 || reply.status == 308;
  if ((moved || told.code == "AuthorizationHeaderMalformed") && !region.empty()) {
    error = Error(ErrorCode::kInvalidArgument, "the bucket '" + bucket + "' is in region '" +
                                                   region + "'; set AWS_REGION=" + region);
  } else if (moved && told.code.empty() && !location.empty()) {
    // Never followed: a signed request is only for the host it was signed for.
    error = Error(ErrorCode::kInvalidArgument,
                  "the endpoint redirects to '" + WithoutSecrets(location) +
                      "'; if that is the S3 server, set AWS_ENDPOINT_URL to it");
  }
  error.At(method, key).FromHttp(reply.status, OneLine(reply.Header("x-amz-request-id")));
  return error;
}

}  // namespace varve::store
