#include "varve/cli/duration.h"

#include <pwd.h>
#include <unistd.h>

#include "varve/plan/retention_policy.h"

namespace varve::cli {

Result<int64_t> DurationMs(const std::string& option, const std::string& text) {
  auto keep = plan::ParseKeep("within " + text, {});
  if (keep.ok() && keep->selector.kind == plan::Selector::Kind::kWithin && keep->parts.empty() &&
      keep->for_ms == 0) {
    return keep->selector.duration_ms;
  }
  return Error(ErrorCode::kInvalidArgument,
               option + " wants a time such as 36h or 7d, not '" + text + "'");
}

std::string Who() {
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  char memory[4096];
  passwd entry{};
  passwd* user = nullptr;
  const bool known =
      getpwuid_r(getuid(), &entry, memory, sizeof memory, &user) == 0 && user != nullptr;
  return (known ? std::string(user->pw_name) : std::to_string(getuid())) + "@" + host;
}

}  // namespace varve::cli
