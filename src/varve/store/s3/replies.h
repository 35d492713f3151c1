// What S3 answers in XML, judged by its shape. Pure; every byte is hostile. Nothing: the answer is
// not what S3 answers to that request (cut short, another document, a number that is none), which
// is never "no keys" and never "done".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace varve::store {

inline constexpr uint64_t kReplyBytesMax = 16 * 1024 * 1024;  // Of any XML document.

struct ErrorReply {
  std::string code, message, region, endpoint;  // One line each; empty when missing.
};
ErrorReply ParseError(std::string_view xml);  // Empty fields for anything else.

struct KeyReply {
  std::string key, etag;  // Decoded; the etag without quotes.
  uint64_t bytes = 0;
  int64_t modified_ms = 0;
};
struct ListReply {
  std::vector<KeyReply> keys;
  std::string next_token;  // Not empty exactly when more follows.
};
std::optional<ListReply> ParseListing(std::string_view xml);

struct DeletedReply {
  std::string code, message;  // Empty code: deleted.
};
std::optional<std::map<std::string, DeletedReply>> ParseDeleted(std::string_view xml);

std::optional<std::string> ParseUploadId(std::string_view xml);

std::optional<std::string> ParseCompleted(std::string_view xml);  // The etag, without quotes.

struct PartEntry {
  uint64_t number = 0, bytes = 0;
  std::string etag, crc64nvme, crc32c;
};
struct PartsReply {
  std::vector<PartEntry> parts;
  uint64_t next_after = 0;  // 0: no more.
};
std::optional<PartsReply> ParseParts(std::string_view xml);

struct UploadEntry {
  std::string key, upload_id;
  int64_t started_ms = 0;
};
struct UploadsReply {
  std::vector<UploadEntry> uploads;
  bool truncated = false;
  std::string next_key, next_upload_id;
};
std::optional<UploadsReply> ParseUploads(std::string_view xml);

}  // namespace varve::store
