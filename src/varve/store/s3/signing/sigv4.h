// AWS Signature Version 4 in its header and query forms, with S3's rules for paths: encoded once,
// never normalised. Source: the AWS documentation, "Authenticating Requests (AWS Signature Version
// 4)". Checked against the published vectors and against another signer (tests/s3). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varve/base/secret.h"
#include "varve/hash/hash.h"

namespace varve::store {

struct Credentials {
  std::string access_key;
  Secret secret_key, session_token;
  int64_t expires_ms = 0;  // Wall clock; 0: does not expire.
  friend bool operator==(const Credentials&, const Credentials&) = default;
};

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Percent-encodes everything but A-Z a-z 0-9 - . _ ~ (and '/' when keep_slash).
std::string UriEncode(std::string_view text, bool keep_slash);

// Encoded and sorted, as it is signed and as it is sent; a parameter without a value gets its "=".
std::string EncodeQuery(const Pairs& query);

struct SigningInput {
  std::string method;
  std::string path;          // Encoded, as it is sent.
  Pairs query;               // Not encoded.
  Pairs headers;             // All are signed; names in any case, several values of a name allowed.
  std::string payload_hash;  // Hex SHA-256 or "UNSIGNED-PAYLOAD".
  std::string region, service = "s3";
  std::string amz_date;  // "20130524T000000Z"
};

// What is signed, for tests and for a message that a server's own canonical form is compared with.
std::string CanonicalRequest(const SigningInput& input);

// The value of the Authorization header. `headers` holds host, x-amz-date and, for S3,
// x-amz-content-sha256 and the session token.
std::string Authorization(const SigningInput& input, const Credentials& credentials);

// The key of a day, a region and a service, from which signatures follow: costs four times as much
// as one of them, so that who signs often keeps it. As secret as the key that it is made of.
hash::Sha256Digest SigningKey(const SigningInput& input, const Secret& secret_key);
std::string Authorization(const SigningInput& input, const std::string& access_key,
                          const hash::Sha256Digest& signing_key);

// The whole query of a URL that acts for its owner until it expires: a secret. The session token,
// where there is one, becomes a part of it.
Secret PresignedQuery(SigningInput input, const Credentials& credentials, uint32_t ttl_s);

}  // namespace varve::store
