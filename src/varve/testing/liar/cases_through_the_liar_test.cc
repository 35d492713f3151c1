// Goal: the losses of docs/incidents.md that happen on the wire lose nothing: an answer that is
// lost, doubled or odd ends as one version, or as an error that says what is known. Method: saves
// of a real lake through the proxy to the strict fake; the truth is read without the proxy.
#include <gtest/gtest.h>

#include "varve/lake/sample_stores.h"
#include "varve/store/retry/retry_store.h"
#include "varve/store/s3/s3_store.h"
#include "varve/testing/fake_s3/client_config.h"
#include "varve/testing/fake_s3/fake_s3.h"
#include "varve/testing/liar/liar.h"

namespace varve::liar {
namespace {

using lake::TraceStore;
using store::Key;

class Wire : public testing::Test {
 protected:
  Wire()
      : fake_(std::move(fake::FakeS3::Start({})).value()),
        liar_(std::move(Liar::Start({.port = 0, .upstream_port = fake_->port()})).value()),
        truth_(std::make_shared<store::S3Store>(fake::ClientConfig(fake_->endpoint()))) {
    EXPECT_TRUE(lake::Lake::Init(lake::kGcCtx, *truth_).ok());
  }
  // A saver whose requests pass the proxy; what it asks of the store, before retries, is traced.
  std::unique_ptr<lake::Lake> Saver() {
    const store::RetryOptions brief{.tries_max = 4,
                                    .throttled_tries_max = 4,
                                    .backoff_ms = 1,
                                    .throttle_backoff_ms = 1,
                                    .backoff_max_ms = 5};
    traced_ = std::make_shared<TraceStore>(std::make_shared<store::RetryStore>(
        std::make_shared<store::S3Store>(fake::ClientConfig(liar_->endpoint())), brief,
        std::make_shared<store::Pacer>(1'000'000)));
    return lake::GcOpen(traced_);
  }
  void Tell(Lie lie, const char* classes, uint32_t after = 0, uint32_t times = 1) {
    liar_->Tell({.lie = lie, .classes = classes, .after = after, .times = times, .seed = 1});
  }
  size_t Versions(const std::string& name) {
    const auto history = lake::GcOpen(truth_)->History(lake::kGcCtx, name, 100);
    return history.ok() ? history->size() : 0;
  }
  std::set<std::string> Keys() { return lake::GcKeys(*truth_, ""); }
  // One version, with its bytes; nothing was deleted.
  void ExpectOnce(const std::string& name, const std::set<std::string>& before) {
    EXPECT_EQ(Versions(name), 1U);
    VARVE_EXPECT_OK(lake::GcLoads(*lake::GcOpen(truth_), name + "@v1", 1, 2));
    EXPECT_EQ(traced_->Count("delete") + traced_->Count("abort"), 0U);
    const std::set<std::string> after = Keys();
    EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
  }

  // A save whose conditional writes (the head's birth, its move) are lied about, one each time; it
  // is acknowledged as v1. `then(name, saver, keys before)` checks the rest.
  template <typename Then>
  void SaveThroughEach(std::initializer_list<Lie> lies, const Then& then) {
    int number = 0;
    for (const Lie lie : lies) {
      for (const uint32_t after : {0U, 1U}) {
        SCOPED_TRACE(std::string(InfoOf(lie).name) + " after " + std::to_string(after));
        const std::string name = "m" + std::to_string(++number);
        const auto saver = Saver();
        const std::set<std::string> before = Keys();
        Tell(lie, "C", after);
        const uint64_t told = liar_->told();
        const auto saved = lake::GcSave(*saver, name, 1, 2);
        ASSERT_TRUE(saved.ok()) << saved.error().ToString();
        EXPECT_EQ(liar_->told(), told + 1);
        EXPECT_EQ(saved->version, 1U) << "reported once, as what it is";
        then(name, *saver, before);
      }
    }
  }

  const std::unique_ptr<fake::FakeS3> fake_;
  const std::unique_ptr<Liar> liar_;
  const std::shared_ptr<store::ObjectStore> truth_;
  std::shared_ptr<TraceStore> traced_;
};
using Case21 = Wire;
using Case22 = Wire;
using Incident13 = Wire;
using Incident14 = Wire;
using Incident24 = Wire;

// Every conditional write of a save is applied and its answer lost.
TEST_F(Incident13, AnAnswerLostOfAConditionalWriteIsOneVersion) {
  SaveThroughEach({Lie::kError500After, Lie::kResetAfter, Lie::kCloseAfter},
                  [&](const std::string& name, lake::Lake&, const std::set<std::string>& before) {
                    ExpectOnce(name, before);
                  });
  // Nothing is answered until the deadline: "unknown", with the version there, and nothing deleted.
  const auto saver = Saver();
  const std::set<std::string> before = Keys();
  const OpContext brief = lake::kGcCtx.WithTimeout(1500);
  Tell(Lie::kSilenceAfter, "C", 1, 100);
  auto session = saver->BeginSave(brief, "silent", {});
  ASSERT_TRUE(session.ok());
  const Bytes w = RandomBytes(160, 1), m = RandomBytes(80, 2);
  VARVE_EXPECT_OK((*session)->AddTensor(brief, "w", codec::DType::kF32, {40}, w,
                                        lake::SaveSession::Hold::kCopy));
  VARVE_EXPECT_OK((*session)->AddTensor(brief, "m", codec::DType::kF32, {20}, m,
                                        lake::SaveSession::Hold::kCopy));
  const auto saved = (*session)->Commit(brief);
  ASSERT_FALSE(saved.ok());
  EXPECT_EQ(saved.error().code(), ErrorCode::kUnknownOutcome) << saved.error().ToString();
  ExpectOnce("silent", before);
}

// The transport sends the conditional write twice: the second answer says "another version is
// there", which is our own.
TEST_F(Incident14, ARequestThatWasSentTwiceIsOneVersion) {
  SaveThroughEach(
      {Lie::kTwice, Lie::kResetAfter, Lie::kZombie},
      [&](const std::string& name, lake::Lake& saver, const std::set<std::string>& before) {
        liar_->WakeZombies();  // Minutes later it arrives once more, and is refused.
        ExpectOnce(name, before);
        const auto next = lake::GcSave(saver, name, 3, 4);
        ASSERT_TRUE(next.ok()) << next.error().ToString();
        EXPECT_EQ(next->version, 2U);
        EXPECT_EQ(Versions(name), 2U);
      });
}

// ETags that are weak, odd or missing, in every answer: it works, or ends soon with an error;
// never one version reported and another there, never tries without end.
TEST_F(Case21, EtagsOfEveryForm) {
  for (const Lie lie : {Lie::kWeakEtag, Lie::kNoEtag, Lie::kOddEtag}) {
    for (const char* classes : {"C", "R", "W", "RWC"}) {
      const std::string name = std::string(InfoOf(lie).name) + classes;
      SCOPED_TRACE(name);
      liar_->Calm();
      const auto saver = Saver();
      Tell(lie, classes, 0, 1000);
      const uint64_t asked = liar_->requests();
      const auto saved = lake::GcSave(*saver, name, 1, 2);
      EXPECT_LT(liar_->requests() - asked, 100U);
      // A condition never holds for a weak one: a store that has no other is no store for writers.
      const bool may_fail = lie != Lie::kWeakEtag || std::string_view(classes) == "RWC";
      EXPECT_TRUE(saved.ok() || may_fail) << saved.error().ToString();
      liar_->Calm();
      EXPECT_LE(Versions(name), 1U);
      EXPECT_TRUE(Versions(name) == 1 || !saved.ok()) << "it was acknowledged";
      if (Versions(name) == 1) {
        VARVE_EXPECT_OK(lake::GcLoads(*lake::GcOpen(truth_), name + "@v1", 1, 2));
      }
      const auto next = lake::GcSave(*Saver(), name, 1, 2);
      ASSERT_TRUE(next.ok()) << next.error().ToString();
    }
  }
}

// The completion of an upload lands, its answer is lost, and the retry hears "no such upload".
TEST_F(Case22, ACompletionWithoutAnAnswerIsJudgedByWhatIsThere) {
  int number = 0;
  const auto direct = Saver();  // For its store.
  for (const Lie lie : {Lie::kError500After, Lie::kResetAfter, Lie::kCloseAfter}) {
    SCOPED_TRACE(std::string(InfoOf(lie).name));
    const Key key("probe/upload" + std::to_string(++number));
    const Bytes body = RandomBytes(5 * kMiB + 7, static_cast<uint64_t>(number));
    const auto id = traced_->CreateMultipart(lake::kGcCtx, key);
    ASSERT_TRUE(id.ok()) << id.error().ToString();
    const auto part = traced_->PutPart(lake::kGcCtx, key, *id, 1, body);
    ASSERT_TRUE(part.ok());
    Tell(lie, "M");
    const auto done = traced_->CompleteMultipart(lake::kGcCtx, key, *id, {&*part, 1});
    ASSERT_TRUE(done.ok()) << done.error().ToString();
    Bytes back(body.size());
    ASSERT_TRUE(truth_->GetRange(lake::kGcCtx, key, 0, back).ok());
    EXPECT_TRUE(back == body);
    // Asked again, as by a process that died before it wrote the answer down.
    EXPECT_TRUE(traced_->CompleteMultipart(lake::kGcCtx, key, *id, {&*part, 1}).ok());
  }
  // "No such upload", and another object, or none, under the name: no success.
  const store::PartReply part{store::Etag("e"), "", 1, 3};
  const Key other("probe/other");
  ASSERT_TRUE(truth_->PutNew(lake::kGcCtx, other, AsBytes("longer")).ok());
  EXPECT_FALSE(traced_->CompleteMultipart(lake::kGcCtx, other, "gone", {&part, 1}).ok());
  EXPECT_EQ(traced_->CompleteMultipart(lake::kGcCtx, Key("probe/none"), "gone", {&part, 1})
                .error()
                .code(),
            ErrorCode::kNotFound);
}

// The answer to a completion takes its time: the one request is waited for.
TEST_F(Incident24, ASlowCompletionIsSentOnce) {
  const auto direct = Saver();
  const Key key("probe/upload");
  const Bytes body = RandomBytes(5 * kMiB, 1);
  const auto id = traced_->CreateMultipart(lake::kGcCtx, key);
  const auto part = traced_->PutPart(lake::kGcCtx, key, *id, 1, body);
  ASSERT_TRUE(part.ok());
  Tell(Lie::kBlanks, "M");
  const uint64_t asked = liar_->requests(), told = liar_->told();
  const auto done = traced_->CompleteMultipart(lake::kGcCtx, key, *id, {&*part, 1});
  ASSERT_TRUE(done.ok()) << done.error().ToString();
  EXPECT_EQ(liar_->told(), told + 1);
  EXPECT_EQ(liar_->requests() - asked, 2U) << "the completion, and a look at what is there";
  Bytes back(body.size());
  ASSERT_TRUE(truth_->GetRange(lake::kGcCtx, key, 0, back).ok());
  EXPECT_TRUE(back == body);
}

}  // namespace
}  // namespace varve::liar
