// Where the lakes of the crash tests are: in memory, in folders, over HTTP on the fake S3 server.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "varve/store/file/file_store.h"
#include "varve/store/forwarding.h"
#include "varve/store/memory/memory_store.h"
#include "varve/store/s3/s3_store.h"
#include "varve/testing/fake_s3/client_config.h"
#include "varve/testing/fake_s3/fake_s3.h"

namespace varve::lake {

namespace fs = std::filesystem;
using StorePtr = std::shared_ptr<store::ObjectStore>;

class Place {
 public:
  virtual ~Place() = default;
  virtual StorePtr Fresh() = 0;
  virtual fake::FakeS3* server() { return nullptr; }
};

class InMemory final : public Place {
 public:
  StorePtr Fresh() override { return std::make_shared<store::MemoryStore>(); }
};

inline std::string TemporaryFolder() {
  // Syncing to a memory disk costs nothing, and what is tested is what happens between requests.
  const bool has_memory_disk = fs::is_directory("/dev/shm");
  const fs::path parent = has_memory_disk ? fs::path("/dev/shm") : fs::temp_directory_path();
  std::string pattern = (parent / "varve-crash-XXXXXX").string();
  return mkdtemp(pattern.data());
}

class InFolders final : public Place {
 public:
  ~InFolders() override { fs::remove_all(root_); }
  StorePtr Fresh() override {
    fs::remove_all(root_ + "/" + std::to_string(count_));
    return store::FileStore::Open(root_ + "/" + std::to_string(++count_)).value();
  }

 private:
  const std::string root_ = TemporaryFolder();
  int count_ = 0;
};

// The fake holds its conditions: without the probe a flow is the requests that it is about, in one
// order. A probe that dies has its own tests (doctor_test).
class Proven final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  store::Features features() const override {
    store::Features features = inner_->features();
    features.needs_probe = false;
    return features;
  }
};

class OnFakeS3 final : public Place {
 public:
  StorePtr Fresh() override {
    return std::make_shared<Proven>(std::make_shared<store::S3Store>(
        fake::ClientConfig(fake_->endpoint(), "lake" + std::to_string(++count_))));
  }
  fake::FakeS3* server() override { return fake_.get(); }

 private:
  std::unique_ptr<fake::FakeS3> fake_ = std::move(fake::FakeS3::Start({})).value();
  int count_ = 0;
};

}  // namespace varve::lake
