// The JSON in which credentials arrive. Pure; the bytes are hostile, and no message quotes them:
// they hold secrets. Errors: kPermissionDenied that says which field is missing or wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "varve/result.h"
#include "varve/store/s3/signing/sigv4.h"

namespace varve::store {

inline constexpr size_t kCredentialReplyBytesMax = 64 * 1024;

// Of a container or instance endpoint: AccessKeyId, SecretAccessKey, Token, Expiration.
Result<Credentials> ParseEndpointCredentials(std::string_view json);
// Of a credential_process: Version 1, AccessKeyId, SecretAccessKey, SessionToken, Expiration.
Result<Credentials> ParseProcessCredentials(std::string_view json);
// Of the SSO portal: roleCredentials with accessKeyId, secretAccessKey, sessionToken, expiration.
Result<Credentials> ParseSsoCredentials(std::string_view json);

struct SsoToken {
  Secret access_token;
  int64_t expires_ms = 0;
};
Result<SsoToken> ParseSsoToken(std::string_view json);  // A file of ~/.aws/sso/cache.

// Whether these can be sent: no field too long, none with a letter that a header cannot carry.
Status CheckCredentials(const Credentials& credentials);

}  // namespace varve::store
