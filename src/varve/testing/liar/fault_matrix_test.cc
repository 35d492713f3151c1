// Goal: for every lie and every kind of request it concerns, what the client makes of it is stated
// and holds: a true result, or an error that says what is known; never a wrong byte, never an
// acknowledgement of what is not there, never a hang.
// Method: the production stack (RetryStore over S3Store, with short waits) through the proxy to the
// strict fake; afterwards the truth is read without the proxy. One table; a lie without a row for
// each of its classes fails the test.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "varve/base/clock.h"
#include "varve/base/random.h"
#include "varve/store/retry/retry_store.h"
#include "varve/store/s3/s3_store.h"
#include "varve/testing/fake_s3/fake_s3.h"
#include "varve/testing/liar/liar.h"

namespace varve::liar {
namespace {

using store::Etag;
using store::Key;

constexpr int64_t kPatienceMs = 1000;  // Of a request that meets silence.

// What the client makes of a lie.
enum class Says {
  kTrue,      // Success, and it is true: retried, or harmless.
  kNot,       // An error, and the request was not served: nothing changed, no byte returned.
  kMaybe,     // kUnknownOutcome or an error; it may have been served.
  kEither,    // Success that is true, or an error: both are honest.
  kTimedOut,  // The deadline ended it.
};
struct Row {
  Lie lie;
  std::map<char, Says> outcome;  // By class.
  uint32_t times = 1;            // Requests that meet it: one, or all of a call's.
};
constexpr uint32_t kAlways = 100;

const std::vector<Row>& Matrix() {
  using enum Says;
  // M is judged at each of its requests by one rule, SaysOfUpload.
  static const std::vector<Row> rows = {
      {Lie::kSlowDown, {{'R', kTrue}, {'W', kTrue}, {'C', kMaybe}, {'D', kTrue}, {'L', kTrue}}},
      {Lie::kTooManyRequests,
       {{'R', kTrue}, {'W', kTrue}, {'C', kNot}, {'D', kTrue}, {'L', kTrue}}},
      {Lie::kError500Before,
       {{'R', kTrue}, {'W', kTrue}, {'C', kMaybe}, {'D', kTrue}, {'L', kTrue}}},
      {Lie::kError502Before,
       {{'R', kTrue}, {'W', kTrue}, {'C', kMaybe}, {'D', kTrue}, {'L', kTrue}}},
      {Lie::kError504Before,
       {{'R', kTrue}, {'W', kTrue}, {'C', kMaybe}, {'D', kTrue}, {'L', kTrue}}},
      {Lie::kError500After,
       {{'R', kTrue}, {'W', kTrue}, {'C', kMaybe}, {'D', kTrue}, {'L', kTrue}}},
      {Lie::kSilenceAfter,
       {{'R', kTimedOut}, {'W', kTimedOut}, {'C', kMaybe}, {'D', kTimedOut}, {'L', kTimedOut}}},
      {Lie::kResetAfter, {{'R', kTrue}, {'W', kTrue}, {'C', kMaybe}, {'D', kTrue}, {'L', kTrue}}},
      {Lie::kCloseAfter, {{'R', kTrue}, {'W', kTrue}, {'C', kMaybe}, {'D', kTrue}, {'L', kTrue}}},
      {Lie::kZombie, {{'W', kTrue}, {'C', kMaybe}, {'D', kTrue}}},
      {Lie::kTwice, {{'W', kTrue}, {'C', kTrue}, {'D', kTrue}}},
      {Lie::kConflict409, {{'C', kNot}}},
      {Lie::kVanished404, {{'C', kNot}}},
      {Lie::kErrorIn200, {{'D', kEither}, {'L', kEither}}},
      {Lie::kEmpty200, {{'D', kEither}, {'L', kEither}}},
      {Lie::kHtml200, {{'D', kEither}, {'L', kEither}}},
      {Lie::kCutXml, {{'D', kEither}, {'L', kEither}}},
      {Lie::kWrongRoot, {{'D', kEither}, {'L', kEither}}},
      {Lie::kResetInRequest, {{'W', kTrue}, {'C', kMaybe}, {'D', kTrue}}},
      {Lie::kResetInAnswer, {{'R', kTrue}, {'L', kTrue}}},
      {Lie::kShortBody, {{'R', kTrue}, {'L', kTrue}}},
      {Lie::kShortLength, {{'R', kEither}, {'L', kEither}}},
      {Lie::kLongBody, {{'R', kEither}, {'L', kEither}}},
      {Lie::kOtherRange, {{'R', kEither}}},
      {Lie::kWhole, {{'R', kEither}}},
      {Lie::kFlipRequest, {{'W', kTrue}, {'C', kMaybe}}},
      {Lie::kNoEtag, {{'R', kEither}, {'W', kEither}, {'C', kMaybe}}},
      {Lie::kWeakEtag, {{'R', kEither}, {'W', kEither}, {'C', kEither}}},
      {Lie::kOddEtag, {{'R', kEither}, {'W', kEither}, {'C', kMaybe}}},
      {Lie::kNoChecksum501, {{'W', kEither}, {'C', kEither}}},
      {Lie::kNoChecksum400, {{'W', kEither}, {'C', kEither}}},
      {Lie::kExpiredToken,
       {{'R', kNot}, {'W', kNot}, {'C', kNot}, {'D', kNot}, {'L', kNot}},
       kAlways},
      {Lie::kAccessDenied,
       {{'R', kNot}, {'W', kNot}, {'C', kNot}, {'D', kNot}, {'L', kNot}},
       kAlways},
      {Lie::kInvalidAccessKey,
       {{'R', kNot}, {'W', kNot}, {'C', kNot}, {'D', kNot}, {'L', kNot}},
       kAlways},
      {Lie::kSkewed,
       {{'R', kEither}, {'W', kEither}, {'C', kEither}, {'D', kEither}, {'L', kEither}}},
      {Lie::kBlackHole,
       {{'R', kTimedOut}, {'W', kTimedOut}, {'C', kMaybe}, {'D', kTimedOut}, {'L', kTimedOut}}},
      {Lie::kDrip, {{'R', kTimedOut}, {'L', kTimedOut}}},
      {Lie::kCloseKept, {{'R', kTrue}, {'W', kTrue}, {'C', kTrue}, {'D', kTrue}, {'L', kTrue}}},
      {Lie::kResetBefore, {{'R', kTrue}, {'W', kTrue}, {'C', kMaybe}, {'D', kTrue}, {'L', kTrue}}},
      {Lie::kNoToken, {{'L', kNot}}, kAlways},
      {Lie::kListReorders, {{'L', kTrue}}, kAlways},
      {Lie::kOtherRegion301,
       {{'R', kNot}, {'W', kNot}, {'C', kNot}, {'D', kNot}, {'L', kNot}},
       kAlways},
      {Lie::kElsewhere307,
       {{'R', kNot}, {'W', kNot}, {'C', kNot}, {'D', kNot}, {'L', kNot}},
       kAlways},
      {Lie::kRegionMalformed,
       {{'R', kNot}, {'W', kNot}, {'C', kNot}, {'D', kNot}, {'L', kNot}},
       kAlways},
      {Lie::kLocked, {{'D', kNot}}, kAlways},
      {Lie::kSomeKeysFail, {{'D', kEither}}},
      {Lie::kSomeKeysUnsaid, {{'D', kEither}}},
      {Lie::kKeyServiceThrottles, {{'R', kTrue}, {'W', kTrue}}},
      {Lie::kKeyDisabled, {{'R', kNot}, {'W', kNot}}, kAlways},
      {Lie::kEndlessHeaders,
       {{'R', kEither}, {'W', kEither}, {'C', kMaybe}, {'D', kEither}, {'L', kEither}}},
      {Lie::kEndlessBody, {{'R', kEither}, {'D', kEither}, {'L', kEither}}},
      {Lie::kGarbageStatus,
       {{'R', kEither}, {'W', kEither}, {'C', kMaybe}, {'D', kEither}, {'L', kEither}}},
      {Lie::kNotHttp,
       {{'R', kEither}, {'W', kEither}, {'C', kMaybe}, {'D', kEither}, {'L', kEither}}},
      {Lie::kBadLength, {{'R', kEither}, {'L', kEither}}},
      {Lie::kBadChunks, {{'R', kEither}, {'L', kEither}}},
  };
  return rows;
}
// An upload in parts ends with the object whole, or with an error and the object whole or absent:
// no part of it is promised before. A refusal that stays is an error.
Says SaysOfUpload(const Row& row) { return row.times == kAlways ? Says::kNot : Says::kEither; }

// Judged where they can be: a listing that lies well and a flipped byte look true on the wire. The
// lake finds them (LakeThroughTheLiar); damage by seed has its own test below.
const std::set<Lie> kJudgedElsewhere = {Lie::kListDrops, Lie::kListRepeats, Lie::kFlipAnswer,
                                        Lie::kSeeded, Lie::kBlanks};

class FaultMatrix : public testing::Test {
 protected:
  FaultMatrix()
      : fake_(std::move(fake::FakeS3::Start({})).value()),
        liar_(std::move(Liar::Start({.port = 0, .upstream_port = fake_->port()})).value()),
        truth_(std::make_shared<store::S3Store>(Config(fake_->endpoint()))),
        client_(std::make_shared<store::S3Store>(Config(liar_->endpoint())),
                {.tries_max = 4, .backoff_ms = 1, .throttle_backoff_ms = 1, .backoff_max_ms = 5},
                std::make_shared<store::Pacer>(1'000'000)) {}

  static store::S3Config Config(const std::string& endpoint) {
    store::S3Config config;
    config.bucket = "fake";
    config.prefix = "lake";
    config.endpoint = endpoint;
    config.path_style = true;
    config.credentials = {"fakekey", "fakesecret", ""};
    return config;
  }
  std::string Name(const char* kind) { return std::string(kind) + std::to_string(++names_); }
  std::string TruthOf(const Key& key) {
    const auto now = truth_->Get(ctx_, key, {});
    return now.ok() ? std::string(AsText(now->body)) : "";
  }
  // Runs one request of the class against the lie; the outcome and whether it is honest.
  struct Outcome {
    bool ok = false;
    ErrorCode code = ErrorCode::kInternal;
    std::string error;
    bool honest = true;   // The result, or the refusal to give one, agrees with the truth.
    bool served = false;  // The change is there.
  };
  Outcome Read();
  Outcome Write();
  Outcome Swap();
  Outcome Remove();
  Outcome List();
  Outcome Upload();
  Outcome Run(char kind, const Row& row, uint32_t after = 0);
  static void Judge(Says says, const Outcome& outcome);
  template <typename T>
  static void Note(Outcome& outcome, const Result<T>& result) {
    outcome.ok = result.ok();
    if (result.ok()) return;
    outcome.code = result.error().code();
    outcome.error = result.error().ToString();
  }
  OpContext Patient() const { return ctx_.WithTimeout(patience_ms_); }

  const OpContext ctx_;
  int64_t patience_ms_ = 20'000;
  int names_ = 0;
  std::unique_ptr<fake::FakeS3> fake_;
  std::unique_ptr<Liar> liar_;
  std::shared_ptr<store::ObjectStore> truth_;
  store::RetryStore client_;
};

FaultMatrix::Outcome FaultMatrix::Read() {
  const Key key(Name("read"));
  const std::string body = "0123456789abcdef0123456789abcdef";
  EXPECT_TRUE(truth_->PutNew(ctx_, key, AsBytes(body)).ok());
  Bytes into(16);
  Outcome outcome;
  const auto got = client_.GetRange(Patient(), key, 8, into);
  Note(outcome, got);
  outcome.honest = !got.ok() || AsText(into) == std::string_view(body).substr(8, 16);
  return outcome;
}

FaultMatrix::Outcome FaultMatrix::Write() {
  const Key key(Name("write"));
  const std::string body = "written " + key.str();
  Outcome outcome;
  Note(outcome, client_.PutNew(Patient(), key, AsBytes(body)));
  const std::string now = TruthOf(key);
  outcome.served = now == body;
  outcome.honest = outcome.ok ? outcome.served : now.empty() || now == body;
  return outcome;
}

FaultMatrix::Outcome FaultMatrix::Swap() {
  const Key key(Name("head"));
  const auto born = truth_->Cas(ctx_, key, AsBytes("old"), std::nullopt);
  EXPECT_TRUE(born.ok());
  Outcome outcome;
  const auto moved = client_.Cas(Patient(), key, AsBytes("new"), born->etag);
  Note(outcome, moved);
  const std::string now = TruthOf(key);
  outcome.served = now == "new";
  outcome.honest = outcome.ok ? outcome.served : now == "old" || now == "new";
  // Said to be definitely not, and yet there: the writer would make the commit twice.
  const bool definite =
      !outcome.ok && (outcome.code == ErrorCode::kConflict || outcome.code == ErrorCode::kNotFound);
  outcome.honest = outcome.honest && !(definite && outcome.served);
  // What was swallowed wakes late, after another writer moved the head: refused by its condition.
  const auto current = truth_->Get(ctx_, key, {});
  if (current.ok() && truth_->Cas(ctx_, key, AsBytes("later"), current->info.etag).ok()) {
    liar_->WakeZombies();
    outcome.honest = outcome.honest && TruthOf(key) == "later";
  }
  return outcome;
}

FaultMatrix::Outcome FaultMatrix::Remove() {
  const std::vector<Key> keys{Key(Name("doomed")), Key(Name("doomed"))};
  for (const Key& key : keys) EXPECT_TRUE(truth_->PutNew(ctx_, key, AsBytes("x")).ok());
  Outcome outcome;
  const auto deleted = client_.Delete(Patient(), keys);
  Note(outcome, deleted);
  outcome.served = TruthOf(keys[0]).empty() && TruthOf(keys[1]).empty();
  if (deleted.ok()) {
    for (size_t i = 0; i < keys.size(); ++i) {
      if ((*deleted)[i].status.ok()) {
        outcome.honest = outcome.honest && TruthOf(keys[i]).empty();
      } else {
        outcome.ok = false;
        outcome.code = (*deleted)[i].status.error().code();
      }
    }
  }
  return outcome;
}

FaultMatrix::Outcome FaultMatrix::List() {
  const std::string under = Name("list") + "/";
  std::set<std::string> wanted, listed;
  for (int i = 0; i < 5; ++i) {
    const Key key(under + std::to_string(i));
    wanted.insert(key.str());
    EXPECT_TRUE(truth_->PutNew(ctx_, key, AsBytes("x")).ok());
  }
  Outcome outcome;
  store::ListOptions options{.token = "", .page_max = 2};
  const OpContext patient = Patient();
  for (int page_number = 0; page_number < 10; ++page_number) {
    const auto page = client_.List(patient, under, options);
    Note(outcome, page);
    if (!page.ok()) return outcome;
    for (const auto& object : page->objects) listed.insert(object.key.str());
    options.token = page->next_token;
    if (options.token.empty()) break;
  }
  outcome.honest = listed == wanted;
  return outcome;
}

FaultMatrix::Outcome FaultMatrix::Upload() {
  const Key key(Name("upload"));
  const std::string body = "one part of " + key.str();
  Outcome outcome;
  const OpContext patient = Patient();
  const auto made = [&]() -> Result<store::ObjectInfo> {
    VARVE_TRY(const std::string id, client_.CreateMultipart(patient, key));
    VARVE_TRY(const store::PartReply part, client_.PutPart(patient, key, id, 1, AsBytes(body)));
    return client_.CompleteMultipart(patient, key, id, {&part, 1});
  }();
  Note(outcome, made);
  liar_->Calm();
  liar_->WakeZombies();
  const std::string now = TruthOf(key);
  outcome.served = now == body;
  outcome.honest = outcome.ok ? outcome.served : now.empty() || now == body;
  return outcome;
}

FaultMatrix::Outcome FaultMatrix::Run(char kind, const Row& row, uint32_t after) {
  const Says says = kind == 'M' ? SaysOfUpload(row) : row.outcome.at(kind);
  const bool silent =
      says == Says::kTimedOut || row.lie == Lie::kSilenceAfter || row.lie == Lie::kBlackHole;
  patience_ms_ = silent ? kPatienceMs : 20'000;
  // The lie before may have left a dead connection in the client's hands, which is another story.
  static_cast<void>(client_.Head(ctx_, Key("settle")));
  liar_->Tell({.lie = row.lie,
               .classes = std::string(1, kind),
               .after = after,
               .times = silent ? kAlways : row.times,
               .seed = 1});
  Outcome outcome = kind == 'R'   ? Read()
                    : kind == 'W' ? Write()
                    : kind == 'C' ? Swap()
                    : kind == 'D' ? Remove()
                    : kind == 'M' ? Upload()
                                  : List();
  liar_->Calm();
  liar_->WakeZombies();
  return outcome;
}

void FaultMatrix::Judge(Says says, const Outcome& outcome) {
  EXPECT_TRUE(outcome.honest) << outcome.error;
  EXPECT_EQ(outcome.error.find("fakesecret"), std::string::npos);
  const ErrorCode code = outcome.code;
  switch (says) {
    case Says::kTrue:
      EXPECT_TRUE(outcome.ok) << outcome.error;
      break;
    case Says::kNot:
      EXPECT_FALSE(outcome.ok);
      EXPECT_FALSE(outcome.served);
      break;
    case Says::kMaybe:
      EXPECT_FALSE(outcome.ok);
      EXPECT_NE(code, ErrorCode::kConflict) << "it may be our own write that is there";
      break;
    case Says::kTimedOut:
      EXPECT_FALSE(outcome.ok);
      EXPECT_TRUE(code == ErrorCode::kTimeout || code == ErrorCode::kUnavailable) << outcome.error;
      break;
    case Says::kEither:
      break;
  }
}

TEST_F(FaultMatrix, EveryLieHasAStatedOutcomeForEveryClassItConcerns) {
  std::map<Lie, const Row*> rows;
  for (const Row& row : Matrix()) rows[row.lie] = &row;
  size_t cases = 0;
  for (const LieInfo& info : kLies) {
    if (kJudgedElsewhere.contains(info.lie)) continue;
    ASSERT_TRUE(rows.contains(info.lie)) << info.name << " has no row";
    const Row& row = *rows[info.lie];
    for (const char kind : info.classes) {
      if (kind != 'M') {
        ASSERT_TRUE(row.outcome.contains(kind)) << info.name << " for " << kind;
      }
      // An upload's first, second and third request: its beginning, its part, its completion.
      for (uint32_t after = 0; after < (kind == 'M' ? 3u : 1u); ++after) {
        SCOPED_TRACE(std::string(info.row) + " " + std::string(info.name) + " for " + kind +
                     std::to_string(after));
        const uint64_t told = liar_->told();
        const Outcome outcome = Run(kind, row, after);
        ++cases;
        EXPECT_GT(liar_->told(), told) << "the lie was not told";
        Judge(kind == 'M' ? SaysOfUpload(row) : row.outcome.at(kind), outcome);
      }
    }
  }
  RecordProperty("cases", std::to_string(cases));
  EXPECT_GE(cases, 250u);
}

// A thousand other ways, by seed, 300 in a run (VARVE_ROUNDS): answers cut, swollen, re-ordered,
// dripped and damaged anywhere.
TEST_F(FaultMatrix, OtherWaysBySeed) {
  const char* wanted = std::getenv("VARVE_ROUNDS");
  const uint64_t rounds = wanted == nullptr ? 300 : std::strtoull(wanted, nullptr, 10);
  const uint64_t first = OsRandom().Next64() % 1'000'000;
  RecordProperty("seed", std::to_string(first));
  const std::string kinds = "WCDL";
  for (uint64_t seed = first; seed < first + rounds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const char kind = kinds[seed % kinds.size()];
    liar_->Tell({.lie = Lie::kSeeded,
                 .classes = std::string(1, kind),
                 .after = 0,
                 .times = 1,
                 .seed = seed});
    patience_ms_ = 5'000;
    const Outcome outcome = kind == 'W'   ? Write()
                            : kind == 'C' ? Swap()
                            : kind == 'D' ? Remove()
                                          : List();
    // A listing has no checksum: damage of a letter in a name cannot be seen on the wire.
    if (kind != 'L' && kind != 'D') {
      EXPECT_TRUE(outcome.honest) << kind << ": " << outcome.error;
    }
    liar_->Calm();
    if (HasFailure()) break;
  }
}

// The proxy itself: what passes untouched is the truth, in order and in bulk.
TEST_F(FaultMatrix, PassesTheTruthWhenCalm) {
  SeededRandom random(7);
  Bytes body(3 * kMiB + 1);
  for (std::byte& each : body) each = static_cast<std::byte>(random.Next64());
  ASSERT_TRUE(client_.PutNew(ctx_, Key("bulk"), body).ok());
  Bytes back(body.size());
  ASSERT_TRUE(client_.GetRange(ctx_, Key("bulk"), 0, back).ok());
  EXPECT_TRUE(back == body);
  EXPECT_EQ(liar_->told(), 0u);
}

TEST(Lies, ClassesAreTold) {
  const auto kind = [](const char* start, const char* header = nullptr) {
    Message message;
    message.start = std::string(start) + " HTTP/1.1";
    if (header != nullptr) message.Set(header, "*");
    return ClassOf(message);
  };
  EXPECT_EQ(kind("GET /b/k"), 'R');
  EXPECT_EQ(kind("HEAD /b/k"), 'R');
  EXPECT_EQ(kind("PUT /b/k"), 'W');
  EXPECT_EQ(kind("PUT /b/k", "If-None-Match"), 'C');
  EXPECT_EQ(kind("PUT /b/k", "if-match"), 'C');
  EXPECT_EQ(kind("GET /b?list-type=2&prefix=x"), 'L');
  EXPECT_EQ(kind("POST /b?delete="), 'D');
  EXPECT_EQ(kind("DELETE /b/k"), 'D');
  EXPECT_EQ(kind("POST /b/k?uploads="), 'M');
  EXPECT_EQ(kind("PUT /b/k?partNumber=1&uploadId=u"), 'M');
  EXPECT_EQ(kind("DELETE /b/k?uploadId=u"), 'M');
}

}  // namespace
}  // namespace varve::liar
