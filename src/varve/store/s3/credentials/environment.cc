#include "varve/store/s3/credentials/environment.h"

#include <strings.h>

#include <cstdlib>
#include <cstring>

namespace varve::store {

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::string {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return "";
    const std::string text(value);
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string::npos) return "";
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  };
}

std::string FirstSet(const Environment& environment, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (std::string value = environment(name); !value.empty()) return value;
  }
  return "";
}

bool IsTrue(const std::string& text) { return strcasecmp(text.c_str(), "true") == 0; }

}  // namespace varve::store
