#include "varve/store/s3/credentials/sts.h"

#include "varve/hash/hash.h"
#include "varve/store/s3/credentials/credential_json.h"
#include "varve/store/s3/credentials/sts_reply.h"
#include "varve/store/s3/signing/times.h"

namespace varve::store {
namespace {

constexpr int64_t kTimeoutMs = 10'000;
constexpr size_t kTokenFileBytesMax = 32 * 1024;

std::string Endpoint(const Environment& environment, const Profiles& profiles,
                     const std::string& region) {
  std::string endpoint;
  if (!IsTrue(environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))) {
    endpoint = FirstSet(environment, {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"});
    if (endpoint.empty()) endpoint = profiles.EndpointUrl(profiles.selected, "sts");
  }
  if (endpoint.empty()) {
    endpoint = "https://sts." + region + ".amazonaws.com";
    if (region.starts_with("cn-")) endpoint += ".cn";
  }
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint;
}

std::string SessionName(const OpContext& ctx, const RoleRequest& role) {
  return role.session_name.empty() ? "varve-" + std::to_string(ctx.random().Next64())
                                   : role.session_name;
}

}  // namespace

Sts::Sts(const Environment& environment, const Profiles& profiles, std::string region)
    : endpoint_(Endpoint(environment, profiles, region)), region_(std::move(region)) {}

Result<Credentials> Sts::AssumeRole(const OpContext& ctx, const RoleRequest& role,
                                    const Credentials& source) {
  Pairs form = {{"Action", "AssumeRole"},
                {"Version", "2011-06-15"},
                {"RoleArn", role.role_arn},
                {"RoleSessionName", SessionName(ctx, role)}};
  if (!role.external_id.empty()) form.emplace_back("ExternalId", role.external_id);
  if (!role.duration_s.empty()) form.emplace_back("DurationSeconds", role.duration_s);
  return Ask(ctx, form, role.role_arn, &source);
}

Result<Credentials> Sts::AssumeRoleWithWebIdentity(const OpContext& ctx, const RoleRequest& role,
                                                   const std::string& token_file) {
  auto token = ReadSmallFile(token_file, kTokenFileBytesMax);
  if (!token.ok()) {
    return Error(ErrorCode::kPermissionDenied,
                 "the web identity token " + token_file +
                     " cannot be read; check AWS_WEB_IDENTITY_TOKEN_FILE");
  }
  while (token->ends_with('\n') || token->ends_with(' ')) token->pop_back();
  const Pairs form = {{"Action", "AssumeRoleWithWebIdentity"},
                      {"Version", "2011-06-15"},
                      {"RoleArn", role.role_arn},
                      {"RoleSessionName", SessionName(ctx, role)},
                      {"WebIdentityToken", *token}};
  return Ask(ctx, form, role.role_arn, nullptr);
}

Result<Credentials> Sts::Ask(const OpContext& ctx, const Pairs& form, const std::string& role_arn,
                             const Credentials* signer) {
  const std::string body = EncodeQuery(form);
  const size_t scheme = endpoint_.find("://");
  if (scheme == std::string::npos)
    return Error(ErrorCode::kInvalidArgument, "AWS_ENDPOINT_URL_STS is no http[s]:// address");
  Pairs headers = {{"host", endpoint_.substr(scheme + 3)},
                   {"content-type", "application/x-www-form-urlencoded; charset=utf-8"}};
  if (signer != nullptr) {
    SigningInput input{.method = "POST",
                       .path = "/",
                       .query = {},
                       .headers = {},
                       .payload_hash = hash::ToHex(hash::Sha256(AsBytes(body))),
                       .region = region_,
                       .service = "sts",
                       .amz_date = AmzDate(ctx.clock().WallMs())};
    headers.emplace_back("x-amz-date", input.amz_date);
    if (!signer->session_token.empty())
      headers.emplace_back("x-amz-security-token", signer->session_token.Reveal());
    input.headers = headers;
    headers.emplace_back("Authorization", Authorization(input, *signer));
  }
  http::Request request;
  request.method = "POST";
  request.url = endpoint_ + "/";
  request.headers = std::move(headers);
  request.body = AsBytes(body);
  request.body_bytes_max = kCredentialReplyBytesMax;
  auto reply = transport_.Send(ctx.WithTimeout(kTimeoutMs), request);
  if (!reply.ok()) return std::move(reply.error().Prefix("asking STS for role " + role_arn));
  const std::string_view text = AsText(reply->body);
  if (reply->status != 200) {
    const std::string code = StsErrorCode(text);
    const bool busy = reply->status >= 500 || reply->status == 429;
    return Error(busy ? ErrorCode::kUnavailable : ErrorCode::kPermissionDenied,
                 "STS refuses role " + role_arn + " (" +
                     (code.empty() ? std::to_string(reply->status) : code) +
                     "); check the role, its trust policy and the identity that asks");
  }
  return ParseStsReply(text);
}

}  // namespace varve::store
