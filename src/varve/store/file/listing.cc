#include "varve/store/file/listing.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "varve/base/errno.h"
#include "varve/store/file/posix.h"

namespace varve::store {
namespace {

struct Entry {
  std::string key;  // A folder's ends with '/': so sorted, a walk meets keys in byte order.
  bool is_folder = false;
};

class Walk {
 public:
  Walk(const OpContext& ctx, const std::string& root, std::string_view prefix,
       const std::string& token, size_t page_max, bool (*is_private)(std::string_view))
      : ctx_(ctx),
        root_(root),
        prefix_(prefix),
        token_(token),
        page_max_(page_max),
        is_private_(is_private) {}

  // `folder` is "" or ends with '/'. Stops when one more than a page is found.
  Status Visit(const std::string& folder) {
    VARVE_CHECK_OK(ctx_.Check());
    std::vector<Entry> entries;
    VARVE_CHECK_OK(ReadFolder(folder, entries));
    std::ranges::sort(entries, {}, &Entry::key);
    for (const Entry& entry : entries) {
      if (found_.size() > page_max_) return OkStatus();
      if (entry.is_folder) {
        VARVE_CHECK_OK(Visit(entry.key));
        continue;
      }
      struct stat info {};
      const std::string path = root_ + "/" + entry.key;
      if (::lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT) continue;  // Deleted while the folder was read.
        return ErrnoError(errno, "list", path);
      }
      if (!S_ISREG(info.st_mode)) continue;
      found_.push_back({Key(entry.key), static_cast<uint64_t>(info.st_size), {}, ModifiedMs(info)});
    }
    return OkStatus();
  }

  ListPage Page() && {
    ListPage page;
    if (found_.size() > page_max_) {
      found_.resize(page_max_);
      page.next_token = found_.back().key.str();
    }
    page.objects = std::move(found_);
    return page;
  }

 private:
  Status ReadFolder(const std::string& folder, std::vector<Entry>& entries) {
    const std::string path = root_ + "/" + folder;
    const std::unique_ptr<DIR, int (*)(DIR*)> names(::opendir(path.c_str()), ::closedir);
    if (names == nullptr) {
      if (errno == ENOENT || errno == ENOTDIR) return OkStatus();
      return ErrnoError(errno, "list", path);
    }
    for (;;) {
      errno = 0;
      const dirent* const each = ::readdir(names.get());
      if (each == nullptr) break;
      const std::string_view name = each->d_name;
      if (name == "." || name == "..") continue;
      Entry entry{folder + std::string(name), each->d_type == DT_DIR};
      const bool link = each->d_type == DT_LNK;
      if (each->d_type == DT_UNKNOWN || link) VARVE_CHECK_OK(Examine(entry));
      if (entry.is_folder) entry.key += '/';
      if (MayHold(entry)) entries.push_back(std::move(entry));
    }
    return errno == 0 ? OkStatus() : Status(ErrnoError(errno, "list", path));
  }

  Status Examine(Entry& entry) {
    struct stat info {};
    const std::string path = root_ + "/" + entry.key;
    if (::lstat(path.c_str(), &info) != 0)
      return errno == ENOENT ? OkStatus() : Status(ErrnoError(errno, "list", path));
    if (S_ISLNK(info.st_mode)) {
      return Error(ErrorCode::kUnsupported,
                   "'" + path + "' is a symbolic link; a lake holds none, move it elsewhere");
    }
    entry.is_folder = S_ISDIR(info.st_mode);
    return OkStatus();
  }

  // Whether the key, or a key below the folder, starts with the prefix and comes after the token.
  bool MayHold(const Entry& entry) const {
    const std::string& key = entry.key;
    if (!entry.is_folder) return key.starts_with(prefix_) && key > token_;
    if (is_private_(key)) return false;
    if (!key.starts_with(prefix_) && !prefix_.starts_with(key)) return false;
    return key > token_ || token_.starts_with(key);
  }

  const OpContext& ctx_;
  const std::string& root_;
  const std::string_view prefix_;
  const std::string& token_;
  const size_t page_max_;
  bool (*const is_private_)(std::string_view);
  std::vector<ListedObject> found_;
};

}  // namespace

Result<ListPage> ListFolder(const OpContext& ctx, const std::string& root, std::string_view prefix,
                            const std::string& token, size_t page_max,
                            bool (*is_private)(std::string_view)) {
  Walk walk(ctx, root, prefix, token, page_max, is_private);
  const size_t slash = prefix.rfind('/');
  VARVE_CHECK_OK(walk.Visit(std::string(prefix.substr(0, slash + 1))));  // npos + 1 is 0.
  return std::move(walk).Page();
}

}  // namespace varve::store
