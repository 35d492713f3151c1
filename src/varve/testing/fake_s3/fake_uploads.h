// The multipart half of the fake: uploads, their parts, and what S3 refuses of them. Threads: the
// caller holds the fake's lock.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "varve/base/bytes.h"

namespace varve::fake {

class Uploads {
 public:
  struct Part {
    Bytes body;
    std::string etag;       // Quoted.
    std::string crc64nvme;  // As the client sent it; may be empty.
  };
  struct Upload {
    std::string key;
    std::map<uint64_t, Part> parts;
  };

  std::string Create(const std::string& key);  // The upload id.
  Upload* Find(const std::string& key, const std::string& id);
  void Erase(const std::string& id) { uploads_.erase(id); }
  std::string PutPart(Upload& upload, uint64_t number, Bytes body, const std::string& crc64nvme);

  std::string PartsXml(const Upload& upload, uint64_t after, uint64_t count_max) const;
  std::string UploadsXml(const std::string& prefix, const std::string& key_marker,
                         const std::string& id_marker, uint64_t count_max) const;

  // The object that a CompleteMultipartUpload document asks for, or the S3 code of the refusal.
  std::optional<Bytes> Assemble(const Upload& upload, const Bytes& document,
                                std::string& refusal) const;

 private:
  std::map<std::string, Upload> uploads_;  // By id.
  uint64_t count_ = 0;
};

}  // namespace varve::fake
