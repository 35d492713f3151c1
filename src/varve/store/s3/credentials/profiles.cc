#include "varve/store/s3/credentials/profiles.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace varve::store {
namespace {

std::string Find(const IniFile& file, const std::string& section, const std::string& key) {
  const auto found = file.find(section);
  if (found == file.end()) return "";
  const auto setting = found->second.find(key);
  return setting == found->second.end() ? "" : setting->second;
}

std::string ConfigSection(const IniFile& config, const std::string& profile) {
  if (profile == "default" && !config.contains("profile default")) return "default";
  return "profile " + profile;
}

Result<IniFile> Load(const std::string& path) {
  auto text = ReadSmallFile(path, kIniBytesMax);
  if (!text.ok() && text.error().code() == ErrorCode::kNotFound) return IniFile();
  if (!text.ok()) return std::move(text).error();
  auto file = ParseIni(*text);
  if (!file.ok()) return std::move(file.error().Prefix(path));
  return file;
}

}  // namespace

Result<std::string> ReadSmallFile(const std::string& path, size_t bytes_max) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      return Error(ErrorCode::kNotFound, "there is no file " + path);
    return Error(ErrorCode::kInvalidArgument,
                 path + " cannot be read; check its permissions and the variable that names it");
  }
  std::string text(bytes_max + 1, '\0');
  size_t length = 0;
  ssize_t got = 1;
  while (length < text.size() && got > 0) {
    got = ::read(file, text.data() + length, text.size() - length);
    if (got > 0) length += static_cast<size_t>(got);
    if (got < 0 && errno == EINTR) got = 1;
  }
  ::close(file);
  if (got < 0) return Error(ErrorCode::kInvalidArgument, path + " cannot be read");
  if (length > bytes_max) return Error(ErrorCode::kInvalidArgument, path + " is too long");
  text.resize(length);
  return text;
}

bool Profiles::Has(const std::string& profile) const {
  return config.contains(ConfigSection(config, profile)) || credentials.contains(profile);
}

std::string Profiles::Setting(const std::string& profile, const std::string& key) const {
  return Find(config, ConfigSection(config, profile), key);
}

std::string Profiles::Credential(const std::string& profile, const std::string& key) const {
  return Find(credentials, profile, key);
}

std::string Profiles::EndpointUrl(const std::string& profile, const std::string& service) const {
  const std::string services = Setting(profile, "services");
  const std::string own =
      services.empty() ? "" : Find(config, "services " + services, service + ".endpoint_url");
  return own.empty() ? Setting(profile, "endpoint_url") : own;
}

std::string Profiles::SessionSetting(const std::string& sso_session, const std::string& key) const {
  return Find(config, "sso-session " + sso_session, key);
}

Result<Profiles> LoadProfiles(const Environment& environment) {
  Profiles profiles;
  profiles.home = environment("HOME");
  const std::string folder = profiles.home + "/.aws/";
  const auto path = [&](const char* variable, const char* name) {
    std::string given = environment(variable);
    if (given.starts_with("~/")) given = profiles.home + given.substr(1);
    return given.empty() ? folder + name : given;
  };
  VARVE_TRY(profiles.config, Load(path("AWS_CONFIG_FILE", "config")));
  VARVE_TRY(profiles.credentials, Load(path("AWS_SHARED_CREDENTIALS_FILE", "credentials")));
  profiles.selected =
      FirstSet(environment, {"VARVE_S3_PROFILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"});
  profiles.named = !profiles.selected.empty();
  if (!profiles.named) profiles.selected = "default";
  if (profiles.named && profiles.selected != "default" && !profiles.Has(profiles.selected)) {
    return Error(ErrorCode::kInvalidArgument,
                 "there is no profile '" + profiles.selected +
                     "' in ~/.aws/config or ~/.aws/credentials; check AWS_PROFILE");
  }
  return profiles;
}

}  // namespace varve::store
