#include "worker/parsing/pickle_text_calls.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "worker/parsing/pickle_text.h"

namespace scanengine {
namespace {

// Codecs are found by their name in lower case, "-" and " " being "_".
std::string CodecName(std::string_view name) {
  std::string known;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') {
      known += static_cast<char>(c | 0x20);
    } else {
      known += c == '-' || c == ' ' ? '_' : c;
    }
  }
  return known;
}

bool IsOneOf(std::string_view name,
             std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string Rot13(std::string text) {
  for (char& c : text) {
    const char low = static_cast<char>(c | 0x20);
    if (low >= 'a' && low <= 'z') {
      c = static_cast<char>(c + (low <= 'm' ? 13 : -13));
    }
  }
  return text;
}

// Conversion between str and bytes. A codec that is not known may make any
// name of the text.
std::optional<PickleText> Recoded(const PickleText& first,
                                  const std::string& codec) {
  const auto made =
      [&](std::optional<std::string> text) -> std::optional<PickleText> {
    if (!text) return std::nullopt;
    return PickleText{*std::move(text), !first.is_bytes};
  };
  if (IsOneOf(codec, {"rot13", "rot_13"})) {
    return PickleText{Rot13(first.text), first.is_bytes};
  }
  if (IsOneOf(codec, {"base64", "base_64", "base64_codec"})) {
    return made(DecodeBase64(first.text));
  }
  if (IsOneOf(codec, {"hex", "hex_codec"})) return made(DecodeHex(first.text));
  if (IsOneOf(codec, {"latin1", "latin_1", "l1", "iso8859_1", "iso_8859_1",
                      "iso88591", "cp819"})) {
    // Latin-1 is how Python 3 writes bytes for Python 2.
    if (first.is_bytes) return made(first.text);
    auto bytes = DecodeLatin1(first.text);
    return made(bytes ? std::move(bytes) : first.text);
  }
  if (IsOneOf(codec,
              {"utf8", "utf_8", "u8", "utf", "ascii", "us_ascii", "646"})) {
    return made(first.text);
  }
  return std::nullopt;
}

// Without decoded names in mind, letters and digits alone mean the same in
// every alphabet of base64, and to every reader.
bool IsPlainBase64(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '=';
  });
}

std::optional<std::string> Replaced(const std::string& text,
                                    const std::string& from,
                                    const std::string& to) {
  if (from.empty()) return std::nullopt;
  std::string out;
  std::size_t at = 0;
  while (out.size() <= PickleArena::kMaxTextBytes) {
    const std::size_t found = text.find(from, at);
    out.append(text, at, found == std::string::npos ? found : found - at);
    if (found == std::string::npos) return out;
    out += to;
    at = found + from.size();
  }
  return std::nullopt;
}

std::optional<PickleText> AsBytes(std::optional<std::string> text) {
  if (!text) return std::nullopt;
  return PickleText{*std::move(text), true};
}

}  // namespace

std::optional<PickleText> CallOnText(
    PickleMeaning meaning, const PickleText& first,
    std::span<const std::optional<std::string>> rest) {
  const auto given = [&](std::size_t i) { return i < rest.size() && rest[i]; };
  switch (meaning) {
    case PickleMeaning::kConcat:
      if (rest.size() != 1 || !given(0)) return std::nullopt;
      return PickleText{first.text + *rest[0], first.is_bytes};
    case PickleMeaning::kReplace: {
      // A count would leave some as they are.
      if (rest.size() != 2 || !given(0) || !given(1)) return std::nullopt;
      auto made = Replaced(first.text, *rest[0], *rest[1]);
      if (!made) return std::nullopt;
      return PickleText{*std::move(made), first.is_bytes};
    }
    case PickleMeaning::kBase64:
      if (!rest.empty() && !IsPlainBase64(first.text)) return std::nullopt;
      return AsBytes(DecodeBase64(first.text));
    case PickleMeaning::kHex:
      return AsBytes(DecodeHex(first.text));
    case PickleMeaning::kText:
      if (rest.empty()) return Recoded(first, "latin1");
      if (!given(0)) return std::nullopt;
      return Recoded(first, CodecName(*rest[0]));
    default:
      return std::nullopt;
  }
}

}  // namespace scanengine
