#include "varve/lake/local_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "varve/base/errno.h"
#include "varve/base/random.h"
#include "varve/format/names.h"

namespace varve::lake {
namespace fs = std::filesystem;

namespace {

// Stops at the first `failure`.
Status ListBelow(const std::string& local_path, std::vector<FoundFile>& found,
                 std::error_code& failure) {
  fs::recursive_directory_iterator each(local_path, failure);
  for (; !failure && each != fs::recursive_directory_iterator(); each.increment(failure)) {
    const fs::file_status kind = each->symlink_status(failure);
    if (failure) break;
    if (fs::is_directory(kind)) continue;
    const std::string path = each->path().lexically_relative(local_path).generic_string();
    if (!fs::is_regular_file(kind)) {
      return Error(ErrorCode::kUnsupported,
                   "'" + path + "' is a link or a special file; put its target instead");
    }
    found.push_back({each->path().string(), path, each->file_size(failure)});
    if (found.size() > kFilesMax) {
      return Error(ErrorCode::kInvalidArgument,
                   "more than 1,000,000 files in '" + local_path + "'");
    }
  }
  return OkStatus();
}

}  // namespace

Result<std::vector<FoundFile>> FindFiles(const std::string& local_path) {
  std::error_code failure;
  const fs::file_status root = fs::status(local_path, failure);
  if (failure || !fs::exists(root)) {
    return Error(ErrorCode::kNotFound, "no file or folder '" + local_path + "'");
  }
  std::vector<FoundFile> found;
  if (!fs::is_directory(root)) {
    fs::path path(local_path);
    found.push_back({local_path, path.filename().string(), fs::file_size(local_path, failure)});
    if (failure)
      return Error(ErrorCode::kUnsupported, "'" + local_path + "' is not a regular file");
    return found;
  }
  do {
    found.clear();
    VARVE_CHECK_OK(ListBelow(local_path, found, failure));
  } while (failure == std::errc::interrupted);
  if (failure) return ErrnoError(failure.value(), "list", local_path);
  std::sort(found.begin(), found.end(),
            [](const FoundFile& a, const FoundFile& b) { return a.path < b.path; });
  return found;
}

Status SyncFolder(const std::string& path) {
  const std::string folder = path.empty() ? "." : path;
  const int fd =
      Uninterrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return ErrnoError(errno, "open", folder);
  const int synced = Uninterrupted([&] { return ::fsync(fd); });
  const int error_number = errno;
  ::close(fd);
  return synced == 0 ? OkStatus() : ErrnoError(error_number, "sync folder", folder);
}

Result<FolderWriter> FolderWriter::Begin(const std::string& destination) {
  std::error_code failure;
  fs::path target = fs::absolute(destination, failure).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  if (fs::exists(fs::symlink_status(target, failure)) &&
      !(fs::is_directory(target, failure) && fs::is_empty(target, failure))) {
    return Error(ErrorCode::kAlreadyExists,
                 "'" + destination + "' exists and is not an empty folder; choose another place");
  }
  FolderWriter writer;
  writer.destination_ = target.string();
  writer.staging_ = writer.destination_ + ".varve-" + std::to_string(OsRandom().Next64());
  // Each folder that is made is a row of the one above it.
  for (fs::path above = target.parent_path();
       !fs::exists(above, failure) && above.has_filename();) {
    above = above.parent_path();
    writer.above_.push_back(above.string());
  }
  fs::create_directories(target.parent_path(), failure);
  if (!fs::create_directory(writer.staging_, failure) || failure) {
    return ErrnoError(failure.value(), "make folder", writer.staging_);
  }
  return writer;
}

FolderWriter::FolderWriter(FolderWriter&& other) noexcept
    : destination_(std::move(other.destination_)),
      staging_(std::exchange(other.staging_, {})),
      open_path_(std::move(other.open_path_)),
      folders_(std::move(other.folders_)),
      above_(std::move(other.above_)),
      fd_(std::exchange(other.fd_, -1)) {}

FolderWriter::~FolderWriter() {
  if (fd_ >= 0) ::close(fd_);
  std::error_code ignored;  // Best effort: what stays has a name that says what it is.
  if (!staging_.empty()) fs::remove_all(staging_, ignored);
}

Status FolderWriter::CloseFile() {
  if (fd_ < 0) return OkStatus();
  const int synced = Uninterrupted([&] { return ::fsync(fd_); });
  const int error_number = errno;
  ::close(std::exchange(fd_, -1));
  return synced == 0 ? OkStatus() : ErrnoError(error_number, "write", open_path_);
}

Status FolderWriter::Create(const std::string& path, bool executable) {
  VARVE_CHECK_OK(format::CheckPath(path));
  VARVE_CHECK_OK(CloseFile());
  open_path_ = staging_ + "/" + path;
  std::error_code failure;
  const fs::path folder = fs::path(open_path_).parent_path();
  fs::create_directories(folder, failure);
  for (fs::path each = folder; each != staging_ && folders_.insert(each.string()).second;) {
    each = each.parent_path();
  }
  if (failure) return ErrnoError(failure.value(), "make the folder of", open_path_);
  fd_ = Uninterrupted([&] {
    return ::open(open_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                  executable ? 0777 : 0666);
  });
  return fd_ >= 0 ? OkStatus() : ErrnoError(errno, "create", open_path_);
}

Status FolderWriter::Append(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = Uninterrupted([&] { return ::write(fd_, bytes.data(), bytes.size()); });
    if (wrote < 0) return ErrnoError(errno, "write", open_path_);
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
  return OkStatus();
}

Status FolderWriter::Finish() {
  VARVE_CHECK_OK(CloseFile());
  for (const std::string& folder : folders_) VARVE_CHECK_OK(SyncFolder(folder));
  VARVE_CHECK_OK(SyncFolder(staging_));
  std::error_code ignored;
  if (fs::is_directory(destination_, ignored)) ::rmdir(destination_.c_str());  // Only when empty.
  if (::rename(staging_.c_str(), destination_.c_str()) != 0) {
    return ErrnoError(errno, "move into place", destination_);
  }
  staging_.clear();
  VARVE_CHECK_OK(SyncFolder(fs::path(destination_).parent_path().string()));
  for (const std::string& folder : above_) VARVE_CHECK_OK(SyncFolder(folder));
  return OkStatus();
}

}  // namespace varve::lake
