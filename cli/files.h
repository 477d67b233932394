#ifndef SCANENGINE_CLI_FILES_H_
#define SCANENGINE_CLI_FILES_H_

#include <cstdio>
#include <string>

/// What the C library does not do alike on all systems.
namespace scanengine::cli {

/// Opens |path| to read bytes; null with errno set if it cannot.
std::FILE* OpenForReading(const std::string& path);

/// An empty file to write and read, which is gone when it is closed; null with
/// errno set if there can be none.
std::FILE* OpenTemporaryFile();

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_FILES_H_
