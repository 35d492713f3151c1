#include "varve/plan/latency.h"

#include <algorithm>
#include <numeric>

namespace varve::plan {
namespace {

constexpr double kAboveMeanMs = 700, kDrift = 0.01;
constexpr double kCutsTolerated = 0.001, kCutsMany = 0.01;
constexpr double kRecentAnswers = 2000;
constexpr uint64_t kHedgeCreditMax = 10 * HedgeTimer::kReadsPerHedge;

}  // namespace

FirstByteLimit::FirstByteLimit(uint32_t connections)
    : samples_wanted_(std::clamp<size_t>(connections, 10, 1000)) {}

void FirstByteLimit::Start() {
  mean_ms_ = static_cast<double>(std::accumulate(samples_.begin(), samples_.end(), int64_t{0})) /
             static_cast<double>(samples_.size());
  const auto p90 = samples_.begin() + static_cast<std::ptrdiff_t>(samples_.size() * 9 / 10);
  std::nth_element(samples_.begin(), p90, samples_.end());
  limit_ms_ = static_cast<double>(std::max(kLimitMsMin, *p90));
  answers_ = cuts_ = 0;
  samples_.clear();
  if (mean_ms_ < kLimitMsMax && limit_ms_ <= kLimitMsMax) return;
  limit_ms_ = 0;
  resting_ = kRelearnAnswers;
}

void FirstByteLimit::Answered(int64_t first_byte_ms) {
  first_byte_ms = std::max<int64_t>(0, first_byte_ms);
  if (resting_ > 0) {
    --resting_;
    return;
  }
  if (limit_ms_ == 0) {
    samples_.push_back(first_byte_ms);
    if (samples_.size() >= samples_wanted_) Start();
    return;
  }
  ++answers_;
  if (answers_ + cuts_ > kRecentAnswers) {
    answers_ /= 2;
    cuts_ /= 2;
  }
  mean_ms_ += (static_cast<double>(first_byte_ms) - mean_ms_) * kDrift;
  const double goal_ms = std::max(static_cast<double>(kLimitMsMin), mean_ms_ + kAboveMeanMs);
  limit_ms_ += (goal_ms - limit_ms_) * kDrift;
}

void FirstByteLimit::CutOff(int64_t limit_ms) {
  if (limit_ms_ == 0 || limit_ms < this->limit_ms()) return;
  ++cuts_;
  const double share = cuts_ / (answers_ + cuts_);
  if (share > kCutsMany) {
    limit_ms_ += 1000;
  } else if (share > kCutsTolerated) {
    limit_ms_ += 100;
  }
  if (limit_ms_ <= kLimitMsMax) return;
  limit_ms_ = 0;
  resting_ = kRelearnAnswers;
}

void HedgeTimer::Window::Add(int64_t sample) {
  if (samples.size() < kSamples) {
    samples.push_back(sample);
  } else {
    samples[next] = sample;
    next = (next + 1) % kSamples;
  }
  ++added;
  if (samples.size() < kSamplesMin || (p99 != 0 && added % kRefresh != 0)) return;
  std::vector<int64_t> sorted = samples;
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() * 99 / 100);
  std::nth_element(sorted.begin(), at, sorted.end());
  p99 = std::max<int64_t>(1, *at);
}

size_t HedgeTimer::ClassOf(uint64_t bytes) {
  size_t index = 0;
  for (uint64_t top = 16 * 1024; bytes > top && index + 1 < kClasses; top *= 8) ++index;
  return index;
}

int64_t HedgeTimer::first_byte_ms() const { return std::max(kHedgeMsMin, first_bytes_.p99); }

int64_t HedgeTimer::whole_ms(uint64_t bytes) const {
  const int64_t p99 = wholes_[ClassOf(bytes)].p99;
  return p99 == 0 ? 0 : std::max(kHedgeMsMin, p99);
}

bool HedgeTimer::Spend() {
  if (credit_ < kReadsPerHedge) return false;
  credit_ -= kReadsPerHedge;
  return true;
}

void HedgeTimer::Finished(uint64_t bytes, int64_t first_byte_ms, int64_t whole_ms) {
  first_bytes_.Add(first_byte_ms);
  wholes_[ClassOf(bytes)].Add(whole_ms);
  credit_ = std::min(kHedgeCreditMax, credit_ + 1);
}

}  // namespace varve::plan
