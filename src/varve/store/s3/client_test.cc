// Goal: a refusal that says what to change is obeyed once and never leads to another host; an
// answer that is not what S3 answers is an error with its request id, never bytes and never "done".
// Method: a scripted server that answers what each test says and keeps what it was asked.
#include "varve/store/s3/client.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <mutex>

#include "varve/hash/hash.h"
#include "varve/store/s3/replies.h"
#include "varve/store/s3/s3_store.h"
#include "varve/store/s3/signing/times.h"
#include "varve/testing/fake_s3/http_server.h"

namespace varve::store {
namespace {

using fake::HttpReply;
using fake::HttpRequest;
using fake::HttpServer;

HttpReply Reply(int status, std::string_view text, Pairs headers = {}) {
  HttpReply reply;
  const ByteView bytes = AsBytes(text);
  reply.status = status;
  reply.owner = std::make_shared<const Bytes>(bytes.begin(), bytes.end());
  reply.body = *reply.owner;
  for (auto& header : headers) reply.headers.push_back(std::move(header));
  reply.headers.emplace_back("x-amz-request-id", "REQ1");
  return reply;
}

HttpReply Refused(int status, const std::string& code, Pairs headers = {}) {
  return Reply(status, "<Error><Code>" + code + "</Code><Message>m</Message></Error>",
               std::move(headers));
}

class ShiftedClock final : public Clock {
 public:
  int64_t WallMs() const override { return SystemClock().WallMs() + shift_ms; }
  int64_t SteadyNs() const override { return SystemClock().SteadyNs() + steady_shift_ns; }
  void SleepUntil(int64_t steady_ns) override { SystemClock().SleepUntil(steady_ns); }
  int64_t shift_ms = 0, steady_shift_ns = 0;
};

class ScriptTest : public testing::Test {
 protected:
  ScriptTest() {
    auto server = HttpServer::Start(0, [this](const HttpRequest& request) {
      const std::lock_guard lock(mutex_);
      asked_.push_back(request);
      if (script_.empty()) return Reply(200, "ok", {{"ETag", "\"e\""}});
      HttpReply reply = script_.front();
      script_.pop_front();
      return reply;
    });
    EXPECT_TRUE(server.ok());
    server_ = std::move(*server);
    config_.bucket = "bucket";
    config_.prefix = "lake";
    config_.endpoint = "http://127.0.0.1:" + std::to_string(server_->port());
    config_.path_style = true;
    config_.credentials = {"key", "CANARYsecret", "", 0};
  }

  std::string Asked(size_t index, const std::string& header) {
    const auto found = asked_.at(index).headers.find(header);
    return found == asked_.at(index).headers.end() ? "" : found->second;
  }
  template <typename T>
  void ExpectError(const Result<T>& result, ErrorCode code) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), code) << result.error().ToString();
    EXPECT_EQ(result.error().request_id(), "REQ1") << result.error().ToString();
    EXPECT_EQ(result.error().ToString().find("CANARY"), std::string::npos);
    EXPECT_EQ(result.error().ToString().find('\n'), std::string::npos);
  }

  const OpContext ctx_ = OpContext().WithTimeout(20'000);
  S3Config config_;
  std::mutex mutex_;
  std::deque<HttpReply> script_;
  std::vector<HttpRequest> asked_;
  std::unique_ptr<HttpServer> server_;  // Last: its threads use the rest.
};

TEST_F(ScriptTest, AnotherRegionIsLearnedOnceAlsoForACas) {
  S3Store store(config_);
  script_ = {Refused(400, "AuthorizationHeaderMalformed", {{"x-amz-bucket-region", "eu-west-9"}})};
  EXPECT_TRUE(store.Cas(ctx_, Key("head"), AsBytes("x"), std::nullopt).ok());
  EXPECT_NE(Asked(1, "authorization").find("/eu-west-9/s3/"), std::string::npos);
  EXPECT_TRUE(store.PutNew(ctx_, Key("k"), AsBytes("x")).ok());
  EXPECT_EQ(asked_.size(), 3u);
  EXPECT_NE(Asked(2, "authorization").find("/eu-west-9/s3/"), std::string::npos);
}

TEST_F(ScriptTest, AHeadThatSaysNothingIsAskedAgainAsAGet) {
  S3Store store(config_);
  HttpReply silent = Reply(400, "");
  script_ = {
      silent,
      Reply(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-x</Region></Error>"),
      Reply(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
      Reply(200, "", {{"ETag", "\"e\""}})};
  EXPECT_TRUE(store.Head(ctx_, Key("k")).ok());
  ASSERT_EQ(asked_.size(), 4u);
  EXPECT_EQ(asked_[1].method, "GET");
  EXPECT_NE(Asked(3, "authorization").find("/eu-x/s3/"), std::string::npos);
}

TEST_F(ScriptTest, ARefusedHeadIsExplainedByAGet) {
  S3Store store(config_);
  script_ = {Reply(403, ""), Refused(403, "InvalidAccessKeyId")};
  const auto refused = store.Head(ctx_, Key("k"));
  ExpectError(refused, ErrorCode::kPermissionDenied);
  EXPECT_NE(refused.error().message().find("check AWS_ACCESS_KEY_ID"), std::string::npos);
  script_ = {Reply(403, ""), Reply(200, "<ListBucketResult/>")};
  ExpectError(store.Head(ctx_, Key("k")), ErrorCode::kPermissionDenied);
  EXPECT_EQ(asked_.size(), 4u) << "asked once";
}

TEST_F(ScriptTest, RedirectsEndAndNeverReachAnotherHost) {
  auto other = HttpServer::Start(0, [](const HttpRequest&) {
    ADD_FAILURE() << "a request followed a redirect";
    return Reply(200, "");
  });
  ASSERT_TRUE(other.ok());
  const std::string target = "http://127.0.0.1:" + std::to_string((*other)->port()) + "/b?X=CANARY";
  S3Store store(config_);
  for (const int status : {301, 302, 307, 308}) {
    script_ = {Reply(status, "", {{"Location", target}})};
    const auto result = store.Get(ctx_, Key("k"), {});
    ExpectError(result, ErrorCode::kInvalidArgument);
    EXPECT_NE(result.error().message().find("set AWS_ENDPOINT_URL"), std::string::npos);
  }
  asked_.clear();
  for (int i = 0; i < 20; ++i) {
    script_.push_back(Reply(301, "", {{"x-amz-bucket-region", i % 2 == 0 ? "r-a" : "r-b"}}));
  }
  const auto looped = store.Get(ctx_, Key("k"), {});
  ExpectError(looped, ErrorCode::kInvalidArgument);
  EXPECT_EQ(asked_.size(), 1u + Client::kRegionHopsMax);
  script_ = {Reply(301, "", {{"x-amz-bucket-region", "evil.example/"}})};
  ExpectError(store.Get(ctx_, Key("k"), {}), ErrorCode::kInvalidArgument);
}

TEST_F(ScriptTest, TheServersClockIsLearned) {
  ShiftedClock clock;
  const OpContext late(clock, OsRandom());
  S3Store store(config_);
  const std::string date = "Tue, 24 Nov 2026 12:00:30 GMT";  // Any: the difference counts.
  clock.shift_ms = ParseHttpDate(date) - 3'600'000 - SystemClock().WallMs();
  script_ = {Refused(403, "RequestTimeTooSkewed", {{"Date", date}})};
  EXPECT_TRUE(store.PutNew(late, Key("k"), AsBytes("x")).ok());
  EXPECT_EQ(Asked(1, "x-amz-date").substr(0, 11), "20261124T12");
  EXPECT_TRUE(store.PutNew(late, Key("k"), AsBytes("x")).ok());
  EXPECT_EQ(Asked(2, "x-amz-date").substr(0, 11), "20261124T12") << "kept";
  EXPECT_EQ(asked_.size(), 3u);
  S3Store other(config_);
  asked_.clear();
  script_ = {Reply(403, "", {{"Date", date}}), Reply(200, "", {{"ETag", "\"e\""}})};
  EXPECT_TRUE(other.Head(late, Key("k")).ok()) << "a HEAD shows only 403";
  script_ = {Refused(403, "RequestTimeTooSkewed"), Refused(403, "RequestTimeTooSkewed")};
  S3Store third(config_);
  ExpectError(third.PutNew(late, Key("k"), {}), ErrorCode::kPermissionDenied);
}

class CountingProvider final : public Provider {
 public:
  explicit CountingProvider(int& count) : count_(count) {}
  Result<std::optional<Credentials>> Fetch(const OpContext& ctx) override {
    ++count_;
    return std::optional(Credentials{"key" + std::to_string(count_), "CANARYsecret", "CANARYtoken",
                                     ctx.clock().WallMs() + 600'000});
  }

 private:
  int& count_;
};

TEST_F(ScriptTest, AnEndedTokenIsRenewedOnceAndTheRequestSentAgain) {
  int fetches = 0;
  ShiftedClock clock;
  config_.credentials = {};
  config_.credential_source =
      std::make_shared<CredentialCache>(std::make_unique<CountingProvider>(fetches));
  S3Store store(config_);
  const OpContext ctx(clock, OsRandom());
  EXPECT_TRUE(store.PutNew(ctx, Key("k"), {}).ok());
  EXPECT_EQ(Asked(0, "x-amz-security-token"), "CANARYtoken");
  script_ = {Refused(400, "ExpiredToken")};
  ExpectError(store.Cas(ctx, Key("head"), AsBytes("x"), std::nullopt),
              ErrorCode::kPermissionDenied);  // Fetched a moment ago: there is nothing newer.
  EXPECT_EQ(fetches, 1);
  EXPECT_EQ(asked_.size(), 2u);
  clock.steady_shift_ns = (CredentialCache::kRetryAfterMs + 1000) * 1'000'000;
  script_ = {Refused(400, "ExpiredToken")};
  EXPECT_TRUE(store.Cas(ctx, Key("head"), AsBytes("x"), std::nullopt).ok());
  EXPECT_EQ(fetches, 2);
  EXPECT_NE(Asked(3, "authorization").find("Credential=key2/"), std::string::npos);
}

TEST_F(ScriptTest, AChecksumThatTheServerDoesNotKnowIsReplacedNeverDropped) {
  S3Store store(config_);
  script_ = {Refused(501, "NotImplemented"), Refused(400, "InvalidArgument")};
  EXPECT_TRUE(store.PutNew(ctx_, Key("k"), AsBytes("body")).ok());
  EXPECT_NE(Asked(0, "x-amz-checksum-crc64nvme"), "");
  EXPECT_NE(Asked(1, "x-amz-checksum-crc32c"), "");
  EXPECT_EQ(Asked(1, "x-amz-checksum-crc64nvme"), "");
  EXPECT_NE(Asked(2, "content-md5"), "");
  EXPECT_TRUE(store.PutNew(ctx_, Key("k"), AsBytes("body")).ok());
  EXPECT_NE(Asked(3, "content-md5"), "") << "learned";
  S3Store other(config_);
  asked_.clear();
  script_ = {Refused(501, "NotImplemented"), Refused(501, "NotImplemented"),
             Refused(501, "NotImplemented")};
  ExpectError(other.Cas(ctx_, Key("h"), AsBytes("x"), std::nullopt), ErrorCode::kUnsupported);
  EXPECT_TRUE(other.PutNew(ctx_, Key("k"), AsBytes("x")).ok());
  EXPECT_NE(Asked(3, "x-amz-checksum-crc64nvme"), "") << "a refusal teaches nothing";
}

TEST_F(ScriptTest, AWrongChecksumInAnAnswerIsNoSuccess) {
  S3Store store(config_);
  const Pairs wrong = {{"ETag", "\"e\""}, {"x-amz-checksum-crc64nvme", "AAAAAAAAAAA="}};
  EXPECT_FALSE(store.features().server_checksums);
  script_ = {Reply(200, "", wrong)};
  ExpectError(store.PutNew(ctx_, Key("k"), AsBytes("body")), ErrorCode::kUnavailable);
  script_ = {Reply(200, "", wrong)};
  ExpectError(store.Cas(ctx_, Key("k"), AsBytes("body"), std::nullopt), ErrorCode::kUnknownOutcome);
  script_ = {Reply(200, "other", wrong)};
  ExpectError(store.Get(ctx_, Key("k"), {}), ErrorCode::kUnavailable);
  // Four bytes are no CRC-64, whatever the name says: noise of a known server.
  script_ = {Reply(200, "", {{"ETag", "\"e\""}, {"x-amz-checksum-crc64nvme", "AAAAAA=="}})};
  EXPECT_TRUE(store.PutNew(ctx_, Key("k"), AsBytes("body")).ok());
  EXPECT_FALSE(store.features().server_checksums);
}

TEST_F(ScriptTest, EtagsAreQuotedWhereTheServerWantsThat) {
  S3Store store(config_);
  script_ = {Refused(412, "PreconditionFailed"), Reply(200, "", {{"ETag", "\"old\""}}),
             Reply(200, "", {{"ETag", "\"new\""}})};
  EXPECT_TRUE(store.Cas(ctx_, Key("h"), AsBytes("x"), Etag("old")).ok());
  EXPECT_EQ(Asked(0, "if-match"), "old");
  EXPECT_EQ(asked_[1].method, "HEAD");
  EXPECT_EQ(Asked(2, "if-match"), "\"old\"");
  EXPECT_TRUE(store.Cas(ctx_, Key("h"), AsBytes("x"), Etag("new")).ok());
  EXPECT_EQ(Asked(3, "if-match"), "\"new\"") << "learned";
  S3Store other(config_);
  script_ = {Refused(412, "PreconditionFailed"), Reply(200, "", {{"ETag", "\"another\""}})};
  EXPECT_EQ(other.Cas(ctx_, Key("h"), AsBytes("x"), Etag("old")).error().code(),
            ErrorCode::kConflict);
}

TEST_F(ScriptTest, SettingsBecomeHeadersThatAreSigned) {
  config_.expected_bucket_owner = "111122223333";
  config_.request_payer = true;
  config_.storage_class = "STANDARD_IA";
  config_.customer_key = std::string(32, 'k');
  S3Store store(config_);
  EXPECT_TRUE(store.PutNew(ctx_, Key("k"), AsBytes("x")).ok());
  EXPECT_EQ(Asked(0, "x-amz-expected-bucket-owner"), "111122223333");
  EXPECT_EQ(Asked(0, "x-amz-request-payer"), "requester");
  EXPECT_EQ(Asked(0, "x-amz-storage-class"), "STANDARD_IA");
  EXPECT_EQ(Asked(0, "x-amz-server-side-encryption-customer-algorithm"), "AES256");
  EXPECT_NE(Asked(0, "x-amz-server-side-encryption-customer-key"), "");
  for (const auto& [name, value] : asked_[0].headers) {
    const std::string signed_names = Asked(0, "authorization");
    if (!name.starts_with("x-amz-")) continue;
    EXPECT_NE(signed_names.find(name), std::string::npos) << name;
  }
  static_cast<void>(store.Get(ctx_, Key("k"), {}));
  EXPECT_NE(Asked(1, "x-amz-server-side-encryption-customer-key"), "");
  EXPECT_EQ(Asked(1, "x-amz-storage-class"), "");
  config_.customer_key = "";
  config_.sse = "aws:kms";
  config_.kms_key_id = "id";
  S3Store kms(config_);
  EXPECT_TRUE(kms.PutNew(ctx_, Key("k"), AsBytes("x")).ok());
  EXPECT_EQ(Asked(2, "x-amz-server-side-encryption"), "aws:kms");
  EXPECT_EQ(Asked(2, "x-amz-server-side-encryption-aws-kms-key-id"), "id");
}

TEST_F(ScriptTest, NoAnswerThatIsNotXmlOfS3IsTakenForOne) {
  S3Store store(config_);
  const PartReply part{Etag("e"), "", 1, 3};
  const std::vector<Key> keys{Key("a")};
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  for (const std::string& body :
       {std::string(), std::string("<html><body>login</body></html>"), std::string("{}"),
        std::string("<ListBucketResult><IsTruncated>tr"), deep, std::string(300'000, '\0'),
        std::string("<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult>&a;</ListBucketResult>"),
        std::string("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
        std::string("<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>lake/a</Key>"
                    "<Size>-1</Size></Contents></ListBucketResult>"),
        std::string("<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>other/a</Key>"
                    "<Size>1</Size></Contents></ListBucketResult>"),
        std::string("<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>2</KeyCount>"
                    "<Contents><Key>lake/a</Key><Size>1</Size></Contents></ListBucketResult>")}) {
    SCOPED_TRACE(body.substr(0, 80));
    const auto say = [&] { script_ = {Reply(200, body)}; };
    say();
    ExpectError(store.List(ctx_, "", {}), ErrorCode::kCorrupt);
    say();
    ExpectError(store.Delete(ctx_, keys), ErrorCode::kCorrupt);
    say();
    ExpectError(store.CreateMultipart(ctx_, Key("k")), ErrorCode::kCorrupt);
    say();
    ExpectError(store.ListParts(ctx_, Key("k"), "u", 0), ErrorCode::kCorrupt);
    say();
    ExpectError(store.ListUploads(ctx_, "", ""), ErrorCode::kCorrupt);
    say();
    script_.push_back(Reply(404, ""));            // The HEAD: no object.
    script_.push_back(Refused(503, "SlowDown"));  // The list of parts says nothing.
    ExpectError(store.CompleteMultipart(ctx_, Key("k"), "u", {&part, 1}), ErrorCode::kCorrupt);
  }
  script_ = {Reply(500, "<Error><Code>a\nb\x1b[31m</Code></Error>")};
  ExpectError(store.List(ctx_, "", {}), ErrorCode::kUnavailable);
}

TEST_F(ScriptTest, ACompletionIsJudgedByWhatIsThere) {
  S3Store store(config_);
  const PartReply part{Etag("e"), "", 1, 3};
  const auto complete = [&] { return store.CompleteMultipart(ctx_, Key("k"), "u", {&part, 1}); };
  const auto head = [](int status, const char* bytes) {
    HttpReply reply = Reply(status, "", {{"ETag", "\"x\""}});
    reply.content_length = std::stoull(bytes);
    return reply;
  };
  script_ = {Refused(200, "InternalError"), head(404, "0"), Refused(503, "SlowDown")};
  ExpectError(complete(), ErrorCode::kUnavailable);
  script_ = {Refused(200, "InternalError"), head(200, "3")};  // It said no, and did it.
  EXPECT_TRUE(complete().ok());
  script_ = {Refused(500, "InternalError"), head(200, "3")};
  EXPECT_TRUE(complete().ok());
  script_ = {Refused(404, "NoSuchUpload"), head(200, "3")};  // Completed before, answer lost.
  EXPECT_TRUE(complete().ok());
  script_ = {Reply(200, "<CompleteMultipartUploadResult/>"), head(200, "2")};
  ExpectError(complete(), ErrorCode::kCorrupt);
  script_ = {Reply(200, "<CompleteMultipartUploadResult/>"), head(404, "0"),
             Refused(404, "NoSuchUpload")};
  ExpectError(complete(), ErrorCode::kNotFound);
}

// Incident 24 of docs/incidents.md: after a completion without an answer it looks, and only then,
// and only while the upload is there, completes again; never two at once.
using Incident24 = ScriptTest;
TEST_F(Incident24, ACompletionWithoutAnAnswerIsLookedAtFirst) {
  S3Store store(config_);
  const PartReply part{Etag("e"), "", 1, 3};
  HttpReply cut = Reply(200, "half");
  cut.content_length = 8;
  HttpReply there = Reply(200, "", {{"ETag", "\"x\""}});
  there.content_length = 3;
  script_ = {cut, Reply(404, ""),
             Reply(200,
                   "<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>1"
                   "</PartNumber><ETag>\"e\"</ETag><Size>3</Size></Part></ListPartsResult>"),
             Reply(200, "<CompleteMultipartUploadResult/>"), there};
  const auto complete = [&] { return store.CompleteMultipart(ctx_, Key("k"), "u", {&part, 1}); };
  const auto first = complete();
  ASSERT_FALSE(first.ok());
  EXPECT_TRUE(Retryable(first.error().code())) << first.error().ToString();
  const auto second = complete();
  ASSERT_TRUE(second.ok()) << second.error().ToString();
  std::string methods;
  for (const HttpRequest& request : asked_) methods += request.method + " ";
  EXPECT_EQ(methods, "POST HEAD GET POST HEAD ");
}

// A server may know a checksum beside a part and none beside a completion.
TEST_F(ScriptTest, ACompletionStepsDownFromChecksumsThatAreRefused) {
  S3Store store(config_);
  const PartReply part{Etag("e"), "CRC64NVME:AAAAAAAAAAA=", 1, 3};
  const auto complete = [&] { return store.CompleteMultipart(ctx_, Key("k"), "u", {&part, 1}); };
  HttpReply there = Reply(200, "", {{"ETag", "\"x\""}});
  there.content_length = 3;
  for (const auto& refused : {Refused(400, "InvalidRequest"), Refused(501, "NotImplemented")}) {
    asked_.clear();
    script_ = {refused, Reply(404, ""), Reply(200, "<CompleteMultipartUploadResult/>"), there};
    const auto completed = complete();
    ASSERT_TRUE(completed.ok()) << completed.error().ToString();
    ASSERT_EQ(asked_.size(), 4u);
    EXPECT_EQ(Asked(0, "x-amz-checksum-crc64nvme"), "AAAAAAAAAAA=");
    EXPECT_NE(AsText(asked_[0].body).find("ChecksumCRC64NVME"), std::string::npos);
    EXPECT_EQ(Asked(2, "x-amz-checksum-crc64nvme") + Asked(2, "x-amz-checksum-type"), "");
    EXPECT_EQ(AsText(asked_[2].body).find("Checksum"), std::string::npos);
  }
  asked_.clear();
  script_ = {Refused(400, "BadDigest"), Reply(404, "")};  // Damage is no ignorance.
  EXPECT_FALSE(complete().ok());
  EXPECT_EQ(asked_.size(), 2u);
}

TEST_F(ScriptTest, EachKeyOfADeleteIsJudged) {
  S3Store store(config_);
  const std::vector<Key> keys{Key("a"), Key("b"), Key("c"), Key("d")};
  script_ = {Reply(200,
                   "<DeleteResult><Deleted><Key>lake/a</Key></Deleted>"
                   "<Error><Key>lake/b</Key><Code>AccessDenied</Code></Error>"
                   "<Error><Key>lake/c</Key><Code>NoSuchKey</Code></Error></DeleteResult>")};
  const auto replies = store.Delete(ctx_, keys);
  ASSERT_TRUE(replies.ok());
  EXPECT_TRUE((*replies)[0].status.ok());
  EXPECT_EQ((*replies)[1].status.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_NE((*replies)[1].status.error().message().find("object lock"), std::string::npos);
  EXPECT_TRUE((*replies)[2].status.ok());
  EXPECT_EQ((*replies)[3].status.error().code(), ErrorCode::kUnavailable) << "silence";
}

TEST_F(ScriptTest, TooMuchIsAnErrorAndNoHang) {
  S3Store store(config_);
  script_ = {Reply(200, std::string(kReplyBytesMax + 1, 'x'))};
  ExpectError(store.List(ctx_, "", {}), ErrorCode::kResourceExhausted);
  Pairs many;
  for (int i = 0; i < 5000; ++i) many.emplace_back("x-h" + std::to_string(i), std::string(50, 'v'));
  script_ = {Reply(200, "", many)};
  const auto headers = store.Get(ctx_, Key("k"), {});
  EXPECT_EQ(headers.error().code(), ErrorCode::kResourceExhausted);
  HttpReply cut = Reply(200, "half", {{"ETag", "\"e\""}});
  cut.content_length = 8;
  script_ = {cut};
  ExpectError(store.Get(ctx_, Key("k"), {}), ErrorCode::kUnavailable);
}

TEST_F(ScriptTest, AnAddressActsForItsSignerAndNothingElse) {
  S3Store store(config_);
  const auto url = store.Presign(ctx_, {.verb = PresignRequest::Verb::kPutPart,
                                        .key = Key("pack/a+b"),
                                        .ttl_s = 60,
                                        .upload_id = "u/1=",
                                        .part_number = 3});
  ASSERT_TRUE(url.ok());
  const std::string text(url->Reveal());
  EXPECT_TRUE(text.starts_with(config_.endpoint + "/bucket/lake/pack/a%2Bb?X-Amz-Algorithm="));
  EXPECT_NE(text.find("&partNumber=3&uploadId=u%2F1%3D&"), std::string::npos) << text;
  EXPECT_NE(text.find("X-Amz-Expires=60&"), std::string::npos);
  EXPECT_EQ(text.find("CANARY"), std::string::npos);
  EXPECT_FALSE(store.Presign(ctx_, {.key = Key("k"), .ttl_s = 901}).ok());
  EXPECT_FALSE(store.Presign(ctx_, {.key = Key("../k")}).ok());
  int fetches = 0;
  config_.credentials = {};
  config_.credential_source =
      std::make_shared<CredentialCache>(std::make_unique<CountingProvider>(fetches));
  const auto short_lived = S3Store(config_).Presign(ctx_, {.key = Key("k")});
  ASSERT_TRUE(short_lived.ok());
  EXPECT_EQ(short_lived->Reveal().find("X-Amz-Expires=900"), std::string_view::npos)
      << "an address never outlives its signer's token";
}

}  // namespace
}  // namespace varve::store
