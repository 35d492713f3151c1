// The two calls to the Security Token Service that turn an identity into credentials.
#pragma once

#include <string>

#include "varve/exec/op_context.h"
#include "varve/http/transport.h"
#include "varve/store/s3/credentials/environment.h"
#include "varve/store/s3/credentials/profiles.h"
#include "varve/store/s3/signing/sigv4.h"

namespace varve::store {

struct RoleRequest {
  std::string role_arn, session_name;  // An empty name gets one.
  std::string external_id;             // Only AssumeRole.
  std::string duration_s;              // "" : the service's own.
};

class Sts {
 public:
  // The endpoint: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, the profile's, else that of the region.
  Sts(const Environment& environment, const Profiles& profiles, std::string region);

  // Errors: kPermissionDenied with the code and the role when STS refuses; kUnavailable.
  Result<Credentials> AssumeRole(const OpContext& ctx, const RoleRequest& role,
                                 const Credentials& source);
  // Unsigned: the token is the proof. `token_file` is read at each call, since it is rotated.
  Result<Credentials> AssumeRoleWithWebIdentity(const OpContext& ctx, const RoleRequest& role,
                                                const std::string& token_file);

 private:
  Result<Credentials> Ask(const OpContext& ctx, const Pairs& form, const std::string& role_arn,
                          const Credentials* signer);
  std::string endpoint_, region_;
  http::Transport transport_;
};

}  // namespace varve::store
