#include "ipc/text.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>

namespace scanengine {
namespace {

// Length of the well-formed UTF-8 sequence at the start of |s|, and its code
// point; length 0 if there is none. Unicode 15, table 3-7.
struct Utf8Step {
  std::size_t length;
  std::uint32_t code_point;
};

Utf8Step NextUtf8(std::string_view s) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint8_t>(s[i]);
  };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return {1, lead};
  std::size_t length = 0;
  std::uint32_t code = 0;
  std::uint32_t least = 0;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
    code = lead & 0x1fU;
    least = 0x80;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    code = lead & 0x0fU;
    least = 0x800;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    code = lead & 0x07U;
    least = 0x10000;
  } else {
    return {0, 0};
  }
  if (s.size() < length) return {0, 0};
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {0, 0};
    code = code << 6 | (byte(i) & 0x3fU);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < least || code > 0x10ffff || surrogate) return {0, 0};
  return {length, code};
}

// Characters that change how a terminal shows what follows.
bool IsDeceptive(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0xad ||
         code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2060 && code <= 0x2069) || code == 0xfeff ||
         (code >= 0xe0000 && code <= 0xe007f);
}

void AppendEscaped(std::uint32_t code, std::string* out) {
  switch (code) {
    case '\n':
      *out += "\\n";
      return;
    case '\t':
      *out += "\\t";
      return;
    case '\r':
      *out += "\\r";
      return;
    default:
      break;
  }
  if (code < 0x80) {
    fmt::format_to(std::back_inserter(*out), "\\x{:02x}", code);
  } else if (code <= 0xffff) {
    fmt::format_to(std::back_inserter(*out), "\\u{:04x}", code);
  } else {
    fmt::format_to(std::back_inserter(*out), "\\U{:08x}", code);
  }
}

}  // namespace

std::string Printable(std::string_view bytes, std::size_t max_bytes) {
  std::string out;
  out.reserve(std::min(bytes.size(), max_bytes));
  while (!bytes.empty()) {
    if (out.size() >= max_bytes) {
      out += "...";
      break;
    }
    const Utf8Step step = NextUtf8(bytes);
    if (step.length == 0) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}",
                     static_cast<std::uint8_t>(bytes[0]));
      bytes.remove_prefix(1);
      continue;
    }
    if (IsDeceptive(step.code_point)) {
      AppendEscaped(step.code_point, &out);
    } else {
      out += bytes.substr(0, step.length);
    }
    bytes.remove_prefix(step.length);
  }
  return out;
}

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Step step = NextUtf8(bytes);
    if (step.length == 0) return false;
    bytes.remove_prefix(step.length);
  }
  return true;
}

std::string HumanSize(unsigned long long bytes) {
  static constexpr std::array<const char*, 5> kUnits{"KiB", "MiB", "GiB", "TiB",
                                                     "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  value /= 1024;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace scanengine
