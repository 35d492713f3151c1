// The settings files of the AWS tools as profiles: ~/.aws/config and ~/.aws/credentials, or where
// AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE say. Reads files; any thread.
#pragma once

#include <string>

#include "varve/result.h"
#include "varve/store/s3/credentials/environment.h"
#include "varve/store/s3/credentials/ini.h"

namespace varve::store {

struct Profiles {
  IniFile config, credentials;
  std::string home;      // For ~/.aws/sso/cache.
  std::string selected;  // AWS_PROFILE, AWS_DEFAULT_PROFILE or "default".
  bool named = false;    // The environment named it: it must exist.

  bool Has(const std::string& profile) const;
  // Of the config file; "" when missing.
  std::string Setting(const std::string& profile, const std::string& key) const;
  std::string Credential(const std::string& profile, const std::string& key) const;  // Other file.
  // endpoint_url of one service ("s3", "sts"), else of all.
  std::string EndpointUrl(const std::string& profile, const std::string& service) const;
  std::string SessionSetting(const std::string& sso_session, const std::string& key) const;
};

// A missing file is an empty one. kInvalidArgument that names the file that cannot be read, or the
// profile that was asked for and is nowhere.
Result<Profiles> LoadProfiles(const Environment& environment);

// Up to `bytes_max` of a file; kNotFound, kPermissionDenied, kInvalidArgument when it is longer.
Result<std::string> ReadSmallFile(const std::string& path, size_t bytes_max);

}  // namespace varve::store
