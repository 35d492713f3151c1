// Goal: connections spread over what is known, and what fails is left alone but never for ever.
// Method: sequences by hand with the time as an argument.
#include "varve/http/address_book.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "varve/http/resolve.h"

namespace varve::http {
namespace {

TEST(AddressBook, ConnectionsSpreadEvenly) {
  AddressBook book;
  EXPECT_TRUE(book.Stale(0));
  book.Learn({"a", "b", "c"}, 0);
  EXPECT_FALSE(book.Stale(1));
  std::vector<std::string> opened;
  for (int i = 0; i < 6; ++i) {
    opened.push_back(book.Order(1).front());
    book.Opened(opened.back());
  }
  EXPECT_EQ(opened, (std::vector<std::string>{"a", "b", "c", "a", "b", "c"}));
  book.Closed("b");
  EXPECT_EQ(book.Order(1).front(), "b");
  book.Closed("b");
  book.Closed("b");  // One more than there were.
  book.Opened("unknown");
  EXPECT_EQ(book.Order(1).front(), "b");
}

TEST(AddressBook, WithoutKeptConnectionsItGoesRound) {
  AddressBook book;
  book.Learn({"a", "b"}, 0);
  for (const char* expected : {"a", "b", "a", "b"}) {
    EXPECT_EQ(book.Order(1).front(), expected);
    book.Opened(expected);
    book.Closed(expected);
  }
}

TEST(AddressBook, AFailureRestsLongerEachTimeAndAsksAgain) {
  AddressBook book;
  book.Learn({"a", "b"}, 0);
  book.Failed("a", 5000);
  EXPECT_TRUE(book.Stale(5000)) << "an address died; the name may have others";
  EXPECT_TRUE(book.Resting("a", 5999));
  EXPECT_EQ(book.Order(5999), (std::vector<std::string>{"b", "a"})) << "last, but not lost";
  EXPECT_FALSE(book.Resting("a", 6000));
  book.Failed("a", 6000);
  EXPECT_TRUE(book.Resting("a", 7999));
  for (int i = 0; i < 50; ++i) book.Failed("a", 7999);
  EXPECT_FALSE(book.Resting("a", 8000)) << "many requests of one outage count once";
  for (int64_t at = 8000, i = 0; i < 40; ++i, at += 60'000) book.Failed("a", at);
  EXPECT_FALSE(book.Resting("a", 8000 + 40 * 60'000));
  book.Worked("a");
  book.Failed("a", 10'000'000);
  EXPECT_FALSE(book.Resting("a", 10'001'000)) << "forgiven after it worked";
}

TEST(AddressBook, JoinsAnswersAndForgetsOldOnes) {
  AddressBook book;
  book.Learn({"a"}, 0);
  book.Learn({"b", "b"}, 100'000);
  EXPECT_EQ(book.Order(100'000).size(), 2U);
  book.Learn({"b"}, 300'000);
  EXPECT_EQ(book.Order(300'000), std::vector<std::string>{"b"});
  EXPECT_TRUE(book.Stale(330'000));
  book.Learn({}, 330'000);  // A resolver that fails for a while takes nothing away.
  EXPECT_FALSE(book.empty());
  EXPECT_FALSE(book.Stale(330'001));
  std::vector<std::string> many;
  for (int i = 0; i < 1000; ++i) many.push_back(std::to_string(i));
  book.Learn(many, 331'000);
  EXPECT_EQ(book.Order(331'000).size(), AddressBook::kAddressesMax);
}

TEST(Resolve, KnowsAnAddressAndANameThatIsNone) {
  EXPECT_TRUE(IsAddress("127.0.0.1"));
  EXPECT_TRUE(IsAddress("[::1]"));
  EXPECT_FALSE(IsAddress("localhost"));
  const OpContext ctx;
  const auto local = Resolve(ctx, "localhost");
  ASSERT_TRUE(local.ok()) << local.error().ToString();
  for (const std::string& address : *local) EXPECT_TRUE(IsAddress(address)) << address;
  const auto none = Resolve(ctx, "no-such-host.invalid");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), ErrorCode::kUnavailable);
  CancelToken cancel;
  cancel.Cancel();
  const auto stopped = Resolve(OpContext(ctx.clock(), ctx.random(), cancel), "localhost");
  EXPECT_TRUE(stopped.ok() || stopped.error().code() == ErrorCode::kCancelled);
}

TEST(Resolve, AForkedChildAsksToo) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "a child of many threads may start none here";
#endif
  const OpContext ctx;
  ASSERT_TRUE(Resolve(ctx, "localhost").ok());
  const pid_t child = fork();
  if (child == 0) _exit(Resolve(ctx, "localhost").ok() ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace varve::http
