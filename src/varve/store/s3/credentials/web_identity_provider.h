// A token in a file (Kubernetes service accounts, CI) and a role to turn it into:
// AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN.
#pragma once

#include "varve/store/s3/credentials/environment.h"
#include "varve/store/s3/credentials/provider.h"

namespace varve::store {

class WebIdentityProvider final : public Provider {
 public:
  WebIdentityProvider(Environment environment, std::string region)
      : environment_(std::move(environment)), region_(std::move(region)) {}
  Result<std::optional<Credentials>> Fetch(const OpContext& ctx) override;

 private:
  const Environment environment_;
  const std::string region_;
};

}  // namespace varve::store
