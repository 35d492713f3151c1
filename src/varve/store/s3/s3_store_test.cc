// Goal: requests are signed as published, and a real server keeps the promises of the seam.
// Method: the worked examples of the S3 documentation; the conformance suite against the server
// that VARVE_TEST_S3 names (s3://bucket/prefix, with the usual AWS_* variables); tests/ starts one.
#include "varve/store/s3/s3_store.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "varve/base/random.h"
#include "varve/store/conformance/conformance.h"
#include "varve/store/s3/sigv4.h"

namespace varve::store {
namespace {

const Credentials kExample{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
constexpr char kEmptyHash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(SigV4, PublishedExamples) {
  SigningInput get;
  get.method = "GET";
  get.path = "/test.txt";
  get.payload_hash = kEmptyHash;
  get.region = "us-east-1";
  get.headers = {{"host", "examplebucket.s3.amazonaws.com"},
                 {"range", "bytes=0-9"},
                 {"x-amz-content-sha256", kEmptyHash},
                 {"x-amz-date", "20130524T000000Z"}};
  EXPECT_NE(Authorization(get, kExample, "20130524T000000Z")
                .find("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            std::string::npos);
  SigningInput list = get;
  list.path = "/";
  list.query = {{"max-keys", "2"}, {"prefix", "J"}};
  list.headers.erase("range");
  EXPECT_NE(Authorization(list, kExample, "20130524T000000Z")
                .find("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
            std::string::npos);
}

TEST(S3Config, SaysWhatIsMissing) {
  EXPECT_EQ(LoadS3Config("s3://bucket").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(LoadS3Config("s3://bucket/a/../b").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(LoadS3Config("s3:///x").error().code(), ErrorCode::kInvalidArgument);
}

TEST(S3Store, ARefusedConnectionIsUnknownForCasAndUnavailableForReads) {
  S3Config config;
  config.bucket = "b";
  config.prefix = "p";
  config.endpoint = "http://127.0.0.1:9";  // The discard port: nothing listens there.
  config.path_style = true;
  config.credentials = kExample;
  S3Store store(config);
  const auto read = store.Get(OpContext(), Key("k"), {});
  EXPECT_EQ(read.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(read.error().ToString().find(kExample.secret_key), std::string::npos);
  EXPECT_EQ(store.Cas(OpContext(), Key("k"), {}, std::nullopt).error().code(),
            ErrorCode::kUnknownOutcome);
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
