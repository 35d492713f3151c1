// Goal: a store that refuses three of ten requests gets at most half as many more than were needed,
// and the transfer ends, whole. Method: files up and down through the transfer layer, once calm and
// once in a storm of SlowDown, counted at the proxy.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "varve/base/random.h"
#include "varve/store/retry/retry_store.h"
#include "varve/store/s3/s3_store.h"
#include "varve/testing/fake_s3/client_config.h"
#include "varve/testing/fake_s3/fake_s3.h"
#include "varve/testing/liar/liar.h"
#include "varve/transfer/files.h"

namespace varve::transfer {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kFiles = 300;
constexpr uint64_t kPart = 5 * kMiB;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Sends and fetches all files under `prefix`; the requests that it took.
uint64_t Move(liar::Liar& proxy, const std::string& prefix, const fs::path& sent,
              const fs::path& got) {
  const store::S3Config config = fake::ClientConfig(proxy.endpoint(), prefix);
  const store::RetryOptions brief{.tries_max = store::RetryOptions().tries_max,
                                  .backoff_ms = 1,
                                  .throttle_backoff_ms = 2,
                                  .backoff_max_ms = 2000};
  Engine engine(std::make_shared<store::RetryStore>(std::make_shared<store::S3Store>(config), brief,
                                                    std::make_shared<store::Pacer>()),
                {.connections = 8, .target_gbps = 0, .memory_bytes = 128 * kMiB});
  const uint64_t before = proxy.requests();
  std::vector<FileUpload> up;
  std::vector<FileDownload> down;
  for (const auto& entry : fs::directory_iterator(sent)) {
    const std::string name = entry.path().filename();
    up.push_back({entry.path(), store::Key(name)});
    down.push_back({store::Key(name), got / name, entry.file_size()});
  }
  FileOptions options;
  options.part_bytes = kPart;
  const Status put = UploadFiles(OpContext(), engine, up, options);
  EXPECT_TRUE(put.ok()) << put.error().ToString();
  const Status fetched = DownloadFiles(OpContext(), engine, down, options);
  EXPECT_TRUE(fetched.ok()) << fetched.error().ToString();
  for (size_t i = 0; i < up.size(); ++i)
    EXPECT_TRUE(ReadAll(up[i].path) == ReadAll(down[i].path)) << up[i].path;
  return proxy.requests() - before;
}

TEST(Storm, OfSlowDownCostsAtMostHalfAsManyMoreRequestsAndEnds) {
  const fs::path folder =
      fs::path(testing::TempDir()) / ("varve-storm-" + std::to_string(OsRandom().Next64()));
  for (const char* name : {"sent", "calm", "storm"}) fs::create_directories(folder / name);
  SeededRandom random(5);
  for (uint64_t i = 0; i < kFiles; ++i) {
    // A few in parts, the rest whole.
    std::string content(i < 2 ? 2 * kPart + 9 : 1 + random.Between(0, 4096), 0);
    for (char& letter : content) letter = static_cast<char>(random.Next64());
    std::ofstream(folder / "sent" / std::to_string(i), std::ios::binary) << content;
  }
  const auto fake = std::move(fake::FakeS3::Start({})).value();
  const auto proxy =
      std::move(liar::Liar::Start({.port = 0, .upstream_port = fake->port()})).value();
  const uint64_t calm = Move(*proxy, "calm", folder / "sent", folder / "calm");
  EXPECT_GE(calm, 2 * kFiles);
  proxy->Storm(1, 300, {liar::Lie::kSlowDown});
  const uint64_t stormy = Move(*proxy, "storm", folder / "sent", folder / "storm");
  EXPECT_GE(proxy->told(), stormy / 4) << "there was no storm";
  EXPECT_LE(stormy, calm * 3 / 2);
  RecordProperty("calm", std::to_string(calm));
  RecordProperty("stormy", std::to_string(stormy));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace varve::transfer
