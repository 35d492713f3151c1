// All sources in the order of the AWS command line: environment, web identity, profile, container,
// instance. The first one that is configured answers, also when its answer is an error.
#pragma once

#include <string>

#include "varve/store/s3/credentials/environment.h"
#include "varve/store/s3/credentials/provider.h"

namespace varve::store {

// The error of the chain's Fetch when nothing is configured names the places it looked at.
std::unique_ptr<Provider> CredentialChain(const Environment& environment,
                                          const std::string& region);

}  // namespace varve::store
