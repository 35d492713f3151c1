// What the file store asks of the system, with errors as values. Threads: any.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "varve/base/bytes.h"
#include "varve/result.h"

namespace varve::store {

// Private folders of a lake's root; no key has such a first segment that a lake would write.
inline constexpr std::string_view kTemporaryFolder = ".tmp", kUploadsFolder = ".upload";

Error FromErrno(int number, const char* operation, const std::string& path);

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

int64_t ModifiedMs(const struct stat& info);

Status SyncFolder(const std::string& path);
Status MakeFolder(const std::string& path);  // And its missing parents, each synced into its own.

// kCorrupt when the file ends before.
Status ReadAt(int fd, uint64_t offset, MutableByteView into, const std::string& path);
int WriteAll(int fd, ByteView body);  // 0, or the errno of the failure.

}  // namespace varve::store
