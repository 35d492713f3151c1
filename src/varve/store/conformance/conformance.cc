#include "varve/store/conformance/conformance.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <string>

#include "varve/base/random.h"
#include "varve/exec/parallel.h"
#include "varve/testing/random_bytes.h"

namespace varve::store {
namespace {

std::string TextOf(const Result<GetReply>& reply) {
  return reply.ok() ? std::string(AsText(reply->body)) : reply.error().ToString();
}

template <typename T>
ErrorCode CodeOf(const Result<T>& result) {
  return result.ok() ? ErrorCode::kInternal : result.error().code();
}

void ReadsAndWrites(ObjectStore& store) {
  const OpContext ctx;
  const Key key("pack/7f/a.b_c=d");
  EXPECT_EQ(CodeOf(store.Get(ctx, key, {})), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(store.Head(ctx, key)), ErrorCode::kNotFound);
  Bytes into(4);
  EXPECT_EQ(CodeOf(store.GetRange(ctx, key, 0, into)), ErrorCode::kNotFound);
  ASSERT_TRUE(store.PutNew(ctx, key, AsBytes("0123456789")).ok());
  ASSERT_TRUE(store.PutNew(ctx, key, AsBytes("0123456789")).ok()) << "a repeated put is one put";
  EXPECT_EQ(TextOf(store.Get(ctx, key, {})), "0123456789");
  EXPECT_EQ(TextOf(store.Get(ctx, key, {.suffix_bytes = 3, .if_none_match = {}})), "789");
  EXPECT_EQ(TextOf(store.Get(ctx, key, {.suffix_bytes = 99, .if_none_match = {}})), "0123456789");
  ASSERT_TRUE(store.GetRange(ctx, key, 2, into).ok());
  EXPECT_EQ(AsText(into), "2345");
  EXPECT_EQ(CodeOf(store.GetRange(ctx, key, 8, into)), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(store.GetRange(ctx, key, 99, into)), ErrorCode::kCorrupt);
  EXPECT_EQ(store.Head(ctx, key)->bytes, 10u);
  ASSERT_TRUE(store.PutNew(ctx, Key("empty"), {}).ok());
  EXPECT_EQ(TextOf(store.Get(ctx, Key("empty"), {})), "");
  const Bytes big = RandomBytes(20 * kMiB + 3, 1);
  ASSERT_TRUE(store.PutNew(ctx, Key("pack/00/big"), big).ok());
  Bytes back(big.size());
  ASSERT_TRUE(store.GetRange(ctx, Key("pack/00/big"), 0, back).ok());
  EXPECT_TRUE(back == big);
  std::ranges::fill(back, std::byte{0});
  const auto take = [&](uint64_t at, ByteView piece) -> Status {
    std::ranges::copy(piece, back.begin() + static_cast<std::ptrdiff_t>(at));
    return OkStatus();
  };
  const auto pieces = store.GetPieces(ctx, Key("pack/00/big"), 5, big.size() - 5, take);
  ASSERT_TRUE(pieces.ok()) << pieces.error().ToString();
  EXPECT_EQ(pieces->bytes, big.size());
  EXPECT_TRUE(std::equal(big.begin() + 5, big.end(), back.begin()));
  // A store may hand them on in a pipe instead, all or some.
  std::ranges::fill(back, std::byte{0});
  const auto drain = [&](uint64_t at, int pipe, uint64_t bytes) -> Status {
    for (const uint64_t end = at + bytes; at < end;) {
      const ssize_t got = read(pipe, back.data() + at, end - at);
      if (got <= 0) return Error(ErrorCode::kInternal, "the pipe ends early");
      at += static_cast<uint64_t>(got);
    }
    return OkStatus();
  };
  const TakePiece either(take, drain);
  for (int again = 0; again < 2; ++again) {
    const auto piped = store.GetPieces(ctx, Key("pack/00/big"), 5, big.size() - 5, either);
    ASSERT_TRUE(piped.ok()) << piped.error().ToString();
    EXPECT_EQ(piped->bytes, big.size());
    EXPECT_TRUE(std::equal(big.begin() + 5, big.end(), back.begin()));
  }
  EXPECT_EQ(CodeOf(store.GetPieces(ctx, Key("pack/00/big"), 1, big.size(), either)),
            ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(store.GetPieces(ctx, Key("pack/00/none"), 0, 9, either)), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(store.GetPieces(ctx, Key("pack/00/big"), 1, big.size(), take)),
            ErrorCode::kCorrupt);
  const auto full = [](uint64_t, ByteView) -> Status {
    return Error(ErrorCode::kResourceExhausted, "the disk is full");
  };
  EXPECT_EQ(CodeOf(store.GetPieces(ctx, Key("pack/00/big"), 0, big.size(), full)),
            ErrorCode::kResourceExhausted);
}

void Conditions(ObjectStore& store) {
  const OpContext ctx;
  const Key key("ref/b/model%2Fa");
  const ErrorCode missing = CodeOf(store.Cas(ctx, key, AsBytes("x"), Etag("0123")));
  EXPECT_TRUE(missing == ErrorCode::kNotFound || missing == ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(store.Head(ctx, key)), ErrorCode::kNotFound);
  ASSERT_TRUE(store.Cas(ctx, key, AsBytes("one"), std::nullopt).ok());
  EXPECT_EQ(CodeOf(store.Cas(ctx, key, AsBytes("two"), std::nullopt)), ErrorCode::kConflict);
  const auto first = store.Get(ctx, key, {});
  ASSERT_TRUE(first.ok());
  const auto unchanged =
      store.Get(ctx, key, {.suffix_bytes = 0, .if_none_match = first->info.etag});
  ASSERT_TRUE(unchanged.ok()) << unchanged.error().ToString();
  EXPECT_TRUE(unchanged->not_modified);
  const auto second = store.Cas(ctx, key, AsBytes("two"), first->info.etag);
  ASSERT_TRUE(second.ok()) << second.error().ToString();
  EXPECT_EQ(CodeOf(store.Cas(ctx, key, AsBytes("three"), first->info.etag)), ErrorCode::kConflict);
  EXPECT_EQ(TextOf(store.Get(ctx, key, {})), "two");
  EXPECT_EQ(store.Get(ctx, key, {})->info.etag, second->etag)
      << "the reply's etag is the one a read gives";
}

void Races(ObjectStore& store) {
  const OpContext ctx;
  ThreadPool pool({.name = "race", .threads = 15, .queue_max = 64, .background = false});
  for (int round = 0; round < 10; ++round) {
    const Key key("ref/b/race" + std::to_string(round));
    std::optional<Etag> expected;
    for (int swap = 0; swap < 2; ++swap) {  // First a race to create, then one to swap.
      std::atomic<int> winners{0};
      std::string winner;
      const auto race = [&](size_t i) -> Status {
        const std::string body = std::to_string(swap) + "-" + std::to_string(i);
        const auto moved = store.Cas(ctx, key, AsBytes(body), expected);
        if (moved.ok() && ++winners == 1) winner = body;
        return OkStatus();
      };
      ASSERT_TRUE(ParallelFor(ctx, pool, 16, 16, race).ok());
      ASSERT_EQ(winners.load(), 1);
      const auto now = store.Get(ctx, key, {});
      ASSERT_EQ(TextOf(now), winner);
      expected = now->info.etag;
    }
  }
}

void Listing(ObjectStore& store) {
  const OpContext ctx;
  std::set<std::string> wanted;
  for (int i = 0; i < 25; ++i) {
    const std::string key = "meta/" + std::to_string(i % 3) + "/k=" + std::to_string(i) + "+,%41~@";
    ASSERT_TRUE(store.PutNew(ctx, Key(key), AsBytes("x")).ok());
    wanted.insert(key);
  }
  ASSERT_TRUE(store.PutNew(ctx, Key("metallic"), AsBytes("y")).ok());
  std::set<std::string> listed;
  ListOptions options{.token = "", .page_max = 10};
  do {
    const auto page = store.List(ctx, "meta/", options);
    ASSERT_TRUE(page.ok()) << page.error().ToString();
    EXPECT_LE(page->objects.size(), 10u);
    for (const ListedObject& object : page->objects) {
      EXPECT_TRUE(listed.insert(object.key.str()).second) << "listed twice";
      EXPECT_EQ(object.bytes, 1u);
    }
    options.token = page->next_token;
  } while (!options.token.empty());
  EXPECT_EQ(listed, wanted);
  EXPECT_TRUE(ListAll(ctx, store, "absent/")->empty());
  EXPECT_FALSE(ValidPrefix("../") || ValidPrefix("/") || ValidPrefix("a//") || ValidPrefix("a b"));
  EXPECT_TRUE(ValidPrefix("") && ValidPrefix("a") && ValidPrefix("a/") && ValidPrefix("a/.b"));
  const std::vector<Key> doomed{Key("metallic"), Key("never-there")};
  const auto deleted = store.Delete(ctx, doomed);
  ASSERT_TRUE(deleted.ok()) << deleted.error().ToString();
  ASSERT_EQ(deleted->size(), 2u);
  EXPECT_TRUE((*deleted)[0].status.ok() && (*deleted)[1].status.ok());
  EXPECT_EQ(CodeOf(store.Head(ctx, Key("metallic"))), ErrorCode::kNotFound);
  EXPECT_FALSE(ValidKey("a/../b") || ValidKey("/a") || ValidKey("a//b") || ValidKey("a\n") ||
               ValidKey(""));
}

PartReply MustPut(ObjectStore& store, const Key& key, const std::string& id, uint32_t number,
                  ByteView body) {
  const auto part = store.PutPart(OpContext(), key, id, number, body);
  EXPECT_TRUE(part.ok()) << part.error().ToString();
  return part.ok() ? *part : PartReply();
}

std::vector<std::string> PendingIds(ObjectStore& store, std::string_view prefix) {
  std::vector<std::string> ids;
  std::string token;
  do {
    const auto page = store.ListUploads(OpContext(), prefix, token);
    EXPECT_TRUE(page.ok()) << page.error().ToString();
    if (!page.ok()) break;
    for (const PendingUpload& each : page->uploads) ids.push_back(each.upload_id);
    token = page->next_token;
  } while (!token.empty());
  return ids;
}

void Multipart(ObjectStore& store) {
  if (!store.features().multipart) return;
  const OpContext ctx;
  const Key key("pack/01/large+=");
  const Bytes body = RandomBytes(5 * kMiB + 11, 2);
  const ByteView first = ByteView(body).first(5 * kMiB), second = ByteView(body).subspan(5 * kMiB);
  const auto id = store.CreateMultipart(ctx, key);
  ASSERT_TRUE(id.ok()) << id.error().ToString();
  MustPut(store, key, *id, 1, RandomBytes(5 * kMiB, 3));       // Replaced below.
  const PartReply last = MustPut(store, key, *id, 7, second);  // In any order, with gaps.
  const PartReply head = MustPut(store, key, *id, 1, first);
  EXPECT_EQ(CodeOf(store.Head(ctx, key)), ErrorCode::kNotFound) << "visible before it is complete";
  EXPECT_EQ(PendingIds(store, key.str()), std::vector<std::string>{*id});
  const auto below = PendingIds(store, "pack/01/");  // Not all stores know it by less than its key.
  EXPECT_TRUE(below.empty() || below == std::vector<std::string>{*id});
  EXPECT_TRUE(PendingIds(store, "other/").empty());
  const auto listed = store.ListParts(ctx, key, *id, 0);
  ASSERT_TRUE(listed.ok()) << listed.error().ToString();
  ASSERT_EQ(listed->parts.size(), 2u);
  EXPECT_EQ(listed->parts[0].number, 1u);
  EXPECT_EQ(listed->parts[0].etag, head.etag);
  EXPECT_EQ(listed->parts[1].bytes, second.size());
  const auto rest = store.ListParts(ctx, key, *id, 1);
  ASSERT_TRUE(rest.ok()) << rest.error().ToString();
  EXPECT_EQ(rest->parts.size(), 1u);
  std::vector<PartReply> wrong{head, last};
  wrong[1].etag = Etag("0123456789abcdef0123456789abcdef");
  EXPECT_EQ(CodeOf(store.CompleteMultipart(ctx, key, *id, wrong)), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(store.Head(ctx, key)), ErrorCode::kNotFound);
  const std::vector<PartReply> parts{head, last};
  const auto made = store.CompleteMultipart(ctx, key, *id, parts);
  ASSERT_TRUE(made.ok()) << made.error().ToString();
  EXPECT_EQ(made->bytes, body.size());
  Bytes back(body.size());
  ASSERT_TRUE(store.GetRange(ctx, key, 0, back).ok());
  EXPECT_TRUE(back == body);
  EXPECT_TRUE(store.CompleteMultipart(ctx, key, *id, parts).ok()) << "a repeated completion is one";
  EXPECT_TRUE(PendingIds(store, key.str()).empty());

  const auto dropped = store.CreateMultipart(ctx, Key("pack/01/dropped"));
  ASSERT_TRUE(dropped.ok());
  const PartReply part = MustPut(store, Key("pack/01/dropped"), *dropped, 1, second);
  EXPECT_TRUE(store.AbortMultipart(ctx, Key("pack/01/dropped"), *dropped).ok());
  EXPECT_TRUE(store.AbortMultipart(ctx, Key("pack/01/dropped"), *dropped).ok());
  EXPECT_EQ(CodeOf(store.CompleteMultipart(ctx, Key("pack/01/dropped"), *dropped, {&part, 1})),
            ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(store.PutPart(ctx, Key("pack/01/dropped"), *dropped, 1, second)),
            ErrorCode::kNotFound);
  EXPECT_EQ(ListAll(ctx, store, "")->size(), 1u) << "uploads are no objects";
}

}  // namespace

void RunConformance(const std::function<std::shared_ptr<ObjectStore>()>& make_empty) {
  for (const auto check : {ReadsAndWrites, Conditions, Races, Listing, Multipart}) {
    const std::shared_ptr<ObjectStore> store = make_empty();
    check(*store);
    if (::testing::Test::HasFatalFailure()) return;
  }
  // A cancelled call says so and does nothing.
  const std::shared_ptr<ObjectStore> store = make_empty();
  CancelToken cancel;
  cancel.Cancel();
  const OpContext cancelled(SystemClock(), OsRandom(), cancel);
  EXPECT_EQ(CodeOf(store->PutNew(cancelled, Key("late"), AsBytes("x"))), ErrorCode::kCancelled);
  EXPECT_EQ(CodeOf(store->Head(OpContext(), Key("late"))), ErrorCode::kNotFound);
}

}  // namespace varve::store
