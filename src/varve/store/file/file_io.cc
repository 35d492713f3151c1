#include "varve/store/file/file_io.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace varve::store {

namespace fs = std::filesystem;

Error FromErrno(int number, const char* operation, const std::string& path) {
  ErrorCode code = ErrorCode::kUnavailable;
  if (number == ENOENT || number == ENOTDIR) code = ErrorCode::kNotFound;
  if (number == EACCES || number == EPERM || number == EROFS || number == ELOOP)
    code = ErrorCode::kPermissionDenied;
  if (number == ENOSPC || number == EDQUOT || number == EMFILE || number == ENFILE)
    code = ErrorCode::kResourceExhausted;
  std::string message = std::strerror(number);
  if (number == ENOSPC || number == EDQUOT) message += "; free space and try again";
  return std::move(Error(code, message).At(operation, path));
}

int64_t ModifiedMs(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
}

Status SyncFolder(const std::string& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || ::fsync(folder.get()) != 0) return FromErrno(errno, "sync folder", path);
  return OkStatus();
}

// Makes `path` and its missing parents, each synced into its own parent.
Status MakeFolder(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return OkStatus();
  const std::string parent = fs::path(path).parent_path().string();
  if (!parent.empty() && parent != path) VARVE_CHECK_OK(MakeFolder(parent));
  if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST)
    return FromErrno(errno, "make folder", path);
  return parent.empty() ? OkStatus() : SyncFolder(parent);
}

Status ReadAt(int fd, uint64_t offset, MutableByteView into, const std::string& path) {
  while (!into.empty()) {
    const ssize_t got = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FromErrno(errno, "read", path);
    if (got == 0) {
      return std::move(
          Error(ErrorCode::kCorrupt, "the object ends before the range does").At("read", path));
    }
    offset += static_cast<uint64_t>(got);
    into = into.subspan(static_cast<size_t>(got));
  }
  return OkStatus();
}

int WriteAll(int fd, ByteView body) {
  while (!body.empty()) {
    const ssize_t wrote = ::write(fd, body.data(), body.size());
    if (wrote > 0)
      body = body.subspan(static_cast<size_t>(wrote));
    else if (errno != EINTR)
      return errno;
  }
  return 0;
}

}  // namespace varve::store
