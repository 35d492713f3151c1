// Goal: error codes stay distinct and complete, and randomness repeats by seed alone.
// Method: compare the whole table; pin the generator to values of its published reference.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>

#include "varve/base/clock.h"
#include "varve/base/errno.h"
#include "varve/base/random.h"
#include "varve/error.h"
#include "varve/result.h"

namespace varve {
namespace {

constexpr ErrorCode kCodes[] = {
#define VARVE_CODE(code, ...) ErrorCode::code,
    VARVE_ERROR_TABLE(VARVE_CODE)
#undef VARVE_CODE
};

TEST(ErrorTable, NumbersNamesAndExitCodesAreUnique) {
  std::set<int> numbers, exits;
  std::set<std::string_view> names;
  for (const ErrorCode code : kCodes) {
    EXPECT_TRUE(numbers.insert(static_cast<int>(code)).second);
    EXPECT_TRUE(names.insert(ErrorName(code)).second) << ErrorName(code);
    EXPECT_TRUE(exits.insert(ExitCode(code)).second) << ErrorName(code);
    EXPECT_NE(ExitCode(code), 0) << ErrorName(code);
    EXPECT_GE(HttpStatus(code), 400) << ErrorName(code);
    EXPECT_LT(HttpStatus(code), 600) << ErrorName(code);
    EXPECT_FALSE(PythonClass(code).empty());
    EXPECT_FALSE(Advice(code).empty());
  }
  EXPECT_EQ(*numbers.begin(), 1);
  EXPECT_EQ(*numbers.rbegin(), static_cast<int>(numbers.size())) << "a number was left out";
}

TEST(ErrorTable, OnlyWhatMayPassByItselfIsRetryable) {
  for (const ErrorCode code : kCodes) {
    const bool passes = code == ErrorCode::kThrottled || code == ErrorCode::kUnavailable ||
                        code == ErrorCode::kTimeout;
    EXPECT_EQ(Retryable(code), passes) << ErrorName(code);
  }
}

TEST(Error, SaysWhereItHappenedOnce) {
  Error error(ErrorCode::kNotFound, "no such object");
  error.At("get", "ref/b/a").At("outer", "other").FromHttp(404, "id7").Prefix("save");
  EXPECT_EQ(error.ToString(),
            "not_found: save: no such object operation=get key=ref/b/a http_status=404 "
            "request_id=id7");
}

Result<std::unique_ptr<int>> Half(int value) {
  if (value % 2 != 0) return Error(ErrorCode::kInvalidArgument, "odd");
  return std::make_unique<int>(value / 2);
}
Result<int> Quarter(int value) {
  VARVE_TRY(const std::unique_ptr<int> half, Half(value));
  VARVE_TRY(const std::unique_ptr<int> quarter, Half(*half));
  return *quarter;
}

TEST(Result, PassesValuesAndErrorsOn) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(OkStatus().ok());
}

TEST(SeededRandom, RepeatsBySeed) {
  SeededRandom one(42), same(42), other(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = one.Next64();
    EXPECT_EQ(value, same.Next64());
    differs = differs || value != other.Next64();
  }
  EXPECT_TRUE(differs);
}

// The state that seed 0 gives, and the first outputs, by the published splitmix64 and xoshiro256**.
TEST(SeededRandom, IsTheReferenceGenerator) {
  SeededRandom random(0);
  EXPECT_EQ(random.Next64(), 0x99ec5f36cb75f2b4u);
  EXPECT_EQ(random.Next64(), 0xbf6e1f784956452au);
  EXPECT_EQ(random.Next64(), 0x1a5f849d4933e6e0u);
}

TEST(SeededRandom, AForkDependsOnSeedAndLabelAlone) {
  SeededRandom used(7), fresh(7);
  for (int i = 0; i < 10; ++i) used.Next64();
  EXPECT_EQ(used.Fork("disk")->Next64(), fresh.Fork("disk")->Next64());
  EXPECT_NE(fresh.Fork("disk")->Next64(), fresh.Fork("net")->Next64());
  EXPECT_NE(fresh.Fork("disk")->Next64(), SeededRandom(8).Fork("disk")->Next64());
}

TEST(Random, BetweenStaysInsideAndReachesBothEnds) {
  SeededRandom random(1);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.Between(5, 9));
  EXPECT_EQ(seen, (std::set<uint64_t>{5, 6, 7, 8, 9}));
  EXPECT_EQ(random.Between(3, 3), 3u);
  random.Between(0, UINT64_MAX);
  for (int i = 0; i < 1000; ++i) {
    const double unit = random.Unit();
    EXPECT_TRUE(unit >= 0 && unit < 1);
  }
  EXPECT_NE(OsRandom().Next64(), OsRandom().Next64());
}

TEST(Random, Hex128IsOneSpellingOf128Bits) {
  SeededRandom random(1), same(1);
  const std::string text = random.Hex128();
  EXPECT_EQ(text.size(), 32u);
  EXPECT_EQ(text.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(text, same.Hex128());
  EXPECT_NE(text, random.Hex128());
}

TEST(ErrnoError, SaysWhatFailedAndWhatToDo) {
  const Error full = ErrnoError(ENOSPC, "write", "out/model");
  EXPECT_EQ(full.code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(full.message(),
            "cannot write 'out/model': No space left on device; free space and try again");
  EXPECT_EQ(ErrnoError(ENOTDIR, "read", "x").code(), ErrorCode::kNotFound);
  EXPECT_EQ(ErrnoError(EACCES, "read", "x").code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(ErrnoError(EIO, "read", "x").code(), ErrorCode::kIo);
  EXPECT_FALSE(Retryable(ErrorCode::kIo)) << "a disk that failed is not a network that is slow";
}

TEST(Clock, SteadyTimeDoesNotGoBack) {
  const int64_t start_ns = SystemClock().SteadyNs();
  SystemClock().SleepUntil(start_ns + 2'000'000);
  EXPECT_GE(SystemClock().SteadyNs(), start_ns + 2'000'000);
}

}  // namespace
}  // namespace varve
