// A file of the local disk, read or written at any place by several workers at once.
//
// One that is written appears under its name whole or not at all: the bytes go to a private file
// beside it, which vanishes with this object unless Publish was reached. Threads: ReadAt and
// WriteAt from any; the rest from one.
#pragma once

#include <cstdint>
#include <string>

#include "varve/base/bytes.h"
#include "varve/result.h"

namespace varve::transfer {

// Takes exactly `bytes` out of the pipe and writes them to the file `fd`, named `path`, without a
// copy where its file system can; on an error it may have taken less.
Status WriteFromPipe(int fd, const std::string& path, uint64_t offset, int pipe, uint64_t bytes);

// kConflict: the file is not what it was when it was opened.
Error FileChanged(const std::string& path);

class DiskFile {
 public:
  // Errors: as the system says them; kUnsupported for what is not a regular file.
  static Result<DiskFile> OpenForRead(const std::string& path);
  // Parents must exist. The file gets its length at once, so that a full disk is known early.
  static Result<DiskFile> Create(const std::string& path, uint64_t bytes);
  DiskFile(DiskFile&& other) noexcept;
  DiskFile& operator=(DiskFile&&) = delete;
  ~DiskFile();

  uint64_t bytes() const { return bytes_; }             // When it was opened.
  int64_t modified_ns() const { return modified_ns_; }  // The same.
  bool executable() const { return executable_; }       // The same.
  // What one reading gives; 0 at the end.
  Result<uint64_t> ReadSome(uint64_t offset, MutableByteView into);
  Status ReadAt(uint64_t offset, MutableByteView into);  // kConflict if the file is shorter now.
  Status WriteAt(uint64_t offset, ByteView bytes);
  Status WriteFromPipe(uint64_t offset, int pipe, uint64_t bytes) {
    return transfer::WriteFromPipe(fd_, path_, offset, pipe, bytes);
  }
  Status CheckUnchanged();  // kConflict when size or time moved since it was opened.
  Status Publish();         // Moves a written file into place, replacing what is there.

 private:
  DiskFile() = default;
  std::string path_, private_path_;  // private_path_: empty once published, and for reading.
  int fd_ = -1;
  uint64_t bytes_ = 0;
  int64_t modified_ns_ = 0;
  bool executable_ = false;
};

}  // namespace varve::transfer
