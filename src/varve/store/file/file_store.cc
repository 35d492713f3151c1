#include "varve/store/file/file_store.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "varve/base/errno.h"
#include "varve/hash/hash.h"
#include "varve/store/file/listing.h"
#include "varve/store/file/posix.h"

namespace varve::store {
namespace fs = std::filesystem;
namespace {

Etag EtagOf(ByteView body) { return Etag(hash::Blake3Of(body).Hex().substr(0, 32)); }

bool IsPrivate(std::string_view key) {
  const std::string_view first = key.substr(0, key.find('/'));
  return first == kPrivateFolder || first == kLocksFolder || first == kUploadsFolder;
}

Status CheckKey(const OpContext& ctx, const Key& key) {
  if (!ValidKey(key.str()) || IsPrivate(key.str()))
    return Error(ErrorCode::kInternal, "not a key: '" + key.str() + "'");
  return ctx.Check();
}

ObjectInfo InfoOf(const OpContext& ctx, Etag etag, uint64_t bytes, int64_t modified_ms) {
  return {std::move(etag), bytes, modified_ms, ctx.clock().WallMs()};
}

// The whole content of a small object. `file` was opened by OpenRegular, which gave `info`.
Result<Bytes> ReadTail(const Descriptor& file, const struct stat& info, uint64_t bytes,
                       const std::string& path) {
  if (bytes > kSmallObjectBytesMax)
    return Error(ErrorCode::kResourceExhausted, "'" + path + "' is too large to get whole");
  Bytes body(bytes);
  VARVE_CHECK_OK(ReadAt(file.get(), static_cast<uint64_t>(info.st_size) - bytes, body, path));
  return body;
}

}  // namespace

Result<std::unique_ptr<FileStore>> FileStore::Open(const std::string& root) {
  if (root.empty()) return Error(ErrorCode::kInvalidArgument, "the folder of a lake needs a name");
  std::error_code failure;
  fs::path path = fs::absolute(root, failure).lexically_normal();
  if (failure) return ErrnoError(failure.value(), "find", root);
  if (!path.has_filename()) path = path.parent_path();
  return std::unique_ptr<FileStore>(new FileStore(path.string()));
}

std::unique_ptr<ObjectStore> FileStore::Above(uint32_t levels) const {
  std::error_code failure;
  fs::path path = fs::weakly_canonical(root_, failure);  // Where it is, not how it was reached.
  if (failure) path = root_;
  for (; levels > 0; --levels) {
    if (path == path.parent_path()) return nullptr;
    path = path.parent_path();
  }
  return std::unique_ptr<ObjectStore>(new FileStore(path.string()));
}

Result<ObjectInfo> FileStore::Head(const OpContext& ctx, const Key& key) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  struct stat info {};
  const std::string path = PathOf(key);
  if (::lstat(path.c_str(), &info) != 0) return ErrnoError(errno, "find", path);
  if (!S_ISREG(info.st_mode)) return ErrnoError(ENOENT, "find", path);
  return InfoOf(ctx, {}, static_cast<uint64_t>(info.st_size), ModifiedMs(info));
}

Result<GetReply> FileStore::Get(const OpContext& ctx, const Key& key, const GetOptions& options) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  VARVE_CHECK_OK(SettleFolders());
  const std::string path = PathOf(key);
  struct stat info {};
  VARVE_TRY(const auto file, OpenRegular(path, "read", info));
  const auto bytes = static_cast<uint64_t>(info.st_size);
  const bool part = options.suffix_bytes != 0 && options.suffix_bytes < bytes;
  GetReply reply;
  reply.info = InfoOf(ctx, {}, bytes, ModifiedMs(info));
  if (part && !options.if_none_match.has_value()) {
    VARVE_TRY(reply.body, ReadTail(*file, info, options.suffix_bytes, path));
    return reply;
  }
  VARVE_TRY(Bytes body, ReadTail(*file, info, bytes, path));
  reply.info.etag = EtagOf(body);
  if (options.if_none_match == reply.info.etag) {
    reply.not_modified = true;
    return reply;
  }
  if (part) body.erase(body.begin(), body.end() - static_cast<ptrdiff_t>(options.suffix_bytes));
  reply.body = std::move(body);
  return reply;
}

Result<ObjectInfo> FileStore::GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                                       MutableByteView into) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  const std::string path = PathOf(key);
  struct stat info {};
  VARVE_TRY(const auto file, OpenRegular(path, "read", info));
  VARVE_CHECK_OK(ReadAt(file->get(), offset, into, path));
  return InfoOf(ctx, {}, static_cast<uint64_t>(info.st_size), ModifiedMs(info));
}

// Every folder on the way to `key` exists and its entry is durable: also one that another process
// made a moment ago and has not synced yet.
Status FileStore::PrepareFolders(const Key& key) {
  const std::lock_guard lock(mutex_);
  if (disk_error_.has_value()) return *disk_error_;
  for (size_t end = 0;;) {
    const std::string folder = end == 0 ? root_ : root_ + "/" + key.str().substr(0, end);
    if (!durable_.contains(folder)) {
      Status made = MakeFolder(folder);
      if (made.ok() && end != 0) made = SyncFolder(fs::path(folder).parent_path().string());
      if (!made.ok() && made.error().code() == ErrorCode::kIo) disk_error_ = made.error();
      VARVE_CHECK_OK(std::move(made));
      durable_.insert(folder);
    }
    end = key.str().find('/', end == 0 ? 0 : end + 1);
    if (end == std::string::npos) break;
  }
  if (swept_) return OkStatus();
  for (const std::string_view name : {kPrivateFolder, kLocksFolder})
    VARVE_CHECK_OK(MakeFolder(root_ + "/" + std::string(name)));
  PrivateFile::RemoveDead(root_ + "/" + std::string(kPrivateFolder));
  swept_ = true;
  return OkStatus();
}

Result<std::unique_ptr<PrivateFile>> FileStore::WritePrivate(const OpContext& ctx, ByteView body) {
  auto file = PrivateFile::Write(root_ + "/" + std::string(kPrivateFolder), ctx.random(), body);
  if (!file.ok()) return LostFolders(std::move(file).error());
  return file;
}

// A folder that was there a moment ago is gone: somebody removes the lake. The next write makes
// the folders anew.
Error FileStore::LostFolders(Error error) {
  if (error.code() != ErrorCode::kNotFound) return error;
  const std::lock_guard lock(mutex_);
  durable_.clear();
  swept_ = false;
  return Error(ErrorCode::kUnavailable, error.message());
}

Status FileStore::SyncFolderOf(const Key& key) {
  const std::string folder = fs::path(PathOf(key)).parent_path().string();
  Status synced = SyncFolder(folder);
  if (!synced.ok()) {
    const std::lock_guard lock(mutex_);
    unsettled_.insert(folder);
    any_unsettled_ = true;
    if (synced.error().code() == ErrorCode::kIo) disk_error_ = synced.error();
  }
  return synced;
}

// What was renamed but not synced may be gone after a power cut: until the sync succeeds, nobody
// here reads it back and takes it for committed. After a failure of the disk no sync says that: the
// kernel forgets what it could not write and reports it once.
Status FileStore::SettleFolders() {
  if (!any_unsettled_) return OkStatus();
  const std::lock_guard lock(mutex_);
  if (disk_error_.has_value()) return *disk_error_;
  while (!unsettled_.empty()) {
    VARVE_CHECK_OK(SyncFolder(*unsettled_.begin()));
    unsettled_.erase(unsettled_.begin());
  }
  any_unsettled_ = false;
  return OkStatus();
}

Result<ObjectInfo> FileStore::PutNew(const OpContext& ctx, const Key& key, ByteView body) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  const std::string path = PathOf(key);
  VARVE_CHECK_OK(PrepareFolders(key));
  {
    VARVE_TRY(const auto file, WritePrivate(ctx, body));
    if (::link(file->path().c_str(), path.c_str()) != 0) {
      if (errno != EEXIST) return LostFolders(ErrnoError(errno, "write", path));
      // A repeated put of the same bytes is one put; anything else is a name used twice.
      VARVE_TRY(const bool same, Holds(*this, ctx, key, body));
      if (!same) {
        return std::move(
            Error(ErrorCode::kAlreadyExists, "the name was used before").At("put", path));
      }
    }
  }
  VARVE_CHECK_OK(SyncFolderOf(key));
  return InfoOf(ctx, {}, body.size(), ctx.clock().WallMs());
}

Result<ObjectInfo> FileStore::Cas(const OpContext& ctx, const Key& key, ByteView body,
                                  const std::optional<Etag>& expected) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  VARVE_CHECK_OK(SettleFolders());
  const std::string path = PathOf(key);
  VARVE_CHECK_OK(PrepareFolders(key));
  const std::string lock_name = hash::Blake3Of(AsBytes(key.str())).Hex().substr(0, 32);
  auto lock = FileLock::Take(ctx, root_ + "/" + std::string(kLocksFolder) + "/" + lock_name);
  if (!lock.ok()) return LostFolders(std::move(lock).error());
  struct stat info {};
  std::optional<Etag> current;
  if (auto file = OpenRegular(path, "read", info); file.ok()) {
    VARVE_TRY(const Bytes there, ReadTail(**file, info, static_cast<uint64_t>(info.st_size), path));
    current = EtagOf(there);
  } else if (file.error().code() != ErrorCode::kNotFound || expected.has_value()) {
    return std::move(file).error();
  }
  if (current != expected)
    return std::move(Error(ErrorCode::kConflict, "another version is there").At("cas", path));
  VARVE_TRY(const auto file, WritePrivate(ctx, body));
  if (::rename(file->path().c_str(), path.c_str()) != 0) {
    Error error = ErrnoError(errno, "write", path);
    // A disk that failed half way does not say which of the two the name leads to.
    if (error.code() == ErrorCode::kIo) return Error(ErrorCode::kUnknownOutcome, error.message());
    return LostFolders(std::move(error));
  }
  // Renamed but perhaps not durable: only the sync says which version a power cut would leave.
  if (const Status synced = SyncFolderOf(key); !synced.ok())
    return Error(ErrorCode::kUnknownOutcome, synced.error().message());
  return InfoOf(ctx, EtagOf(body), body.size(), ctx.clock().WallMs());
}

Result<ListPage> FileStore::List(const OpContext& ctx, std::string_view prefix,
                                 const ListOptions& options) {
  if (!ValidPrefix(prefix) || (IsPrivate(prefix) && prefix.find('/') != std::string_view::npos))
    return Error(ErrorCode::kInternal, "not a prefix: '" + std::string(prefix) + "'");
  return ListFolder(ctx, root_, prefix, options.token, options.page_max, IsPrivate);
}

// Those that are empty now. Elsewhere a folder must stay: others hold its entry for durable.
void FileStore::RemoveTrialFolders(const Key& key) {
  const std::lock_guard lock(mutex_);
  std::string folder = fs::path(PathOf(key)).parent_path().string();
  for (; folder != root_ && ::rmdir(folder.c_str()) == 0;
       folder = fs::path(folder).parent_path().string()) {
    durable_.erase(folder);
  }
}

Result<std::vector<DeleteReply>> FileStore::Delete(const OpContext& ctx,
                                                   std::span<const Key> keys) {
  std::vector<DeleteReply> replies;
  for (const Key& key : keys) {
    VARVE_CHECK_OK(CheckKey(ctx, key));
    DeleteReply reply{key, OkStatus()};
    const std::string path = PathOf(key);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
      reply.status = ErrnoError(errno, "delete", path);
    if (key.str().starts_with(std::string(kTrialFolder) + "/")) RemoveTrialFolders(key);
    replies.push_back(std::move(reply));
  }
  return replies;
}

}  // namespace varve::store
