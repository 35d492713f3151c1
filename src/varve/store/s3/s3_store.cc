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
          .buffered_bytes = http::kBufferedBytesPerRequest,
          .needs_probe = true};
}

std::unique_ptr<ObjectStore> S3Store::Above(uint32_t levels) const {
  S3Config config = client_.config();
  for (; levels > 0; --levels) {
    const size_t slash = config.prefix.rfind('/');
    if (slash == std::string::npos) return nullptr;
    config.prefix.resize(slash);
  }
  return std::make_unique<S3Store>(std::move(config));
}

Result<Secret> S3Store::Presign(const OpContext& ctx, const PresignRequest& request) {
  return client_.Presign(ctx, request);
}

}  // namespace varve::store
