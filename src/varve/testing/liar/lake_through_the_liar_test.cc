// Goal: through a store and a network that lie, a lake never loses an acknowledged version and
// never returns a wrong byte; what fails says so. Method: saves and loads through the proxy in a
// storm drawn from a seed; every acknowledged version is then read without the proxy and compared.
// VARVE_SEED repeats one run, VARVE_ROUNDS makes it longer.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "varve/base/random.h"
#include "varve/lake/lake.h"
#include "varve/store/retry/retry_store.h"
#include "varve/store/s3/s3_store.h"
#include "varve/testing/fake_s3/client_config.h"
#include "varve/testing/fake_s3/fake_s3.h"
#include "varve/testing/liar/liar.h"
#include "varve/testing/random_bytes.h"

namespace varve::liar {
namespace {

constexpr uint32_t kPerMille = 150;
constexpr size_t kValueBytes = 64 * kKiB;
constexpr int64_t kPatienceMs = 30'000;

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// All lies but those that only pass time.
std::vector<Lie> Lively() {
  std::vector<Lie> lies;
  for (const LieInfo& info : kLies) {
    const bool slow = info.lie == Lie::kSilenceAfter || info.lie == Lie::kBlackHole ||
                      info.lie == Lie::kDrip || info.lie == Lie::kEndlessBody ||
                      info.lie == Lie::kEndlessHeaders;
    if (!slow) lies.push_back(info.lie);
  }
  return lies;
}

std::shared_ptr<store::ObjectStore> StoreAt(const std::string& endpoint) {
  const store::RetryOptions brief{.tries_max = 6,
                                  .throttled_tries_max = 6,
                                  .backoff_ms = 1,
                                  .throttle_backoff_ms = 2,
                                  .backoff_max_ms = 5};
  return std::make_shared<store::RetryStore>(
      std::make_shared<store::S3Store>(fake::ClientConfig(endpoint)), brief,
      std::make_shared<store::Pacer>(1'000'000));
}

Bytes Values(uint64_t seed) { return RandomBytes(kValueBytes, seed); }

Result<uint64_t> Save(const OpContext& ctx, lake::Lake& lake, uint64_t seed) {
  const Bytes values = Values(seed);
  VARVE_TRY(auto session, lake.BeginSave(ctx, "model", {}));
  VARVE_CHECK_OK(session->AddTensor(ctx, "w", codec::DType::kU8, {values.size()}, values,
                                    lake::SaveSession::Hold::kBorrow));
  VARVE_TRY(const auto report, session->Commit(ctx));
  return report.version;
}

Result<Bytes> Load(const OpContext& ctx, lake::Lake& lake, uint64_t version) {
  VARVE_TRY(const auto opened, lake.OpenAt(ctx, "model@v" + std::to_string(version)));
  Bytes values(kValueBytes);
  VARVE_CHECK_OK(opened->ReadTensors(ctx, {{.index = 0, .into = values}}));
  return values;
}

TEST(LakeThroughTheLiar, LosesNothingAcknowledgedAndReturnsNoWrongByte) {
  const uint64_t seed = Setting("VARVE_SEED", OsRandom().Next64() % 1'000'000'000);
  const uint64_t rounds = Setting("VARVE_ROUNDS", 30);
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
  const auto fake = std::move(fake::FakeS3::Start({})).value();
  const auto liar = std::move(Liar::Start({.port = 0, .upstream_port = fake->port()})).value();
  const OpContext ctx;
  ASSERT_TRUE(lake::Lake::Init(ctx, *StoreAt(fake->endpoint())).ok());
  const lake::LakeOptions options{.cpu_threads = 1, .transfers = 2, .memory_bytes = 128 * kMiB};

  std::map<uint64_t, uint64_t> acknowledged;  // Version to the seed of its bytes.
  uint64_t failed_saves = 0, failed_loads = 0, loads = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    liar->Storm(seed + round * 1'000'003, kPerMille, Lively());
    const OpContext patient = ctx.WithTimeout(kPatienceMs);
    auto lake = lake::Lake::Open(patient, StoreAt(liar->endpoint()), options);
    for (int step = 0; step < 3 && lake.ok(); ++step) {
      const uint64_t mine = seed + round * 10 + static_cast<uint64_t>(step);
      const auto saved = Save(patient, **lake, mine);
      if (saved.ok()) {
        EXPECT_TRUE(acknowledged.emplace(*saved, mine).second) << "one number for two versions";
      } else {
        ++failed_saves;
        EXPECT_EQ(saved.error().ToString().find("fakesecret"), std::string::npos);
      }
      if (acknowledged.empty()) continue;
      const auto known =
          std::next(acknowledged.begin(), static_cast<std::ptrdiff_t>(mine % acknowledged.size()));
      const auto loaded = Load(patient, **lake, known->first);
      ++loads;
      if (loaded.ok())
        EXPECT_TRUE(*loaded == Values(known->second)) << "a wrong byte of v" << known->first;
      else
        ++failed_loads;
    }
    liar->Calm();
    liar->WakeZombies();  // Minutes later, what was swallowed arrives all the same.
  }
  auto lake = lake::Lake::Open(ctx, StoreAt(fake->endpoint()), options);
  ASSERT_TRUE(lake.ok());
  for (const auto& [version, mine] : acknowledged) {
    const auto loaded = Load(ctx, **lake, version);
    ASSERT_TRUE(loaded.ok()) << "v" << version << ": " << loaded.error().ToString();
    EXPECT_TRUE(*loaded == Values(mine)) << "v" << version;
  }
  EXPECT_GT(acknowledged.size(), rounds / 2) << "the storm let almost nothing through";
  EXPECT_GT(liar->told(), rounds) << "there was no storm";
  RecordProperty("acknowledged", std::to_string(acknowledged.size()));
  RecordProperty("failed_saves", std::to_string(failed_saves));
  RecordProperty("failed_loads", std::to_string(failed_loads));
  RecordProperty("loads", std::to_string(loads));
  RecordProperty("told", std::to_string(liar->told()));
}

}  // namespace
}  // namespace varve::liar
