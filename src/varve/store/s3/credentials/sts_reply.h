// What the Security Token Service answers. Pure; the bytes are hostile and no message quotes the
// credentials in them.
#pragma once

#include <string>
#include <string_view>

#include "varve/result.h"
#include "varve/store/s3/signing/sigv4.h"

namespace varve::store {

// The Credentials of an AssumeRole or AssumeRoleWithWebIdentity reply. kUnavailable when they are
// not there whole.
Result<Credentials> ParseStsReply(std::string_view xml);

std::string StsErrorCode(std::string_view xml);  // "" when there is none.

}  // namespace varve::store
