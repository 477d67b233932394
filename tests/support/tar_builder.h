#ifndef SCANENGINE_TESTS_SUPPORT_TAR_BUILDER_H_
#define SCANENGINE_TESTS_SUPPORT_TAR_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace scanengine::testing {

/// |size| in octal as |digits| digits and a NUL.
inline std::string Octal(std::uint64_t number, int digits) {
  std::string text(static_cast<std::size_t>(digits) + 1, '\0');
  std::snprintf(text.data(), text.size(), "%0*llo", digits,
                static_cast<unsigned long long>(number));
  return text;
}

/// One header block of ustar.
struct TarBlock {
  std::string name;
  char type = '0';
  std::uint64_t size = 0;
  std::string link = {};
  std::string prefix = {};
  std::string magic = std::string("ustar\00000", 8);
  std::string size_field = {};  ///< Instead of |size|, if given.
  bool good_checksum = true;

  std::string Build() const {
    std::string block(512, '\0');
    const auto put = [&block](std::size_t at, std::string_view text) {
      block.replace(at, text.size(), text);
    };
    put(0, name);
    put(100, "0000644");
    put(124, size_field.empty() ? Octal(size, 11) : size_field);
    put(148, "        ");
    block[156] = type;
    put(157, link);
    put(257, magic);
    put(345, prefix);
    std::uint64_t sum = good_checksum ? 0 : 1;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    put(148, Octal(sum, 6));
    return block;
  }
};

/// |data| with zeros up to a whole block.
inline std::string Padded(std::string_view data) {
  std::string blocks(data);
  blocks.resize((data.size() + 511) / 512 * 512, '\0');
  return blocks;
}

inline std::string TarMember(std::string_view name, std::string_view data) {
  return TarBlock{.name = std::string(name), .size = data.size()}.Build() +
         Padded(data);
}

/// A pax header with these records; lengths are put before each.
inline std::string TarPax(std::string_view key, std::string_view value,
                          char type = 'x') {
  std::string rest = " " + std::string(key) + "=" + std::string(value) + "\n";
  std::size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  const std::string record = std::to_string(length) + rest;
  return TarBlock{.name = "pax", .type = type, .size = record.size()}.Build() +
         Padded(record);
}

inline std::string TarEnd() { return std::string(1024, '\0'); }

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_TAR_BUILDER_H_
