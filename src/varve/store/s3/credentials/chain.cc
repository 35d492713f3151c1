#include "varve/store/s3/credentials/chain.h"

#include "varve/store/s3/credentials/container_provider.h"
#include "varve/store/s3/credentials/environment_provider.h"
#include "varve/store/s3/credentials/instance_provider.h"
#include "varve/store/s3/credentials/profile_provider.h"
#include "varve/store/s3/credentials/web_identity_provider.h"

namespace varve::store {
namespace {

class Chain final : public Provider {
 public:
  Chain(const Environment& environment, const std::string& region)
      : environment_(environment),
        keys_(environment),
        web_identity_(environment, region),
        profile_(environment, region),
        container_(environment) {}

  Result<std::optional<Credentials>> Fetch(const OpContext& ctx) override {
    VARVE_TRY(const Profiles profiles, LoadProfiles(environment_));
    InstanceProvider instance(environment_, profiles);
    for (Provider* each : std::initializer_list<Provider*>{&keys_, &web_identity_, &profile_,
                                                           &container_, &instance}) {
      VARVE_TRY(auto found, each->Fetch(ctx));
      if (found.has_value()) return found;
    }
    return Error(
        ErrorCode::kPermissionDenied,
        "no S3 credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or profile '" +
            profiles.selected + "' in ~/.aws/credentials");
  }

 private:
  const Environment environment_;
  EnvironmentProvider keys_;
  WebIdentityProvider web_identity_;
  ProfileProvider profile_;
  ContainerProvider container_;
};

}  // namespace

std::unique_ptr<Provider> CredentialChain(const Environment& environment,
                                          const std::string& region) {
  return std::make_unique<Chain>(environment, region);
}

}  // namespace varve::store
