// Uploads in parts.
#include <algorithm>

#include "varve/store/memory/memory_store.h"

namespace varve::store {
namespace {

constexpr size_t kUploadPageMax = 1000;

Error At(ErrorCode code, const char* message, const char* operation, const Key& key) {
  return std::move(Error(code, message).At(operation, key.str()));
}

}  // namespace

// The caller holds mutex_.
Result<MemoryStore::Upload*> MemoryStore::Find(const char* operation, const Key& key,
                                               const std::string& upload_id) {
  const auto found = uploads_.find(upload_id);
  if (found == uploads_.end() || found->second.key != key)
    return At(ErrorCode::kNotFound, "the upload is gone; upload again", operation, key);
  return &found->second;
}

Result<std::string> MemoryStore::CreateMultipart(const OpContext& ctx, const Key& key) {
  VARVE_CHECK_OK(ctx.Check());
  if (!ValidKey(key.str())) return Error(ErrorCode::kInternal, "not a key: '" + key.str() + "'");
  const std::lock_guard lock(mutex_);
  const std::string id = "u" + std::to_string(++writes_);
  uploads_[id] = {key, ctx.clock().WallMs(), {}};
  return id;
}

Result<PartReply> MemoryStore::PutPart(const OpContext& ctx, const Key& key,
                                       const std::string& upload_id, uint32_t part_number,
                                       ByteView body) {
  VARVE_CHECK_OK(ctx.Check());
  if (part_number == 0 || part_number > kPartsMax)
    return At(ErrorCode::kInternal, "a part's number is 1 to 10000", "put part", key);
  const std::lock_guard lock(mutex_);
  VARVE_TRY(Upload* const upload, Find("put part", key, upload_id));
  Object& part = upload->parts[part_number];
  part.body.assign(body.begin(), body.end());
  part.info.etag = Etag("p" + std::to_string(++writes_));
  return PartReply{part.info.etag, "", part_number, body.size()};
}

Result<PartPage> MemoryStore::ListParts(const OpContext& ctx, const Key& key,
                                        const std::string& upload_id, uint32_t after) {
  VARVE_CHECK_OK(ctx.Check());
  const std::lock_guard lock(mutex_);
  VARVE_TRY(const Upload* const upload, Find("list parts", key, upload_id));
  PartPage page;
  for (auto at = upload->parts.upper_bound(after); at != upload->parts.end(); ++at) {
    if (page.parts.size() == kPartPageMax) {
      page.next_after = page.parts.back().number;
      break;
    }
    page.parts.push_back({at->second.info.etag, "", at->first, at->second.body.size()});
  }
  return page;
}

Result<ObjectInfo> MemoryStore::CompleteMultipart(const OpContext& ctx, const Key& key,
                                                  const std::string& upload_id,
                                                  std::span<const PartReply> parts) {
  VARVE_CHECK_OK(ctx.Check());
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const PartReply& part : parts) bytes += part.bytes;
  if (const auto there = objects_.find(key.str()); there != objects_.end()) {
    // Completed before: the answer was lost.
    if (!uploads_.contains(upload_id) && there->second.info.bytes == bytes)
      return there->second.info;
    return At(ErrorCode::kAlreadyExists, "the name was used before", "complete", key);
  }
  VARVE_TRY(Upload* const upload, Find("complete", key, upload_id));
  Bytes whole;
  uint32_t last = 0;
  for (const PartReply& part : parts) {
    const auto found = upload->parts.find(part.number);
    if (part.number <= last || found == upload->parts.end() ||
        found->second.info.etag != part.etag || found->second.body.size() != part.bytes) {
      return At(ErrorCode::kCorrupt, "the store lacks a part that it acknowledged", "complete",
                key);
    }
    last = part.number;
    whole.insert(whole.end(), found->second.body.begin(), found->second.body.end());
  }
  if (parts.empty()) return At(ErrorCode::kInternal, "an upload without parts", "complete", key);
  uploads_.erase(upload_id);
  return Store(ctx, key, whole).info;
}

Status MemoryStore::AbortMultipart(const OpContext& ctx, const Key& key,
                                   const std::string& upload_id) {
  VARVE_CHECK_OK(ctx.Check());
  const std::lock_guard lock(mutex_);
  const auto found = uploads_.find(upload_id);
  if (found != uploads_.end() && found->second.key == key) uploads_.erase(found);
  return OkStatus();
}

Result<UploadPage> MemoryStore::ListUploads(const OpContext& ctx, std::string_view prefix,
                                            const std::string& token) {
  VARVE_CHECK_OK(ctx.Check());
  const std::lock_guard lock(mutex_);
  UploadPage page;
  for (auto at = uploads_.upper_bound(token); at != uploads_.end(); ++at) {
    if (!at->second.key.str().starts_with(prefix)) continue;
    if (page.uploads.size() == kUploadPageMax) {
      page.next_token = page.uploads.back().upload_id;
      break;
    }
    page.uploads.push_back({at->second.key, at->first, at->second.started_ms});
  }
  return page;
}

}  // namespace varve::store
