#include "cli/terminal.h"

#include <charconv>
#include <cstdlib>
#include <cstring>

namespace scanengine::cli {
namespace {

constexpr int kDefaultWidth = 80;
constexpr int kMaxWidth = 4096;

}  // namespace

int WidthWithoutTerminal() {
  const char* const columns = std::getenv("COLUMNS");
  if (columns == nullptr) return kDefaultWidth;
  int width = 0;
  const auto [stop, error] =
      std::from_chars(columns, columns + std::strlen(columns), width);
  const bool sane =
      error == std::errc() && *stop == '\0' && width > 0 && width <= kMaxWidth;
  return sane ? width : kDefaultWidth;
}

}  // namespace scanengine::cli
