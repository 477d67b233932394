#include <windows.h>

#include <algorithm>

#include "engine/path_syntax.h"
#include "ipc/windows_path.h"

namespace scanengine {

// "C:" is the root of the drive as the program writes it; people mean the
// drive's current folder.
std::string PortablePath(std::string path) {
  path = WithSlashes(path);
  if (path.size() == 2 && path[1] == ':') path += '.';
  return path;
}

std::string PortableGlob(std::string glob) {
  std::replace(glob.begin(), glob.end(), '\\', '/');
  return glob;
}

const bool kNamesIgnoreCase = true;

// File systems compare 16-bit units: nothing beyond them has a case.
char32_t LowerCase(char32_t symbol) {
  if (symbol > 0xffff) return symbol;
  auto unit = static_cast<wchar_t>(symbol);
  ::CharLowerBuffW(&unit, 1);
  return static_cast<char32_t>(unit);
}

char32_t UpperCase(char32_t symbol) {
  if (symbol > 0xffff) return symbol;
  auto unit = static_cast<wchar_t>(symbol);
  ::CharUpperBuffW(&unit, 1);
  return static_cast<char32_t>(unit);
}

}  // namespace scanengine
