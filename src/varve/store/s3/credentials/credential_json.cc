#include "varve/store/s3/credentials/credential_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "varve/store/s3/signing/times.h"

namespace varve::store {
namespace {

using nlohmann::json;

constexpr size_t kAccessKeyBytesMax = 256, kSecretKeyBytesMax = 1024, kTokenBytesMax = 16 * 1024;

Error Wrong(const std::string& what) { return Error(ErrorCode::kPermissionDenied, what); }

Result<json> Parse(std::string_view text) {
  if (text.size() > kCredentialReplyBytesMax) return Wrong("the credentials are too long");
  json document = json::parse(text, nullptr, false);
  if (document.is_discarded() || !document.is_object())
    return Wrong("the credentials are not a JSON object");
  return document;
}

std::string Field(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || !found->is_string() ? "" : found->get<std::string>();
}

bool Sendable(std::string_view text, size_t bytes_max) {
  return text.size() <= bytes_max && std::all_of(text.begin(), text.end(), [](char letter) {
           return letter > 0x20 && letter < 0x7f;
         });
}

struct FieldNames {
  const char* access_key;
  const char* secret_key;
  const char* token;
};

Result<Credentials> Take(const json& object, const FieldNames& names) {
  Credentials credentials;
  credentials.access_key = Field(object, names.access_key);
  credentials.secret_key = Field(object, names.secret_key);
  credentials.session_token = Field(object, names.token);
  for (const char* name : {names.access_key, names.secret_key}) {
    if (Field(object, name).empty()) return Wrong(std::string("the credentials lack ") + name);
  }
  VARVE_CHECK_OK(CheckCredentials(credentials));
  return credentials;
}

// An ISO time as text; absent: never.
Result<Credentials> WithExpiration(Credentials credentials, const json& object) {
  const auto found = object.find("Expiration");
  if (found == object.end() || found->is_null()) return credentials;
  credentials.expires_ms = ParseIsoTime(Field(object, "Expiration"));
  if (credentials.expires_ms == 0) return Wrong("the credentials' Expiration is no time");
  return credentials;
}

}  // namespace

Status CheckCredentials(const Credentials& credentials) {
  if (!Sendable(credentials.access_key, kAccessKeyBytesMax) ||
      !Sendable(credentials.secret_key.Reveal(), kSecretKeyBytesMax) ||
      !Sendable(credentials.session_token.Reveal(), kTokenBytesMax)) {
    return Wrong("the S3 credentials hold a space or a letter that cannot be; copy them again");
  }
  return OkStatus();
}

Result<Credentials> ParseEndpointCredentials(std::string_view text) {
  VARVE_TRY(const json object, Parse(text));
  if (const std::string code = Field(object, "Code"); !code.empty() && code != "Success")
    return Wrong("the credential endpoint reports a failure");
  VARVE_TRY(Credentials credentials, Take(object, {"AccessKeyId", "SecretAccessKey", "Token"}));
  return WithExpiration(std::move(credentials), object);
}

Result<Credentials> ParseProcessCredentials(std::string_view text) {
  VARVE_TRY(const json object, Parse(text));
  const auto version = object.find("Version");
  if (version == object.end() || *version != 1) return Wrong("Version is not 1");
  VARVE_TRY(Credentials credentials,
            Take(object, {"AccessKeyId", "SecretAccessKey", "SessionToken"}));
  return WithExpiration(std::move(credentials), object);
}

Result<Credentials> ParseSsoCredentials(std::string_view text) {
  VARVE_TRY(const json object, Parse(text));
  const auto role = object.find("roleCredentials");
  if (role == object.end() || !role->is_object()) return Wrong("there are no roleCredentials");
  VARVE_TRY(Credentials credentials,
            Take(*role, {"accessKeyId", "secretAccessKey", "sessionToken"}));
  const auto expiration = role->find("expiration");
  if (expiration != role->end() && expiration->is_number_unsigned())
    credentials.expires_ms =
        static_cast<int64_t>(std::min<uint64_t>(expiration->get<uint64_t>(), uint64_t{1} << 62));
  return credentials;
}

Result<SsoToken> ParseSsoToken(std::string_view text) {
  VARVE_TRY(const json object, Parse(text));
  SsoToken token;
  token.access_token = Field(object, "accessToken");
  token.expires_ms = ParseIsoTime(Field(object, "expiresAt"));
  if (token.access_token.empty() || token.expires_ms == 0 ||
      !Sendable(token.access_token.Reveal(), kTokenBytesMax)) {
    return Wrong("the cached SSO token has no accessToken or expiresAt");
  }
  return token;
}

}  // namespace varve::store
