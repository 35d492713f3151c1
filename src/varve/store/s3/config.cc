#include "varve/store/s3/config.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "varve/store/object_store.h"
#include "varve/store/s3/credentials/chain.h"
#include "varve/store/s3/credentials/profiles.h"
#include "varve/store/s3/encoding.h"
#include "varve/store/s3/endpoint.h"

namespace varve::store {
namespace {

Error Invalid(const std::string& what) { return Error(ErrorCode::kInvalidArgument, what); }

constexpr std::string_view kNameLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

bool AllOf(const std::string& text, std::string_view letters) {
  return text.find_first_not_of(letters) == std::string::npos;
}

bool HeaderText(const std::string& text) {
  return text.size() <= 2048 && std::all_of(text.begin(), text.end(), [](char letter) {
           return letter > 0x20 && letter < 0x7f;
         });
}

Status SplitUrl(const std::string& url, S3Config& config) {
  if (!url.starts_with("s3://"))
    return Invalid("'" + url + "' is no S3 address; use s3://bucket/prefix");
  const std::string place = url.substr(std::string("s3://").size());
  const size_t slash = place.find('/');
  config.bucket = place.substr(0, slash);
  config.prefix = slash == std::string::npos ? "" : place.substr(slash + 1);
  while (config.prefix.ends_with('/')) config.prefix.pop_back();
  if (config.bucket.empty())
    return Invalid("'" + url + "' names no bucket; use s3://bucket/prefix");
  if (config.bucket.size() < 3 || config.bucket.size() > 63 ||
      !AllOf(config.bucket, kNameLetters)) {
    return Invalid("'" + config.bucket + "' cannot be the name of a bucket");
  }
  if (config.prefix.empty()) {
    return Invalid("'" + url + "' has no prefix; a lake needs one, as in s3://" + config.bucket +
                   "/team");
  }
  if (!ValidKey(config.prefix) || config.prefix.size() > 200)
    return Invalid("the prefix of '" + url + "' has a letter or part that is not allowed");
  return OkStatus();
}

// One setting from the places that may hold it, the first that does.
class Settings {
 public:
  Settings(const Environment& environment, const Profiles& profiles)
      : environment_(environment), profiles_(profiles) {}
  std::string Get(std::initializer_list<const char*> variables, const char* key = nullptr) const {
    const std::string value = FirstSet(environment_, variables);
    if (!value.empty() || key == nullptr) return value;
    return profiles_.Setting(profiles_.selected, key);
  }
  // `value` as one of the words; kInvalidArgument that lists them.
  Result<std::string> Word(const char* variable, std::string value,
                           std::initializer_list<const char*> words) const {
    std::string list;
    for (const char* word : words) {
      if (value == word) return value;
      list += (list.empty() ? "" : ", ") + std::string(word);
    }
    return Invalid("'" + value + "' is no value of " + variable + "; use one of " + list);
  }

 private:
  const Environment& environment_;
  const Profiles& profiles_;
};

Status LoadEndpoint(const Environment& environment, const Profiles& profiles,
                    const Settings& settings, S3Config& config) {
  config.region = settings.Get({"VARVE_S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"}, "region");
  if (config.region.empty()) config.region = "us-east-1";
  if (!ValidRegion(config.region))
    return Invalid("'" + config.region + "' is no region; check AWS_REGION");
  config.endpoint = environment("VARVE_S3_ENDPOINT");
  if (config.endpoint.empty() && !IsTrue(environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))) {
    config.endpoint = FirstSet(environment, {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
    if (config.endpoint.empty()) config.endpoint = profiles.EndpointUrl(profiles.selected, "s3");
  }
  while (config.endpoint.ends_with('/')) config.endpoint.pop_back();
  if (!config.endpoint.empty()) VARVE_CHECK_OK(CheckEndpoint(config.endpoint));
  config.dualstack = IsTrue(settings.Get({"AWS_USE_DUALSTACK_ENDPOINT"}, "use_dualstack_endpoint"));
  config.fips = IsTrue(settings.Get({"AWS_USE_FIPS_ENDPOINT"}, "use_fips_endpoint"));
  std::string addressing = settings.Get({"VARVE_S3_ADDRESSING"}, "s3.addressing_style");
  if (addressing.empty()) addressing = "auto";
  VARVE_TRY(addressing,
            settings.Word("VARVE_S3_ADDRESSING", addressing, {"auto", "path", "virtual"}));
  const bool address = !config.endpoint.empty() && IsIpAddress(HostOf(config.endpoint));
  if (addressing == "virtual" && address)
    return Invalid(
        "an endpoint that is an IP address has no virtual hosts; set "
        "VARVE_S3_ADDRESSING=path");
  const bool dotted = config.bucket.find('.') != std::string::npos;
  config.path_style =
      addressing == "auto" ? !config.endpoint.empty() || dotted : addressing == "path";
  config.ca_bundle = settings.Get({"VARVE_S3_CA_BUNDLE", "AWS_CA_BUNDLE"}, "ca_bundle");
  return OkStatus();
}

Status LoadIntegrity(const Settings& settings, S3Config& config) {
  const std::string endpoint = EndpointOf(config, config.region);
  std::string signing = settings.Get({"VARVE_S3_PAYLOAD_SIGNING"});
  if (signing.empty()) {
    signing = IsTrue(settings.Get({}, "s3.payload_signing_enabled")) ? "always" : "auto";
  }
  VARVE_TRY(signing,
            settings.Word("VARVE_S3_PAYLOAD_SIGNING", signing, {"auto", "always", "never"}));
  config.unsigned_payload =
      signing == "never" ||
      (signing == "auto" && (endpoint.starts_with("https://") || IsLoopback(HostOf(endpoint))));
  std::string checksum = settings.Get({"VARVE_S3_CHECKSUM"});
  if (checksum.empty()) {
    const std::string when =
        settings.Get({"AWS_REQUEST_CHECKSUM_CALCULATION"}, "request_checksum_calculation");
    checksum = when == "when_required" || when == "WHEN_REQUIRED" ? "none" : "crc64nvme";
  }
  VARVE_TRY(checksum,
            settings.Word("VARVE_S3_CHECKSUM", checksum, {"crc64nvme", "crc32c", "md5", "none"}));
  config.checksum = checksum == "crc64nvme" ? Checksum::kCrc64Nvme
                    : checksum == "crc32c"  ? Checksum::kCrc32c
                    : checksum == "md5"     ? Checksum::kMd5
                                            : Checksum::kNone;
  const std::string replies =
      settings.Get({"AWS_RESPONSE_CHECKSUM_VALIDATION"}, "response_checksum_validation");
  config.check_replies = replies != "when_required" && replies != "WHEN_REQUIRED";
  std::string if_match = settings.Get({"VARVE_S3_IF_MATCH"});
  if (if_match.empty()) if_match = "unquoted";
  VARVE_TRY(if_match, settings.Word("VARVE_S3_IF_MATCH", if_match, {"unquoted", "quoted"}));
  config.quoted_if_match = if_match == "quoted";
  return OkStatus();
}

// A key of 32 bytes, in base64.
Status LoadCustomerKey(const Settings& settings, S3Config& config) {
  std::string text = settings.Get({"VARVE_S3_SSE_C_KEY"});
  if (const std::string path = settings.Get({"VARVE_S3_SSE_C_KEY_FILE"});
      text.empty() && !path.empty()) {
    VARVE_TRY(text, ReadSmallFile(path, 4096));
    while (text.ends_with('\n')) text.pop_back();
  }
  if (text.empty()) return OkStatus();
  const auto key = DecodeBase64(text);
  if (!key.has_value() || key->size() != 32)
    return Invalid("the key of VARVE_S3_SSE_C_KEY or its file is to be 32 bytes in base64");
  const std::string endpoint = EndpointOf(config, config.region);
  if (!endpoint.starts_with("https://") && !IsLoopback(HostOf(endpoint)))
    return Invalid("VARVE_S3_SSE_C_KEY would travel in the clear; use an https endpoint");
  config.customer_key = *key;
  return OkStatus();
}

Status LoadObjectSettings(const Settings& settings, S3Config& config) {
  config.expected_bucket_owner = settings.Get({"VARVE_S3_EXPECTED_BUCKET_OWNER"});
  config.storage_class = settings.Get({"VARVE_S3_STORAGE_CLASS"});
  const std::string payer = settings.Get({"VARVE_S3_REQUEST_PAYER"});
  if (!payer.empty()) {
    VARVE_TRY(const std::string word,
              settings.Word("VARVE_S3_REQUEST_PAYER", payer, {"requester"}));
    config.request_payer = !word.empty();
  }
  config.sse = settings.Get({"VARVE_S3_SSE"});
  if (!config.sse.empty()) {
    VARVE_TRY(config.sse,
              settings.Word("VARVE_S3_SSE", config.sse, {"AES256", "aws:kms", "aws:kms:dsse"}));
  }
  config.kms_key_id = settings.Get({"VARVE_S3_SSE_KMS_KEY_ID"});
  config.kms_context = settings.Get({"VARVE_S3_SSE_KMS_CONTEXT"});
  config.bucket_key = IsTrue(settings.Get({"VARVE_S3_SSE_BUCKET_KEY"}));
  if (!config.sse.starts_with("aws:kms") && !(config.kms_key_id + config.kms_context).empty())
    return Invalid("VARVE_S3_SSE_KMS_KEY_ID and _CONTEXT need VARVE_S3_SSE=aws:kms");
  const std::array<std::pair<const char*, const std::string*>, 4> texts = {
      {{"VARVE_S3_EXPECTED_BUCKET_OWNER", &config.expected_bucket_owner},
       {"VARVE_S3_STORAGE_CLASS", &config.storage_class},
       {"VARVE_S3_SSE_KMS_KEY_ID", &config.kms_key_id},
       {"VARVE_S3_SSE_KMS_CONTEXT", &config.kms_context}}};
  for (const auto& [name, text] : texts) {
    if (!HeaderText(*text))
      return Invalid(std::string(name) + " holds a space or a letter that a header cannot carry");
  }
  VARVE_CHECK_OK(LoadCustomerKey(settings, config));
  if (!config.customer_key.empty() && !config.sse.empty())
    return Invalid("VARVE_S3_SSE and VARVE_S3_SSE_C_KEY exclude each other; set one");
  return OkStatus();
}

}  // namespace

Result<S3Config> LoadS3Config(const std::string& url, const Environment& environment) {
  S3Config config;
  VARVE_CHECK_OK(SplitUrl(url, config));
  VARVE_TRY(const Profiles profiles, LoadProfiles(environment));
  const Settings settings(environment, profiles);
  VARVE_CHECK_OK(LoadEndpoint(environment, profiles, settings, config));
  VARVE_CHECK_OK(LoadIntegrity(settings, config));
  VARVE_CHECK_OK(LoadObjectSettings(settings, config));
  config.credential_source =
      std::make_shared<CredentialCache>(CredentialChain(environment, config.region));
  return config;
}

Placement PlacementOf(const S3Config& config) {
  Placement placement{"aws", config.region, config.storage_class};
  if (placement.storage_class.empty()) placement.storage_class = "STANDARD";
  if (config.endpoint.empty()) return placement;
  const size_t scheme = config.endpoint.find("://");
  const std::string host =
      scheme == std::string::npos ? config.endpoint : config.endpoint.substr(scheme + 3);
  constexpr std::pair<std::string_view, const char*> kHosts[] = {
      {".amazonaws.com", "aws"},         {".amazonaws.com.cn", "aws"},
      {"storage.googleapis.com", "gcs"}, {".r2.cloudflarestorage.com", "cloudflare"},
      {".wasabisys.com", "wasabi"},      {".backblazeb2.com", "backblaze"}};
  placement.provider = host;
  for (const auto& [ending, provider] : kHosts) {
    if (host.ends_with(ending)) placement.provider = provider;
  }
  return placement;
}

}  // namespace varve::store
