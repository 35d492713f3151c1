// IAM Identity Center: a token that `aws sso login` left in ~/.aws/sso/cache, exchanged for the
// credentials of a role. The login itself is left to the AWS command line.
#pragma once

#include <string>

#include "varve/exec/op_context.h"
#include "varve/http/transport.h"
#include "varve/store/s3/credentials/environment.h"
#include "varve/store/s3/credentials/profiles.h"
#include "varve/store/s3/signing/sigv4.h"

namespace varve::store {

// kPermissionDenied that says to log in, when there is no token or it has expired.
Result<Credentials> SsoCredentials(const OpContext& ctx, const Environment& environment,
                                   const Profiles& profiles, const std::string& profile);

// Whether the profile names an SSO session or start page.
bool UsesSso(const Profiles& profiles, const std::string& profile);

}  // namespace varve::store
