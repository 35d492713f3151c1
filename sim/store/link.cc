#include "sim/store/link.h"

#include <algorithm>
#include <optional>

namespace varve::sim {
namespace {

constexpr int64_t kMsNs = 1'000'000;
constexpr int64_t kGivesUpNs = 10'000 * kMsNs;  // A client that hears nothing.
constexpr int64_t kStoreEpochMs = 1'700'000'000'000;
constexpr uint32_t kRefPageMax = 2;  // Small, so that listings have pages.

constexpr const char* kRequestNames[] = {"head", "get",  "get-range", "put-new",
                                         "cas",  "list", "delete"};

void Flip(MutableByteView bytes, uint64_t damage) {
  if (damage == 0 || bytes.empty()) return;
  bytes[damage % bytes.size()] ^= static_cast<std::byte>(1 << (damage >> 32 & 7));
}

bool Writes(Request request) {
  return request == Request::kPutNew || request == Request::kCas || request == Request::kDelete;
}

}  // namespace

Fate Weather::Draw(Process& process, Request request, const std::string& key) {
  // Always as many draws, so that one fault less leaves the rest as it was.
  Random& random = *process.random;
  const uint64_t strike = random.Next64() % 1000, pick = random.Next64(), size = random.Next64();
  Fate fate;
  fate.send_ns = static_cast<int64_t>(1 + random.Next64() % 20) * kMsNs;
  fate.answer_ns = static_cast<int64_t>(1 + random.Next64() % 20) * kMsNs;
  if (!begun_ || healed_) return fate;
  if (config_.Has(kOutage) && scheduler_.now_ns() >= outage_from_ns_ &&
      scheduler_.now_ns() < outage_until_ns_) {
    fate.refused = true;
    fate.name = FaultName(kOutage);
    return fate;
  }
  if (strike >= config_.strike_permille) return fate;
  Fault options[kFaults];
  uint32_t count = 0;
  const auto offer = [&](Fault fault, bool fits) {
    if (fits && config_.Has(fault)) options[count++] = fault;
  };
  offer(kLostAnswer, true);
  offer(kLostRequest, true);
  offer(kZombie, Writes(request));
  offer(kDoubled, Writes(request));
  offer(kRefused, true);
  offer(kSlow, true);
  offer(kListFails, request == Request::kList);
  offer(kDamage, (request == Request::kGet || request == Request::kGetRange) && IsData(key));
  if (count == 0) return fate;
  const uint64_t number = strikes_++;
  if (number < config_.strikes_from || number >= config_.strikes_until) return fate;
  const Fault fault = options[pick % count];
  fate.name = FaultName(fault);
  const auto ms = [](uint64_t value) { return static_cast<int64_t>(value) * kMsNs; };
  if (fault == kLostAnswer) {
    fate.heard = false;
  } else if (fault == kLostRequest) {
    fate.applied = false;
  } else if (fault == kZombie) {
    fate.heard = false;
    fate.send_ns = kGivesUpNs + ms(size % (size % 3 == 0 ? 10'000'000 : 60'000));
  } else if (fault == kDoubled) {
    fate.doubled = true;
    fate.hear_second = (pick >> 32 & 1) != 0;
    fate.second_ns = ms(1 + size % (size % 3 == 0 ? 9'000 : 30));
  } else if (fault == kDamage) {
    fate.damage = size | 1;
  } else if (fault == kSlow) {
    fate.send_ns = ms(size % 9'000);
    fate.answer_ns = ms((size >> 20) % 9'000);
  } else {
    fate.refused = true;
    fate.refusal = (size & 1) != 0 ? ErrorCode::kThrottled : ErrorCode::kUnavailable;
  }
  return fate;
}

void Weather::Begin() {
  begun_ = true;
  SeededRandom random(config_.seed ^ 0x6f757461676573);
  outage_from_ns_ = scheduler_.now_ns() + static_cast<int64_t>(random.Between(0, 15'000)) * kMsNs;
  outage_until_ns_ = outage_from_ns_ + static_cast<int64_t>(random.Between(0, 60'000)) * kMsNs;
}

int64_t Weather::StaleMs(Process& process) {
  const uint64_t draw = process.random->Next64();
  // The contract wants listings of heads exact; those of data may lag without harm.
  if (!begun_ || draw % 4 != 0 || !On(kStaleList)) return 0;
  return static_cast<int64_t>((draw >> 8) % 600'000);
}

bool Weather::Denied(const std::string& key) const { return On(kDenyDelete) && Fnv(key) % 4 == 0; }

// One request under way; lives until its last event.
template <typename T, typename Apply>
class Link::Flight final : public Scheduler::Timer {
 public:
  enum What : uint32_t { kFirst, kSecond, kAnswer };
  Flight(Link& link, Request request, std::string key, Fate fate, Apply apply)
      : trace_(link.trace_),
        scheduler_(link.scheduler_),
        process_(link.process_.number),
        request_(request),
        key_(std::move(key)),
        fate_(fate),
        apply_(std::move(apply)) {}

  void Fire(uint32_t what) override {
    if (what == kAnswer) {
      heard = true;
      if (client != nullptr) scheduler_.Wake(client);
      return;
    }
    Result<T> result =
        fate_.refused ? Result<T>(Error(fate_.refusal, "the store refused")) : apply_();
    trace_.Note(scheduler_.now_ns(), process_, kRequestNames[static_cast<size_t>(request_)], key_,
                result.ok() ? std::string_view("ok") : ErrorName(result.error().code()));
    const bool this_one = fate_.hear_second == (what == kSecond);
    if (!this_one || !fate_.heard) return;
    reply.emplace(std::move(result));
    // The other of a doubled request may still come.
    scheduler_.At(scheduler_.now_ns() + fate_.answer_ns, self.lock(), kAnswer);
  }

  std::optional<Result<T>> reply;
  bool heard = false;
  Fiber* client = nullptr;
  std::weak_ptr<Flight> self;

 private:
  Trace& trace_;
  Scheduler& scheduler_;
  const uint32_t process_;
  const Request request_;
  const std::string key_;
  const Fate fate_;
  Apply apply_;
};

template <typename T, typename Apply>
Result<T> Link::Call(const OpContext& ctx, Request request, const std::string& key, Apply apply,
                     uint64_t* damage) {
  if (process_.dead) return Error(ErrorCode::kCancelled, "the process is dead");
  VARVE_CHECK_OK(ctx.Check());
  if (request != Request::kCas) ++sent_;
  const Fate fate = weather_.Draw(process_, request, key);
  if (damage != nullptr) *damage = fate.damage;
  const char* name = kRequestNames[static_cast<size_t>(request)];
  const int64_t sent_ns = scheduler_.now_ns();
  if (trace_.recording() || fate.name[0] != '\0') {
    trace_.Note(sent_ns, process_.number, std::string("send ") + name, key, fate.name);
  }
  using Way = Flight<T, Apply>;
  const auto flight = std::make_shared<Way>(*this, request, key, fate, std::move(apply));
  flight->self = flight;
  flight->client = scheduler_.current();
  if (fate.applied) scheduler_.At(sent_ns + fate.send_ns, flight, Way::kFirst);
  if (fate.doubled) {
    scheduler_.At(sent_ns + fate.send_ns + fate.second_ns, flight, Way::kSecond);
  }
  const int64_t gives_up_ns = std::min(sent_ns + kGivesUpNs, ctx.deadline_ns());
  while (!flight->heard && !process_.dead && scheduler_.now_ns() < gives_up_ns) {
    scheduler_.Park(gives_up_ns, true);
  }
  flight->client = nullptr;
  if (process_.dead) return Error(ErrorCode::kCancelled, "the process is dead");
  if (flight->heard) return std::move(*flight->reply);
  trace_.Note(scheduler_.now_ns(), process_.number, std::string("gave up ") + name, key, "");
  if (request == Request::kCas) {
    return std::move(Error(ErrorCode::kUnknownOutcome, "no answer").At(name, key));
  }
  if (ctx.LeftMs() == 0) return Error(ErrorCode::kTimeout, "the deadline passed");
  return std::move(Error(ErrorCode::kUnavailable, "no answer").At(name, key));
}

int64_t Link::StoreMs(const Scheduler& scheduler) {
  return kStoreEpochMs + scheduler.now_ns() / kMsNs;
}

Result<store::ObjectInfo> Link::Head(const OpContext& ctx, const store::Key& key) {
  return Call<store::ObjectInfo>(ctx, Request::kHead, key.str(), [this, key = key.str()] {
    return bucket_.Head(key, StoreMs(scheduler_));
  });
}

Result<store::GetReply> Link::Get(const OpContext& ctx, const store::Key& key,
                                  const store::GetOptions& options) {
  uint64_t damage = 0;
  auto reply = Call<store::GetReply>(
      ctx, Request::kGet, key.str(),
      [this, key = key.str(), options] { return bucket_.Get(key, options, StoreMs(scheduler_)); },
      &damage);
  if (reply.ok()) Flip(reply->body, damage);
  return reply;
}

Result<store::ObjectInfo> Link::GetRange(const OpContext& ctx, const store::Key& key,
                                         uint64_t offset, MutableByteView into) {
  uint64_t damage = 0;
  auto bytes = Call<Bytes>(
      ctx, Request::kGetRange, key.str(),
      [this, key = key.str(), offset, count = into.size()] {
        return bucket_.GetRange(key, offset, count);
      },
      &damage);
  if (!bytes.ok()) return std::move(bytes).error();
  std::copy(bytes->begin(), bytes->end(), into.begin());
  Flip(into, damage);
  return store::ObjectInfo{};
}

Result<store::ObjectInfo> Link::PutNew(const OpContext& ctx, const store::Key& key, ByteView body) {
  return Call<store::ObjectInfo>(ctx, Request::kPutNew, key.str(),
                                 [this, key = key.str(), body = Bytes(body.begin(), body.end())] {
                                   return bucket_.PutNew(process_.number, key, body,
                                                         StoreMs(scheduler_));
                                 });
}

Result<store::ObjectInfo> Link::Cas(const OpContext& ctx, const store::Key& key, ByteView body,
                                    const std::optional<store::Etag>& expected) {
  return Call<store::ObjectInfo>(
      ctx, Request::kCas, key.str(),
      [this, key = key.str(), body = Bytes(body.begin(), body.end()), expected] {
        return bucket_.Cas(process_.number, key, body, expected, StoreMs(scheduler_));
      });
}

Result<store::ListPage> Link::List(const OpContext& ctx, std::string_view prefix,
                                   const store::ListOptions& options) {
  const int64_t stale_ms = weather_.StaleMs(process_);
  const uint32_t page_max = prefix.starts_with("ref/") ? kRefPageMax : weather_.page_max();
  return Call<store::ListPage>(ctx, Request::kList, std::string(prefix),
                               [this, prefix = std::string(prefix), options, stale_ms,
                                page_max]() -> Result<store::ListPage> {
                                 return bucket_.List(prefix, options, page_max, stale_ms,
                                                     StoreMs(scheduler_));
                               });
}

Result<std::vector<store::DeleteReply>> Link::Delete(const OpContext& ctx,
                                                     std::span<const store::Key> keys) {
  const std::vector<store::Key> owned(keys.begin(), keys.end());
  const std::string where = owned.empty() ? std::string() : owned.front().str();
  return Call<std::vector<store::DeleteReply>>(
      ctx, Request::kDelete, where, [this, owned]() -> Result<std::vector<store::DeleteReply>> {
        std::vector<store::DeleteReply> replies;
        for (const store::Key& key : owned) {
          if (weather_.Denied(key.str())) {
            replies.push_back({key, Error(ErrorCode::kPermissionDenied, "deleting is denied")});
            continue;
          }
          bucket_.Delete(process_.number, key.str(), StoreMs(scheduler_));
          replies.push_back({key, OkStatus()});
        }
        return replies;
      });
}

}  // namespace varve::sim
