#include "varve/base/errno.h"

#include <cerrno>
#include <system_error>

namespace varve {
namespace {

struct Meaning {
  ErrorCode code = ErrorCode::kUnavailable;
  const char* advice = "";
};

Meaning MeaningOf(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return {ErrorCode::kNotFound};
    case EACCES:
    case EPERM:
      return {ErrorCode::kPermissionDenied};
    case EROFS:
      return {ErrorCode::kPermissionDenied, "; the file system is mounted without writing"};
    case ELOOP:
      return {ErrorCode::kPermissionDenied, "; symbolic links are not followed here"};
    case EEXIST:
    case ENOTEMPTY:
      return {ErrorCode::kAlreadyExists};
    case ENOSPC:
    case EDQUOT:
      return {ErrorCode::kResourceExhausted, "; free space and try again"};
    case EMFILE:
    case ENFILE:
      return {ErrorCode::kResourceExhausted, "; raise the limit of open files (ulimit -n)"};
    case ENOMEM:
      return {ErrorCode::kResourceExhausted};
    case EFBIG:
      return {ErrorCode::kResourceExhausted, "; raise the limit of file sizes (ulimit -f)"};
    case EIO:
      return {ErrorCode::kIo};
    case ENAMETOOLONG:
      return {ErrorCode::kInvalidArgument, "; choose a shorter name"};
    case EINVAL:
    case EISDIR:
      return {ErrorCode::kInvalidArgument};
    default:
      return {};
  }
}

}  // namespace

Error ErrnoError(int number, std::string_view operation, std::string_view path) {
  const Meaning meaning = MeaningOf(number);
  // Not strerror, which may share its buffer between threads.
  std::string message = "cannot " + std::string(operation) + " '" + std::string(path) +
                        "': " + std::generic_category().message(number) + meaning.advice;
  return {meaning.code, std::move(message)};
}

}  // namespace varve
