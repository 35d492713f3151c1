// Goal: what a request may cost and who waits for whom: one copy each way, late answers asked again
// or ended, cancel at once, dead addresses passed over, a forked child refused.
// Method: a real server on loopback whose handler waits until the test lets it go on, and a clock
// that runs a hundred times faster.
#include "varve/http/transport.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "varve/testing/fake_s3/http_server.h"

namespace varve::http {
namespace {

using fake::HttpReply;
using fake::HttpRequest;
using fake::HttpServer;

class FastClock final : public Clock {
 public:
  int64_t WallMs() const override { return SystemClock().WallMs(); }
  int64_t SteadyNs() const override { return SystemClock().SteadyNs() * 100; }
  void SleepUntil(int64_t) override {}
};

// A server that serves `content`, and holds back requests until Release().
class Place : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started =
        HttpServer::Start(0, [this](const HttpRequest& request) { return Serve(request); });
    ASSERT_TRUE(started.ok()) << started.error().ToString();
    server_ = std::move(started).value();
    content_.resize(3'000'000);
    for (size_t i = 0; i < content_.size(); ++i)
      content_[i] = static_cast<std::byte>(i * 7 + i / 251);
  }
  void TearDown() override {
    Release();
    server_.reset();
  }
  HttpReply Serve(const HttpRequest& request) {
    std::unique_lock lock(mutex_);
    ++served_;
    bytes_seen_ += request.body.size();
    if (hold_ > 0) {
      --hold_;
      ++held_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return released_; });
    }
    HttpReply reply;
    if (request.method == "GET") reply.body = content_;
    return reply;
  }
  void Hold(int requests) {
    const std::lock_guard lock(mutex_);
    hold_ = requests;
  }
  void WaitUntilHeld() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_ > 0; });
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  int served() {
    const std::lock_guard lock(mutex_);
    return served_;
  }
  Request Get(MutableByteView into) {
    Request request;
    request.method = "GET";
    request.url = Url();
    request.into = into;
    return request;
  }
  Request Put(ByteView body) {
    Request request;
    request.method = "PUT";
    request.url = Url();
    request.body = body;
    return request;
  }
  std::string Url(const std::string& host = "127.0.0.1") {
    return "http://" + host + ":" + std::to_string(server_->port()) + "/object";
  }

  Bytes content_;
  FastClock fast_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int hold_ = 0, held_ = 0, served_ = 0;
  size_t bytes_seen_ = 0;
  bool released_ = false;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(Place, EachByteIsCopiedOnceOnItsWay) {
  Transport transport;
  const OpContext ctx;
  Bytes into(content_.size());
  const auto got = transport.Send(ctx, Get(into));
  ASSERT_TRUE(got.ok()) << got.error().ToString();
  EXPECT_EQ(got->into_bytes, content_.size());
  EXPECT_EQ(into, content_);
  Request put = Put(content_);
  put.once = true;  // By libcurl; others are copied nowhere, see plain_exchange_test.
  ASSERT_TRUE(transport.Send(ctx, put).ok());
  EXPECT_EQ(bytes_seen_, content_.size());
  const TransportStats stats = transport.stats();
  EXPECT_EQ(stats.requests, 2U);
  EXPECT_EQ(stats.connections, 1U);
  EXPECT_EQ(stats.received_bytes, content_.size());
  EXPECT_EQ(stats.sent_bytes, content_.size());
  EXPECT_EQ(stats.copied_bytes, 2 * content_.size());
}

TEST_F(Place, PiecesAreTakenWithoutACopy) {
  Transport transport;
  const OpContext ctx;
  Bytes into(content_.size());
  size_t pieces = 0;
  Request request = Get({});
  request.take_bytes = content_.size();
  request.take = [&](uint64_t at, ByteView piece) -> Status {
    std::ranges::copy(piece, into.begin() + static_cast<std::ptrdiff_t>(at));
    ++pieces;
    return OkStatus();
  };
  const auto got = transport.Send(ctx, request);
  ASSERT_TRUE(got.ok()) << got.error().ToString();
  EXPECT_EQ(got->into_bytes, content_.size());
  EXPECT_EQ(into, content_);
  EXPECT_GT(pieces, 1U);
  EXPECT_EQ(transport.stats().copied_bytes, 0U);
  request.take_bytes = content_.size() - 1;
  EXPECT_EQ(transport.Send(ctx, request).error().code(), ErrorCode::kResourceExhausted);
  request.take = [](uint64_t, ByteView) -> Status {
    return Error(ErrorCode::kResourceExhausted, "the disk is full");
  };
  EXPECT_EQ(transport.Send(ctx, request).error().message(), "the disk is full");
}

TEST_F(Place, ALatePieceReadIsAskedAgainAndTakenFromTheStart) {
  Transport transport;
  Hold(1);
  Bytes into(content_.size());
  Request request = Get({});
  request.take_bytes = content_.size();
  request.take = [&](uint64_t at, ByteView piece) -> Status {
    std::ranges::copy(piece, into.begin() + static_cast<std::ptrdiff_t>(at));
    return OkStatus();
  };
  const auto got = transport.Send(OpContext(fast_, OsRandom()), request);
  ASSERT_TRUE(got.ok()) << got.error().ToString();
  EXPECT_EQ(into, content_);
  EXPECT_EQ(got->into_bytes, content_.size());
  EXPECT_EQ(transport.stats().hedges_won, 1U);
}

// A request whose body may come through a pipe, or not.
struct Either {
  explicit Either(size_t bytes) : into(bytes) {}
  Request Of(Request request) {
    request.take_bytes = into.size();
    request.take = [this](uint64_t at, ByteView piece) -> Status {
      std::ranges::copy(piece, into.begin() + static_cast<std::ptrdiff_t>(at));
      copied += piece.size();
      return OkStatus();
    };
    request.take_pipe = [this](uint64_t at, int pipe, uint64_t bytes) -> Status {
      for (const uint64_t end = at + bytes; at < end;) {
        const ssize_t got = read(pipe, into.data() + at, end - at);
        if (got <= 0) return Error(ErrorCode::kInternal, "the pipe ends early");
        at += static_cast<uint64_t>(got);
      }
      piped += bytes;
      return OkStatus();
    };
    return request;
  }
  Bytes into;
  uint64_t copied = 0, piped = 0;
};

TEST_F(Place, APipedReadTouchesNoByteAndKeepsItsConnection) {
  Transport transport;
  const OpContext ctx;
  ASSERT_TRUE(transport.Send(ctx, Get({})).ok());  // From here on the host is known to answer.
  const uint64_t copied = transport.stats().copied_bytes;
  for (int i = 0; i < 3; ++i) {
    Either either(content_.size());
    const auto got = transport.Send(ctx, either.Of(Get({})));
    ASSERT_TRUE(got.ok()) << got.error().ToString();
    EXPECT_EQ(got->into_bytes, content_.size());
    EXPECT_EQ(either.into, content_);
    EXPECT_EQ(either.piped, content_.size());
  }
  EXPECT_EQ(transport.stats().copied_bytes, copied);
  EXPECT_EQ(transport.stats().connections, 2U);
  EXPECT_EQ(served(), 4);
  Either small(content_.size() - 1);
  EXPECT_EQ(transport.Send(ctx, small.Of(Get({}))).error().code(), ErrorCode::kResourceExhausted);
  Either full(content_.size());
  Request request = full.Of(Get({}));
  request.take_pipe = [](uint64_t, int, uint64_t) -> Status {
    return Error(ErrorCode::kResourceExhausted, "the disk is full");
  };
  EXPECT_EQ(transport.Send(ctx, request).error().message(), "the disk is full");
}

TEST_F(Place, ALatePipedReadIsAskedAgain) {
  Transport transport;
  ASSERT_TRUE(transport.Send(OpContext(), Get({})).ok());
  Hold(1);
  Either either(content_.size());
  const auto got = transport.Send(OpContext(fast_, OsRandom()), either.Of(Get({})));
  ASSERT_TRUE(got.ok()) << got.error().ToString();
  EXPECT_EQ(either.into, content_);
  EXPECT_EQ(either.copied, content_.size());
  EXPECT_EQ(served(), 3);
}

TEST_F(Place, CancelEndsAPipedRead) {
  Transport transport;
  ASSERT_TRUE(transport.Send(OpContext(), Get({})).ok());
  Hold(1);
  CancelToken cancel;
  std::thread stopper([&] {
    WaitUntilHeld();
    cancel.Cancel();
  });
  Either either(content_.size());
  const auto got = transport.Send(OpContext(SystemClock(), OsRandom(), cancel), either.Of(Get({})));
  stopper.join();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code(), ErrorCode::kCancelled);
}

TEST_F(Place, ALateReadIsAskedAgainBesideTheFirst) {
  Transport transport;
  Hold(1);
  Bytes into(content_.size());
  const auto got = transport.Send(OpContext(fast_, OsRandom()), Get(into));
  ASSERT_TRUE(got.ok()) << got.error().ToString();
  EXPECT_EQ(got->into_bytes, content_.size());
  EXPECT_EQ(into, content_);
  EXPECT_EQ(transport.stats().hedges, 1U);
  EXPECT_EQ(transport.stats().hedges_won, 1U);
  EXPECT_EQ(served(), 2);
  Release();
  Bytes again(content_.size());
  ASSERT_TRUE(transport.Send(OpContext(), Get(again)).ok()) << "the transport goes on";
  EXPECT_EQ(again, content_);
}

TEST_F(Place, WhatReachesTheServerOnceIsNeverAskedAgain) {
  Transport transport;
  Hold(1);
  CancelToken cancel;
  std::thread stopper([&] {
    WaitUntilHeld();
    OpContext().SleepMs(200).ok();  // 20 s of the fast clock: long past every limit.
    cancel.Cancel();
  });
  Request request = Get({});
  request.once = true;
  const auto got = transport.Send(OpContext(fast_, OsRandom(), cancel), request);
  stopper.join();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(served(), 1);
  EXPECT_EQ(transport.stats().hedges, 0U);
}

TEST_F(Place, AnUploadWithoutAnAnswerIsEndedOnceTheUsualIsKnown) {
  Transport transport;
  const OpContext ctx;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(transport.Send(ctx, Put(content_)).ok());
  Hold(1);
  bool maybe_sent = false;
  const auto put = transport.Send(OpContext(fast_, OsRandom()), Put(content_), &maybe_sent);
  ASSERT_FALSE(put.ok()) << "it would have waited for ever";
  EXPECT_EQ(put.error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(maybe_sent);
  EXPECT_EQ(transport.stats().cut_offs, 1U);
}

TEST_F(Place, CancelReachesTheSocket) {
  Transport transport;
  Hold(1);
  CancelToken cancel;
  std::thread stopper([&] {
    WaitUntilHeld();
    cancel.Cancel();
  });
  bool maybe_sent = false;
  const auto put =
      transport.Send(OpContext(SystemClock(), OsRandom(), cancel), Put(content_), &maybe_sent);
  stopper.join();
  ASSERT_FALSE(put.ok());
  EXPECT_EQ(put.error().code(), ErrorCode::kCancelled);
  EXPECT_TRUE(maybe_sent);
}

TEST_F(Place, ADeadAddressIsPassedOverAndLeftAlone) {
  std::atomic<int> asked{0};
  Transport transport(
      {.ca_bundle = {}, .connections = 8, .resolve = [&](const OpContext&, const std::string&) {
         ++asked;
         return Result<std::vector<std::string>>({"127.0.0.2", "127.0.0.1"});
       }});
  const OpContext ctx;
  Request request = Get({});
  request.url = Url("store.invalid");
  request.once = true;  // It still may try another address: nothing was sent to the dead one.
  ASSERT_TRUE(transport.Send(ctx, request).ok());
  ASSERT_TRUE(transport.Send(ctx, request).ok());
  EXPECT_EQ(transport.stats().connections, 1U);
  EXPECT_EQ(asked.load(), 1);
  EXPECT_EQ(served(), 2);
}

TEST_F(Place, ANameWithoutAnAddressIsSaidAndNothingWasSent) {
  Transport transport(
      {.ca_bundle = {}, .connections = 8, .resolve = [](const OpContext&, const std::string& host) {
         return Result<std::vector<std::string>>(
             Error(ErrorCode::kUnavailable, "no such host " + host));
       }});
  Request request = Put(content_);
  request.url = Url("store.invalid");
  bool maybe_sent = true;
  const auto put = transport.Send(OpContext(), request, &maybe_sent);
  ASSERT_FALSE(put.ok());
  EXPECT_EQ(put.error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(maybe_sent);
}

TEST_F(Place, AForkedChildIsRefusedAndTheParentGoesOn) {
  auto transport = std::make_unique<Transport>();
  const OpContext ctx;
  ASSERT_TRUE(transport->Send(ctx, Get({})).ok());
  const pid_t child = fork();
  if (child == 0) {
    const auto got = transport->Send(OpContext(), Get({}));
    const bool refused = !got.ok() && got.error().code() == ErrorCode::kUnsupported;
    transport.reset();
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ASSERT_TRUE(transport->Send(ctx, Get({})).ok());
  EXPECT_EQ(transport->stats().connections, 1U) << "the child closed the parent's connection";
}

}  // namespace
}  // namespace varve::http
