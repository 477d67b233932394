#include "worker/parsing/hostile_name.h"

#include <algorithm>
#include <cstddef>

namespace scanengine {
namespace {

/// True for "../x", "a/../b" and the same with backslashes.
bool HasParentStep(std::string_view name) {
  while (!name.empty()) {
    const std::size_t end = std::min(name.find_first_of("/\\"), name.size());
    if (name.substr(0, end) == ".." && end != name.size()) return true;
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return false;
}

bool HasControlCharacter(std::string_view name) {
  return std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '\x7f';
  });
}

}  // namespace

bool IsHostileName(std::string_view name) {
  return HasParentStep(name) || HasControlCharacter(name);
}

}  // namespace scanengine
