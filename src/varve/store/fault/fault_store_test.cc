// Goal: a fault strikes the request it was planned for, whatever kind it is of. Method: each kind
// of request over the memory store, with one fault planned.
#include "varve/store/fault/fault_store.h"

#include <gtest/gtest.h>

#include "varve/store/memory/memory_store.h"

namespace varve::store {
namespace {

const OpContext kCtx;

TEST(FaultStore, EveryKindOfRequestIsNumberedAndStruck) {
  const auto memory = std::make_shared<MemoryStore>();
  ASSERT_TRUE(memory->PutNew(kCtx, Key("a"), AsBytes("x")).ok());
  FaultStore store(memory);
  const std::vector<Key> keys{Key("a")};
  const std::vector<PartReply> parts;
  Bytes into(1);
  const std::vector<std::function<bool()>> requests{
      [&] { return store.Head(kCtx, keys[0]).ok(); },
      [&] { return store.Get(kCtx, keys[0], {}).ok(); },
      [&] { return store.GetRange(kCtx, keys[0], 0, into).ok(); },
      [&] { return store.PutNew(kCtx, Key("b"), AsBytes("x")).ok(); },
      [&] { return store.Cas(kCtx, Key("c"), AsBytes("x"), std::nullopt).ok(); },
      [&] { return store.List(kCtx, "", {}).ok(); },
      [&] { return store.Delete(kCtx, keys).ok(); },
      [&] { return store.CreateMultipart(kCtx, keys[0]).ok(); },
      [&] { return store.PutPart(kCtx, keys[0], "u", 1, AsBytes("x")).ok(); },
      [&] { return store.CompleteMultipart(kCtx, keys[0], "u", parts).ok(); },
      [&] { return store.AbortMultipart(kCtx, keys[0], "u").ok(); },
      [&] { return store.ListParts(kCtx, keys[0], "u", 0).ok(); },
      [&] { return store.ListUploads(kCtx, "", "").ok(); },
  };
  for (const auto& request : requests) {
    store.Plan(Fault::kCrashBefore, 1);
    EXPECT_FALSE(request());
    EXPECT_EQ(store.requests(), 1u);
  }
  EXPECT_TRUE(memory->Head(kCtx, keys[0]).ok()) << "a dead process deletes nothing";
  EXPECT_FALSE(memory->Head(kCtx, Key("b")).ok());
}

TEST(FaultStore, AZombieIsAppliedLater) {
  const auto memory = std::make_shared<MemoryStore>();
  FaultStore store(memory);
  store.Plan(Fault::kZombie, 1, 2);
  EXPECT_EQ(store.Cas(kCtx, Key("head"), AsBytes("late"), std::nullopt).error().code(),
            ErrorCode::kUnknownOutcome);
  EXPECT_FALSE(store.Head(kCtx, Key("head")).ok());
  EXPECT_TRUE(store.Head(kCtx, Key("head")).ok()) << "two requests later";
  store.Plan(Fault::kZombie, 1, 100);
  EXPECT_FALSE(store.PutNew(kCtx, Key("pack"), AsBytes("late")).ok());
  EXPECT_FALSE(memory->Head(kCtx, Key("pack")).ok());
  store.Settle();
  EXPECT_TRUE(memory->Head(kCtx, Key("pack")).ok());
  store.Plan(Fault::kCrashZombie, 1);
  EXPECT_FALSE(store.PutNew(kCtx, Key("last"), AsBytes("late")).ok());
  EXPECT_FALSE(store.Head(kCtx, Key("pack")).ok()) << "the process is dead";
  EXPECT_FALSE(memory->Head(kCtx, Key("last")).ok());
  store.Settle();
  EXPECT_TRUE(memory->Head(kCtx, Key("last")).ok());
}

}  // namespace
}  // namespace varve::store
