#include "varve/store/s3/s3_store.h"

namespace varve::store {

Result<std::unique_ptr<S3Store>> S3Store::Open(const std::string& url) {
  VARVE_TRY(S3Config config, LoadS3Config(url));
  return std::make_unique<S3Store>(std::move(config));
}

Features S3Store::features() const {
  return {.conditional_create = true,
          .conditional_swap = true,
          .multipart = true,
          .server_checksums = server_checksums_.load(),
          .buffered_bytes = http::kBufferedBytesPerRequest};
}

Result<Secret> S3Store::Presign(const OpContext& ctx, const PresignRequest& request) {
  return client_.Presign(ctx, request);
}

}  // namespace varve::store
