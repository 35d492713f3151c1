// Goal: what is in a pipe lands in the file byte for byte, whatever the file system can.
// Method: a plain file, and one opened for appending, to which the kernel splices nothing.
#include "varve/transfer/disk_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "varve/testing/random_bytes.h"

namespace varve::transfer {
namespace {

class Piped : public ::testing::TestWithParam<int> {};

TEST_P(Piped, BytesLandWhereTheyBelong) {
  const std::string path = ::testing::TempDir() + "varve-pipe-" + std::to_string(getpid());
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | GetParam(), 0600);
  ASSERT_GE(file, 0);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Bytes content = RandomBytes(50'000, 1);
  uint64_t at = 0;
  for (const uint64_t bytes : {uint64_t{1}, uint64_t{40'000}, content.size() - 40'001}) {
    const ByteView piece = ByteView(content).subspan(at, bytes);
    ASSERT_EQ(write(ends[1], piece.data(), piece.size()), static_cast<ssize_t>(bytes));
    const Status put = WriteFromPipe(file, path, at, ends[0], bytes);
    ASSERT_TRUE(put.ok()) << put.error().ToString();
    at += bytes;
  }
  std::ifstream back(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(back), {}};
  EXPECT_TRUE(text == AsText(content));
  close(ends[0]);
  ASSERT_EQ(close(file), 0);
  EXPECT_FALSE(WriteFromPipe(file, path, 0, ends[1], 1).ok());
  close(ends[1]);
  std::filesystem::remove(path);
}
INSTANTIATE_TEST_SUITE_P(SplicedAndCopied, Piped, ::testing::Values(0, O_APPEND));

}  // namespace
}  // namespace varve::transfer
