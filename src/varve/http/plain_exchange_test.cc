// Goal: an upload that goes past libcurl is copied nowhere, and whatever is out of the ordinary
// ends as it would have by libcurl: an early refusal is read, a broken or odd answer is asked for
// again. Method: a port whose connections play scripted answers, raw.
#include "varve/http/plain_exchange.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "varve/http/reply_head.h"
#include "varve/testing/wire/listener.h"
#include "varve/testing/wire/wire.h"

namespace varve::http {
namespace {

constexpr char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"e\"\r\n\r\n";

// One answer: what is sent, and when.
struct Answer {
  std::string bytes = kOk;
  bool early = false;  // Before the body was read.
  bool close = false;
};

class Scripted : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = wire::Listener::Start(0, "scripted", [this](int socket) { Serve(socket); });
    ASSERT_TRUE(started.ok()) << started.error().ToString();
    listener_ = std::move(started).value();
    ASSERT_TRUE(Put("first").ok());  // From here on the host is known to answer; by libcurl.
    served_ = 0;
  }
  void TearDown() override { listener_.reset(); }
  void Serve(int socket) {
    wire::Peer peer{.socket = socket, .ahead = {}};
    while (auto request = wire::ReadHead(peer)) {
      ++served_;
      Answer answer;
      {
        const std::lock_guard lock(mutex_);
        if (!script_.empty()) {
          answer = script_.front();
          script_.erase(script_.begin());
        }
        heads_.push_back(request->Bytes());
      }
      if (!answer.early && !wire::ReadBytes(peer, *request, wire::BodyBytes(*request))) return;
      {
        const std::lock_guard lock(mutex_);
        bodies_.push_back(request->body);
      }
      if (!wire::SendAll(socket, answer.bytes) || answer.close) return;
      if (answer.early) {  // An orderly end, so that the answer is not lost to a reset.
        std::string rest(1 << 16, 0);
        while (recv(socket, rest.data(), rest.size(), 0) > 0) {
        }
        return;
      }
    }
  }
  Result<Reply> Put(std::string_view body, const OpContext& ctx = OpContext()) {
    Request request;
    request.method = "PUT";
    request.url = "http://127.0.0.1:" + std::to_string(listener_->port()) + "/bucket/key?a=b";
    request.headers = {{"x-amz-date", "now"}};
    request.body = AsBytes(body);
    return transport_.Send(ctx, request);
  }
  void Play(std::vector<Answer> script) {
    const std::lock_guard lock(mutex_);
    script_ = std::move(script);
  }
  std::string last_body() {
    const std::lock_guard lock(mutex_);
    return bodies_.back();
  }

  std::mutex mutex_;
  std::vector<Answer> script_;
  std::vector<std::string> heads_, bodies_;
  std::atomic<int> served_{0};
  Transport transport_;
  std::unique_ptr<wire::Listener> listener_;
};

TEST_F(Scripted, AnUploadIsCopiedNowhereAndKeepsItsConnection) {
  const uint64_t copied = transport_.stats().copied_bytes;
  const std::string body(3'000'000, 'b');
  for (int i = 0; i < 3; ++i) {
    const auto put = Put(body);
    ASSERT_TRUE(put.ok()) << put.error().ToString();
    EXPECT_EQ(put->status, 200);
    EXPECT_EQ(put->Header("etag"), "\"e\"");
    EXPECT_EQ(last_body(), body);
  }
  ASSERT_TRUE(Put("").ok());
  EXPECT_EQ(transport_.stats().copied_bytes, copied);
  EXPECT_EQ(transport_.stats().connections, 2U);
  EXPECT_EQ(served_, 4);
  const std::lock_guard lock(mutex_);
  EXPECT_TRUE(heads_.back().starts_with("PUT /bucket/key?a=b HTTP/1.1\r\n")) << heads_.back();
  EXPECT_NE(heads_.back().find("x-amz-date: now\r\n"), std::string::npos);
  EXPECT_NE(heads_.back().find("Content-Length: 0\r\n"), std::string::npos);
}

TEST_F(Scripted, ARefusalBeforeTheEndOfTheBodyIsReadAndNotAskedForAgain) {
  const std::string body(64'000'000, 'b');
  Play({{.bytes = "HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: 4\r\n\r\nslow",
         .early = true}});
  const auto put = Put(body);
  ASSERT_TRUE(put.ok()) << put.error().ToString();
  EXPECT_EQ(put->status, 503);
  EXPECT_EQ(AsText(put->body), "slow");
  EXPECT_EQ(served_, 1);
  EXPECT_TRUE(Put("after").ok()) << "on another connection";
  EXPECT_EQ(last_body(), "after");
}

TEST_F(Scripted, ABrokenAnswerIsAskedForOnceMore) {
  Play({{.bytes = "HTTP/1.1 200 OK\r\nContent-Le", .close = true}});
  const auto put = Put("body");
  ASSERT_TRUE(put.ok()) << put.error().ToString();
  EXPECT_EQ(put->Header("etag"), "\"e\"");
  EXPECT_EQ(served_, 2);
  const Answer none{.bytes = "", .close = true};
  Play({none, none, none});  // The last one is of libcurl, for its kept connection that was dead.
  EXPECT_FALSE(Put("body").ok()) << "the next to try is not the transport";
  EXPECT_LE(served_, 5);
}

TEST_F(Scripted, AServerThatAnswersInChunksIsLeftToLibcurl) {
  const Answer chunks{.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"};
  Play({chunks, chunks, chunks});
  ASSERT_TRUE(Put("one").ok());
  EXPECT_EQ(served_, 2) << "asked for again";
  ASSERT_TRUE(Put("two").ok());
  EXPECT_EQ(served_, 3) << "and never since";
}

TEST_F(Scripted, CancelAndDeadlineEndAnUpload) {
  CancelToken cancel;
  Play({{.bytes = ""}, {.bytes = ""}});
  std::thread stopper([&] {
    while (served_ == 0) std::this_thread::yield();
    cancel.Cancel();
  });
  const auto put = Put("body", OpContext(SystemClock(), OsRandom(), cancel));
  stopper.join();
  ASSERT_FALSE(put.ok());
  EXPECT_EQ(put.error().code(), ErrorCode::kCancelled);
  const auto late = Put("body", OpContext().WithTimeout(100));
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::kTimeout);
  EXPECT_TRUE(Put("body").ok());
}

TEST(ReplyHead, OnlyWhatIsByTheBook) {
  const auto head = ParseHead("HTTP/1.1 206 Some\r\nContent-Length: 12\r\nETag:  \"a\" \r\n\r\n");
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->status, 206);
  EXPECT_EQ(head->Header("etag"), "\"a\"");
  EXPECT_EQ(BodyBytes(*head), 12U);
  for (const char* odd :
       {"", "\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\na: b\r\n\r\n", "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: x\r\n\r\n", "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n"}) {
    EXPECT_FALSE(ParseHead(odd).has_value()) << odd;
  }
  const auto length = [](const std::string& lines, const char* status) {
    const auto parsed = ParseHead(std::string("HTTP/1.1 ") + status + "\r\n" + lines + "\r\n");
    return parsed.has_value() ? BodyBytes(*parsed) : std::optional<uint64_t>(UINT64_MAX);
  };
  EXPECT_EQ(length("", "200"), std::nullopt);
  EXPECT_EQ(length("", "204 No"), 0U);
  EXPECT_EQ(length("Content-Length: 1\r\n", "304 No"), std::nullopt);
  EXPECT_EQ(length("Content-Length: -1\r\n", "200 OK"), std::nullopt);
  EXPECT_EQ(length("Content-Length: 1, 1\r\n", "200 OK"), std::nullopt);
  EXPECT_EQ(length("Content-Length: 99999999999999999999\r\n", "200 OK"), std::nullopt);
  EXPECT_EQ(length("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "200 OK"), std::nullopt);
}

}  // namespace
}  // namespace varve::http
