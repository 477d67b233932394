#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "engine/cache_folder.h"
#include "engine/journal_file.h"
#include "ipc/text.h"

namespace scanengine {
namespace {

constexpr std::size_t kShownPathBytes = 300;

Error Refused(const std::string& path, std::string_view why) {
  return {ErrorCode::kInvalidArgument,
          "--cache-dir: " + Printable(path, kShownPathBytes) + ' ' +
              std::string(why)};
}

// Nothing: as it should be.
std::string_view WhyNotOurs(const struct stat& info) {
  if (info.st_uid != ::geteuid()) return "belongs to another user";
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return "may be written to by others; chmod go-w it";
  }
  return {};
}

std::string RealPath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return error ? std::string() : real.string();
}

bool IsIn(std::string_view path, std::string_view tree) {
  if (!path.starts_with(tree)) return false;
  return path.size() == tree.size() || tree.ends_with('/') ||
         path[tree.size()] == '/';
}

}  // namespace

Result<std::string> PrepareCacheFolder(const std::string& path,
                                       std::span<const std::string> trees) {
  const std::string absolute = AbsolutePath(path);
  const auto refuse_if_scanned = [&](const std::string& real) -> Status {
    for (const std::string& tree : trees) {
      const std::string root = RealPath(tree);
      if (!root.empty() && IsIn(real, root)) {
        return Refused(path,
                       "is in " + Printable(tree, kShownPathBytes) +
                           ", which is scanned: what is scanned must not say "
                           "what is clean");
      }
    }
    return OkStatus();
  };
  // Before it is made: a refused run leaves nothing.
  if (Status inside = refuse_if_scanned(absolute); !inside.ok()) {
    return inside.error();
  }
  if (Status made = CreateFolders(absolute); !made.ok()) {
    return Error{ErrorCode::kIo, "--cache-dir: cannot create " +
                                     Printable(path, kShownPathBytes) + ": " +
                                     made.error().detail};
  }
  struct stat info {};
  if (::stat(absolute.c_str(), &info) != 0) {
    return Refused(path, std::strerror(errno));
  }
  if (!S_ISDIR(info.st_mode)) return Refused(path, "is no folder");
  const std::string_view why = WhyNotOurs(info);
  if (!why.empty()) return Refused(path, why);
  std::string real = RealPath(absolute);
  if (real.empty()) return Refused(path, "cannot be resolved");
  if (Status inside = refuse_if_scanned(real); !inside.ok()) {
    return inside.error();
  }
  return real;
}

Status CheckCacheFile(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return OkStatus();
    return Error{ErrorCode::kIo, std::strerror(errno)};
  }
  if (!S_ISREG(info.st_mode)) return Refused(path, "is no regular file");
  const std::string_view why = WhyNotOurs(info);
  if (!why.empty()) return Refused(path, why);
  return OkStatus();
}

}  // namespace scanengine
