// Files of the local disk to objects and back, many at once.
//
// Large files go in parts, so that one file fills the link; small ones whole. Memory, by ticket:
// one buffer of at most part_bytes per connection that sends, of kPieceBytesMax per one that
// receives, whose bytes go to the file in pieces. Progress is told from one worker at a time.
// Cancel and errors: an upload leaves objects that were finished and nothing half visible; a
// download leaves the files that were finished. Threads: any; the calls block.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "varve/transfer/engine.h"

namespace varve::transfer {

struct FileProgress {
  uint64_t files_done = 0, files_total = 0;
  uint64_t bytes_done = 0, bytes_total = 0;
};
using OnFileProgress = std::function<void(const FileProgress&)>;

struct FileOptions {
  uint64_t part_bytes = 16 * kMiB;
  // Where the records of interrupted uploads lie, so that a later call sends only what is missing;
  // empty: none are kept, and an upload that fails is aborted.
  std::string resume_folder;
  OnFileProgress on_progress;
};

struct FileUpload {
  std::string path;
  store::Key key;  // Never used before.
};
// Errors: the first; it names the file or the key. kConflict for a file that changes meanwhile.
Status UploadFiles(const OpContext& ctx, Engine& engine, const std::vector<FileUpload>& files,
                   const FileOptions& options);

struct FileDownload {
  store::Key key;
  std::string path;    // Replaced when all of it is there; its folder must exist.
  uint64_t bytes = 0;  // As listed, or as Head says.
};
// Errors: as above; kCorrupt when an object is shorter than `bytes`, or changes meanwhile.
Status DownloadFiles(const OpContext& ctx, Engine& engine, const std::vector<FileDownload>& files,
                     const FileOptions& options);

}  // namespace varve::transfer
