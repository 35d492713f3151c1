#include "varve/transfer/disk_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "varve/base/errno.h"
#include "varve/base/random.h"

namespace varve::transfer {
namespace {

int64_t ModifiedNs(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

Error Changed(const std::string& path) {
  return Error(ErrorCode::kConflict, "'" + path + "' changed while it was sent; send it again");
}

}  // namespace

Result<DiskFile> DiskFile::OpenForRead(const std::string& path) {
  DiskFile file;
  file.path_ = path;
  file.fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info {};
  if (file.fd_ < 0 || fstat(file.fd_, &info) != 0) return ErrnoError(errno, "open", path);
  if (!S_ISREG(info.st_mode))
    return Error(ErrorCode::kUnsupported, "'" + path + "' is no regular file");
  file.bytes_ = static_cast<uint64_t>(info.st_size);
  file.modified_ns_ = ModifiedNs(info);
  return file;
}

Result<DiskFile> DiskFile::Create(const std::string& path, uint64_t bytes) {
  DiskFile file;
  file.path_ = path;
  const std::string hidden = path + ".part-" + std::to_string(OsRandom().Next64());
  file.fd_ = open(hidden.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file.fd_ < 0) return ErrnoError(errno, "make", path);
  file.private_path_ = hidden;
  file.bytes_ = bytes;
  if (bytes != 0 && ftruncate(file.fd_, static_cast<off_t>(bytes)) != 0)
    return ErrnoError(errno, "make", path);
  return file;
}

DiskFile::DiskFile(DiskFile&& other) noexcept
    : path_(std::move(other.path_)),
      private_path_(std::exchange(other.private_path_, {})),
      fd_(std::exchange(other.fd_, -1)),
      bytes_(other.bytes_),
      modified_ns_(other.modified_ns_) {}

DiskFile::~DiskFile() {
  if (fd_ >= 0) close(fd_);
  if (!private_path_.empty()) unlink(private_path_.c_str());
}

Status DiskFile::ReadAt(uint64_t offset, MutableByteView into) {
  while (!into.empty()) {
    const ssize_t got = pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, "read", path_);
    if (got == 0) return Changed(path_);
    offset += static_cast<uint64_t>(got);
    into = into.subspan(static_cast<size_t>(got));
  }
  return OkStatus();
}

Status DiskFile::WriteAt(uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoError(errno, "write", path_);
    offset += static_cast<uint64_t>(put);
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return OkStatus();
}

Status DiskFile::CheckUnchanged() {
  struct stat info {};
  if (fstat(fd_, &info) != 0) return ErrnoError(errno, "look at", path_);
  if (static_cast<uint64_t>(info.st_size) != bytes_ || ModifiedNs(info) != modified_ns_)
    return Changed(path_);
  return OkStatus();
}

Status DiskFile::Publish() {
  if (rename(private_path_.c_str(), path_.c_str()) != 0) return ErrnoError(errno, "make", path_);
  private_path_.clear();
  return OkStatus();
}

}  // namespace varve::transfer
