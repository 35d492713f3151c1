// Goal: a file that another process cuts short or changes while it is saved is an error that names
// it, and no version. Method: the progress callback of the save does it between two tensors.
#include "varve/lake/tensor_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "varve/format/safetensors.h"
#include "varve/store/memory/memory_store.h"

namespace varve::lake {
namespace {

namespace fs = std::filesystem;
const OpContext kCtx;
constexpr uint64_t kTensorBytes = 20 * kMiB;  // Chunks beyond what a kernel reads ahead.

struct Folder {
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "varve-tensors-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
  std::string path;
};

// Two tensors of kTensorBytes.
void WriteFile(const std::string& path) {
  format::Safetensors content;
  content.tensors = {{"a", codec::DType::kU8, {kTensorBytes}, 0, 0},
                     {"b", codec::DType::kU8, {kTensorBytes}, 0, 0}};
  const auto layout = format::LayOutSafetensors(content);
  ASSERT_TRUE(layout.ok());
  std::ofstream(path, std::ios::binary) << AsText(layout->header);
  fs::resize_file(path, layout->file_bytes);
}

TEST(TensorFiles, AFileThatIsCutShortOrChangedMeanwhileIsRefused) {
  const auto cut = [](const std::string& path) { fs::resize_file(path, 1000); };
  const auto grow = [](const std::string& path) { fs::resize_file(path, 3 * kTensorBytes); };
  const auto touch = [](const std::string& path) {
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  };
  for (const std::function<void(const std::string&)>& change :
       {std::function<void(const std::string&)>(cut), std::function(grow), std::function(touch)}) {
    Folder folder;
    const std::string path = folder.path + "/model.safetensors";
    WriteFile(path);
    const auto memory = std::make_shared<store::MemoryStore>();
    ASSERT_TRUE(Lake::Init(kCtx, *memory).ok());
    const auto lake = Lake::Open(kCtx, memory, {.memory_bytes = 128 * kMiB}).value();
    bool changed = false;
    const auto saved = SaveTensorFiles(kCtx, *lake, "llama", {path}, {}, [&](Progress) {
      if (!std::exchange(changed, true)) change(path);
    });
    ASSERT_FALSE(saved.ok());
    EXPECT_EQ(saved.error().code(), ErrorCode::kConflict) << saved.error().ToString();
    EXPECT_NE(saved.error().message().find(path), std::string::npos) << saved.error().message();
    EXPECT_EQ(lake->OpenAt(kCtx, "llama").error().code(), ErrorCode::kNotFound);
  }
}

}  // namespace
}  // namespace varve::lake
