#include "varve/transfer/disk_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "varve/base/errno.h"
#include "varve/base/random.h"

namespace varve::transfer {
namespace {

constexpr size_t kCopyBytes = 64 * kKiB;

int64_t ModifiedNs(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

Status WriteAll(int fd, const std::string& path, uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = Uninterrupted(
        [&] { return pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (put < 0) return ErrnoError(errno, "write", path);
    offset += static_cast<uint64_t>(put);
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return OkStatus();
}

// For a file system that takes nothing from a pipe.
Status CopyFromPipe(int fd, const std::string& path, uint64_t offset, int pipe, uint64_t bytes) {
  Bytes piece(kCopyBytes);
  while (bytes > 0) {
    const ssize_t got = Uninterrupted(
        [&] { return read(pipe, piece.data(), std::min<uint64_t>(bytes, piece.size())); });
    if (got <= 0) return ErrnoError(got < 0 ? errno : EIO, "write", path);
    VARVE_CHECK_OK(WriteAll(fd, path, offset, ByteView(piece).first(static_cast<size_t>(got))));
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
  return OkStatus();
}

}  // namespace

Status WriteFromPipe(int fd, const std::string& path, uint64_t offset, int pipe, uint64_t bytes) {
  while (bytes > 0) {
    auto at = static_cast<off64_t>(offset);
    const ssize_t put =
        Uninterrupted([&] { return splice(pipe, nullptr, fd, &at, bytes, SPLICE_F_MOVE); });
    if (put < 0 && errno == EINVAL) return CopyFromPipe(fd, path, offset, pipe, bytes);
    if (put <= 0) return ErrnoError(put < 0 ? errno : EIO, "write", path);
    offset += static_cast<uint64_t>(put);
    bytes -= static_cast<uint64_t>(put);
  }
  return OkStatus();
}

Error FileChanged(const std::string& path) {
  return Error(ErrorCode::kConflict, "'" + path + "' changed while it was read; put it again");
}

Result<DiskFile> DiskFile::OpenForRead(const std::string& path) {
  DiskFile file;
  file.path_ = path;
  file.fd_ = Uninterrupted([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
  struct stat info {};
  if (file.fd_ < 0 || fstat(file.fd_, &info) != 0) return ErrnoError(errno, "open", path);
  if (!S_ISREG(info.st_mode))
    return Error(ErrorCode::kUnsupported, "'" + path + "' is not a regular file");
  file.bytes_ = static_cast<uint64_t>(info.st_size);
  file.modified_ns_ = ModifiedNs(info);
  file.executable_ = (info.st_mode & S_IXUSR) != 0;
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
      modified_ns_(other.modified_ns_),
      executable_(other.executable_) {}

DiskFile::~DiskFile() {
  if (fd_ >= 0) close(fd_);
  if (!private_path_.empty()) unlink(private_path_.c_str());
}

Result<uint64_t> DiskFile::ReadSome(uint64_t offset, MutableByteView into) {
  const ssize_t got = Uninterrupted(
      [&] { return pread(fd_, into.data(), into.size(), static_cast<off_t>(offset)); });
  if (got < 0) return ErrnoError(errno, "read", path_);
  return static_cast<uint64_t>(got);
}

Status DiskFile::ReadAt(uint64_t offset, MutableByteView into) {
  while (!into.empty()) {
    VARVE_TRY(const uint64_t got, ReadSome(offset, into));
    if (got == 0) return FileChanged(path_);
    offset += got;
    into = into.subspan(got);
  }
  return OkStatus();
}

Status DiskFile::WriteAt(uint64_t offset, ByteView bytes) {
  return WriteAll(fd_, path_, offset, bytes);
}

Status DiskFile::CheckUnchanged() {
  struct stat info {};
  if (fstat(fd_, &info) != 0) return ErrnoError(errno, "look at", path_);
  if (static_cast<uint64_t>(info.st_size) != bytes_ || ModifiedNs(info) != modified_ns_)
    return FileChanged(path_);
  return OkStatus();
}

Status DiskFile::Publish() {
  if (rename(private_path_.c_str(), path_.c_str()) != 0) return ErrnoError(errno, "make", path_);
  private_path_.clear();
  return OkStatus();
}

}  // namespace varve::transfer
