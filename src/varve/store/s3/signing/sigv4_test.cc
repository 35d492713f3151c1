// Goal: requests are signed as published, and times are read or refused.
// Method: the worked examples of the S3 documentation, and the cases of the AWS signature test
// suite (aws-c-auth, tests/aws-signing-test-suite/v4) that keep the path as it is, as S3 does, and
// have no folded header, which nobody may send.
// tests/s3/test_sigv4.py compares thousands of random requests with another signer.
#include "varve/store/s3/signing/sigv4.h"

#include <gtest/gtest.h>

#include "varve/store/s3/signing/times.h"

namespace varve::store {
namespace {

const Credentials kExample{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "",
                           0};
constexpr char kEmptyHash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

void ExpectSignature(const SigningInput& input, const Credentials& credentials,
                     const std::string& signature) {
  EXPECT_TRUE(Authorization(input, credentials).ends_with(",Signature=" + signature))
      << CanonicalRequest(input);
}

SigningInput S3Example(const std::string& method, const std::string& path) {
  SigningInput input;
  input.method = method;
  input.path = path;
  input.payload_hash = kEmptyHash;
  input.region = "us-east-1";
  input.amz_date = "20130524T000000Z";
  input.headers = {{"Host", "examplebucket.s3.amazonaws.com"}, {"x-amz-date", "20130524T000000Z"}};
  return input;
}

TEST(SigV4, ExamplesOfTheS3Documentation) {
  SigningInput get = S3Example("GET", "/test.txt");
  get.headers.emplace_back("Range", "bytes=0-9");
  get.headers.emplace_back("x-amz-content-sha256", kEmptyHash);
  ExpectSignature(get, kExample,
                  "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");

  SigningInput put = S3Example("PUT", "/test%24file.text");
  put.payload_hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
  put.headers.emplace_back("Date", "Fri, 24 May 2013 00:00:00 GMT");
  put.headers.emplace_back("x-amz-storage-class", "REDUCED_REDUNDANCY");
  put.headers.emplace_back("x-amz-content-sha256", put.payload_hash);
  ExpectSignature(put, kExample,
                  "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");

  SigningInput lifecycle = S3Example("GET", "/");
  lifecycle.query = {{"lifecycle", ""}};
  lifecycle.headers.emplace_back("x-amz-content-sha256", kEmptyHash);
  ExpectSignature(lifecycle, kExample,
                  "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");

  SigningInput list = S3Example("GET", "/");
  list.query = {{"prefix", "J"}, {"max-keys", "2"}};
  list.headers.emplace_back("x-amz-content-sha256", kEmptyHash);
  ExpectSignature(list, kExample,
                  "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4, PresignedExampleOfTheS3Documentation) {
  SigningInput get = S3Example("GET", "/test.txt");
  get.headers = {{"host", "examplebucket.s3.amazonaws.com"}};
  get.payload_hash = "UNSIGNED-PAYLOAD";
  const Secret query = PresignedQuery(get, kExample, 86400);
  EXPECT_EQ(query.Reveal(),
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F"
            "us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&"
            "X-Amz-SignedHeaders=host&X-Amz-Signature="
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

struct SuiteCase {
  const char* name;
  const char* path;
  Pairs query;
  Pairs headers;
  const char* header_signature;
  const char* query_signature;  // nullptr: not compared.
  const char* token;
};

TEST(SigV4, AwsSignatureTestSuite) {
  const char* plain = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const std::string unreserved = std::string("/") + plain;
  const SuiteCase cases[] = {
      {"get-header-key-duplicate",
       "/",
       {},
       {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
       "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
       nullptr,
       ""},
      {"get-header-value-order",
       "/",
       {},
       {{"My-Header1", "value4"},
        {"My-Header1", "value1"},
        {"My-Header1", "value3"},
        {"My-Header1", "value2"}},
       "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
       nullptr,
       ""},
      {"get-header-value-trim",
       "/",
       {},
       {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
       nullptr,
       ""},
      {"get-vanilla-query-order-key-case",
       "/",
       {{"Param2", "value2"}, {"Param1", "value1"}},
       {},
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
       nullptr,
       ""},
      {"get-vanilla-empty-query-key",
       "/",
       {{"Param1", "value1"}},
       {},
       "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
       nullptr,
       ""},
      {"get-vanilla-utf8-query",
       "/",
       {{"\xE1\x88\xB4", "bar"}},
       {},
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
       nullptr,
       ""},
      {"get-vanilla-query-unreserved",
       "/",
       {{plain, plain}},
       {},
       nullptr,
       "8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf",
       ""},
      {"get-unreserved",
       unreserved.c_str(),
       {},
       {},
       nullptr,
       "95968482db1b9e0fadef6efc1bd24689f77c77d9ef56919c96a28cc92e0d6005",
       ""},
      {"get-slashes-unnormalized",
       "//example//",
       {},
       {},
       "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5",
       "822a5a9ba28072c5ab2bb4a6307d0c88276d40e49fec6b724c03fb4d4ba60fc2",
       ""},
      {"get-slash-pointless-dot-unnormalized",
       "/./example",
       {},
       {},
       "beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff",
       nullptr,
       ""},
      {"get-relative-relative-unnormalized",
       "/example1/example2/../..",
       {},
       {},
       "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b",
       nullptr,
       ""},
      {"get-vanilla-with-session-token",
       "/",
       {},
       {},
       "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
       "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c",
       "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"},
  };
  for (const SuiteCase& each : cases) {
    SCOPED_TRACE(each.name);
    const Credentials credentials{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                  each.token, 0};
    SigningInput input;
    input.method = "GET";
    input.path = each.path;
    input.query = each.query;
    input.headers = each.headers;
    input.headers.emplace_back("Host", "example.amazonaws.com");
    input.payload_hash = kEmptyHash;
    input.region = "us-east-1";
    input.service = "service";
    input.amz_date = "20150830T123600Z";
    if (each.query_signature != nullptr) {
      const Secret query = PresignedQuery(input, credentials, 3600);
      EXPECT_TRUE(query.Reveal().ends_with(each.query_signature));
    }
    input.headers.emplace_back("X-Amz-Date", input.amz_date);
    if (*each.token != '\0') input.headers.emplace_back("X-Amz-Security-Token", each.token);
    if (each.header_signature != nullptr)
      ExpectSignature(input, credentials, each.header_signature);
  }
}

TEST(Times, AreReadOrRefused) {
  constexpr int64_t kMoment = 1369353600000;
  EXPECT_EQ(AmzDate(kMoment), "20130524T000000Z");
  EXPECT_EQ(ParseHttpDate("Fri, 24 May 2013 00:00:00 GMT"), kMoment);
  EXPECT_EQ(ParseIsoTime("2013-05-24T00:00:00Z"), kMoment);
  EXPECT_EQ(ParseIsoTime("2013-05-24T00:00:00.123Z"), kMoment);
  EXPECT_EQ(ParseIsoTime("2013-05-24T00:00:00+00:00"), kMoment);
  for (const char* wrong : {"", "Fri, 24 May 2013 00:00:00 CET", "Fri, 24 Moy 2013 00:00:00 GMT",
                            "Fri, 32 May 2013 00:00:00 GMT", "Fri, 2x May 2013 00:00:00 GMT"}) {
    EXPECT_EQ(ParseHttpDate(wrong), 0) << wrong;
  }
  for (const char* wrong :
       {"", "2013-05-24T00:00:00", "2013-13-24T00:00:00Z", "2013-05-24 00:00:00Z",
        "2013-05-24T00:00:00+02:00", "9999-99-99T99:99:99Z", "-013-05-24T00:00:00Z"}) {
    EXPECT_EQ(ParseIsoTime(wrong), 0) << wrong;
  }
}

}  // namespace
}  // namespace varve::store
