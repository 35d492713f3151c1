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
  const passwd* user = getpwuid(getuid());
  return std::string(user != nullptr ? user->pw_name : std::to_string(getuid())) + "@" + host;
}

}  // namespace varve::cli
