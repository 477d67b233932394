#include <catch2/catch.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/byte_builder.h"
#include "tests/support/scan_bytes.h"
#include "worker/scanners/safetensors/safetensors_dtype.h"

namespace scanengine {
namespace {

using std::string_view_literals::operator""sv;
using Ids = std::vector<std::string>;

std::string File(std::string_view header, std::size_t data_size,
                 char data = '\x3f') {
  return ByteBuilder()
      .U64(header.size())
      .Text(header)
      .Fill(data_size, data)
      .bytes();
}

ScanReply ScanFile(std::string_view bytes) {
  return ScanBytes(bytes, "model.safetensors");
}

const std::string kTwoTensors =
    R"({"__metadata__":{"format":"pt"},)"
    R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
    R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}})";

}  // namespace

TEST_CASE("Safetensors: well-formed file is clean, with its facts") {
  const ScanReply reply = ScanFile(File(kTwoTensors, 32));
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(reply.format == "safetensors");
  CHECK(reply.findings.empty());
  REQUIRE(reply.assets.size() == 1);
  using Facts = std::vector<std::pair<std::string, std::string>>;
  CHECK(reply.assets[0].facts == Facts{{"tensors", "2"},
                                       {"parameters", "10"},
                                       {"dtypes", "F32, BF16"},
                                       {"metadata", "format"}});
}

TEST_CASE("Safetensors: what the format allows is clean") {
  const std::pair<std::string_view, std::size_t> files[] = {
      {"{}", 0},
      {"{}       ", 0},
      {R"({"__metadata__":{}})", 0},
      // Scalars, and tensors without elements, wherever they stand.
      {R"({"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]}})", 8},
      {R"({"z":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", 0},
      {R"({"z":{"dtype":"F32","shape":[0,9],"data_offsets":[8,8]},)"
       R"("s":{"dtype":"F64","shape":[],"data_offsets":[0,8]}})",
       8},
      {R"({"z":{"dtype":"F32","shape":[18446744073709551615,3,0],)"
       R"("data_offsets":[0,0]}})",
       0},
      // Entries need not be in the order of their data.
      {R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]},)"
       R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
       4},
      {R"({"p":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}})", 2},
      {R"({"p":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}})", 3},
      {R"({"/model/a.b":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1},
      {"{\"n\\u00e9\":{\"shape\":[1],\"data_offsets\":[0,1],"
       "\"dtype\":\"BOOL\"}}",
       1},
  };
  for (const auto& [header, data] : files) {
    CAPTURE(header);
    const ScanReply reply = ScanFile(File(header, data));
    CHECK(reply.status == OutcomeStatus::kScanned);
    CHECK(reply.findings.empty());
  }
}

TEST_CASE("Safetensors: every defect is reported under its rule") {
  struct Case {
    std::string_view rule;
    std::string_view header;
    std::size_t data;
  };
  const Case cases[] = {
      {"safetensors-malformed", R"({"a":)", 0},
      {"safetensors-malformed", R"({} x)", 0},
      {"safetensors-malformed", "{\"a\xff\":{}}", 0},
      {"safetensors-malformed", "{}\n\0\0\0"sv, 0},
      {"safetensors-malformed", R"({"a":1})", 0},
      {"safetensors-malformed", R"({"a":[]})", 0},
      {"safetensors-malformed", R"({"a":{}})", 0},
      {"safetensors-malformed", R"({"a":{"shape":[],"data_offsets":[0,4]}})",
       0},
      {"safetensors-malformed", R"({"a":{"dtype":"U8","data_offsets":[0,4]}})",
       0},
      {"safetensors-malformed", R"({"a":{"dtype":"U8","shape":[4]}})", 0},
      {"safetensors-malformed",
       R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,1]}})", 1},
      {"safetensors-malformed",
       R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,1]}})", 1},
      {"safetensors-malformed",
       R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1},
      {"safetensors-malformed",
       R"({"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}})", 1},
      {"safetensors-malformed",
       R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1},
      {"safetensors-malformed",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 0},
      {"safetensors-malformed",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 0},
      {"safetensors-malformed",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", 1},
      {"safetensors-malformed",
       R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})",
       1},
      {"safetensors-malformed", R"({"__metadata__":{"a":1}})", 0},
      {"safetensors-malformed", R"({"__metadata__":{"a":{"b":"c"}}})", 0},
      {"safetensors-malformed", R"({"__metadata__":"x"})", 0},
      {"safetensors-malformed", R"({"__metadata__":{},"__metadata__":{}})", 0},
      {"safetensors-duplicate-key",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2},
      {"safetensors-duplicate-key", R"({"__metadata__":{"a":"1","a":"2"}})", 0},
      {"safetensors-tensor-bounds",
       R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 1},
      {"safetensors-tensor-bounds",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 0},
      {"safetensors-tensor-bounds",
       R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1]}})", 1},
      {"safetensors-tensor-bounds",
       R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1},
      {"safetensors-tensor-bounds",
       R"({"a":{"dtype":"U8","shape":[4294967296,4294967296,2],)"
       R"("data_offsets":[0,1]}})",
       1},
      // 8 * 2^61 wraps around to 0.
      {"safetensors-tensor-bounds",
       R"({"a":{"dtype":"U8","shape":[2305843009213693952],)"
       R"("data_offsets":[0,1]}})",
       1},
      {"safetensors-tensor-overlap",
       R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
       R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3},
      {"unclaimed-bytes",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2},
      {"unclaimed-bytes",
       R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2},
      {"safetensors-tensor-name",
       R"({"../a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1},
      {"safetensors-tensor-name",
       R"({"a\u0000b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1},
  };
  for (const Case& one : cases) {
    CAPTURE(one.header);
    const ScanReply reply = ScanFile(File(one.header, one.data));
    CHECK(RuleIds(reply) == Ids{std::string(one.rule)});
    CHECK(WorstSeverity(reply) == Severity::kMedium);
  }
}

TEST_CASE("Safetensors: code and addresses in the metadata do not alarm") {
  const ScanReply code = ScanFile(
      File(R"~({"__metadata__":{"d":"import os; os.system('id')"}})~", 0));
  CHECK(RuleIds(code) == Ids{"safetensors-metadata-code"});
  CHECK(WorstSeverity(code) == Severity::kLow);
  CHECK(code.findings[0].evidence == "import os; os.system('id')");

  const ScanReply url = ScanFile(File(
      R"({"__metadata__":{"u":"https://example.com/","v":"http://x"}})", 0));
  CHECK(RuleIds(url) == Ids{"safetensors-metadata-url"});
  CHECK(WorstSeverity(url) == Severity::kInfo);
}

TEST_CASE("Safetensors: broken lengths are told") {
  const std::string beyond = ByteBuilder().U64(1000).Text("{}").bytes();
  CHECK(RuleIds(ScanFile(beyond)) == Ids{"safetensors-malformed"});
  const std::string none = ByteBuilder().U64(0).Text("{}").bytes();
  CHECK(RuleIds(ScanFile(none)) == Ids{"safetensors-malformed"});
  const std::string no_brace = ByteBuilder().U64(2).Text("[]").bytes();
  CHECK(RuleIds(ScanFile(no_brace)) == Ids{"safetensors-malformed"});
  const std::string all_ones = ByteBuilder().U64(~0ULL).Text("{}").bytes();
  CHECK(RuleIds(ScanFile(all_ones)) == Ids{"safetensors-malformed"});
}

TEST_CASE("Safetensors: headers over the limit are not read") {
  // A source that is large without being there.
  class Large final : public ByteSource {
   public:
    std::uint64_t size() const override { return 1ULL << 40; }
    Result<std::size_t> ReadAt(std::uint64_t offset,
                               std::span<std::byte> out) override {
      const std::string head = ByteBuilder().U64(100'000'001).Text("{").bytes();
      MemorySource front(std::as_bytes(std::span(head)));
      if (offset < head.size()) return front.ReadAt(offset, out);
      std::fill(out.begin(), out.end(), std::byte{' '});
      return out.size();
    }
  };
  Large source;
  const ScanReply reply = ScanSourceAs(source, "m.safetensors");
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(RuleIds(reply) == Ids{"safetensors-limit"});
}

TEST_CASE("Safetensors: a string over the limit ends the scan") {
  const std::string header =
      "{\"__metadata__\":{\"a\":\"" + std::string(17 << 20, 'x') + "\"}}";
  const ScanReply reply = ScanFile(File(header, 0));
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(RuleIds(reply) == Ids{"safetensors-limit"});
}

TEST_CASE("Safetensors: deep nesting ends with a finding") {
  const std::string header = "{\"a\":" + std::string(100'000, '[');
  CHECK(RuleIds(ScanFile(File(header, 0))) == Ids{"safetensors-malformed"});
}

TEST_CASE("Safetensors: a large well-formed header is clean") {
  std::string header = "{";
  constexpr int kTensors = 20'000;
  for (int i = 0; i < kTensors; ++i) {
    header += (i == 0 ? "\"t" : ",\"t") + std::to_string(i) +
              "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[" +
              std::to_string(i) + "," + std::to_string(i + 1) + "]}";
  }
  header += "}";
  const ScanReply reply = ScanFile(File(header, kTensors));
  CHECK(IsClean(reply));
  CHECK(reply.findings.empty());
}

TEST_CASE("Safetensors: defects without number fill no report") {
  std::string header = "{";
  for (int i = 0; i < 5'000; ++i) {
    header += (i == 0 ? "\"t" : ",\"t") + std::to_string(i) + "\":{}";
  }
  header += "}";
  const ScanReply reply = ScanFile(File(header, 0));
  CHECK(reply.findings.size() == 17);
  CHECK(reply.status == OutcomeStatus::kScanned);
}

TEST_CASE("Safetensors: hidden bytes are named by their format") {
  const std::string hidden =
      File(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1) +
      "\x89HDF\r\n\x1a\n";
  const ScanReply reply = ScanFile(hidden);
  REQUIRE(reply.findings.size() == 1);
  CHECK(reply.findings[0].message ==
        "trailing bytes: 8 B that nothing refers to, of format hdf5");
}

TEST_CASE("Safetensors: another model behind the end is scanned as a member") {
  const std::string hidden =
      File("{}", 0) + File(R"~({"__metadata__":{"a":"eval(1)"}})~", 0);
  const ScanReply reply = ScanFile(hidden);
  CHECK(RuleIds(reply) == Ids{"safetensors-metadata-code", "unclaimed-bytes"});
  CHECK(reply.findings.back().member == "trailing bytes");
}

TEST_CASE("Safetensors: a file cut short is never clean") {
  const std::string whole = File(kTwoTensors, 32);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(IsClean(ScanFile(std::string_view(whole).substr(0, size))));
  }
}

TEST_CASE("Safetensors: a source of unknown size gives the same findings") {
  const std::string files[] = {File(kTwoTensors, 32), File(kTwoTensors, 31),
                               File(kTwoTensors, 40), File("{\"a\":", 0),
                               ByteBuilder().U64(1000).Text("{}").bytes()};
  for (const std::string& bytes : files) {
    MemorySource base(std::as_bytes(std::span(bytes)));
    UnsizedSource source(base);
    const ScanReply unsized = ScanSourceAs(source, "m.safetensors");
    CHECK(RuleIds(unsized) == RuleIds(ScanFile(bytes)));
  }
}

TEST_CASE("Safetensors: content is known without its name") {
  CHECK(ScanBytes(File(kTwoTensors, 32), "blob").format == "safetensors");
  CHECK(ScanBytes("12345678{\"a\": 1}", "notes").status ==
        OutcomeStatus::kNotAModel);
}

TEST_CASE("Safetensors: sizes of element types") {
  using safetensors::BitsOf;
  CHECK(BitsOf("F64") == 64);
  CHECK(BitsOf("BF16") == 16);
  CHECK(BitsOf("F8_E8M0") == 8);
  CHECK(BitsOf("F6_E3M2") == 6);
  CHECK(BitsOf("F4") == 4);
  CHECK(BitsOf("C64") == 64);
  CHECK(BitsOf("f32") == 0);
  CHECK(BitsOf("") == 0);
}

}  // namespace scanengine
