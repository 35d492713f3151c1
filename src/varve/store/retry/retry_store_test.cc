// Goal: a request that may be repeated is, one that may not is not, and a put whose answer was lost
// ends as what it is. Method: the memory store under faults at a numbered request.
#include "varve/store/retry/retry_store.h"

#include <gtest/gtest.h>

#include "varve/store/conformance/conformance.h"
#include "varve/store/fault/fault_store.h"
#include "varve/store/memory/memory_store.h"

namespace varve::store {
namespace {

const OpContext kCtx;
constexpr RetryOptions kQuick{.tries_max = 4,
                              .throttled_tries_max = 4,
                              .backoff_ms = 0,
                              .throttle_backoff_ms = 0,
                              .backoff_max_ms = 0};

// As a server whose puts are conditional: a name that is taken is refused, whatever its bytes.
class StrictNames final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<ObjectInfo> PutNew(const OpContext& ctx, const Key& key, ByteView body) override {
    if (inner_->Head(ctx, key).ok()) return Error(ErrorCode::kAlreadyExists, "the name is taken");
    return inner_->PutNew(ctx, key, body);
  }
};

struct Stack {
  std::shared_ptr<MemoryStore> memory = std::make_shared<MemoryStore>();
  std::shared_ptr<FaultStore> faulty =
      std::make_shared<FaultStore>(std::make_shared<StrictNames>(memory));
  RetryStore store{faulty, kQuick};
};

TEST(RetryStore, Conformance) {
  RunConformance(
      [] { return std::make_shared<RetryStore>(std::make_shared<MemoryStore>(), kQuick); });
}

TEST(RetryStore, APutThatLandedWithoutAnAnswerIsSuccess) {
  for (const Fault fault : {Fault::kLoseAnswer, Fault::kLoseRequest, Fault::kRefuse,
                            Fault::kThrottle, Fault::kZombie}) {
    Stack stack;
    stack.faulty->Plan(fault, 1);
    const Bytes body(9 * kMiB + 1, std::byte{7});  // Several windows of the comparison.
    const auto put = stack.store.PutNew(kCtx, Key("pack/a"), body);
    ASSERT_TRUE(put.ok()) << put.error().ToString();
    EXPECT_EQ(put->bytes, body.size());
    stack.faulty->Settle();
    const auto there = stack.memory->Get(kCtx, Key("pack/a"), {});
    EXPECT_TRUE(there.ok() && there->body == body);
  }
}

TEST(RetryStore, ANameUsedForOtherBytesIsRefused) {
  Stack stack;
  const Bytes body(5 * kMiB, std::byte{7});
  Bytes longer = body, other = body;
  longer.push_back(std::byte{7});
  other.back() = std::byte{8};
  for (const Bytes& first : {longer, other}) {
    const Key key("pack/" + std::to_string(first.size()));
    ASSERT_TRUE(stack.memory->PutNew(kCtx, key, first).ok());
    stack.faulty->Plan(Fault::kLoseRequest, 1);
    EXPECT_EQ(stack.store.PutNew(kCtx, key, body).error().code(), ErrorCode::kAlreadyExists);
    EXPECT_EQ(stack.memory->Get(kCtx, key, {})->body, first);
  }
}

TEST(RetryStore, ACompletionThatLandedWithoutAnAnswerIsSuccess) {
  for (const Fault fault : {Fault::kLoseAnswer, Fault::kLoseRequest, Fault::kRefuse}) {
    Stack stack;
    const Key key("pack/a");
    const Bytes body(5 * kMiB, std::byte{7});
    const auto id = stack.store.CreateMultipart(kCtx, key);
    ASSERT_TRUE(id.ok());
    const auto part = stack.store.PutPart(kCtx, key, *id, 1, body);
    ASSERT_TRUE(part.ok());
    stack.faulty->Plan(fault, 1);
    const auto made = stack.store.CompleteMultipart(kCtx, key, *id, {&*part, 1});
    ASSERT_TRUE(made.ok()) << made.error().ToString();
    EXPECT_EQ(made->bytes, body.size());
    EXPECT_EQ(stack.faulty->requests(), 2u);
    EXPECT_EQ(stack.memory->Get(kCtx, key, {})->body, body);
  }
}

TEST(RetryStore, ACasIsSentOnce) {
  for (const Fault fault : {Fault::kLoseAnswer, Fault::kLoseRequest, Fault::kRefuse}) {
    Stack stack;
    stack.faulty->Plan(fault, 1);
    EXPECT_FALSE(stack.store.Cas(kCtx, Key("head"), AsBytes("x"), std::nullopt).ok());
    EXPECT_EQ(stack.faulty->requests(), 1u);
  }
}

}  // namespace
}  // namespace varve::store
