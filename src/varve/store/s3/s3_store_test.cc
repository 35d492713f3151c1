// Goal: no answer of a server, missing or wrong, is taken for more than it proves; a real server
// keeps the promises of the seam. Method: the fake server, which checks each signature on its own
// and fails on demand; the conformance suite on the fake and on the server that VARVE_TEST_S3 names
// (s3://bucket/prefix, with the usual AWS_* variables; tools/rgw.sh starts one).
#include "varve/store/s3/s3_store.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <thread>

#include "varve/base/random.h"
#include "varve/store/conformance/conformance.h"
#include "varve/store/s3/signing/sigv4.h"
#include "varve/testing/fake_s3/client_config.h"
#include "varve/testing/fake_s3/fake_s3.h"

namespace varve::store {
namespace {

const Credentials kExample{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "",
                           0};

TEST(S3Config, SaysWhatIsMissing) {
  EXPECT_EQ(LoadS3Config("s3://bucket").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(LoadS3Config("s3://bucket/a/../b").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(LoadS3Config("s3:///x").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(LoadS3Config("http://bucket/x").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(LoadS3Config("s3://buc?ket/x").error().code(), ErrorCode::kInvalidArgument);
}

class FakeS3Test : public testing::Test {
 protected:
  FakeS3Test() : fake_(std::move(fake::FakeS3::Start({})).value()) {}

  S3Config Config() const { return fake::ClientConfig(fake_->endpoint()); }

  const OpContext ctx_;
  std::unique_ptr<fake::FakeS3> fake_;
};

TEST_F(FakeS3Test, Conformance) {
  int count = 0;
  for (const bool unsigned_payload : {true, false}) {
    RunConformance([&]() -> std::shared_ptr<ObjectStore> {
      S3Config config = Config();
      config.prefix = "lake" + std::to_string(++count);
      config.unsigned_payload = unsigned_payload;
      return std::make_shared<S3Store>(config);
    });
  }
}

// A commit whose answer is lost has landed. Called a conflict, it would be made twice or reported
// lost.
TEST_F(FakeS3Test, ALostAnswerToCasIsUnknownAlsoOnAKeptConnection) {
  S3Store store(Config());
  const auto first = store.Cas(ctx_, Key("head"), AsBytes("one"), std::nullopt);
  ASSERT_TRUE(first.ok()) << first.error().ToString();  // The connection is kept from here on.
  const uint64_t before = fake_->requests();
  fake_->Inject(fake::Fault::kWithholdAnswer);
  EXPECT_EQ(store.Cas(ctx_, Key("head"), AsBytes("two"), first->etag).error().code(),
            ErrorCode::kUnknownOutcome);
  EXPECT_EQ(fake_->requests() - before, 1u) << "a second sending would answer for the first";
  EXPECT_EQ(AsText(store.Get(ctx_, Key("head"), {})->body), "two");
}

TEST_F(FakeS3Test, CasTellsWhatItKnows) {
  S3Store store(Config());
  const auto code = [&](fake::Fault fault) {
    fake_->Inject(fault);
    return store.Cas(ctx_, Key("head"), AsBytes("x"), std::nullopt).error().code();
  };
  EXPECT_EQ(code(fake::Fault::kWithholdRequest), ErrorCode::kUnknownOutcome);
  EXPECT_EQ(code(fake::Fault::kSlowDown), ErrorCode::kUnknownOutcome);
  EXPECT_EQ(store.Head(ctx_, Key("head")).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(code(fake::Fault::kServedButError), ErrorCode::kUnknownOutcome);
  EXPECT_EQ(store.Head(ctx_, Key("head"))->bytes, 1u);
}

TEST_F(FakeS3Test, ADeadlineBeforeTheRequestIsATimeout) {
  S3Store store(Config());
  const OpContext late = ctx_.WithTimeout(0);
  EXPECT_EQ(store.Cas(late, Key("head"), AsBytes("x"), std::nullopt).error().code(),
            ErrorCode::kTimeout);
  EXPECT_EQ(fake_->requests(), 0u);
}

// A server that accepts and never answers.
TEST_F(FakeS3Test, DeadlineAndCancelEndAWaitingCall) {
  const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(silent, 8), 0);
  ASSERT_EQ(getsockname(silent, reinterpret_cast<sockaddr*>(&address), &length), 0);
  S3Config config = Config();
  config.endpoint = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  S3Store store(config);
  const OpContext brief = ctx_.WithTimeout(200);
  EXPECT_EQ(store.Head(brief, Key("k")).error().code(), ErrorCode::kTimeout);
  const OpContext again = ctx_.WithTimeout(200);
  EXPECT_EQ(store.Cas(again, Key("k"), AsBytes("x"), std::nullopt).error().code(),
            ErrorCode::kUnknownOutcome);
  CancelToken cancel;
  const OpContext ctx(SystemClock(), OsRandom(), cancel);
  std::thread other([cancel]() mutable {
    SystemClock().SleepUntil(SystemClock().SteadyNs() + 100'000'000);
    cancel.Cancel();
  });
  EXPECT_EQ(store.Head(ctx, Key("k")).error().code(), ErrorCode::kCancelled);
  other.join();
  close(silent);
}

TEST_F(FakeS3Test, AWrongAnswerToAReadIsNoData) {
  S3Store store(Config());
  ASSERT_TRUE(store.PutNew(ctx_, Key("k"), AsBytes("0123456789")).ok());
  Bytes into(4);
  const auto ranged = [&](fake::Fault fault) {
    fake_->Inject(fault);
    return store.GetRange(ctx_, Key("k"), 2, into).error().code();
  };
  EXPECT_EQ(ranged(fake::Fault::kOtherRange), ErrorCode::kCorrupt);
  EXPECT_EQ(ranged(fake::Fault::kWholeObject), ErrorCode::kCorrupt);
  EXPECT_EQ(ranged(fake::Fault::kTruncateBody), ErrorCode::kUnavailable);
  EXPECT_EQ(ranged(fake::Fault::kSlowDown), ErrorCode::kThrottled);
  EXPECT_EQ(store.GetRange(ctx_, Key("k"), UINT64_MAX - 1, into).error().code(),
            ErrorCode::kCorrupt);
  fake_->Inject(fake::Fault::kTruncateBody);
  EXPECT_EQ(store.Get(ctx_, Key("k"), {}).error().code(), ErrorCode::kUnavailable);
  fake_->Inject(fake::Fault::kWholeObject);  // Allowed: the suffix is cut from it here.
  EXPECT_EQ(AsText(store.Get(ctx_, Key("k"), {.suffix_bytes = 3, .if_none_match = {}})->body),
            "789");
  fake_->Inject(fake::Fault::kBadListing);
  EXPECT_EQ(store.List(ctx_, "", {}).error().code(), ErrorCode::kCorrupt);
  ASSERT_TRUE(store.PutNew(ctx_, Key("empty"), {}).ok());
  EXPECT_TRUE(
      store.Get(ctx_, Key("empty"), {.suffix_bytes = 3, .if_none_match = {}})->body.empty());
}

TEST_F(FakeS3Test, MessagesNameTheCauseAndNoSecret) {
  struct Case {
    ErrorCode code;
    std::string needle;
    std::function<void(S3Config&)> spoil;
  };
  const Case cases[] = {
      {ErrorCode::kNotFound, "bucket 'other' does not exist",
       [](S3Config& c) { c.bucket = "other"; }},
      {ErrorCode::kPermissionDenied, "AWS_ACCESS_KEY_ID",
       [](S3Config& c) { c.credentials.access_key = "who"; }},
      {ErrorCode::kPermissionDenied, "AWS_SECRET_ACCESS_KEY",
       [](S3Config& c) { c.credentials.secret_key = "s3cret"; }},
      {ErrorCode::kInvalidArgument, "AWS_REGION", [](S3Config& c) { c.region = "mars-1"; }},
      {ErrorCode::kUnavailable, "no such host",
       [](S3Config& c) { c.endpoint = "http://no-such-host.invalid"; }},
  };
  for (const Case& each : cases) {
    S3Config config = Config();
    each.spoil(config);
    S3Store store(config);
    const Error error = store.List(ctx_, "", {}).error();
    EXPECT_EQ(error.code(), each.code) << error.ToString();
    EXPECT_NE(error.ToString().find(each.needle), std::string::npos) << error.ToString();
    EXPECT_EQ(error.ToString().find(config.credentials.secret_key.Reveal()), std::string::npos);
  }
  S3Config config = Config();
  config.bucket = "other";
  const std::vector<Key> keys{Key("a")};
  EXPECT_EQ(S3Store(config).Delete(ctx_, keys).error().code(), ErrorCode::kNotFound);
}

TEST(S3Store, ARefusedConnectionIsUnavailableAndNothingWasSent) {
  S3Config config;
  config.bucket = "b";
  config.prefix = "p";
  config.endpoint = "http://127.0.0.1:9";  // The discard port: nothing listens there.
  config.path_style = true;
  config.credentials = kExample;
  S3Store store(config);
  const auto read = store.Get(OpContext(), Key("k"), {});
  EXPECT_EQ(read.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(read.error().ToString().find(kExample.secret_key.Reveal()), std::string::npos);
  EXPECT_EQ(store.Cas(OpContext(), Key("k"), {}, std::nullopt).error().code(),
            ErrorCode::kUnavailable);
}

TEST(S3Store, ConformanceOnARealServer) {
  const char* url = std::getenv("VARVE_TEST_S3");
  if (url == nullptr) GTEST_SKIP() << "VARVE_TEST_S3 is not set";
  RunConformance([&]() -> std::shared_ptr<ObjectStore> {
    auto store = S3Store::Open(std::string(url) + "/" + std::to_string(OsRandom().Next64()));
    EXPECT_TRUE(store.ok()) << store.error().ToString();
    return std::move(store).value();
  });
}

}  // namespace
}  // namespace varve::store
