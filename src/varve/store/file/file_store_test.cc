// Goal: the file store keeps the promises of the seam. Method: the conformance suite.
#include "varve/store/file/file_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "varve/store/conformance/conformance.h"

namespace varve::store {
namespace {

std::string FreshFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "varve-test-XXXXXX").string();
  return std::string(mkdtemp(pattern.data())) + "/lake";
}

std::shared_ptr<ObjectStore> Fresh() { return std::move(FileStore::Open(FreshFolder()).value()); }

// Eight processes increment a counter 20 times each through Cas; none may be lost.
TEST(FileStore, CasIsAtomicBetweenProcesses) {
  const std::string root = FreshFolder();
  const Key key("ref/b/counter");
  ASSERT_TRUE(
      FileStore::Open(root).value()->Cas(OpContext(), key, AsBytes("0 start"), std::nullopt).ok());
  for (int process = 0; process < 8; ++process) {
    if (fork() != 0) continue;
    const auto store = std::move(FileStore::Open(root).value());
    for (int done = 0; done < 20;) {
      const auto now = store->Get(OpContext(), key, {});
      const std::string next = std::to_string(std::stoi(std::string(AsText(now->body))) + 1) + " " +
                               std::to_string(getpid());
      if (store->Cas(OpContext(), key, AsBytes(next), now->info.etag).ok()) ++done;
    }
    _exit(0);
  }
  int status = 0;
  while (wait(&status) > 0) EXPECT_EQ(status, 0);
  const auto end = FileStore::Open(root).value()->Get(OpContext(), key, {});
  EXPECT_EQ(std::stoi(std::string(AsText(end->body))), 160);
}

TEST(FileStore, AReusedNameIsRefusedAndKeepsItsBytes) {
  const auto store = Fresh();
  ASSERT_TRUE(store->PutNew(OpContext(), Key("a"), AsBytes("first")).ok());
  EXPECT_EQ(store->PutNew(OpContext(), Key("a"), AsBytes("other")).error().code(),
            ErrorCode::kAlreadyExists);
  EXPECT_EQ(AsText(store->Get(OpContext(), Key("a"), {})->body), "first");
}

TEST(FileStore, Conformance) {
  RunConformance([] { return Fresh(); });
}

}  // namespace
}  // namespace varve::store
