// AWS Signature Version 4 in its header form, with S3's rules for paths (encoded once, never
// normalised). Source: the AWS documentation, "Signature Calculations for the Authorization
// Header". Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace varve::store {

struct Credentials {
  std::string access_key, secret_key, session_token;
};

// Percent-encodes everything but A-Z a-z 0-9 - . _ ~ (and '/' when keep_slash).
std::string UriEncode(std::string_view text, bool keep_slash);

struct SigningInput {
  std::string method;
  std::string path;                            // Encoded, as it is sent.
  std::map<std::string, std::string> query;    // Not encoded.
  std::map<std::string, std::string> headers;  // Lower-case names; all are signed. Has host,
                                               // x-amz-date and x-amz-content-sha256.
  std::string payload_hash;                    // Hex SHA-256 or "UNSIGNED-PAYLOAD".
  std::string region, service = "s3";
};
// `amz_date` is "20130524T000000Z". Returns the value of the Authorization header.
std::string Authorization(const SigningInput& input, const Credentials& credentials,
                          const std::string& amz_date);
std::string EncodeQuery(const std::map<std::string, std::string>& query);

}  // namespace varve::store
