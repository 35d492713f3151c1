#include "varve/store/file/posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "varve/base/errno.h"

namespace varve::store {
namespace {

constexpr int64_t kLockPollMs = 5;
constexpr int kPrivateTriesMax = 100;

int Sync(int fd) {
  return Uninterrupted([&] { return ::fsync(fd); });
}
int LockNow(int fd) {
  return Uninterrupted([&] { return ::flock(fd, LOCK_EX | LOCK_NB); });
}

}  // namespace

int OpenFile(const std::string& path, int flags) {
  return Uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); });
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

int64_t ModifiedMs(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
}

Status SyncFile(int fd, const std::string& path) {
  return Sync(fd) == 0 ? OkStatus() : ErrnoError(errno, "sync", path);
}

Status SyncFolder(const std::string& path) {
  const Descriptor folder(OpenFile(path, O_RDONLY | O_DIRECTORY));
  if (!folder.ok() || Sync(folder.get()) != 0) return ErrnoError(errno, "sync folder", path);
  return OkStatus();
}

Status MakeFolder(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return OkStatus();
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (!parent.empty() && parent != path) VARVE_CHECK_OK(MakeFolder(parent));
  if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST)
    return ErrnoError(errno, "make folder", path);
  return parent.empty() ? OkStatus() : SyncFolder(parent);
}

Status ReadAt(int fd, uint64_t offset, MutableByteView into, const std::string& path) {
  while (!into.empty()) {
    const ssize_t got = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, "read", path);
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
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return wrote < 0 ? errno : EIO;
    body = body.subspan(static_cast<size_t>(wrote));
  }
  return 0;
}

Result<std::unique_ptr<Descriptor>> OpenRegular(const std::string& path, const char* operation,
                                                struct stat& info) {
  // Not blocking: a pipe of that name is no object, and must not be waited for.
  auto file = std::make_unique<Descriptor>(OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  if (!file->ok() || ::fstat(file->get(), &info) != 0) return ErrnoError(errno, operation, path);
  if (!S_ISREG(info.st_mode)) return ErrnoError(ENOENT, operation, path);
  return file;
}

Result<std::unique_ptr<FileLock>> FileLock::Take(const OpContext& ctx, const std::string& path) {
  std::unique_ptr<FileLock> lock(new FileLock(OpenFile(path, O_RDWR | O_CREAT)));
  if (!lock->file_.ok()) return ErrnoError(errno, "lock", path);
  while (LockNow(lock->file_.get()) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoError(errno, "lock", path);
    VARVE_CHECK_OK(ctx.SleepMs(kLockPollMs));
  }
  return lock;
}

FileLock::~FileLock() {
  if (file_.ok()) ::flock(file_.get(), LOCK_UN);
}

Result<std::unique_ptr<PrivateFile>> PrivateFile::Write(const std::string& folder, Random& random,
                                                        ByteView body) {
  for (int attempt = 0; attempt < kPrivateTriesMax; ++attempt) {
    const std::string path = folder + "/" + random.Hex128();
    const int fd = OpenFile(path, O_WRONLY | O_CREAT | O_EXCL);
    if (fd < 0) return ErrnoError(errno, "create", path);
    std::unique_ptr<PrivateFile> file(new PrivateFile(path, fd));
    // A sweep may have taken it for a dead one before it was locked: then another name.
    if (LockNow(fd) != 0) {
      if (errno == EWOULDBLOCK) continue;
      return ErrnoError(errno, "lock", path);
    }
    struct stat info {};
    if (::fstat(fd, &info) != 0) return ErrnoError(errno, "examine", path);
    if (info.st_nlink == 0) continue;
    int failed = WriteAll(fd, body);
    if (failed == 0 && Sync(fd) != 0) failed = errno;
    if (failed != 0) return ErrnoError(failed, "write", path);
    return file;
  }
  return Error(ErrorCode::kUnavailable, "another process removes the files below '" + folder + "'");
}

void PrivateFile::RemoveDead(const std::string& folder) {
  DIR* const names = ::opendir(folder.c_str());
  if (names == nullptr) return;
  while (const dirent* const entry = ::readdir(names)) {
    const std::string path = folder + "/" + entry->d_name;
    const Descriptor file(OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    struct stat info {};
    const bool regular = file.ok() && ::fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode);
    if (regular && LockNow(file.get()) == 0) ::unlink(path.c_str());
  }
  ::closedir(names);
}

PrivateFile::~PrivateFile() { ::unlink(path_.c_str()); }

}  // namespace varve::store
