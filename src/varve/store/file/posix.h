// System calls of the file store, each with its error as a value. Private to store/file.
// Threads: any; one object belongs to one thread.
#pragma once

#include <sys/stat.h>

#include <memory>
#include <string>
#include <string_view>

#include "varve/base/bytes.h"
#include "varve/base/random.h"
#include "varve/exec/op_context.h"
#include "varve/result.h"

namespace varve::store {

// Private folders of a lake's root; no key starts with one.
inline constexpr std::string_view kPrivateFolder = ".tmp", kLocksFolder = ".lock",
                                  kUploadsFolder = ".upload";

// Trials of a store: nobody's data, so their folders go with them.
inline constexpr std::string_view kTrialFolder = "probe";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

int OpenFile(const std::string& path, int flags);  // A descriptor, or -1 and errno.
int64_t ModifiedMs(const struct stat& info);
Status SyncFile(int fd, const std::string& path);
Status SyncFolder(const std::string& path);

// Makes `path` and its missing parents, each made one synced into its parent.
Status MakeFolder(const std::string& path);

// kCorrupt when the file ends before `into` does.
Status ReadAt(int fd, uint64_t offset, MutableByteView into, const std::string& path);

int WriteAll(int fd, ByteView body);  // 0, or the errno of the failure.

// A regular file, open for reading; kNotFound for anything else. `info` is its state when opened.
Result<std::unique_ptr<Descriptor>> OpenRegular(const std::string& path, const char* operation,
                                                struct stat& info);

// The exclusive lock of a file that exists for nothing else. Released when this object dies, also
// while a child that was forked meanwhile still holds the descriptor; and when the process dies.
class FileLock {
 public:
  // Waits, polling, as long as `ctx` allows.
  static Result<std::unique_ptr<FileLock>> Take(const OpContext& ctx, const std::string& path);
  ~FileLock();

 private:
  explicit FileLock(int fd) : file_(fd) {}
  Descriptor file_;
};

// A file under a private name below `folder`, written and synced, on its way to its own name. Held
// locked, so that RemoveDead can tell it from what a dead process left. Unlinked when this dies.
class PrivateFile {
 public:
  static Result<std::unique_ptr<PrivateFile>> Write(const std::string& folder, Random& random,
                                                    ByteView body);
  // Removes the private files of processes that died. Best effort.
  static void RemoveDead(const std::string& folder);
  ~PrivateFile();
  const std::string& path() const { return path_; }

 private:
  PrivateFile(std::string path, int fd) : path_(std::move(path)), file_(fd) {}
  std::string path_;
  Descriptor file_;
};

}  // namespace varve::store
