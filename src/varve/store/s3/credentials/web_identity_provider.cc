#include "varve/store/s3/credentials/web_identity_provider.h"

#include "varve/store/s3/credentials/sts.h"

namespace varve::store {

Result<std::optional<Credentials>> WebIdentityProvider::Fetch(const OpContext& ctx) {
  const std::string token_file = environment_("AWS_WEB_IDENTITY_TOKEN_FILE");
  const std::string role_arn = environment_("AWS_ROLE_ARN");
  if (token_file.empty()) return std::optional<Credentials>();
  if (role_arn.empty()) {
    return Error(ErrorCode::kPermissionDenied,
                 "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not; set both or none");
  }
  VARVE_TRY(const Profiles profiles, LoadProfiles(environment_));
  Sts sts(environment_, profiles, region_);
  const RoleRequest role{role_arn, environment_("AWS_ROLE_SESSION_NAME"), "", ""};
  VARVE_TRY(Credentials credentials, sts.AssumeRoleWithWebIdentity(ctx, role, token_file));
  return std::optional(std::move(credentials));
}

}  // namespace varve::store
