#include "varve/store/s3/endpoint.h"

#include <string_view>

namespace varve::store {
namespace {

bool AllOf(std::string_view text, std::string_view letters) {
  return text.find_first_not_of(letters) == std::string_view::npos;
}

bool ValidPort(std::string_view port) {
  return !port.empty() && port.size() <= 5 && AllOf(port, "0123456789");
}

bool ValidAuthority(std::string_view authority) {
  std::string_view host = authority, rest;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return false;
    if (close < 3 || !AllOf(authority.substr(1, close - 1), "0123456789abcdefABCDEF:."))
      return false;
    rest = authority.substr(close + 1);
  } else {
    host = authority.substr(0, authority.find(':'));
    rest = authority.substr(host.size());
    if (host.empty() || host.size() > 253 ||
        !AllOf(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")) {
      return false;
    }
  }
  return rest.empty() || (rest.front() == ':' && ValidPort(rest.substr(1)));
}

}  // namespace

Status CheckEndpoint(const std::string& endpoint) {
  if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://")) {
    return Error(ErrorCode::kInvalidArgument,
                 "the endpoint needs http:// or https:// in front; check AWS_ENDPOINT_URL");
  }
  if (!ValidAuthority(std::string_view(endpoint).substr(endpoint.find("://") + 3))) {
    return Error(ErrorCode::kInvalidArgument,
                 "the endpoint is to be http[s]://host[:port], without user, path or query; check "
                 "AWS_ENDPOINT_URL");
  }
  return OkStatus();
}

std::string HostOf(const std::string& endpoint) {
  const size_t scheme = endpoint.find("://");
  const std::string authority =
      scheme == std::string::npos ? endpoint : endpoint.substr(scheme + 3);
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

bool IsIpAddress(const std::string& host) {
  return host.starts_with('[') || (!host.empty() && AllOf(host, "0123456789."));
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "[::1]" ||
         (host.starts_with("127.") && AllOf(host, "0123456789."));
}

bool ValidRegion(const std::string& region) {
  return !region.empty() && region.size() <= 64 && region.front() != '-' &&
         AllOf(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
}

std::string EndpointOf(const S3Config& config, const std::string& region) {
  if (!config.endpoint.empty()) return config.endpoint;
  std::string host = config.fips ? "s3-fips." : "s3.";
  if (config.dualstack) host += "dualstack.";
  host += region + ".amazonaws.com";
  if (region.starts_with("cn-")) host += ".cn";
  return "https://" + host;
}

Target TargetOf(const S3Config& config, const std::string& region, const std::string& key) {
  const std::string endpoint = EndpointOf(config, region);
  const size_t host_at = endpoint.find("://") + 3;
  Target target{endpoint.substr(0, host_at), endpoint.substr(host_at), "/"};
  if (config.path_style)
    target.path += config.bucket;
  else
    target.host = config.bucket + "." + target.host;
  if (!key.empty())
    target.path += (target.path.size() > 1 ? "/" : "") + UriEncode(config.prefix + "/" + key, true);
  return target;
}

}  // namespace varve::store
