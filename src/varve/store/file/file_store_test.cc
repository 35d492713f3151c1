// Goal: the file store keeps the promises of the seam, between processes and over their deaths.
// Method: the conformance suite; real processes that race, fork and die; files laid by hand.
#include "varve/store/file/file_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "varve/store/conformance/conformance.h"
#include "varve/store/file/posix.h"

namespace varve::store {
namespace {

// The folders of this run; they go when it ends.
class Folders {
 public:
  ~Folders() {
    std::error_code ignored;
    for (const std::string& folder : made_) std::filesystem::remove_all(folder, ignored);
  }
  std::string Make() {
    std::string pattern = (std::filesystem::temp_directory_path() / "varve-test-XXXXXX").string();
    made_.emplace_back(mkdtemp(pattern.data()));
    return made_.back();
  }

 private:
  std::vector<std::string> made_;
};

std::string FreshFolder() {
  static Folders folders;
  return folders.Make() + "/lake";
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

// Keys of all pages of a listing, in the order they came.
std::vector<std::string> Keys(ObjectStore& store, std::string_view prefix, uint32_t page_max) {
  std::vector<std::string> keys;
  ListOptions options{.token = "", .page_max = page_max};
  do {
    const auto page = store.List(OpContext(), prefix, options);
    EXPECT_TRUE(page.ok()) << page.error().ToString();
    if (!page.ok()) return keys;
    for (const ListedObject& object : page->objects) keys.push_back(object.key.str());
    options.token = page->next_token;
  } while (!options.token.empty());
  return keys;
}

TEST(FileStore, AChildForkedWhileALockWasHeldDoesNotKeepIt) {
  const std::string path = (std::filesystem::path(FreshFolder()).parent_path() / "lock").string();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  auto lock = FileLock::Take(OpContext(), path);
  ASSERT_TRUE(lock.ok());
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    close(ends[1]);
    _exit(static_cast<int>(read(ends[0], &byte, 1)));  // Until the parent is done.
  }
  lock->reset();
  const auto again = FileLock::Take(OpContext().WithTimeout(0), path);
  EXPECT_TRUE(again.ok()) << again.error().ToString();
  close(ends[1]);
  close(ends[0]);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
}

TEST(FileStore, WhatADeadWriterLeftIsRemovedAndALiveOneIsNot) {
  const std::string root = FreshFolder(), folder = root + "/.tmp";
  ASSERT_TRUE(FileStore::Open(root).value()->PutNew(OpContext(), Key("a"), AsBytes("x")).ok());
  const pid_t child = fork();
  if (child == 0) {
    const auto lost = PrivateFile::Write(folder, OsRandom(), AsBytes("half of a pack"));
    _exit(lost.ok() ? 0 : 1);  // As a kill: no destructor runs.
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto alive = PrivateFile::Write(folder, OsRandom(), AsBytes("on its way"));
  ASSERT_TRUE(alive.ok());
  ASSERT_TRUE(FileStore::Open(root).value()->PutNew(OpContext(), Key("b"), AsBytes("y")).ok());
  std::vector<std::string> left;
  for (const auto& each : std::filesystem::directory_iterator(folder))
    left.push_back(each.path().string());
  EXPECT_EQ(left, (std::vector<std::string>{(*alive)->path()}));
}

TEST(FileStore, ASuffixOfALargeObjectIsReadAlone) {
  const std::string root = FreshFolder();
  const auto store = std::move(FileStore::Open(root).value());
  ASSERT_TRUE(store->PutNew(OpContext(), Key("pack/big"), AsBytes("head")).ok());
  std::filesystem::resize_file(root + "/pack/big", kSmallObjectBytesMax + 1);
  std::ofstream(root + "/pack/big", std::ios::app) << "footer";
  const auto tail =
      store->Get(OpContext(), Key("pack/big"), {.suffix_bytes = 6, .if_none_match = {}});
  ASSERT_TRUE(tail.ok()) << tail.error().ToString();
  EXPECT_EQ(AsText(tail->body), "footer");
  EXPECT_EQ(tail->info.bytes, kSmallObjectBytesMax + 7);
  EXPECT_EQ(store->Get(OpContext(), Key("pack/big"), {}).error().code(),
            ErrorCode::kResourceExhausted);
}

TEST(FileStore, PrivateFoldersAndPlacesOutsideAreRefused) {
  const auto store = Fresh();
  for (const char* key : {".tmp/x", ".lock/x", ".tmp"}) {
    EXPECT_FALSE(store->PutNew(OpContext(), Key(key), AsBytes("x")).ok()) << key;
    EXPECT_FALSE(store->Cas(OpContext(), Key(key), AsBytes("x"), std::nullopt).ok()) << key;
    const auto got = store->Get(OpContext(), Key(key), {});
    EXPECT_EQ(got.error().code(), ErrorCode::kInternal) << key;
  }
  for (const char* prefix : {".tmp/", ".lock/x", "../", "a//", "/", "a/../b"})
    EXPECT_FALSE(store->List(OpContext(), prefix, {}).ok()) << prefix;
  ASSERT_TRUE(store->PutNew(OpContext(), Key("a"), AsBytes("x")).ok());  // Makes the folders.
  EXPECT_EQ(Keys(*store, "", 10), (std::vector<std::string>{"a"}));
  EXPECT_TRUE(Keys(*store, ".t", 10).empty());
}

TEST(FileStore, PagesFollowByteOrderAndReadNothingThatCannotHoldTheirKeys) {
  const std::string root = FreshFolder();
  const auto store = std::move(FileStore::Open(root).value());
  // '-' and '.' come before '/', the digits after it.
  std::vector<std::string> wanted{"a-b", "a.b", "a/1", "a/2/x", "a/2/y", "a/3", "a0", "b/1", "b/2"};
  for (const std::string& key : wanted)
    ASSERT_TRUE(store->PutNew(OpContext(), Key(key), AsBytes("x")).ok());
  for (const uint32_t page_max : {1u, 2u, 3u, 9u, 100u})
    EXPECT_EQ(Keys(*store, "", page_max), wanted);
  EXPECT_EQ(Keys(*store, "a/2", 1), (std::vector<std::string>{"a/2/x", "a/2/y"}));
  // A link fails every walk that meets it: these do not.
  std::filesystem::create_symlink("nowhere", root + "/a/link");
  const auto whole = store->List(OpContext(), "", {});
  ASSERT_FALSE(whole.ok()) << "what lies behind a link would be missing";
  EXPECT_EQ(whole.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(Keys(*store, "a/2/", 10).size(), 2u);
  const auto late = store->List(OpContext(), "", {.token = "a0", .page_max = 10});
  ASSERT_TRUE(late.ok()) << late.error().ToString();
  EXPECT_EQ(late->objects.size(), 2u);
}

TEST(FileStore, AFolderRemovedUnderItIsMadeAgain) {
  const std::string root = FreshFolder();
  const auto store = std::move(FileStore::Open(root).value());
  ASSERT_TRUE(store->PutNew(OpContext(), Key("pack/00/a"), AsBytes("x")).ok());
  std::filesystem::remove_all(root);
  EXPECT_FALSE(store->PutNew(OpContext(), Key("pack/00/b"), AsBytes("x")).ok());
  EXPECT_TRUE(store->PutNew(OpContext(), Key("pack/00/b"), AsBytes("x")).ok());
}

TEST(FileStore, AboveIsTheParentOfWhereItReallyLies) {
  const std::string root = FreshFolder();
  std::filesystem::create_directories(root + "/in/ner");
  const std::string link = root + "-link";
  std::filesystem::create_symlink(root + "/in/ner", link);
  const auto real = std::filesystem::canonical(root).string();
  const auto store = std::move(FileStore::Open(link).value());
  EXPECT_EQ(store->Above(1)->Describe(), real + "/in");
  EXPECT_EQ(store->Above(2)->Describe(), real);
  EXPECT_EQ(store->Above(1000), nullptr);
}

TEST(FileStore, TrialsLeaveNoFolders) {
  const std::string root = FreshFolder();
  const auto store = std::move(FileStore::Open(root).value());
  const Key trials[] = {Key("probe/1/a"), Key("probe/1/b"), Key("probe/2/a")};
  const Key pack("pack/7f/a");
  for (int round = 0; round < 2; ++round) {
    for (const Key& key : trials) ASSERT_TRUE(store->PutNew(OpContext(), key, {}).ok());
    ASSERT_TRUE(store->PutNew(OpContext(), pack, {}).ok());
    ASSERT_TRUE(store->Delete(OpContext(), std::span(trials, 2)).ok());
    EXPECT_FALSE(std::filesystem::exists(root + "/probe/1"));
    EXPECT_TRUE(std::filesystem::exists(root + "/probe/2/a"));
    ASSERT_TRUE(store->Delete(OpContext(), std::span(trials + 2, 1)).ok());
    EXPECT_FALSE(std::filesystem::exists(root + "/probe"));
    ASSERT_TRUE(store->Delete(OpContext(), std::span(&pack, 1)).ok());
    EXPECT_TRUE(std::filesystem::exists(root + "/pack/7f")) << "others hold its entry for durable";
  }
}

// Whoever completed it died between the object and the end of the upload.
TEST(FileStore, ACompletionIsRepeatedWhileTheUploadIsStillThere) {
  const std::string root = FreshFolder();
  const auto store = std::move(FileStore::Open(root).value());
  const Key key("pack/7f/a");
  const Bytes body(3 * kMiB, std::byte{7});
  const auto id = store->CreateMultipart(OpContext(), key);
  ASSERT_TRUE(id.ok());
  const auto part = store->PutPart(OpContext(), key, *id, 1, body);
  ASSERT_TRUE(part.ok());
  const std::string upload = root + "/.upload/" + *id, kept = FreshFolder();
  std::filesystem::copy(upload, kept, std::filesystem::copy_options::recursive);
  ASSERT_TRUE(store->CompleteMultipart(OpContext(), key, *id, {&*part, 1}).ok());
  std::filesystem::rename(kept, upload);
  const auto again = store->CompleteMultipart(OpContext(), key, *id, {&*part, 1});
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  EXPECT_FALSE(std::filesystem::exists(upload));
  // Other bytes under the name are still a name used twice.
  const auto other = store->CreateMultipart(OpContext(), key);
  const auto other_part =
      store->PutPart(OpContext(), key, *other, 1, Bytes(3 * kMiB, std::byte{8}));
  EXPECT_EQ(store->CompleteMultipart(OpContext(), key, *other, {&*other_part, 1}).error().code(),
            ErrorCode::kAlreadyExists);
}

TEST(FileStore, Conformance) {
  RunConformance([] { return Fresh(); });
}

}  // namespace
}  // namespace varve::store
