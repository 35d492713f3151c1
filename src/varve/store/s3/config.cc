#include "varve/store/s3/config.h"

#include <cstdlib>
#include <fstream>
#include <map>

#include "varve/store/object_store.h"

namespace varve::store {
namespace {

using Section = std::map<std::string, std::string>;

std::string Trim(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : Trim(value);
}

// The keys of one section of an AWS INI file; empty when file or section is missing.
Section ReadSection(const std::string& path, const std::string& wanted) {
  std::ifstream file(path);
  Section section;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    line = Trim(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      inside = Trim(line.substr(1, line.size() - 2)) == wanted;
      continue;
    }
    const size_t equals = line.find('=');
    if (inside && equals != std::string::npos)
      section[Trim(line.substr(0, equals))] = Trim(line.substr(equals + 1));
  }
  return section;
}

std::string FirstOf(std::initializer_list<std::string> candidates) {
  for (const std::string& each : candidates) {
    if (!each.empty()) return each;
  }
  return "";
}

bool AllOf(const std::string& text, std::string_view letters) {
  return text.find_first_not_of(letters) == std::string::npos;
}

constexpr std::string_view kNameLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

// Whether plain HTTP to this host stays on the machine; a name that only looks so does not count.
bool Loopback(const std::string& endpoint) {
  std::string host = endpoint.substr(endpoint.find("://") + 3);
  if (host.starts_with("[::1]")) return host.size() == 5 || host[5] == ':';
  host = host.substr(0, host.find(':'));
  return host == "localhost" || (host.starts_with("127.") && AllOf(host, "0123456789."));
}

// "http[s]://host[:port]" and no more; a password in it would end up in logs.
Status CheckEndpoint(const std::string& endpoint) {
  const size_t scheme = endpoint.find("://");
  const std::string host = scheme == std::string::npos ? "" : endpoint.substr(scheme + 3);
  if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://")) {
    return Error(ErrorCode::kInvalidArgument,
                 "the endpoint needs http:// or https:// in front; check AWS_ENDPOINT_URL");
  }
  if (host.empty() || !AllOf(host, std::string(kNameLetters) + ":[]")) {
    return Error(ErrorCode::kInvalidArgument,
                 "the endpoint is to be http[s]://host[:port], without user, path or query; check "
                 "AWS_ENDPOINT_URL");
  }
  return OkStatus();
}

bool Printable(const std::string& text) {
  for (const char letter : text) {
    if (letter <= 0x20 || letter >= 0x7f) return false;
  }
  return true;
}

}  // namespace

Result<S3Config> LoadS3Config(const std::string& url) {
  S3Config config;
  if (!url.starts_with("s3://"))
    return Error(ErrorCode::kInvalidArgument,
                 "'" + url + "' is no S3 address; use s3://bucket/prefix");
  const std::string place = url.substr(std::string("s3://").size());
  const size_t slash = place.find('/');
  config.bucket = place.substr(0, slash);
  config.prefix = slash == std::string::npos ? "" : place.substr(slash + 1);
  while (config.prefix.ends_with('/')) config.prefix.pop_back();
  if (config.bucket.empty())
    return Error(ErrorCode::kInvalidArgument,
                 "'" + url + "' names no bucket; use s3://bucket/prefix");
  if (config.bucket.size() < 3 || config.bucket.size() > 63 ||
      !AllOf(config.bucket, kNameLetters)) {
    return Error(ErrorCode::kInvalidArgument,
                 "'" + config.bucket + "' cannot be the name of a bucket");
  }
  if (config.prefix.empty()) {
    return Error(
        ErrorCode::kInvalidArgument,
        "'" + url + "' has no prefix; a lake needs one, as in s3://" + config.bucket + "/team");
  }
  if (!ValidKey(config.prefix) || config.prefix.size() > 200) {
    return Error(ErrorCode::kInvalidArgument,
                 "the prefix of '" + url + "' has a letter or part that is not allowed");
  }
  const std::string home = Env("HOME");
  const std::string profile = FirstOf({Env("AWS_PROFILE"), "default"});
  const Section secrets = ReadSection(
      FirstOf({Env("AWS_SHARED_CREDENTIALS_FILE"), home + "/.aws/credentials"}), profile);
  const Section settings = ReadSection(FirstOf({Env("AWS_CONFIG_FILE"), home + "/.aws/config"}),
                                       profile == "default" ? "default" : "profile " + profile);
  const auto from = [](const Section& section, const char* name) {
    const auto found = section.find(name);
    return found == section.end() ? std::string() : found->second;
  };
  config.credentials = {Env("AWS_ACCESS_KEY_ID"), Env("AWS_SECRET_ACCESS_KEY"),
                        Env("AWS_SESSION_TOKEN")};
  if (config.credentials.access_key.empty() || config.credentials.secret_key.empty()) {
    const Section& found = secrets.contains("aws_access_key_id") ? secrets : settings;
    config.credentials = {from(found, "aws_access_key_id"), from(found, "aws_secret_access_key"),
                          from(found, "aws_session_token")};
  }
  if (config.credentials.access_key.empty() || config.credentials.secret_key.empty()) {
    return Error(
        ErrorCode::kPermissionDenied,
        "no S3 credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or profile '" +
            profile + "' in ~/.aws/credentials");
  }
  config.region = FirstOf(
      {Env("AWS_REGION"), Env("AWS_DEFAULT_REGION"), from(settings, "region"), "us-east-1"});
  config.endpoint = FirstOf({Env("VARVE_S3_ENDPOINT"), Env("AWS_ENDPOINT_URL_S3"),
                             Env("AWS_ENDPOINT_URL"), from(settings, "endpoint_url")});
  const std::string addressing = Env("VARVE_S3_ADDRESSING");
  const bool dotted = config.bucket.find('.') != std::string::npos;
  config.path_style =
      addressing.empty() ? !config.endpoint.empty() || dotted : addressing == "path";
  if (config.endpoint.empty()) config.endpoint = "https://s3." + config.region + ".amazonaws.com";
  while (config.endpoint.ends_with('/')) config.endpoint.pop_back();
  VARVE_CHECK_OK(CheckEndpoint(config.endpoint));
  if (!addressing.empty() && addressing != "path" && addressing != "virtual")
    return Error(ErrorCode::kInvalidArgument, "VARVE_S3_ADDRESSING is 'path' or 'virtual'");
  if (config.region.empty() || !AllOf(config.region, kNameLetters))
    return Error(ErrorCode::kInvalidArgument,
                 "'" + config.region + "' is no region; check AWS_REGION");
  for (const std::string* each : {&config.credentials.access_key, &config.credentials.secret_key,
                                  &config.credentials.session_token}) {
    if (!Printable(*each))
      return Error(ErrorCode::kPermissionDenied,
                   "the S3 credentials hold a space or a letter that cannot be; copy them again");
  }
  config.unsigned_payload = config.endpoint.starts_with("https://") || Loopback(config.endpoint);
  return config;
}

}  // namespace varve::store
