#include "cli/files.h"

namespace scanengine::cli {

std::FILE* OpenForReading(const std::string& path) {
  return std::fopen(path.c_str(), "rb");
}

std::FILE* OpenTemporaryFile() { return std::tmpfile(); }

}  // namespace scanengine::cli
