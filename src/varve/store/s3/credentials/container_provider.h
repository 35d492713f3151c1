// The credential endpoint of a container (ECS, EKS Pod Identity):
// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with AWS_CONTAINER_AUTHORIZATION_TOKEN or
// _TOKEN_FILE. Plain HTTP only to the addresses that stay on the machine. Past any proxy.
#pragma once

#include "varve/http/transport.h"
#include "varve/store/s3/credentials/environment.h"
#include "varve/store/s3/credentials/provider.h"

namespace varve::store {

class ContainerProvider final : public Provider {
 public:
  explicit ContainerProvider(Environment environment) : environment_(std::move(environment)) {}
  Result<std::optional<Credentials>> Fetch(const OpContext& ctx) override;

 private:
  const Environment environment_;
  http::Transport transport_;
};

// Whether a full URI may be asked: https, or a loopback or container-agent address.
bool AllowedContainerUri(const std::string& uri);

}  // namespace varve::store
