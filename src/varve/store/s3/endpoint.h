// Endpoints, hosts and addressing: pure functions over their texts.
#pragma once

#include <string>

#include "varve/result.h"
#include "varve/store/s3/config.h"

namespace varve::store {

// "http[s]://host[:port]" and no more; a password in it would end up in logs.
Status CheckEndpoint(const std::string& endpoint);

std::string HostOf(const std::string& endpoint);  // Without port; "[::1]" keeps its brackets.
bool IsIpAddress(const std::string& host);
// Whether plain HTTP to this host stays on the machine; a name that only looks so does not count.
bool IsLoopback(const std::string& host);

// Where a request for `key` (below the prefix; empty: the bucket) goes: the bucket in the host or
// in the path, the path encoded once and kept as it is.
struct Target {
  std::string scheme;  // "https://"
  std::string host;    // With port, as the Host header has it.
  std::string path;
};
Target TargetOf(const S3Config& config, const std::string& region, const std::string& key);

}  // namespace varve::store
