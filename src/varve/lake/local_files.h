// The local disk as put and get see it: listing folders, writing files that appear whole; one file
// that is read is transfer/disk_file.h. Never follows a symbolic link out of the folder it was
// given. Threads: one object belongs to one thread.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/result.h"

namespace varve::lake {

Status SyncFolder(const std::string& path);  // What was made, moved or removed in it is durable.

struct FoundFile {
  std::string local_path;  // To open it.
  std::string path;        // Inside the version: relative, joined by '/'.
  uint64_t bytes = 0;
};
// The file itself, or every file below the folder, sorted by path; dangling or outward links,
// sockets and devices are refused by name (kUnsupported). kNotFound when nothing is there.
inline constexpr size_t kFilesMax = 1'000'000;
Result<std::vector<FoundFile>> FindFiles(const std::string& local_path);

// Writes below a private folder beside `destination` and moves it into place at the end; the
// private folder vanishes with this object if Finish was not reached.
class FolderWriter {
 public:
  // kAlreadyExists when `destination` is there and not an empty folder.
  static Result<FolderWriter> Begin(const std::string& destination);
  FolderWriter(FolderWriter&& other) noexcept;
  FolderWriter& operator=(FolderWriter&&) = delete;
  ~FolderWriter();

  // `path` was checked by format::CheckPath. Call in the order Create, Append..., next Create.
  Status Create(const std::string& path, bool executable);
  Status Append(ByteView bytes);
  // Syncs files and folders, and moves into place. An error after the move says that it may not
  // outlast a power cut.
  Status Finish();

 private:
  FolderWriter() = default;
  Status CloseFile();
  std::string destination_, staging_;
  std::string open_path_;
  std::set<std::string> folders_;   // Made below staging_.
  std::vector<std::string> above_;  // In which parents of destination_ were made.
  int fd_ = -1;
};

}  // namespace varve::lake
