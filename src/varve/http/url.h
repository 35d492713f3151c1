// The part of a URL that says where to connect. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace varve::http {

struct Host {
  std::string authority;  // As written: "host:port", without a user.
  std::string name;       // "host", or "[::1]".
  uint16_t port = 0;
};
// Of "http[s]://host[:port]/..."; a port that is none is 0.
Host HostOf(std::string_view url);

}  // namespace varve::http
