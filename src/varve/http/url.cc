#include "varve/http/url.h"

#include <charconv>

namespace varve::http {

Host HostOf(std::string_view url) {
  Host host;
  const size_t start = url.find("://");
  const bool tls = url.starts_with("https:");
  if (start != std::string_view::npos) url.remove_prefix(start + 3);
  std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  if (const size_t user = authority.rfind('@'); user != std::string_view::npos)
    authority.remove_prefix(user + 1);
  host.authority = authority;
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  const size_t colon = bracket == std::string_view::npos ? bracket : authority.find(':', bracket);
  host.name = authority.substr(0, colon);
  host.port = tls ? 443 : 80;
  if (colon == std::string_view::npos) return host;
  const std::string_view port = authority.substr(colon + 1);
  const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), host.port);
  if (failure != std::errc() || end != port.data() + port.size()) host.port = 0;
  return host;
}

}  // namespace varve::http
