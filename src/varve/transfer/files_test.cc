// Goal: files arrive byte for byte or not at all, and an interrupted upload is taken up where the
// file, its record and the store agree, nowhere else.
// Method: sizes around each edge of a part, a store that fails at a chosen request, and records
// that lie.
#include "varve/transfer/files.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "varve/base/random.h"
#include "varve/store/forwarding.h"
#include "varve/store/memory/memory_store.h"

namespace varve::transfer {
namespace {

namespace fs = std::filesystem;
const OpContext kCtx;
constexpr uint64_t kPart = 5 * kMiB;  // The least that S3 takes.

// Counts parts, and fails from a chosen one on as a network that is gone.
class Counting final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<store::PartReply> PutPart(const OpContext& ctx, const store::Key& key,
                                   const std::string& upload_id, uint32_t number,
                                   ByteView body) override {
    if (++parts > fail_after) return Error(ErrorCode::kUnavailable, "the network is gone");
    return ForwardingStore::PutPart(ctx, key, upload_id, number, body);
  }
  Result<store::ObjectInfo> CompleteMultipart(const OpContext& ctx, const store::Key& key,
                                              const std::string& upload_id,
                                              std::span<const store::PartReply> list) override {
    auto done = ForwardingStore::CompleteMultipart(ctx, key, upload_id, list);
    if (lose_completion) return Error(ErrorCode::kUnavailable, "the answer was lost");
    return done;
  }
  Result<store::ObjectInfo> GetRange(const OpContext& ctx, const store::Key& key, uint64_t offset,
                                     MutableByteView into) override {
    if (++reads > fail_after) return Error(ErrorCode::kUnavailable, "the network is gone");
    return ForwardingStore::GetRange(ctx, key, offset, into);
  }
  std::atomic<int> parts{0}, reads{0};
  int fail_after = 1'000'000;
  bool lose_completion = false;
};

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::path(::testing::TempDir()) / ("varve-files-" + std::to_string(OsRandom().Next64()));
    fs::create_directories(folder_ / "sent");
    fs::create_directories(folder_ / "got");
    fs::create_directories(folder_ / "records");
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Write(const std::string& name, uint64_t bytes, uint64_t seed) {
    SeededRandom random(seed);
    std::string content(bytes, 0);
    for (uint64_t i = 0; i + 8 <= bytes; i += 8) {
      const uint64_t word = random.Next64();
      std::memcpy(content.data() + i, &word, 8);
    }
    const std::string path = folder_ / "sent" / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  static std::string ReadAll(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  FileOptions Options(bool resume) {
    FileOptions options;
    options.part_bytes = kPart;
    if (resume) options.resume_folder = folder_ / "records";
    return options;
  }
  size_t Records() {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_ / "records"), {}));
  }
  size_t Pending() { return memory_->ListUploads(kCtx, "", "")->uploads.size(); }
  void ExpectEqual(const std::string& path, const std::string& key) {
    const std::string sent = ReadAll(path);
    Bytes got(sent.size());
    const auto info = memory_->GetRange(kCtx, store::Key(key), 0, got);
    ASSERT_TRUE(info.ok()) << info.error().ToString();
    EXPECT_EQ(info->bytes, sent.size());
    EXPECT_TRUE(std::ranges::equal(ByteView(got), AsBytes(sent)));
  }

  fs::path folder_;
  std::shared_ptr<store::MemoryStore> memory_ = std::make_shared<store::MemoryStore>();
  std::shared_ptr<Counting> counting_ = std::make_shared<Counting>(memory_);
  Engine engine_{counting_, {.connections = 3, .target_gbps = 0, .memory_bytes = 16 * kMiB}};
};

TEST_F(Files, ArriveByteForByteInEverySize) {
  std::vector<FileUpload> up;
  std::vector<FileDownload> down;
  uint64_t total = 0;
  for (const uint64_t bytes :
       {uint64_t{0}, uint64_t{1}, kPart - 1, kPart, kPart + 1, 3 * kPart, 3 * kPart + 77}) {
    const std::string name = "f" + std::to_string(bytes);
    up.push_back({Write(name, bytes, bytes), store::Key("a/" + name)});
    down.push_back({store::Key("a/" + name), folder_ / "got" / name, bytes});
    total += bytes;
  }
  FileProgress last;
  FileOptions options = Options(false);
  options.on_progress = [&](const FileProgress& progress) {
    EXPECT_GE(progress.bytes_done, last.bytes_done);
    last = progress;
  };
  const Status sent = UploadFiles(kCtx, engine_, up, options);
  ASSERT_TRUE(sent.ok()) << sent.error().ToString();
  EXPECT_EQ(last.bytes_done, total);
  EXPECT_EQ(last.bytes_total, total);
  EXPECT_EQ(last.files_done, up.size());
  EXPECT_EQ(counting_->parts, 2 + 3 + 4);
  EXPECT_LE(engine_.memory().peak_bytes(), 16 * kMiB);
  last = {};
  const Status got = DownloadFiles(kCtx, engine_, down, options);
  ASSERT_TRUE(got.ok()) << got.error().ToString();
  EXPECT_EQ(last.files_done, down.size());
  for (size_t i = 0; i < up.size(); ++i) EXPECT_EQ(ReadAll(up[i].path), ReadAll(down[i].path)) << i;
  EXPECT_EQ(Pending(), 0U);
}

TEST_F(Files, AnInterruptedUploadIsTakenUp) {
  const std::string path = Write("big", 6 * kPart, 1);
  counting_->fail_after = 4;
  ASSERT_FALSE(UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(true)).ok());
  EXPECT_EQ(Records(), 1U);
  EXPECT_EQ(Pending(), 1U);
  EXPECT_FALSE(memory_->Head(kCtx, store::Key("big")).ok()) << "half visible";
  counting_->fail_after = 1'000'000;
  counting_->parts = 0;
  const Status sent = UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(true));
  ASSERT_TRUE(sent.ok()) << sent.error().ToString();
  EXPECT_EQ(counting_->parts, 2) << "sent again what was there";
  ExpectEqual(path, "big");
  EXPECT_EQ(Records(), 0U);
  EXPECT_EQ(Pending(), 0U);
}

TEST_F(Files, WithoutARecordWhatFailsIsAborted) {
  const std::string path = Write("big", 3 * kPart, 2);
  counting_->fail_after = 2;
  ASSERT_FALSE(UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(false)).ok());
  EXPECT_EQ(Pending(), 0U);
}

TEST_F(Files, AFileThatChangedSinceIsSentWhole) {
  const std::string path = Write("big", 3 * kPart, 3);
  counting_->fail_after = 2;
  ASSERT_FALSE(UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(true)).ok());
  Write("big", 3 * kPart, 4);
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(5));
  counting_->fail_after = 1'000'000;
  counting_->parts = 0;
  ASSERT_TRUE(UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(true)).ok());
  EXPECT_EQ(counting_->parts, 3);
  ExpectEqual(path, "big");
}

TEST_F(Files, APartWhoseBytesChangedUnderAnEqualTimeIsSentAgain) {
  const std::string path = Write("big", 3 * kPart, 5);
  counting_->fail_after = 2;
  ASSERT_FALSE(UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(true)).ok());
  const auto time = fs::last_write_time(path);
  Write("big", 3 * kPart, 6);
  fs::last_write_time(path, time);
  counting_->fail_after = 1'000'000;
  counting_->parts = 0;
  ASSERT_TRUE(UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(true)).ok());
  EXPECT_EQ(counting_->parts, 3);
  ExpectEqual(path, "big");
}

TEST_F(Files, APartThatTheStoreHoldsUnderAnotherEtagIsSentAgain) {
  const std::string path = Write("big", 3 * kPart, 5);
  counting_->fail_after = 2;
  ASSERT_FALSE(UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(true)).ok());
  const std::string upload = memory_->ListUploads(kCtx, "", "")->uploads.front().upload_id;
  for (const uint32_t number : {1U, 2U, 3U}) {
    ASSERT_TRUE(memory_->PutPart(kCtx, store::Key("big"), upload, number, Bytes(kPart)).ok());
  }
  counting_->fail_after = 1'000'000;
  ASSERT_TRUE(UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(true)).ok());
  ExpectEqual(path, "big");
}

TEST_F(Files, AnUploadThatWasCompletedWithoutAnAnswerIsDone) {
  const std::string path = Write("big", 2 * kPart, 7);
  counting_->lose_completion = true;
  ASSERT_FALSE(UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(true)).ok());
  ExpectEqual(path, "big");
  counting_->lose_completion = false;
  counting_->parts = 0;
  const Status sent = UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(true));
  ASSERT_TRUE(sent.ok()) << sent.error().ToString();
  EXPECT_EQ(counting_->parts, 0);
  EXPECT_EQ(Records(), 0U);
}

TEST_F(Files, ARecordThatLiesCostsAnUploadAndNoByte) {
  const std::string path = Write("big", 3 * kPart, 8);
  const auto lies = [](const std::string& text) {
    return std::vector<std::string>{"garbage",
                                    "",
                                    std::string(5 * kMiB, 'x'),
                                    text.substr(0, 20),
                                    text + "part 4000000000 x 0\n",
                                    text + "part 3 x 0\npart -1 \n",
                                    text + std::string(1, 0),
                                    text.substr(0, text.size() - 3),
                                    text.substr(0, text.find("upload ")) + "upload other\n"};
  };
  for (size_t i = 0; i < lies("").size(); ++i) {
    const store::Key key("big" + std::to_string(i));
    counting_->parts = 0;
    counting_->fail_after = 2;
    ASSERT_FALSE(UploadFiles(kCtx, engine_, {{path, key}}, Options(true)).ok());
    const std::string record = fs::directory_iterator(folder_ / "records")->path();
    const std::string text = ReadAll(record);
    std::ofstream(record, std::ios::binary | std::ios::trunc) << lies(text)[i];
    counting_->fail_after = 1'000'000;
    const Status sent = UploadFiles(kCtx, engine_, {{path, key}}, Options(true));
    ASSERT_TRUE(sent.ok()) << i << " " << sent.error().ToString();
    ExpectEqual(path, key.str());
    EXPECT_EQ(Records(), 0U);
  }
}

TEST_F(Files, ADownloadThatFailsLeavesNoFile) {
  const std::string path = Write("big", 3 * kPart, 9);
  ASSERT_TRUE(UploadFiles(kCtx, engine_, {{path, store::Key("big")}}, Options(false)).ok());
  const std::string target = folder_ / "got" / "big";
  counting_->fail_after = 1;
  EXPECT_FALSE(
      DownloadFiles(kCtx, engine_, {{store::Key("big"), target, 3 * kPart}}, Options(false)).ok());
  EXPECT_TRUE(fs::is_empty(folder_ / "got"));
  counting_->fail_after = 1'000'000;
  const Status wrong =
      DownloadFiles(kCtx, engine_, {{store::Key("big"), target, 3 * kPart - 1}}, Options(false));
  ASSERT_FALSE(wrong.ok()) << "the object is longer than was listed";
  EXPECT_EQ(wrong.error().code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(fs::is_empty(folder_ / "got"));
}

TEST_F(Files, WhatIsNoFileIsSaid) {
  EXPECT_EQ(UploadFiles(kCtx, engine_, {{folder_ / "none", store::Key("a")}}, Options(false))
                .error()
                .code(),
            ErrorCode::kNotFound);
  EXPECT_FALSE(UploadFiles(kCtx, engine_, {{folder_, store::Key("a")}}, Options(false)).ok());
  EXPECT_FALSE(DownloadFiles(kCtx, engine_, {{store::Key("none"), folder_ / "got" / "x", 10}},
                             Options(false))
                   .ok());
  EXPECT_TRUE(fs::is_empty(folder_ / "got"));
}

}  // namespace
}  // namespace varve::transfer
