// Uploads in parts: a folder each below .upload, with the key and one file per part.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>

#include "varve/base/errno.h"
#include "varve/hash/hash.h"
#include "varve/store/file/file_store.h"
#include "varve/store/file/posix.h"

namespace varve::store {
namespace fs = std::filesystem;
namespace {

constexpr size_t kUploadPageMax = 1000;
constexpr uint64_t kCopyBytes = 8 * kMiB;

Error Gone(const char* operation, const Key& key) {
  return std::move(
      Error(ErrorCode::kNotFound, "the upload is gone; upload again").At(operation, key.str()));
}

// An upload id becomes a folder's name.
bool ValidUploadId(const std::string& id) {
  return !id.empty() && id.size() <= 32 &&
         id.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// "00007-<32 hex>": the number, and the etag that the bytes have.
std::string PartName(uint32_t number, const std::string& etag) {
  char text[16];
  std::snprintf(text, sizeof text, "%05u-", number);
  return text + etag;
}

Result<std::string> KeyOf(const std::string& folder) {
  const Descriptor file(OpenFile(folder + "/key", O_RDONLY | O_NOFOLLOW));
  struct stat info {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) return ErrnoError(errno, "read", folder);
  std::string key(std::min<size_t>(static_cast<size_t>(info.st_size), kKeyBytesMax), '\0');
  VARVE_CHECK_OK(
      ReadAt(file.get(), 0, {reinterpret_cast<std::byte*>(key.data()), key.size()}, folder));
  return key;
}

Result<std::string> FolderOf(const std::string& root, const char* operation, const Key& key,
                             const std::string& upload_id) {
  if (!ValidUploadId(upload_id)) return Gone(operation, key);
  std::string folder = root + "/" + std::string(kUploadsFolder) + "/" + upload_id;
  const auto there = KeyOf(folder);
  if (!there.ok() && there.error().code() != ErrorCode::kNotFound) return there.error();
  if (!there.ok() || *there != key.str()) return Gone(operation, key);
  return folder;
}

// The newest file of each number.
Result<std::map<uint32_t, PartReply>> PartsIn(const std::string& folder) {
  std::map<uint32_t, PartReply> parts;
  std::map<uint32_t, fs::file_time_type> times;
  std::error_code failure;
  fs::directory_iterator each(folder, failure);
  for (; !failure && each != fs::directory_iterator(); each.increment(failure)) {
    const std::string name = each->path().filename().string();
    unsigned number = 0;
    if (name.size() != 38 || std::sscanf(name.c_str(), "%5u-", &number) != 1 || number == 0)
      continue;
    std::error_code lost;
    const uint64_t bytes = each->file_size(lost);
    const auto time = each->last_write_time(lost);
    if (lost) continue;
    if (parts.contains(number) && times[number] > time) continue;
    parts[number] = {Etag(name.substr(6)), "", number, bytes};
    times[number] = time;
  }
  if (failure) return ErrnoError(failure.value(), "list parts", folder);
  return parts;
}

// kNotFound or kCorrupt: the part at `path` is not there, or not whole.
Status Append(int into, const std::string& into_path, const std::string& path, uint64_t bytes) {
  const Descriptor file(OpenFile(path, O_RDONLY | O_NOFOLLOW));
  if (file.get() < 0) return ErrnoError(errno, "read", path);
  Bytes buffer(std::min(bytes, kCopyBytes));
  for (uint64_t at = 0; at < bytes;) {
    const MutableByteView piece = MutableByteView(buffer).first(std::min(bytes - at, kCopyBytes));
    VARVE_CHECK_OK(ReadAt(file.get(), at, piece, path));
    if (const int failed = WriteAll(into, piece); failed != 0)
      return ErrnoError(failed, "write", into_path);
    at += piece.size();
  }
  return OkStatus();
}

Result<bool> SameContent(const std::string& a_path, const std::string& b_path) {
  struct stat a_info {
  }, b_info{};
  VARVE_TRY(const auto a, OpenRegular(a_path, "compare", a_info));
  VARVE_TRY(const auto b, OpenRegular(b_path, "compare", b_info));
  if (a_info.st_size != b_info.st_size) return false;
  const auto bytes = static_cast<uint64_t>(a_info.st_size);
  Bytes a_window(std::min(bytes, kCopyBytes)), b_window(a_window.size());
  for (uint64_t at = 0; at < bytes; at += a_window.size()) {
    const uint64_t length = std::min<uint64_t>(a_window.size(), bytes - at);
    VARVE_CHECK_OK(ReadAt(a->get(), at, MutableByteView(a_window).first(length), a_path));
    VARVE_CHECK_OK(ReadAt(b->get(), at, MutableByteView(b_window).first(length), b_path));
    if (!std::equal(a_window.begin(), a_window.begin() + static_cast<ptrdiff_t>(length),
                    b_window.begin()))
      return false;
  }
  return true;
}

}  // namespace

Result<std::string> FileStore::CreateMultipart(const OpContext& ctx, const Key& key) {
  VARVE_CHECK_OK(ctx.Check());
  if (!ValidKey(key.str())) return Error(ErrorCode::kInternal, "not a key: '" + key.str() + "'");
  std::byte random[16];
  for (size_t half = 0; half < 2; ++half) {
    const uint64_t value = ctx.random().Next64();
    for (size_t i = 0; i < 8; ++i) random[half * 8 + i] = static_cast<std::byte>(value >> (8 * i));
  }
  std::string id = hash::ToHex(random);
  const std::string folder = root_ + "/" + std::string(kUploadsFolder) + "/" + id;
  VARVE_CHECK_OK(MakeFolder(folder));
  const std::string path = folder + "/key";
  const Descriptor file(OpenFile(path, O_WRONLY | O_CREAT | O_EXCL));
  if (file.get() < 0) return ErrnoError(errno, "begin upload", path);
  if (const int failed = WriteAll(file.get(), AsBytes(key.str())); failed != 0)
    return ErrnoError(failed, "begin upload", path);
  return id;
}

Result<PartReply> FileStore::PutPart(const OpContext& ctx, const Key& key,
                                     const std::string& upload_id, uint32_t part_number,
                                     ByteView body) {
  VARVE_CHECK_OK(ctx.Check());
  if (part_number == 0 || part_number > kPartsMax)
    return Error(ErrorCode::kInternal, "a part's number is 1 to 10000");
  VARVE_TRY(const std::string folder, FolderOf(root_, "put part", key, upload_id));
  const std::string etag = hash::Blake3Of(body).Hex().substr(0, 32);
  VARVE_CHECK_OK(PrepareFolders(key));
  VARVE_TRY(const auto file, WritePrivate(ctx, body));
  const std::string path = folder + "/" + PartName(part_number, etag);
  if (::rename(file->path().c_str(), path.c_str()) != 0)
    return errno == ENOENT ? Gone("put part", key) : ErrnoError(errno, "write", path);
  return PartReply{Etag(etag), "", part_number, body.size()};
}

Result<PartPage> FileStore::ListParts(const OpContext& ctx, const Key& key,
                                      const std::string& upload_id, uint32_t after) {
  VARVE_CHECK_OK(ctx.Check());
  VARVE_TRY(const std::string folder, FolderOf(root_, "list parts", key, upload_id));
  VARVE_TRY(const auto parts, PartsIn(folder));
  PartPage page;
  for (auto at = parts.upper_bound(after); at != parts.end(); ++at) {
    if (page.parts.size() == kPartPageMax) {
      page.next_after = page.parts.back().number;
      break;
    }
    page.parts.push_back(at->second);
  }
  return page;
}

Result<ObjectInfo> FileStore::CompleteMultipart(const OpContext& ctx, const Key& key,
                                                const std::string& upload_id,
                                                std::span<const PartReply> parts) {
  VARVE_CHECK_OK(ctx.Check());
  uint64_t bytes = 0;
  for (const PartReply& part : parts) bytes += part.bytes;
  const auto found = FolderOf(root_, "complete", key, upload_id);
  if (!found.ok()) {  // Completed before, perhaps: the answer was lost.
    const auto there = Head(ctx, key);
    if (!there.ok() || there->bytes != bytes) return found.error();
    return there;
  }
  if (parts.empty()) return Error(ErrorCode::kInternal, "an upload without parts");
  VARVE_CHECK_OK(PrepareFolders(key));
  VARVE_TRY(const auto file, WritePrivate(ctx, {}));
  const std::string& temporary = file->path();
  const Descriptor into(OpenFile(temporary, O_WRONLY | O_NOFOLLOW));
  if (into.get() < 0) return ErrnoError(errno, "write", temporary);
  Status appended;
  uint32_t last = 0;
  for (const PartReply& part : parts) {
    VARVE_CHECK_OK(ctx.Check());
    const std::string path = *found + "/" + PartName(part.number, part.etag.str());
    if (part.number > last) appended = Append(into.get(), temporary, path, part.bytes);
    const bool absent = !appended.ok() && (appended.error().code() == ErrorCode::kNotFound ||
                                           appended.error().code() == ErrorCode::kCorrupt);
    if (absent || part.number <= last) {
      return std::move(Error(ErrorCode::kCorrupt, "the store lacks a part that it acknowledged")
                           .At("complete", key.str()));
    }
    VARVE_CHECK_OK(std::move(appended));
    last = part.number;
  }
  VARVE_CHECK_OK(SyncFile(into.get(), temporary));
  const std::string path = PathOf(key);
  if (::link(temporary.c_str(), path.c_str()) != 0) {
    if (errno != EEXIST) return LostFolders(ErrnoError(errno, "complete", path));
    // Whoever completed it before may have died before it could remove the upload.
    VARVE_TRY(const bool same, SameContent(temporary, path));
    if (!same) {
      return std::move(
          Error(ErrorCode::kAlreadyExists, "the name was used before").At("complete", key.str()));
    }
  }
  VARVE_CHECK_OK(SyncFolderOf(key));
  std::error_code ignored;  // The object is there; what is left of the upload is found by its list.
  fs::remove_all(*found, ignored);
  return Head(ctx, key);
}

Status FileStore::AbortMultipart(const OpContext& ctx, const Key& key,
                                 const std::string& upload_id) {
  VARVE_CHECK_OK(ctx.Check());
  const auto folder = FolderOf(root_, "abort", key, upload_id);
  if (!folder.ok())
    return folder.error().code() == ErrorCode::kNotFound ? OkStatus() : Status(folder.error());
  std::error_code failure;
  fs::remove_all(*folder, failure);
  return failure ? Status(ErrnoError(failure.value(), "abort", *folder)) : OkStatus();
}

Result<UploadPage> FileStore::ListUploads(const OpContext& ctx, std::string_view prefix,
                                          const std::string& token) {
  VARVE_CHECK_OK(ctx.Check());
  std::vector<PendingUpload> found;
  std::error_code failure;
  const std::string uploads = root_ + "/" + std::string(kUploadsFolder);
  if (!fs::exists(uploads, failure)) return UploadPage();
  fs::directory_iterator each(uploads, failure);
  for (; !failure && each != fs::directory_iterator(); each.increment(failure)) {
    const std::string id = each->path().filename().string();
    const auto key = KeyOf(each->path().string());
    struct stat info {};
    if (id <= token || !key.ok() || !ValidKey(*key) || !key->starts_with(prefix) ||
        ::stat((each->path() / "key").c_str(), &info) != 0) {
      continue;
    }
    found.push_back({Key(*key), id, ModifiedMs(info)});
  }
  if (failure) return ErrnoError(failure.value(), "list uploads", uploads);
  std::ranges::sort(found, {}, &PendingUpload::upload_id);
  UploadPage page;
  if (found.size() > kUploadPageMax) {
    found.resize(kUploadPageMax);
    page.next_token = found.back().upload_id;
  }
  page.uploads = std::move(found);
  return page;
}

}  // namespace varve::store
