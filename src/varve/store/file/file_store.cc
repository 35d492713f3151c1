#include "varve/store/file/file_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "varve/hash/hash.h"
#include "varve/store/file/file_io.h"

namespace varve::store {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kLocks = ".lock";
constexpr int64_t kLockPollMs = 5;

Etag EtagOf(ByteView body) { return Etag(hash::Blake3Of(body).Hex().substr(0, 32)); }

Result<Bytes> ReadWhole(const std::string& path, struct stat& info) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) return FromErrno(errno, "get", path);
  if (!S_ISREG(info.st_mode)) return FromErrno(ENOENT, "get", path);
  if (static_cast<uint64_t>(info.st_size) > kSmallObjectBytesMax) {
    return Error(ErrorCode::kResourceExhausted, "the object is too large to get whole");
  }
  Bytes body(static_cast<size_t>(info.st_size));
  VARVE_CHECK_OK(ReadAt(file.get(), 0, body, path));
  return body;
}

Status CheckKey(const OpContext& ctx, const Key& key) {
  if (!ValidKey(key.str())) return Error(ErrorCode::kInternal, "not a key: '" + key.str() + "'");
  return ctx.Check();
}

ObjectInfo InfoOf(const OpContext& ctx, Etag etag, uint64_t bytes, int64_t modified_ms) {
  return {std::move(etag), bytes, modified_ms, ctx.clock().WallMs()};
}

}  // namespace

Result<std::unique_ptr<FileStore>> FileStore::Open(const std::string& root) {
  if (root.empty()) return Error(ErrorCode::kInvalidArgument, "the folder of a lake needs a name");
  std::error_code failure;
  fs::path path = fs::absolute(root, failure).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return std::unique_ptr<FileStore>(new FileStore(path.string()));
}

Result<ObjectInfo> FileStore::Head(const OpContext& ctx, const Key& key) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  struct stat info {};
  if (::lstat(PathOf(key).c_str(), &info) != 0) return FromErrno(errno, "head", PathOf(key));
  if (!S_ISREG(info.st_mode)) return FromErrno(ENOENT, "head", PathOf(key));
  return InfoOf(ctx, {}, static_cast<uint64_t>(info.st_size), ModifiedMs(info));
}

Result<GetReply> FileStore::Get(const OpContext& ctx, const Key& key, const GetOptions& options) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  struct stat info {};
  VARVE_TRY(Bytes body, ReadWhole(PathOf(key), info));
  GetReply reply;
  reply.info = InfoOf(ctx, EtagOf(body), body.size(), ModifiedMs(info));
  if (options.if_none_match == reply.info.etag) {
    reply.not_modified = true;
    return reply;
  }
  if (options.suffix_bytes != 0 && options.suffix_bytes < body.size()) {
    body.erase(body.begin(), body.end() - static_cast<std::ptrdiff_t>(options.suffix_bytes));
  }
  reply.body = std::move(body);
  return reply;
}

Result<ObjectInfo> FileStore::GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                                       MutableByteView into) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  const std::string path = PathOf(key);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) return FromErrno(errno, "get range", path);
  VARVE_CHECK_OK(ReadAt(file.get(), offset, into, path));
  return InfoOf(ctx, {}, static_cast<uint64_t>(info.st_size), ModifiedMs(info));
}

Result<std::string> FileStore::WriteTemporary(const OpContext& ctx, const Key& key, ByteView body) {
  const std::string path = PathOf(key);
  VARVE_CHECK_OK(MakeFolder(root_ + "/" + std::string(kTemporaryFolder)));
  VARVE_CHECK_OK(MakeFolder(fs::path(path).parent_path().string()));
  const std::string temporary = root_ + "/" + std::string(kTemporaryFolder) + "/" +
                                std::to_string(ctx.random().Next64()) + "-" +
                                std::to_string(::getpid());
  const Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) return FromErrno(errno, "create", temporary);
  int failed = WriteAll(file.get(), body);
  if (failed == 0 && ::fsync(file.get()) != 0) failed = errno;
  if (failed != 0) {
    ::unlink(temporary.c_str());
    return FromErrno(failed, "write", path);
  }
  return temporary;
}

Result<ObjectInfo> FileStore::PutNew(const OpContext& ctx, const Key& key, ByteView body) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  const std::string path = PathOf(key);
  VARVE_TRY(const std::string temporary, WriteTemporary(ctx, key, body));
  const int linked = ::link(temporary.c_str(), path.c_str());
  const int failed = linked == 0 ? 0 : errno;
  ::unlink(temporary.c_str());
  if (failed == EEXIST) {
    // A repeated put of the same bytes is one put; anything else is a name used twice.
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return FromErrno(errno, "put", path);
    bool same = static_cast<uint64_t>(info.st_size) == body.size();
    if (same) {
      Bytes there(body.size());
      VARVE_TRY(const ObjectInfo read, GetRange(ctx, key, 0, there));
      static_cast<void>(read);
      same = std::ranges::equal(there, body);
    }
    if (!same)
      return std::move(
          Error(ErrorCode::kAlreadyExists, "the name was used before").At("put", path));
  } else if (failed != 0) {
    return FromErrno(failed, "put", path);
  }
  VARVE_CHECK_OK(SyncFolder(fs::path(path).parent_path().string()));
  return InfoOf(ctx, {}, body.size(), ctx.clock().WallMs());
}

Result<ObjectInfo> FileStore::Cas(const OpContext& ctx, const Key& key, ByteView body,
                                  const std::optional<Etag>& expected) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  const std::string path = PathOf(key);
  const std::string locks = root_ + "/" + std::string(kLocks);
  VARVE_CHECK_OK(MakeFolder(locks));
  const std::string lock_path =
      locks + "/" + hash::Blake3Of(AsBytes(key.str())).Hex().substr(0, 32);
  const Descriptor lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (lock.get() < 0) return FromErrno(errno, "lock", lock_path);
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return FromErrno(errno, "lock", lock_path);
    VARVE_CHECK_OK(ctx.SleepMs(kLockPollMs));
  }
  struct stat info {};
  auto current = ReadWhole(path, info);
  if (!current.ok() && current.error().code() != ErrorCode::kNotFound)
    return std::move(current).error();
  if (expected.has_value() && !current.ok()) return std::move(current).error();
  const bool matches = expected.has_value() ? EtagOf(*current) == *expected : !current.ok();
  if (!matches)
    return std::move(Error(ErrorCode::kConflict, "another version is there").At("cas", path));
  VARVE_TRY(const std::string temporary, WriteTemporary(ctx, key, body));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int failed = errno;
    ::unlink(temporary.c_str());
    return FromErrno(failed, "cas", path);
  }
  // Renamed but perhaps not durable: only the sync says which version a power cut would leave.
  if (auto synced = SyncFolder(fs::path(path).parent_path().string()); !synced.ok()) {
    return Error(ErrorCode::kUnknownOutcome, synced.error().message());
  }
  return InfoOf(ctx, EtagOf(body), body.size(), ctx.clock().WallMs());
}

Result<ListPage> FileStore::List(const OpContext& ctx, std::string_view prefix,
                                 const ListOptions& options) {
  VARVE_CHECK_OK(ctx.Check());
  std::vector<ListedObject> found;
  std::error_code failure;
  // Only the folder that the prefix lies in can hold matches.
  const size_t slash = prefix.rfind('/');
  const std::string start =
      slash == std::string_view::npos ? root_ : root_ + "/" + std::string(prefix.substr(0, slash));
  if (!fs::exists(start, failure))
    return failure ? Result<ListPage>(FromErrno(failure.value(), "list", start)) : ListPage{};
  fs::recursive_directory_iterator each(start, failure);
  for (; !failure && each != fs::recursive_directory_iterator(); each.increment(failure)) {
    const std::string name = each->path().filename().string();
    if (each.depth() == 0 && start == root_ &&
        (name == kTemporaryFolder || name == kUploadsFolder || name == kLocks)) {
      each.disable_recursion_pending();
      continue;
    }
    struct stat info {};
    if (::lstat(each->path().c_str(), &info) != 0) {
      if (errno == ENOENT) continue;  // Deleted while the folder was read.
      return FromErrno(errno, "list", each->path().string());
    }
    if (!S_ISREG(info.st_mode)) continue;
    const std::string key = each->path().string().substr(root_.size() + 1);
    if (!key.starts_with(prefix) || key <= options.token) continue;
    found.push_back({Key(key), static_cast<uint64_t>(info.st_size), {}, ModifiedMs(info)});
  }
  if (failure) return FromErrno(failure.value(), "list", start);
  std::ranges::sort(found, {}, &ListedObject::key);
  ListPage page;
  if (found.size() > options.page_max) {
    found.resize(options.page_max);
    page.next_token = found.back().key.str();
  }
  page.objects = std::move(found);
  return page;
}

Result<std::vector<DeleteReply>> FileStore::Delete(const OpContext& ctx,
                                                   std::span<const Key> keys) {
  std::vector<DeleteReply> replies;
  for (const Key& key : keys) {
    VARVE_CHECK_OK(CheckKey(ctx, key));
    DeleteReply reply{key, OkStatus()};
    if (::unlink(PathOf(key).c_str()) != 0 && errno != ENOENT)
      reply.status = FromErrno(errno, "delete", PathOf(key));
    replies.push_back(std::move(reply));
  }
  return replies;
}

}  // namespace varve::store
