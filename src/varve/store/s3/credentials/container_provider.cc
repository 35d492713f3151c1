#include "varve/store/s3/credentials/container_provider.h"

#include <algorithm>

#include "varve/store/s3/credentials/credential_json.h"
#include "varve/store/s3/credentials/profiles.h"

namespace varve::store {
namespace {

constexpr char kAgent[] = "http://169.254.170.2";
constexpr int64_t kTimeoutMs = 3'000;
constexpr size_t kTokenBytesMax = 16 * 1024;

std::string HostOf(const std::string& uri) {
  const size_t start = uri.find("://") + 3;
  std::string host = uri.substr(start, uri.find_first_of("/?#", start) - start);
  if (host.find('@') != std::string::npos) return "";
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

Error Denied(const std::string& what) { return Error(ErrorCode::kPermissionDenied, what); }

}  // namespace

bool AllowedContainerUri(const std::string& uri) {
  if (uri.starts_with("https://")) return !HostOf(uri).empty();
  if (!uri.starts_with("http://")) return false;
  const std::string host = HostOf(uri);
  const bool loopback =
      host == "localhost" || host == "[::1]" ||
      (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos);
  return loopback || host == "169.254.170.2" || host == "169.254.170.23" ||
         host == "[fd00:ec2::23]";
}

Result<std::optional<Credentials>> ContainerProvider::Fetch(const OpContext& ctx) {
  const std::string relative = environment_("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  std::string uri = environment_("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (relative.empty() && uri.empty()) return std::optional<Credentials>();
  if (!relative.empty()) {
    if (!relative.starts_with('/'))
      return Denied("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not start with a slash");
    uri = kAgent + relative;
  } else if (!AllowedContainerUri(uri)) {
    return Denied(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this machine");
  }
  http::Request request;
  request.method = "GET";
  request.url = uri;
  request.direct = true;
  request.body_bytes_max = kCredentialReplyBytesMax;
  request.headers.emplace_back("Accept", "application/json");
  std::string token = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string file = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
      !file.empty()) {
    VARVE_TRY(token, ReadSmallFile(file, kTokenBytesMax));
    while (token.ends_with('\n') || token.ends_with('\r')) token.pop_back();
  }
  if (std::any_of(token.begin(), token.end(), [](char c) { return c < 0x20 || c >= 0x7f; }))
    return Denied("the container's authorization token holds a line break; check its file");
  if (!token.empty()) request.headers.emplace_back("Authorization", token);
  auto reply = transport_.Send(ctx.WithTimeout(kTimeoutMs), request);
  if (!reply.ok()) return std::move(reply.error().Prefix("asking the container for credentials"));
  if (reply->status != 200) {
    return Error(reply->status >= 500 || reply->status == 429 ? ErrorCode::kUnavailable
                                                              : ErrorCode::kPermissionDenied,
                 "the container's credential endpoint answered " + std::to_string(reply->status) +
                     "; check its role and authorization token");
  }
  VARVE_TRY(Credentials credentials, ParseEndpointCredentials(AsText(reply->body)));
  return std::optional(std::move(credentials));
}

}  // namespace varve::store
