#include "varve/testing/fake_s3/fake_uploads.h"

#include <cstdlib>
#include <cstring>
#include <pugixml.hpp>

namespace varve::fake {

std::string Uploads::Create(const std::string& key) {
  const std::string id = "upload/" + std::to_string(++count_) + "==";  // Needs encoding in a query.
  uploads_[id] = {key, {}};
  return id;
}

Uploads::Upload* Uploads::Find(const std::string& key, const std::string& id) {
  const auto found = uploads_.find(id);
  return found == uploads_.end() || found->second.key != key ? nullptr : &found->second;
}

std::string Uploads::PutPart(Upload& upload, uint64_t number, Bytes body,
                             const std::string& crc64nvme) {
  std::string etag = "\"part-" + std::to_string(++count_) + "\"";
  upload.parts[number] = {std::move(body), etag, crc64nvme};
  return etag;
}

std::string Uploads::PartsXml(const Upload& upload, uint64_t after, uint64_t count_max) const {
  std::string parts;
  uint64_t count = 0, last = 0;
  bool truncated = false;
  for (auto at = upload.parts.upper_bound(after); at != upload.parts.end(); ++at) {
    if (count == count_max) {
      truncated = true;
      break;
    }
    ++count;
    last = at->first;
    parts += "<Part><PartNumber>" + std::to_string(last) + "</PartNumber><ETag>&quot;" +
             at->second.etag.substr(1, at->second.etag.size() - 2) + "&quot;</ETag><Size>" +
             std::to_string(at->second.body.size()) + "</Size>";
    if (!at->second.crc64nvme.empty())
      parts += "<ChecksumCRC64NVME>" + at->second.crc64nvme + "</ChecksumCRC64NVME>";
    parts += "</Part>";
  }
  return std::string("<ListPartsResult><IsTruncated>") + (truncated ? "true" : "false") +
         "</IsTruncated><NextPartNumberMarker>" + std::to_string(last) + "</NextPartNumberMarker>" +
         parts + "</ListPartsResult>";
}

std::string Uploads::UploadsXml(const std::string& prefix, const std::string& key_marker,
                                const std::string& id_marker, uint64_t count_max) const {
  std::map<std::pair<std::string, std::string>, bool> sorted;
  for (const auto& [id, upload] : uploads_) {
    const std::pair place(upload.key, id);
    if (upload.key.starts_with(prefix) && place > std::pair(key_marker, id_marker))
      sorted[place] = true;
  }
  std::string uploads, next;
  uint64_t count = 0;
  bool truncated = false;
  for (const auto& [place, ignored] : sorted) {
    if (count++ == count_max) {
      truncated = true;
      break;
    }
    uploads += "<Upload><Key>" + place.first + "</Key><UploadId>" + place.second +
               "</UploadId><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>";
    next = "<NextKeyMarker>" + place.first + "</NextKeyMarker><NextUploadIdMarker>" + place.second +
           "</NextUploadIdMarker>";
  }
  return std::string("<ListMultipartUploadsResult><IsTruncated>") + (truncated ? "true" : "false") +
         "</IsTruncated>" + next + uploads + "</ListMultipartUploadsResult>";
}

std::optional<Bytes> Uploads::Assemble(const Upload& upload, const Bytes& document,
                                       std::string& refusal) const {
  pugi::xml_document xml;
  refusal = "MalformedXML";
  if (!xml.load_buffer(document.data(), document.size())) return std::nullopt;
  const pugi::xml_node root = xml.child("CompleteMultipartUpload");
  if (!root.child("Part")) return std::nullopt;
  Bytes whole;
  uint64_t last = 0;
  for (const pugi::xml_node each : root.children("Part")) {
    const uint64_t number = std::strtoull(each.child_value("PartNumber"), nullptr, 10);
    refusal = "InvalidPartOrder";
    if (number <= last) return std::nullopt;
    last = number;
    refusal = "InvalidPart";
    const auto found = upload.parts.find(number);
    if (found == upload.parts.end() || found->second.etag != each.child_value("ETag"))
      return std::nullopt;
    const char* sum = each.child_value("ChecksumCRC64NVME");
    if (*sum != '\0' && found->second.crc64nvme != sum) return std::nullopt;
    refusal = "EntityTooSmall";
    if (each.next_sibling("Part") && found->second.body.size() < 5 * kMiB) return std::nullopt;
    whole.insert(whole.end(), found->second.body.begin(), found->second.body.end());
  }
  return whole;
}

}  // namespace varve::fake
