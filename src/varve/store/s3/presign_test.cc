// Goal: a presigned URL does its one thing at a server that checks it, and nothing else.
// Method: plain requests without keys, to the fake and to the server that VARVE_TEST_S3 names.
#include <gtest/gtest.h>

#include <cstdlib>

#include "varve/base/random.h"
#include "varve/http/transport.h"
#include "varve/store/s3/s3_store.h"
#include "varve/testing/fake_s3/client_config.h"
#include "varve/testing/fake_s3/fake_s3.h"

namespace varve::store {
namespace {

int StatusOf(const std::string& method, std::string url, std::string_view body, Bytes* got) {
  http::Transport transport;
  http::Request request;
  request.method = method;
  request.url = std::move(url);
  request.body = AsBytes(body);
  auto reply = transport.Send(OpContext().WithTimeout(20'000), request);
  if (!reply.ok()) return 0;
  if (got != nullptr) *got = reply->body;
  return reply->status;
}

void UseUrls(ObjectStore& store) {
  const OpContext ctx;
  const auto url = [&](const PresignRequest& request) {
    const auto made = store.Presign(ctx, request);
    return made.ok() ? std::string(made->Reveal()) : made.error().ToString();
  };
  using Verb = PresignRequest::Verb;
  const Key key("pack/a+b=c@1,%7E~");
  const std::string put = url({.verb = Verb::kPut, .key = key});
  EXPECT_EQ(StatusOf("PUT", put, "weights", nullptr), 200);
  const std::string get = url({.verb = Verb::kGet, .key = key, .ttl_s = 60});
  Bytes got;
  EXPECT_EQ(StatusOf("GET", get, "", &got), 200);
  EXPECT_EQ(AsText(got), "weights");
  EXPECT_EQ(StatusOf("DELETE", get, "", nullptr), 403) << "one method";
  std::string other = get;
  other.replace(other.find("pack/a"), 6, "pack/b");
  EXPECT_EQ(StatusOf("GET", other, "", nullptr), 403) << "one key";
  std::string longer = get;
  longer.replace(longer.find("X-Amz-Expires=60"), 16, "X-Amz-Expires=61");
  EXPECT_EQ(StatusOf("GET", longer, "", nullptr), 403) << "one end";
  const auto id = store.CreateMultipart(ctx, Key("pack/parts"));
  ASSERT_TRUE(id.ok());
  const std::string part =
      url({.verb = Verb::kPutPart, .key = Key("pack/parts"), .upload_id = *id, .part_number = 1});
  EXPECT_EQ(StatusOf("PUT", part, "part", nullptr), 200);
  const auto parts = store.ListParts(ctx, Key("pack/parts"), *id, 0);
  ASSERT_TRUE(parts.ok());
  ASSERT_EQ(parts->parts.size(), 1u);
  EXPECT_EQ(parts->parts[0].bytes, 4u);
  const auto made = store.CompleteMultipart(ctx, Key("pack/parts"), *id, parts->parts);
  EXPECT_TRUE(made.ok()) << made.error().ToString();
}

TEST(Presign, OnTheFake) {
  const auto fake = fake::FakeS3::Start({});
  ASSERT_TRUE(fake.ok());
  S3Store store(fake::ClientConfig((*fake)->endpoint()));
  UseUrls(store);
}

TEST(Presign, OnARealServer) {
  const char* url = std::getenv("VARVE_TEST_S3");
  if (url == nullptr) GTEST_SKIP() << "VARVE_TEST_S3 is not set";
  const auto store = S3Store::Open(std::string(url) + "/" + std::to_string(OsRandom().Next64()));
  ASSERT_TRUE(store.ok());
  UseUrls(**store);
}

}  // namespace
}  // namespace varve::store
