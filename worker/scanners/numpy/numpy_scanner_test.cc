#include <catch2/catch.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/byte_builder.h"
#include "tests/support/scan_bytes.h"
#include "worker/scanners/numpy/npy_header.h"

namespace scanengine {
namespace {

using numpy::NpyHeader;
using numpy::ParseNpyHeader;
using numpy::Size;
using std::string_literals::operator""s;
using Ids = std::vector<std::string>;

std::string File(std::string_view header, std::string_view data,
                 unsigned major = 1) {
  std::string text(header);
  ByteBuilder file;
  file.Text("\x93NUMPY").U8(static_cast<std::uint8_t>(major)).U8(0);
  if (major == 1) {
    file.U16(static_cast<std::uint16_t>(text.size() + 1));
  } else {
    file.U32(static_cast<std::uint32_t>(text.size() + 1));
  }
  return file.Text(text).Text("\n").Text(data).bytes();
}

std::string Header(std::string_view descr, std::string_view shape) {
  return "{'descr': " + std::string(descr) +
         ", 'fortran_order': False, 'shape': " + std::string(shape) + ", }";
}

ScanReply ScanFile(std::string_view bytes) {
  return ScanBytes(bytes, "array.npy");
}

const std::string kData32(32, '\x3f');

// {} in protocol 2, and builtins.eval('1') in protocol 0.
const std::string kHarmlessPickle = "\x80\x02}q\0."s;
const std::string kEvilPickle = "cbuiltins\neval\n(S'1'\ntR.";

}  // namespace

TEST_CASE("NumPy: arrays as NumPy writes them are clean") {
  const std::string files[] = {
      File(Header("'<f4'", "(2, 4)"), kData32),
      File(Header("'<f4'", "(8,)"), kData32, 2),
      File(Header("'<f4'", "(8,)"), kData32, 3),
      File(Header("'>f8'", "(4,)"), kData32),
      File(Header("'|S4'", "(8,)"), kData32),
      File(Header("'<U2'", "(4,)"), kData32),
      File(Header("'<M8[ns]'", "(4,)"), kData32),
      File(Header("'|b1'", "(32,)"), kData32),
      File(Header("'|V16'", "(2,)"), kData32),
      File(Header("'<c16'", "()"), kData32.substr(16)),
      File(Header("'<f8'", "(0, 3)"), ""),
      File(Header("'<f8'", "(9223372036854775807, 0)"), ""),
      File(Header("[('a', '<i4'), ('b', '|V4', (3,))]", "(2,)"), kData32),
      File(Header("[(('t', 'a'), '<i4'), ('', '|V12')]", "(2,)"), kData32),
      File(Header("[('a', [('b', '<i4'), ('c', '<f4')])]", "(4,)"), kData32),
      // Python 2
      File("{'descr': '<f4', 'fortran_order': True, 'shape': (8L,), }",
           kData32),
      // Appended to the same file
      File(Header("'<f4'", "(8,)"), kData32) +
          File(Header("'<f4'", "(8,)"), kData32),
  };
  for (const std::string& bytes : files) {
    CAPTURE(bytes);
    const ScanReply reply = ScanFile(bytes);
    CHECK(reply.status == OutcomeStatus::kScanned);
    CHECK(reply.format == "numpy");
    CHECK(RuleIds(reply) == Ids{});
  }
}

TEST_CASE("NumPy: facts are for inventories") {
  const ScanReply reply = ScanFile(File(Header("'<f4'", "(2, 4)"), kData32));
  REQUIRE(reply.assets.size() == 1);
  using Facts = std::vector<std::pair<std::string, std::string>>;
  CHECK(reply.assets[0].facts == Facts{{"dtype", "'<f4'"},
                                       {"dimensions", "2"},
                                       {"elements", "8"},
                                       {"order", "C"}});
}

TEST_CASE("NumPy: object arrays are told, their pickle decides") {
  for (const std::string_view descr :
       {"'|O'", "[('i', '<i4'), ('o', '|O')]", "[('a', [('b', 'O')])]"}) {
    CAPTURE(descr);
    const ScanReply harmless =
        ScanFile(File(Header(descr, "(1,)"), kHarmlessPickle));
    CHECK(RuleIds(harmless) == Ids{"numpy-object-array"});
    CHECK(WorstSeverity(harmless) == Severity::kLow);

    const ScanReply evil = ScanFile(File(Header(descr, "(1,)"), kEvilPickle));
    CHECK(WorstSeverity(evil) >= Severity::kHigh);
  }
}

TEST_CASE("NumPy: object types in unusual spelling are still pickles") {
  for (const std::string_view descr :
       {"'object'", "'i4,O'", "'2O'", "'O,O'", "'object_'"}) {
    CAPTURE(descr);
    const ScanReply reply = ScanFile(File(Header(descr, "(1,)"), kEvilPickle));
    CHECK(WorstSeverity(reply) >= Severity::kHigh);
  }
}

TEST_CASE("NumPy: every array of a file is looked at") {
  const std::string first = File(Header("'<f4'", "(8,)"), kData32);
  const ScanReply second =
      ScanFile(first + File(Header("'|O'", "(1,)"), kEvilPickle));
  CHECK(WorstSeverity(second) >= Severity::kHigh);
  const ScanReply after_pickle =
      ScanFile(File(Header("'|O'", "(1,)"), kHarmlessPickle) +
               File(Header("'|O'", "(1,)"), kEvilPickle));
  CHECK(WorstSeverity(after_pickle) >= Severity::kHigh);
}

TEST_CASE("NumPy: trailing bytes are told, and scanned if a pickle") {
  const std::string array = File(Header("'<f4'", "(8,)"), kData32);
  const ScanReply junk = ScanFile(array + "\xfa\xfb\xfc");
  CHECK(RuleIds(junk) == Ids{"unclaimed-bytes"});
  CHECK(WorstSeverity(junk) == Severity::kMedium);
  const ScanReply evil = ScanFile(array + "\x80\x02" + kEvilPickle);
  CHECK(WorstSeverity(evil) >= Severity::kHigh);
}

TEST_CASE("NumPy: every defect of header and size is told") {
  struct Case {
    std::string rule;
    std::string bytes;
  };
  const Case cases[] = {
      {"numpy-malformed", File("", "")},
      {"numpy-malformed", File("{}", "")},
      {"numpy-malformed", File("[1]", "")},
      {"numpy-malformed", File("{'descr': '<f4'}", "")},
      {"numpy-malformed", File(Header("'<f4'", "(8,)") + " x", "")},
      {"numpy-malformed", File(Header("'<f4'", "(8,)") + "\0"s, "")},
      {"numpy-malformed", File(Header("'<f4'", "8"), "")},
      {"numpy-malformed", File(Header("'<f4'", "[8]"), "")},
      {"numpy-malformed", File(Header("'<f4'", "(8.0,)"), "")},
      {"numpy-malformed", File(Header("'<f4'", "(8)"), kData32)},
      {"numpy-malformed", File(Header("'<f4'", "(-8,)"), "")},
      {"numpy-malformed", File(Header("<f4", "(8,)"), "")},
      {"numpy-malformed", File(Header("'float32'", "(8,)"), "")},
      {"numpy-malformed", File(Header("'<f4", "(8,)"), "")},
      {"numpy-malformed",
       File("{'descr': '<f4', 'fortran_order': 0, 'shape': (8,)}", "")},
      {"numpy-malformed",
       File("{'descr': '<f4', 'fortran_order': True, 'shape': (8,), "
            "'x': [1, {'y': None}, ('z',)]}",
            kData32)},
      {"numpy-malformed",
       File("{'descr': '<f4', 'descr': '<f4', 'fortran_order': True, "
            "'shape': (8,)}",
            kData32)},
      {"numpy-malformed", File(Header(
                                   "'<f4'", "(" +
                                                [] {
                                                  std::string ones;
                                                  for (int i = 0; i < 65; ++i)
                                                    ones += "1,";
                                                  return ones;
                                                }() +
                                                ")"),
                               "\x3f\x3f\x3f\x3f")},
      {"numpy-malformed", File(Header(std::string(1000, '['), "(8,)"), "")},
      {"numpy-size", File(Header("'<f4'", "(9,)"), kData32)},
      {"numpy-size", File(Header("'<f4'", "(99999999999,)"), kData32)},
      {"numpy-size", File(Header("'<f4'", "(4294967296, 4294967296, 4)"), "")},
      {"numpy-size",
       File(Header("'<f4'", "(99999999999999999999999999,)"), "")},
      {"numpy-size",
       File(Header("'|S99999999999999999999999999'", "(1,)"), "")},
      {"numpy-header-code",
       File("{'descr': __import__('os').system('id'), 'fortran_order': False, "
            "'shape': ()}",
            "")},
      {"numpy-header-code", File("eval('{}')", "")},
  };
  for (const Case& one : cases) {
    CAPTURE(one.bytes);
    const ScanReply reply = ScanFile(one.bytes);
    CHECK(RuleIds(reply) == Ids{one.rule});
    CHECK(WorstSeverity(reply) >= Severity::kMedium);
  }
}

TEST_CASE("NumPy: unknown versions are unsupported") {
  const ScanReply reply = ScanFile(File(Header("'<f4'", "(8,)"), kData32, 4));
  CHECK(reply.status == OutcomeStatus::kUnsupported);
  CHECK(RuleIds(reply) == Ids{"numpy-malformed"});
}

TEST_CASE("NumPy: header over the limit is not read") {
  const std::string bytes =
      ByteBuilder().Text("\x93NUMPY").U8(2).U8(0).U32(0xf0000000).bytes();
  const ScanReply reply = ScanFile(bytes);
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(RuleIds(reply) == Ids{"numpy-limit"});
}

TEST_CASE("NumPy: the number of arrays is bounded") {
  const std::string one = File(Header("'<f4'", "(0,)"), "");
  std::string many;
  for (int i = 0; i < 10'001; ++i) many += one;
  const ScanReply reply = ScanFile(many);
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(RuleIds(reply) == Ids{"numpy-limit"});
}

TEST_CASE("NumPy: a file cut short is never clean") {
  for (const std::string& whole :
       {File(Header("'<f4'", "(2, 4)"), kData32),
        File(Header("'|O'", "(1,)"), kHarmlessPickle)}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size);
      CHECK_FALSE(IsClean(ScanFile(std::string_view(whole).substr(0, size))));
    }
  }
}

TEST_CASE("NumPy: a source of unknown size gives the same findings") {
  const std::string array = File(Header("'<f4'", "(2, 4)"), kData32);
  for (const std::string& bytes :
       {array, array + array, array + "\xfa\xfb", array.substr(0, 100),
        File(Header("'|O'", "(1,)"), kHarmlessPickle)}) {
    MemorySource base(std::as_bytes(std::span(bytes)));
    UnsizedSource source(base);
    CHECK(RuleIds(ScanSourceAs(source, "a.npy")) == RuleIds(ScanFile(bytes)));
  }
}

TEST_CASE("ParseNpyHeader: sizes follow from type and shape") {
  const std::string text = Header("'<f4'", "(2, 3)");
  const NpyHeader plain = ParseNpyHeader(text);
  CHECK(plain.parsed);
  CHECK(plain.item_size == Size{4, true});
  CHECK(plain.elements == Size{6, true});
  CHECK(plain.dimensions == 2);
  CHECK(plain.descr == "'<f4'");

  const NpyHeader record = ParseNpyHeader(
      Header("[('a', '<i4'), ('b', '<U3', (2, 2)), ('c', '|u1', 5)]", "()"));
  CHECK(record.parsed);
  CHECK(record.item_size == Size{4 + 12 * 4 + 5, true});
  CHECK(record.elements == Size{1, true});

  const NpyHeader huge =
      ParseNpyHeader(Header("'<f4'", "(18446744073709551616,)"));
  CHECK(huge.parsed);
  CHECK_FALSE(huge.elements.fits);
}

TEST_CASE("ParseNpyHeader: deep nesting fails instead of recursing") {
  for (const std::string_view open : {"[", "(", "{'a':", "[('a',"}) {
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += open;
    CHECK_FALSE(ParseNpyHeader(Header(deep, "()")).parsed);
    CHECK_FALSE(ParseNpyHeader("{'x': " + deep).parsed);
  }
}

}  // namespace scanengine
