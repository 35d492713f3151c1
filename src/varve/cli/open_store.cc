#include "varve/cli/open_store.h"

#include "varve/store/file/file_store.h"
#include "varve/store/retry/retry_store.h"
#include "varve/store/s3/s3_store.h"

namespace varve::cli {

Result<std::shared_ptr<store::ObjectStore>> OpenStore(const std::string& location) {
  if (location.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "no lake was named; give s3://bucket/prefix or a folder, or set VARVE_LAKE");
  }
  std::shared_ptr<store::ObjectStore> bottom;
  if (location.starts_with("s3://")) {
    VARVE_TRY(bottom, store::S3Store::Open(location));
  } else if (location.find("://") != std::string::npos && !location.starts_with("file://")) {
    return Error(ErrorCode::kInvalidArgument,
                 "'" + location.substr(0, location.find("://")) +
                     "' is no kind of lake; use s3://bucket/prefix or a folder");
  } else {
    VARVE_TRY(bottom, store::FileStore::Open(location.starts_with("file://") ? location.substr(7)
                                                                             : location));
  }
  return std::shared_ptr<store::ObjectStore>(
      std::make_shared<store::RetryStore>(std::move(bottom)));
}

}  // namespace varve::cli
