// The selected profile of the AWS settings files: a role to assume (from another profile, a
// credential_source or a web identity token), an SSO login, keys, or a credential_process.
#pragma once

#include <string>
#include <vector>

#include "varve/store/s3/credentials/environment.h"
#include "varve/store/s3/credentials/profiles.h"
#include "varve/store/s3/credentials/provider.h"

namespace varve::store {

class ProfileProvider final : public Provider {
 public:
  static constexpr size_t kDepthMax = 8;  // Profiles that lead to each other.

  ProfileProvider(Environment environment, std::string region)
      : environment_(std::move(environment)), region_(std::move(region)) {}
  Result<std::optional<Credentials>> Fetch(const OpContext& ctx) override;

 private:
  Result<std::optional<Credentials>> OfProfile(const OpContext& ctx, const Profiles& profiles,
                                               const std::string& profile,
                                               std::vector<std::string> path);
  Result<Credentials> AssumeRole(const OpContext& ctx, const Profiles& profiles,
                                 const std::string& profile, std::vector<std::string> path);
  Result<Credentials> FromSource(const OpContext& ctx, const Profiles& profiles,
                                 const std::string& source);
  const Environment environment_;
  const std::string region_;
};

}  // namespace varve::store
