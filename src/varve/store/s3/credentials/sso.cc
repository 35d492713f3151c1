#include "varve/store/s3/credentials/sso.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "varve/hash/hash.h"
#include "varve/store/s3/credentials/credential_json.h"

namespace varve::store {
namespace {

constexpr int64_t kTimeoutMs = 10'000;

// Only the name of the file in the cache; nothing relies on it.
std::string Sha1Hex(const std::string& text) {
  std::array<std::byte, 20> digest{};
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), &length,
             EVP_sha1(), nullptr);
  return hash::ToHex(digest);
}

Error LogIn(const std::string& profile, const std::string& what) {
  return Error(ErrorCode::kPermissionDenied,
               what + "; run 'aws sso login --profile " + profile + "'");
}

}  // namespace

bool UsesSso(const Profiles& profiles, const std::string& profile) {
  return !profiles.Setting(profile, "sso_session").empty() ||
         !profiles.Setting(profile, "sso_start_url").empty();
}

Result<Credentials> SsoCredentials(const OpContext& ctx, const Environment& environment,
                                   const Profiles& profiles, const std::string& profile) {
  const std::string session = profiles.Setting(profile, "sso_session");
  const std::string start_url = session.empty() ? profiles.Setting(profile, "sso_start_url")
                                                : profiles.SessionSetting(session, "sso_start_url");
  const std::string region = session.empty() ? profiles.Setting(profile, "sso_region")
                                             : profiles.SessionSetting(session, "sso_region");
  const std::string account = profiles.Setting(profile, "sso_account_id");
  const std::string role = profiles.Setting(profile, "sso_role_name");
  if (start_url.empty() || region.empty() || account.empty() || role.empty()) {
    return Error(ErrorCode::kPermissionDenied,
                 "profile '" + profile +
                     "' lacks one of sso_start_url, sso_region, sso_account_id, sso_role_name");
  }
  const std::string path =
      profiles.home + "/.aws/sso/cache/" + Sha1Hex(session.empty() ? start_url : session) + ".json";
  const auto text = ReadSmallFile(path, kCredentialReplyBytesMax);
  if (!text.ok()) return LogIn(profile, "there is no SSO login for profile '" + profile + "'");
  const auto token = ParseSsoToken(*text);
  if (!token.ok()) return LogIn(profile, token.error().message());
  if (token->expires_ms <= ctx.clock().WallMs())
    return LogIn(profile, "the SSO login of profile '" + profile + "' has expired");

  std::string endpoint = environment("AWS_ENDPOINT_URL_SSO");
  if (endpoint.empty()) endpoint = "https://portal.sso." + region + ".amazonaws.com";
  http::Request request;
  request.method = "GET";
  request.url = endpoint + "/federation/credentials?" +
                EncodeQuery({{"role_name", role}, {"account_id", account}});
  request.headers.emplace_back("x-amz-sso_bearer_token", token->access_token.Reveal());
  request.body_bytes_max = kCredentialReplyBytesMax;
  http::Transport transport;
  auto reply = transport.Send(ctx.WithTimeout(kTimeoutMs), request);
  if (!reply.ok()) return std::move(reply.error().Prefix("asking SSO for credentials"));
  if (reply->status == 401 || reply->status == 403) {
    return LogIn(profile, "SSO refuses role '" + role + "' in account " + account);
  }
  if (reply->status != 200) {
    return Error(ErrorCode::kUnavailable,
                 "SSO answered " + std::to_string(reply->status) + " when asked for credentials");
  }
  return ParseSsoCredentials(AsText(reply->body));
}

}  // namespace varve::store
