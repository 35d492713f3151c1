// Where an S3 store is and who asks: from the URL, the AWS_* variables and the shared AWS files
// that every S3 tool reads. Threads: reads the environment; call it before others change that.
#pragma once

#include <string>

#include "varve/result.h"
#include "varve/store/s3/sigv4.h"

namespace varve::store {

struct S3Config {
  std::string bucket, prefix;  // prefix: not empty, no slash at either end.
  std::string region = "us-east-1";
  std::string endpoint;  // "https://host[:port]", no trailing slash.
  bool path_style = false;
  bool unsigned_payload = true;  // On TLS and on loopback.
  Credentials credentials;
};

// `url` is s3://bucket/prefix. Errors: kInvalidArgument for a bad URL or an empty prefix;
// kPermissionDenied when no credentials are found, saying where they were looked for.
Result<S3Config> LoadS3Config(const std::string& url);

}  // namespace varve::store
