#include "ipc/wtf8.h"

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace scanengine {
namespace {

using Pair = std::pair<std::u16string, std::string>;

TEST_CASE("WTF-8: every name has a form in bytes and comes back the same") {
  const Pair names[] = {
      {u"", ""},
      {u"model.pkl", "model.pkl"},
      {u"\u00e9\u07ff", "\xc3\xa9\xdf\xbf"},
      {u"\u0800\u6a21\uffff", "\xe0\xa0\x80\xe6\xa8\xa1\xef\xbf\xbf"},
      {u"\U00010000\U0010ffff", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
      // Halves of pairs that stand alone, also in the wrong order.
      {std::u16string{u'a', char16_t{0xd800}, u'b'},
       "a\xed\xa0\x80"
       "b"},
      {std::u16string{char16_t{0xdc00}}, "\xed\xb0\x80"},
      {std::u16string{char16_t{0xdfff}, char16_t{0xdbff}},
       "\xed\xbf\xbf\xed\xaf\xbf"},
  };
  for (const auto& [units, bytes] : names) {
    CAPTURE(bytes);
    CHECK(Wtf8FromUtf16(units) == bytes);
    CHECK(Utf16FromWtf8(bytes) == units);
  }
}

TEST_CASE("WTF-8: all units alone come back the same") {
  for (char32_t unit = 0; unit <= 0xffff; ++unit) {
    const std::u16string name(1, static_cast<char16_t>(unit));
    if (Utf16FromWtf8(Wtf8FromUtf16(name)) != name)
      FAIL("unit " << static_cast<unsigned>(unit));
  }
}

TEST_CASE("WTF-8: what is none of it names nothing that exists") {
  const std::string_view wrong[] = {
      "\x80",              // No first byte.
      "\xff",              // None of anything.
      "\xc3",              // Cut short.
      "\xe6\xa8",          //
      "\xf0\x90\x80",      //
      "\xc0\xaf",          // A slash in two bytes.
      "\xe0\x80\xaf",      // In three.
      "\xf0\x80\x80\xaf",  // In four.
      "\xf4\x90\x80\x80",  // Beyond the last code point.
      "\xc3\x28",          // No second byte.
  };
  for (const std::string_view bytes : wrong) {
    const std::u16string units = Utf16FromWtf8(bytes);
    CHECK(units.find(u'\ufffd') != std::u16string::npos);
    CHECK(units.find(u'/') == std::u16string::npos);
  }
  CHECK(Utf16FromWtf8("a\xff\xc3\xa9") == u"a\ufffd\u00e9");
}

}  // namespace
}  // namespace scanengine
