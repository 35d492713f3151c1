// Keys in the environment: VARVE_S3_ACCESS_KEY_ID and its fellows, else AWS_ACCESS_KEY_ID and its.
#pragma once

#include "varve/store/s3/credentials/environment.h"
#include "varve/store/s3/credentials/provider.h"

namespace varve::store {

class EnvironmentProvider final : public Provider {
 public:
  explicit EnvironmentProvider(Environment environment) : environment_(std::move(environment)) {}
  Result<std::optional<Credentials>> Fetch(const OpContext& ctx) override;

 private:
  const Environment environment_;
};

}  // namespace varve::store
