#include "varve/store/s3/replies.h"

#include <algorithm>
#include <pugixml.hpp>

#include "varve/store/s3/encoding.h"
#include "varve/store/s3/signing/times.h"

namespace varve::store {
namespace {

constexpr size_t kUploadIdBytesMax = 2048;

// The root element of a whole document; an empty node for any other.
pugi::xml_node Root(pugi::xml_document& document, std::string_view xml, const char* name) {
  if (xml.size() > kReplyBytesMax || !document.load_buffer(xml.data(), xml.size())) return {};
  const pugi::xml_node root = document.document_element();
  return std::string_view(root.name()) == name ? root : pugi::xml_node();
}

// One page of a listing, with its document.
struct Page {
  pugi::xml_document document;
  pugi::xml_node root;
  bool truncated = false;
};
// False: not such a page, or one that does not say whether another follows.
bool ReadPage(std::string_view xml, const char* name, Page& page) {
  page.root = Root(page.document, xml, name);
  const std::string_view text = page.root.child_value("IsTruncated");
  page.truncated = text == "true";
  return page.truncated || text == "false";
}

// A key as this document spells keys.
std::optional<std::string> KeyText(const pugi::xml_node& root, const char* text) {
  if (std::string_view(root.child_value("EncodingType")) == "url") return PercentDecode(text);
  return text;
}

bool ValidUploadId(std::string_view id) {
  return !id.empty() && id.size() <= kUploadIdBytesMax &&
         std::all_of(id.begin(), id.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

ErrorReply ParseError(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node error = Root(document, xml, "Error");
  return {OneLine(error.child_value("Code")), OneLine(error.child_value("Message")),
          OneLine(error.child_value("Region")), OneLine(error.child_value("Endpoint"))};
}

std::optional<ListReply> ParseListing(std::string_view xml) {
  Page page;
  if (!ReadPage(xml, "ListBucketResult", page)) return std::nullopt;
  const pugi::xml_node& root = page.root;
  ListReply reply;
  for (const pugi::xml_node each : root.children("Contents")) {
    KeyReply entry;
    const auto key = KeyText(root, each.child_value("Key"));
    if (!key.has_value() || key->empty() || !ParseNumber(each.child_value("Size"), entry.bytes))
      return std::nullopt;
    entry.key = *key;
    entry.etag = Unquoted(each.child_value("ETag"));
    entry.modified_ms = ParseIsoTime(each.child_value("LastModified"));
    reply.keys.push_back(std::move(entry));
  }
  // Where a server counts its keys, a page that lost some shows. Common prefixes are never asked
  // for.
  const std::string_view counted = root.child_value("KeyCount");
  uint64_t count = reply.keys.size();
  if (!counted.empty() && (!ParseNumber(counted, count) || count != reply.keys.size()))
    return std::nullopt;
  if (page.truncated) {
    reply.next_token = root.child_value("NextContinuationToken");
    if (reply.next_token.empty()) return std::nullopt;
  }
  return reply;
}

std::optional<std::map<std::string, DeletedReply>> ParseDeleted(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = Root(document, xml, "DeleteResult");
  if (!root) return std::nullopt;
  std::map<std::string, DeletedReply> told;
  for (const pugi::xml_node each : root.children("Deleted"))
    told.emplace(each.child_value("Key"), DeletedReply());
  for (const pugi::xml_node each : root.children("Error")) {
    DeletedReply refused{OneLine(each.child_value("Code")), OneLine(each.child_value("Message"))};
    if (refused.code == "NoSuchKey")
      refused = {};
    else if (refused.code.empty())
      refused.code = "Unknown";
    told.insert_or_assign(each.child_value("Key"), std::move(refused));
  }
  return told;
}

std::optional<std::string> ParseUploadId(std::string_view xml) {
  pugi::xml_document document;
  std::string id = Root(document, xml, "InitiateMultipartUploadResult").child_value("UploadId");
  if (!ValidUploadId(id)) return std::nullopt;
  return id;
}

std::optional<std::string> ParseCompleted(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = Root(document, xml, "CompleteMultipartUploadResult");
  if (!root) return std::nullopt;
  return Unquoted(root.child_value("ETag"));
}

std::optional<PartsReply> ParseParts(std::string_view xml) {
  Page page;
  if (!ReadPage(xml, "ListPartsResult", page)) return std::nullopt;
  const pugi::xml_node& root = page.root;
  PartsReply reply;
  for (const pugi::xml_node each : root.children("Part")) {
    PartEntry part;
    if (!ParseNumber(each.child_value("PartNumber"), part.number) || part.number == 0 ||
        part.number > 10'000 || !ParseNumber(each.child_value("Size"), part.bytes)) {
      return std::nullopt;
    }
    part.etag = Unquoted(each.child_value("ETag"));
    if (!ValidEtag(part.etag)) return std::nullopt;
    part.crc64nvme = each.child_value("ChecksumCRC64NVME");
    part.crc32c = each.child_value("ChecksumCRC32C");
    reply.parts.push_back(std::move(part));
  }
  if (page.truncated && (!ParseNumber(root.child_value("NextPartNumberMarker"), reply.next_after) ||
                         reply.next_after == 0 || reply.next_after > 10'000)) {
    return std::nullopt;
  }
  return reply;
}

std::optional<UploadsReply> ParseUploads(std::string_view xml) {
  Page page;
  if (!ReadPage(xml, "ListMultipartUploadsResult", page)) return std::nullopt;
  const pugi::xml_node& root = page.root;
  UploadsReply reply;
  reply.truncated = page.truncated;
  for (const pugi::xml_node each : root.children("Upload")) {
    const auto key = KeyText(root, each.child_value("Key"));
    UploadEntry upload{key.value_or(""), each.child_value("UploadId"),
                       ParseIsoTime(each.child_value("Initiated"))};
    if (upload.key.empty() || !ValidUploadId(upload.upload_id)) return std::nullopt;
    reply.uploads.push_back(std::move(upload));
  }
  if (reply.truncated) {
    const auto key = KeyText(root, root.child_value("NextKeyMarker"));
    if (!key.has_value() || key->empty()) return std::nullopt;
    reply.next_key = *key;
    reply.next_upload_id = root.child_value("NextUploadIdMarker");
  }
  return reply;
}

}  // namespace varve::store
