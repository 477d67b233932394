#include "ipc/windows_path.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

namespace scanengine {
namespace {

char Upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool HasDrive(std::string_view path) {
  return path.size() >= 2 && path[1] == ':' && Upper(path[0]) >= 'A' &&
         Upper(path[0]) <= 'Z';
}

// The first piece of |rest|, which loses it and the slashes behind it.
std::string_view TakeName(std::string_view* rest) {
  const std::string_view name = rest->substr(0, rest->find('/'));
  rest->remove_prefix(name.size());
  while (rest->starts_with('/')) rest->remove_prefix(1);
  return name;
}

// What an absolute path is below, in the system's form, and the names behind.
struct Split {
  std::string volume;  // `\\?\C:` or `\\?\UNC\server\share`; empty: not one.
  std::string_view rest;
};

Split SplitAbsolute(std::string_view path) {
  if (HasDrive(path) && (path.size() == 2 || path[2] == '/')) {
    return {"\\\\?\\" + std::string(path.substr(0, 2)),
            path.substr(std::min<std::size_t>(path.size(), 3))};
  }
  if (!path.starts_with("//")) return {};
  path.remove_prefix(2);
  const std::string_view server = TakeName(&path);
  const std::string_view share = TakeName(&path);
  if (server.empty() || share.empty() || server == "." || server == "?") {
    return {};
  }
  return {"\\\\?\\UNC\\" + std::string(server) + '\\' + std::string(share),
          path};
}

}  // namespace

std::string WithSlashes(std::string_view path) {
  std::string out(path);
  std::replace(out.begin(), out.end(), '\\', '/');
  constexpr std::string_view kPrefix = "//?/";
  constexpr std::string_view kUnc = "UNC/";
  if (!out.starts_with(kPrefix)) return out;
  std::string rest = out.substr(kPrefix.size());
  std::string start = rest.substr(0, kUnc.size());
  std::transform(start.begin(), start.end(), start.begin(), Upper);
  if (start == kUnc) return "//" + rest.substr(kUnc.size());
  return HasDrive(rest) ? rest : out;
}

bool IsAbsoluteWindowsPath(std::string_view path) {
  return !SplitAbsolute(path).volume.empty();
}

std::string ExtendedPath(std::string_view path, std::string_view current) {
  Split split = SplitAbsolute(path);
  std::vector<std::string_view> names;
  const auto add = [&names](std::string_view rest) {
    while (!rest.empty()) {
      const std::string_view name = TakeName(&rest);
      if (name.empty() || name == ".") continue;
      if (name != "..") {
        names.push_back(name);
      } else if (!names.empty()) {
        names.pop_back();
      }
    }
  };
  if (split.volume.empty()) {
    split = SplitAbsolute(current);
    if (split.volume.empty() || path.starts_with("//")) return {};
    if (HasDrive(path)) {
      // "C:x" is below the current folder of drive C.
      if (!HasDrive(current) || Upper(path[0]) != Upper(current[0])) return {};
      path.remove_prefix(2);
    }
    if (path.starts_with('/')) split.rest = {};
    add(split.rest);
    split.rest = path;
  }
  add(split.rest);
  std::string out = split.volume;
  for (const std::string_view name : names) {
    out += '\\';
    out += name;
  }
  if (names.empty()) out += '\\';  // The root of a volume.
  return out;
}

bool IsReservedName(std::string_view name) {
  name = name.substr(0, name.find_first_of(".:"));
  while (name.ends_with(' ')) name.remove_suffix(1);
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(), Upper);
  constexpr std::array<std::string_view, 6> kNames{"CON", "PRN",    "AUX",
                                                   "NUL", "CONIN$", "CONOUT$"};
  if (std::find(kNames.begin(), kNames.end(), upper) != kNames.end()) {
    return true;
  }
  // COM and LPT with a digit; the superscript ones are digits, too.
  if (!upper.starts_with("COM") && !upper.starts_with("LPT")) return false;
  const std::string_view digit = std::string_view(upper).substr(3);
  return (digit.size() == 1 && digit[0] >= '0' && digit[0] <= '9') ||
         digit == "\xc2\xb9" || digit == "\xc2\xb2" || digit == "\xc2\xb3";
}

}  // namespace scanengine
