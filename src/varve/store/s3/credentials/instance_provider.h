// The metadata service of a cloud instance, in its second version (a session token first). Not
// configured: AWS_EC2_METADATA_DISABLED, nobody answers, or the instance has no role. Past any
// proxy. Never its first version, which any request forger can use.
#pragma once

#include "varve/http/transport.h"
#include "varve/store/s3/credentials/environment.h"
#include "varve/store/s3/credentials/profiles.h"
#include "varve/store/s3/credentials/provider.h"

namespace varve::store {

class InstanceProvider final : public Provider {
 public:
  InstanceProvider(Environment environment, const Profiles& profiles);
  Result<std::optional<Credentials>> Fetch(const OpContext& ctx) override;

 private:
  Result<http::Reply> Ask(const OpContext& ctx, const http::Request& request);
  const Environment environment_;
  std::string endpoint_;
  int64_t timeout_ms_;
  int attempts_;
  http::Transport transport_;
};

}  // namespace varve::store
