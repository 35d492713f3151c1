// When an answer is late enough to ask again, learnt from the answers before it. Pure: times come
// in as arguments; callers hold their own lock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace varve::plan {

// How long to wait for the first byte of the answer once the body of an upload has left.
//
// About one upload in a thousand waits for seconds where the others take a fifth of one: ending it
// and sending it again is the faster way. Starts when max(10, connections) answers are known and
// their mean is below kLimitMsMax: at max(1 s, P90); drifts by 1 % per answer towards the mean and
// 0.7 s; grows by 100 ms when more than 0.1 % are cut and by 1 s when more than 1 % are; gives up
// above kLimitMsMax, as for a store that is slow throughout, and learns anew after kRelearnAnswers.
class FirstByteLimit {
 public:
  static constexpr int64_t kLimitMsMin = 1000, kLimitMsMax = 5000;
  static constexpr uint64_t kRelearnAnswers = 1000;
  explicit FirstByteLimit(uint32_t connections);

  int64_t limit_ms() const { return static_cast<int64_t>(limit_ms_); }  // 0: no limit.
  void Answered(int64_t first_byte_ms);
  // `limit_ms`: the one that the request ran under. Those of an older, shorter limit say nothing.
  void CutOff(int64_t limit_ms);

 private:
  void Start();
  const size_t samples_wanted_;
  std::vector<int64_t> samples_;  // Until the limit starts.
  uint64_t resting_ = 0;          // Answers to ignore before learning anew.
  double limit_ms_ = 0, mean_ms_ = 0;
  double answers_ = 0, cuts_ = 0;  // Recent ones; halved together now and then.
};

// When to send a read a second time, beside the first: the slowest one in a hundred, and none
// earlier than kHedgeMsMin.
//
// Two signs: no first byte for longer than nearly all others took, whatever the size; or the whole
// answer is later than P99 of those of about the same size, once enough of them are known. At most
// one read in kReadsPerHedge on average, so that a slow store never sees its load doubled.
class HedgeTimer {
 public:
  static constexpr int64_t kHedgeMsMin = 2000;
  static constexpr uint64_t kReadsPerHedge = 20;

  int64_t first_byte_ms() const;           // Without a byte for so long: hedge.
  int64_t whole_ms(uint64_t bytes) const;  // Unfinished for so long: hedge. 0: not known yet.
  bool Spend();                            // Whether one more hedge is within the share.
  void Finished(uint64_t bytes, int64_t first_byte_ms, int64_t whole_ms);

 private:
  // The last kSamples of one kind, with their 99th percentile computed now and then.
  struct Window {
    static constexpr size_t kSamples = 256, kSamplesMin = 32, kRefresh = 16;
    std::vector<int64_t> samples;
    size_t next = 0, added = 0;
    int64_t p99 = 0;  // 0: fewer than kSamplesMin.
    void Add(int64_t sample);
  };
  static constexpr size_t kClasses =
      6;  // By size: to 16 KiB, 128 KiB, 1 MiB, 8 MiB, 64 MiB, above.
  static size_t ClassOf(uint64_t bytes);

  Window first_bytes_;
  std::array<Window, kClasses> wholes_;
  uint64_t credit_ = 2 * kReadsPerHedge;  // In reads; a hedge costs kReadsPerHedge.
};

}  // namespace varve::plan
