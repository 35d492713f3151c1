#include "varve/store/s3/credentials/profile_provider.h"

#include <algorithm>

#include "varve/store/s3/credentials/container_provider.h"
#include "varve/store/s3/credentials/credential_json.h"
#include "varve/store/s3/credentials/environment_provider.h"
#include "varve/store/s3/credentials/instance_provider.h"
#include "varve/store/s3/credentials/run_command.h"
#include "varve/store/s3/credentials/sso.h"
#include "varve/store/s3/credentials/sts.h"

namespace varve::store {
namespace {

constexpr int64_t kProcessTimeoutMs = 60'000;

Error Denied(const std::string& profile, const std::string& what) {
  return Error(ErrorCode::kPermissionDenied, "profile '" + profile + "' " + what);
}

// Keys written into a file; nothing where it has none.
Result<std::optional<Credentials>> Keys(const std::string& profile, const std::string& access_key,
                                        const std::string& secret_key, const std::string& token) {
  if (access_key.empty() && secret_key.empty()) return std::optional<Credentials>();
  if (access_key.empty() || secret_key.empty())
    return Denied(profile, "has only one of aws_access_key_id and aws_secret_access_key");
  Credentials credentials{access_key, secret_key, token, 0};
  VARVE_CHECK_OK(CheckCredentials(credentials));
  return std::optional(std::move(credentials));
}

Result<Credentials> FromProcess(const OpContext& ctx, const std::string& profile,
                                const std::string& command) {
  auto words = SplitCommand(command);
  if (!words.ok()) return Denied(profile, "has a credential_process whose quotes do not end");
  auto printed = RunCommand(ctx.WithTimeout(kProcessTimeoutMs), *words, kCredentialReplyBytesMax);
  VARVE_CHECK_OK(ctx.Check());
  const std::string where = "credential_process of profile '" + profile + "'";
  if (!printed.ok()) return std::move(printed.error().Prefix(where));
  auto credentials = ParseProcessCredentials(*printed);
  if (!credentials.ok()) return std::move(credentials.error().Prefix(where));
  return credentials;
}

}  // namespace

Result<std::optional<Credentials>> ProfileProvider::Fetch(const OpContext& ctx) {
  VARVE_TRY(const Profiles profiles, LoadProfiles(environment_));
  return OfProfile(ctx, profiles, profiles.selected, {});
}

Result<std::optional<Credentials>> ProfileProvider::OfProfile(const OpContext& ctx,
                                                              const Profiles& profiles,
                                                              const std::string& profile,
                                                              std::vector<std::string> path) {
  const bool itself = !path.empty() && path.back() == profile;  // Its own keys assume its role.
  if (!itself && (path.size() >= kDepthMax || std::ranges::find(path, profile) != path.end()))
    return Denied(profile, "leads back to itself through source_profile");
  path.push_back(profile);
  if (!itself && !profiles.Setting(profile, "role_arn").empty()) {
    VARVE_TRY(Credentials assumed, AssumeRole(ctx, profiles, profile, std::move(path)));
    return std::optional(std::move(assumed));
  }
  if (UsesSso(profiles, profile)) {
    VARVE_TRY(Credentials found, SsoCredentials(ctx, environment_, profiles, profile));
    return std::optional(std::move(found));
  }
  VARVE_TRY(auto keys, Keys(profile, profiles.Credential(profile, "aws_access_key_id"),
                            profiles.Credential(profile, "aws_secret_access_key"),
                            profiles.Credential(profile, "aws_session_token")));
  if (keys.has_value()) return keys;
  std::string command = profiles.Setting(profile, "credential_process");
  if (command.empty()) command = profiles.Credential(profile, "credential_process");
  if (!command.empty()) {
    VARVE_TRY(Credentials printed, FromProcess(ctx, profile, command));
    return std::optional(std::move(printed));
  }
  VARVE_TRY(keys, Keys(profile, profiles.Setting(profile, "aws_access_key_id"),
                       profiles.Setting(profile, "aws_secret_access_key"),
                       profiles.Setting(profile, "aws_session_token")));
  if (!keys.has_value() && !profiles.Setting(profile, "login_session").empty()) {
    return Denied(profile,
                  "uses 'aws login', which only the AWS tools can renew; set credential_process = "
                  "aws configure export-credentials --profile " +
                      profile);
  }
  return keys;
}

Result<Credentials> ProfileProvider::AssumeRole(const OpContext& ctx, const Profiles& profiles,
                                                const std::string& profile,
                                                std::vector<std::string> path) {
  const RoleRequest role{
      profiles.Setting(profile, "role_arn"), profiles.Setting(profile, "role_session_name"),
      profiles.Setting(profile, "external_id"), profiles.Setting(profile, "duration_seconds")};
  Sts sts(environment_, profiles, region_);
  if (const std::string file = profiles.Setting(profile, "web_identity_token_file"); !file.empty())
    return sts.AssumeRoleWithWebIdentity(ctx, role, file);
  if (!profiles.Setting(profile, "mfa_serial").empty()) {
    return Denied(profile,
                  "asks for a one-time code, which a training job cannot type; use "
                  "credential_process or a role without mfa_serial");
  }
  const std::string source_profile = profiles.Setting(profile, "source_profile");
  const std::string credential_source = profiles.Setting(profile, "credential_source");
  if (source_profile.empty() == credential_source.empty())
    return Denied(profile, "needs one of source_profile and credential_source for its role_arn");
  if (source_profile.empty()) {
    VARVE_TRY(const Credentials source, FromSource(ctx, profiles, credential_source));
    return sts.AssumeRole(ctx, role, source);
  }
  VARVE_TRY(const auto source, OfProfile(ctx, profiles, source_profile, std::move(path)));
  if (!source.has_value())
    return Denied(source_profile, "has no credentials, and profile '" + profile + "' needs them");
  return sts.AssumeRole(ctx, role, *source);
}

Result<Credentials> ProfileProvider::FromSource(const OpContext& ctx, const Profiles& profiles,
                                                const std::string& source) {
  std::unique_ptr<Provider> provider;
  if (source == "Environment") provider = std::make_unique<EnvironmentProvider>(environment_);
  if (source == "EcsContainer") provider = std::make_unique<ContainerProvider>(environment_);
  if (source == "Ec2InstanceMetadata")
    provider = std::make_unique<InstanceProvider>(environment_, profiles);
  if (provider == nullptr) {
    return Error(ErrorCode::kPermissionDenied,
                 "credential_source is Environment, EcsContainer or Ec2InstanceMetadata");
  }
  VARVE_TRY(const auto found, provider->Fetch(ctx));
  if (!found.has_value())
    return Error(ErrorCode::kPermissionDenied, "credential_source " + source + " has none");
  return *found;
}

}  // namespace varve::store
