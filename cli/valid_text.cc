#include "cli/valid_text.h"

#include "ipc/text.h"

namespace scanengine::cli {

std::string ValidText(std::string_view bytes, std::size_t max_bytes) {
  if (!IsUtf8(bytes)) return Printable(bytes, max_bytes);
  if (bytes.size() <= max_bytes) return std::string(bytes);
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(bytes[end]) & 0xc0) == 0x80) {
    --end;
  }
  return std::string(bytes.substr(0, end)) + "...";
}

}  // namespace scanengine::cli
