#include "varve/store/object_store.h"

#include <algorithm>

#include "varve/base/planted.h"

namespace varve::store {
namespace {

bool KeyLetter(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
         (letter >= '0' && letter <= '9') ||
         std::string_view("._%~=+@,-").find(letter) != std::string_view::npos;
}

constexpr uint64_t kCompareBytes = 4 * kMiB;  // Read back at once.

Error NoMultipart() {
  return Error(ErrorCode::kUnsupported, "this store has no multipart uploads");
}

}  // namespace

bool ValidKey(std::string_view key) {
  if (key.empty() || key.size() > kKeyBytesMax) return false;
  for (size_t at = 0; at <= key.size();) {
    const size_t end = std::min(key.find('/', at), key.size());
    const std::string_view segment = key.substr(at, end - at);
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (!std::all_of(segment.begin(), segment.end(), KeyLetter)) return false;
    at = end + 1;
  }
  return true;
}

bool ValidPrefix(std::string_view prefix) {
  return prefix.empty() || ValidKey(prefix) || ValidKey(std::string(prefix) + "x");
}

std::unique_ptr<ObjectStore> ObjectStore::Above(uint32_t) const { return nullptr; }
std::vector<Fact> ObjectStore::Inspect(const OpContext&, const Key&, InspectScope) { return {}; }

Result<ObjectInfo> ObjectStore::GetPieces(const OpContext& ctx, const Key& key, uint64_t offset,
                                          uint64_t bytes, const TakePiece& take) {
  if (bytes == 0) return Head(ctx, key);
  Bytes piece(std::min(bytes, kPieceBytesMax));
  ObjectInfo info;
  for (uint64_t at = 0; at < bytes;) {
    const auto into = MutableByteView(piece).first(std::min<uint64_t>(piece.size(), bytes - at));
    VARVE_TRY(ObjectInfo now, GetRange(ctx, key, offset + at, into));
    if (at != 0 && now.etag != info.etag) {
      return std::move(
          Error(ErrorCode::kCorrupt, "the object changed while it was read").At("get", key.str()));
    }
    VARVE_CHECK_OK(take(at, into));
    info = std::move(now);
    at += into.size();
  }
  return info;
}

Result<std::string> ObjectStore::CreateMultipart(const OpContext&, const Key&) {
  return NoMultipart();
}
Result<PartReply> ObjectStore::PutPart(const OpContext&, const Key&, const std::string&, uint32_t,
                                       ByteView) {
  return NoMultipart();
}
Result<ObjectInfo> ObjectStore::CompleteMultipart(const OpContext&, const Key&, const std::string&,
                                                  std::span<const PartReply>) {
  return NoMultipart();
}
Status ObjectStore::AbortMultipart(const OpContext&, const Key&, const std::string&) {
  return NoMultipart();
}
Result<PartPage> ObjectStore::ListParts(const OpContext&, const Key&, const std::string&,
                                        uint32_t) {
  return NoMultipart();
}
Result<UploadPage> ObjectStore::ListUploads(const OpContext&, std::string_view,
                                            const std::string&) {
  return NoMultipart();
}
Result<Secret> ObjectStore::Presign(const OpContext&, const PresignRequest&) {
  return Error(ErrorCode::kUnsupported, "this store has no presigned URLs");
}

Result<bool> Holds(ObjectStore& store, const OpContext& ctx, const Key& key, ByteView body) {
  VARVE_TRY(const ObjectInfo there, store.Head(ctx, key));
  if (there.bytes != body.size()) return false;
  Bytes window(std::min<uint64_t>(kCompareBytes, body.size()));
  for (uint64_t at = 0; at < body.size();) {
    const auto part = MutableByteView(window).first(std::min(window.size(), body.size() - at));
    VARVE_TRY(const ObjectInfo read, store.GetRange(ctx, key, at, part));
    static_cast<void>(read);
    if (!std::ranges::equal(part, body.subspan(at, part.size()))) return false;
    at += part.size();
  }
  return true;
}

Result<std::vector<ListedObject>> ListAll(const OpContext& ctx, ObjectStore& store,
                                          std::string_view prefix, size_t keys_max) {
  std::vector<ListedObject> objects;
  ListOptions options;
  do {
    auto listed = store.List(ctx, prefix, options);
    if (PLANTED(35) && !listed.ok()) break;
    VARVE_TRY(ListPage page, std::move(listed));
    if (page.objects.size() > keys_max - objects.size()) {
      return Error(
          ErrorCode::kResourceExhausted,
          "more than " + std::to_string(keys_max) + " objects below '" + std::string(prefix) + "'");
    }
    std::move(page.objects.begin(), page.objects.end(), std::back_inserter(objects));
    if (!page.next_token.empty() && page.next_token == options.token) {
      return Error(ErrorCode::kCorrupt, "the store's listing does not advance");
    }
    options.token = std::move(page.next_token);
  } while (!options.token.empty());
  return objects;
}

}  // namespace varve::store
