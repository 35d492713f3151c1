#include "varve/store/s3/credentials/instance_provider.h"

#include <algorithm>
#include <cstdlib>

#include "varve/store/s3/credentials/credential_json.h"

namespace varve::store {
namespace {

constexpr int64_t kTimeoutMs = 1'000, kTimeoutMsMax = 60'000;
constexpr int kAttempts = 1, kAttemptsMax = 10;
constexpr int64_t kPauseMs = 200;  // Between attempts; doubles.
constexpr size_t kSmallReplyBytesMax = 4096;
constexpr char kRolePath[] = "/latest/meta-data/iam/security-credentials/";

bool PlainWord(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char letter) { return letter > 0x20 && letter < 0x7f; });
}

}  // namespace

InstanceProvider::InstanceProvider(Environment environment, const Profiles& profiles)
    : environment_(std::move(environment)) {
  const auto setting = [&](const char* variable, const char* key) {
    const std::string value = environment_(variable);
    return value.empty() ? profiles.Setting(profiles.selected, key) : value;
  };
  endpoint_ = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
  const std::string mode =
      setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
  if (endpoint_.empty())
    endpoint_ =
        mode == "IPv6" || mode == "ipv6" ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
  while (endpoint_.ends_with('/')) endpoint_.pop_back();
  const auto number = [&](const char* variable, const char* key, int64_t otherwise, int64_t most) {
    const int64_t value = std::atoll(setting(variable, key).c_str());
    return value <= 0 ? otherwise : std::min(value, most);
  };
  timeout_ms_ = number("AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout",
                       kTimeoutMs / 1000, kTimeoutMsMax / 1000) *
                1000;
  attempts_ = static_cast<int>(number("AWS_METADATA_SERVICE_NUM_ATTEMPTS",
                                      "metadata_service_num_attempts", kAttempts, kAttemptsMax));
}

// Repeats what may pass: no answer, 429, 5xx.
Result<http::Reply> InstanceProvider::Ask(const OpContext& ctx, const http::Request& request) {
  for (int attempt = 1;; ++attempt) {
    auto reply = transport_.Send(ctx.WithTimeout(timeout_ms_), request);
    VARVE_CHECK_OK(ctx.Check());
    const bool again = !reply.ok() || reply->status == 429 || reply->status >= 500;
    if (!again || attempt >= attempts_) return reply;
    VARVE_CHECK_OK(ctx.SleepMs(kPauseMs << attempt));
  }
}

Result<std::optional<Credentials>> InstanceProvider::Fetch(const OpContext& ctx) {
  const std::optional<Credentials> none;
  if (IsTrue(environment_("AWS_EC2_METADATA_DISABLED"))) return none;
  http::Request request;
  request.method = "PUT";
  request.url = endpoint_ + "/latest/api/token";
  request.direct = true;
  request.body_bytes_max = kSmallReplyBytesMax;
  request.headers.emplace_back("x-aws-ec2-metadata-token-ttl-seconds", "21600");
  const auto token = Ask(ctx, request);
  VARVE_CHECK_OK(ctx.Check());
  // Most machines have no such service: that is no error, only no credentials.
  if (!token.ok() || token->status != 200 || !PlainWord(AsText(token->body))) return none;

  request.method = "GET";
  request.url = endpoint_ + kRolePath;
  request.headers = {{"x-aws-ec2-metadata-token", std::string(AsText(token->body))}};
  VARVE_TRY(const http::Reply role, Ask(ctx, request));
  if (role.status == 404) return none;
  std::string name(AsText(role.body));
  name = name.substr(0, name.find('\n'));
  if (role.status != 200 || !PlainWord(name)) {
    return Error(ErrorCode::kUnavailable, "the instance metadata service answered " +
                                              std::to_string(role.status) +
                                              " when asked for its role");
  }
  request.url += UriEncode(name, false);
  request.body_bytes_max = kCredentialReplyBytesMax;
  VARVE_TRY(const http::Reply reply, Ask(ctx, request));
  if (reply.status != 200) {
    return Error(ErrorCode::kUnavailable, "the instance metadata service answered " +
                                              std::to_string(reply.status) +
                                              " when asked for credentials");
  }
  VARVE_TRY(Credentials credentials, ParseEndpointCredentials(AsText(reply.body)));
  return std::optional(std::move(credentials));
}

}  // namespace varve::store
