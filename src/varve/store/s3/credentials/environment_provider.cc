#include "varve/store/s3/credentials/environment_provider.h"

#include "varve/store/s3/credentials/credential_json.h"

namespace varve::store {

Result<std::optional<Credentials>> EnvironmentProvider::Fetch(const OpContext&) {
  for (const std::string prefix : {"VARVE_S3_", "AWS_"}) {
    Credentials credentials;
    credentials.access_key = environment_(prefix + "ACCESS_KEY_ID");
    credentials.secret_key = environment_(prefix + "SECRET_ACCESS_KEY");
    credentials.session_token = environment_(prefix + "SESSION_TOKEN");
    if (credentials.access_key.empty() && credentials.secret_key.empty()) continue;
    if (credentials.access_key.empty() || credentials.secret_key.empty()) {
      return Error(ErrorCode::kPermissionDenied, "only one of " + prefix + "ACCESS_KEY_ID and " +
                                                     prefix +
                                                     "SECRET_ACCESS_KEY is set; set both or none");
    }
    VARVE_CHECK_OK(CheckCredentials(credentials));
    return std::optional(std::move(credentials));
  }
  return std::optional<Credentials>();
}

}  // namespace varve::store
