// Where an S3 store is, who asks and how: from the URL, the VARVE_S3_* variables, the AWS_*
// variables and the shared AWS files that every S3 tool reads (docs/s3-settings.md is the table).
// Threads: reads the environment; call it before others change that.
#pragma once

#include <memory>
#include <string>

#include "varve/result.h"
#include "varve/store/object_store.h"
#include "varve/store/s3/credentials/credential_cache.h"
#include "varve/store/s3/credentials/environment.h"
#include "varve/store/s3/signing/sigv4.h"

namespace varve::store {

// What guards a body on its way, as a header beside its length. Each server may refuse the first;
// the client then steps down by one, never to none.
enum class Checksum : uint8_t { kCrc64Nvme, kCrc32c, kMd5, kNone };

struct S3Config {
  std::string bucket, prefix;  // prefix: not empty, no slash at either end.
  std::string region = "us-east-1";
  std::string endpoint;  // "https://host[:port]", no trailing slash; empty: AWS's for the region.
  bool path_style = false;
  bool dualstack = false, fips = false;  // Only without an endpoint.
  bool unsigned_payload = true;          // On TLS and on loopback.
  Checksum checksum = Checksum::kCrc64Nvme;
  bool check_replies = true;     // Ask for the stored checksum and compare.
  bool quoted_if_match = false;  // Most servers take both; learned when a server takes only this.
  bool request_payer = false;
  std::string expected_bucket_owner, storage_class;
  std::string sse, kms_key_id, kms_context;  // sse: "AES256", "aws:kms", "aws:kms:dsse".
  bool bucket_key = false;
  Secret customer_key;  // SSE-C: 32 bytes, not encoded.
  std::string ca_bundle;
  // As http::TransportOptions has it: who opens a lake and gets no answer has more likely named the
  // wrong port than met a store that is so slow.
  int64_t first_answer_ms = 4000;
  Credentials credentials;  // Fixed; else those of the source.
  std::shared_ptr<CredentialCache> credential_source;
};

// `url` is s3://bucket/prefix. Asks nobody: credentials are looked for at the first request.
// Errors: kInvalidArgument for a bad URL, an empty prefix or a setting that cannot be, naming it.
Result<S3Config> LoadS3Config(const std::string& url,
                              const Environment& environment = ProcessEnvironment());

// "http[s]://host[:port]": of the endpoint, or AWS's for `region`.
std::string EndpointOf(const S3Config& config, const std::string& region);

// Who bills for the store, told by the endpoint's host.
Placement PlacementOf(const S3Config& config);

bool ValidRegion(const std::string& region);  // It becomes a part of a host name.

}  // namespace varve::store
