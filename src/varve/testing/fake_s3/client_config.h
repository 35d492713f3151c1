// How a client reaches a FakeS3 with its default options, or a proxy before one. Threads: any.
#pragma once

#include <string>

#include "varve/store/s3/s3_store.h"

namespace varve::fake {

inline store::S3Config ClientConfig(const std::string& endpoint,
                                    const std::string& prefix = "lake") {
  store::S3Config config;
  config.bucket = "fake";
  config.prefix = prefix;
  config.endpoint = endpoint;
  config.path_style = true;
  config.credentials = {"fakekey", "fakesecret", "", 0};
  return config;
}

}  // namespace varve::fake
