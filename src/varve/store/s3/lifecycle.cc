#include "varve/store/s3/lifecycle.h"

#include <pugixml.hpp>

namespace varve::store {
namespace {

std::string PrefixOf(const pugi::xml_node& rule) {
  const pugi::xml_node filter = rule.child("Filter");
  for (const pugi::xml_node place : {filter, filter.child("And"), rule}) {
    const std::string prefix = place.child_value("Prefix");
    if (!prefix.empty()) return prefix;
  }
  return "";
}

std::string NameOf(const pugi::xml_node& rule) {
  const std::string id = rule.child_value("ID");
  std::string name = id.empty() ? "a rule without a name" : id.substr(0, 100);
  for (char& letter : name) {
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) letter = ' ';
  }
  return name;
}

}  // namespace

LifecycleEffect EffectOfLifecycle(std::string_view xml, const std::string& prefix) {
  LifecycleEffect effect;
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) return effect;
  const pugi::xml_node root = document.child("LifecycleConfiguration");
  effect.readable = static_cast<bool>(root);
  for (const pugi::xml_node rule : root.children("Rule")) {
    if (std::string_view(rule.child_value("Status")) != "Enabled") continue;
    const std::string where = PrefixOf(rule);
    if (!where.starts_with(prefix) && !prefix.starts_with(where)) continue;
    const pugi::xml_node expiration = rule.child("Expiration");
    // A rule that only clears delete markers deletes no object.
    if (expiration.child("Days") || expiration.child("Date")) effect.expires = NameOf(rule);
    if (rule.child("Transition")) effect.moves = NameOf(rule);
    if (rule.child("AbortIncompleteMultipartUpload")) effect.aborts_uploads = true;
    if (rule.child("NoncurrentVersionExpiration")) effect.expires_noncurrent = true;
  }
  return effect;
}

}  // namespace varve::store
