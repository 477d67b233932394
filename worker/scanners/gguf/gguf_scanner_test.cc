#include <algorithm>
#include <catch2/catch.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/byte_builder.h"
#include "tests/support/scan_bytes.h"
#include "worker/scanners/gguf/gguf_types.h"

namespace scanengine {
namespace {

using Ids = std::vector<std::string>;
using Order = ByteBuilder::Order;

/// Writes GGUF files, right or wrong, of any version and byte order.
class GgufBuilder {
 public:
  explicit GgufBuilder(std::uint32_t version = 3, Order order = Order::kLittle)
      : version_(version), bytes_(order), order_(order) {}

  GgufBuilder& Length(std::uint64_t value) {
    if (version_ == 1) {
      bytes_.U32(static_cast<std::uint32_t>(value));
    } else {
      bytes_.U64(value);
    }
    return *this;
  }
  GgufBuilder& String(std::string_view text) {
    Length(text.size());
    bytes_.Text(text);
    return *this;
  }
  GgufBuilder& Key(std::string_view name, std::uint32_t type) {
    ++pairs_;
    String(name);
    bytes_.U32(type);
    return *this;
  }
  GgufBuilder& Text(std::string_view key, std::string_view value) {
    return Key(key, gguf::kString).String(value);
  }
  GgufBuilder& Number(std::string_view key, std::uint32_t value) {
    Key(key, gguf::kUint32);
    bytes_.U32(value);
    return *this;
  }
  GgufBuilder& Tensor(std::string_view name,
                      const std::vector<std::uint64_t>& dimensions,
                      std::uint32_t type, std::uint64_t offset) {
    ++tensors_;
    String(name);
    bytes_.U32(static_cast<std::uint32_t>(dimensions.size()));
    for (const std::uint64_t dimension : dimensions) Length(dimension);
    bytes_.U32(type);
    bytes_.U64(offset);
    return *this;
  }
  ByteBuilder& raw() { return bytes_; }

  std::string Build(std::size_t data_size = 0, std::size_t alignment = 32) {
    return Build(data_size, alignment, pairs_, tensors_);
  }
  std::string Build(std::size_t data_size, std::size_t alignment,
                    std::uint64_t pairs, std::uint64_t tensors) {
    ByteBuilder all(order_);
    all.Text("GGUF").U32(version_);
    if (version_ == 1) {
      all.U32(static_cast<std::uint32_t>(tensors))
          .U32(static_cast<std::uint32_t>(pairs));
    } else {
      all.U64(tensors).U64(pairs);
    }
    all.Text(bytes_.bytes());
    if (data_size != 0) all.AlignTo(alignment).Fill(data_size, '\x3c');
    return all.bytes();
  }

 private:
  std::uint32_t version_;
  ByteBuilder bytes_;
  Order order_;
  std::uint64_t pairs_ = 0;
  std::uint64_t tensors_ = 0;
};

ScanReply ScanFile(std::string_view bytes) {
  return ScanBytes(bytes, "model.gguf");
}

std::string SmallModel(std::uint32_t version = 3,
                       Order order = Order::kLittle) {
  GgufBuilder file(version, order);
  file.Text("general.architecture", "llama")
      .Text("general.name", "tiny")
      .Number("general.file_type", 2);
  file.Key("tokenizer.ggml.tokens", gguf::kArray).raw().U32(gguf::kString);
  file.Length(2).String("<s>").String("</s>");
  file.Key("tokenizer.ggml.scores", gguf::kArray).raw().U32(gguf::kFloat32);
  file.Length(2).raw().U32(0).U32(0);
  file.Key("flag", gguf::kBool).raw().U8(1);
  file.Tensor("a", {32, 2}, 2, 0);  // Q4_0: 36 bytes
  file.Tensor("b", {4}, 0, 64);     // F32: 16 bytes
  return file.Build(80);
}

/// One F32 tensor of |elements| at |offset|, with |data| bytes behind it.
std::string OneTensor(std::uint64_t elements, std::uint64_t offset,
                      std::size_t data) {
  return GgufBuilder().Tensor("t", {elements}, 0, offset).Build(data);
}

/// A header in front of a gigabyte of zeros; counts the bytes that are read.
class Holed final : public ByteSource {
 public:
  explicit Holed(std::string head) : head_(std::move(head)) {}
  std::uint64_t size() const override { return head_.size() + kArray; }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    read_ += out.size();
    MemorySource front(std::as_bytes(std::span(head_)));
    if (offset < head_.size()) return front.ReadAt(offset, out);
    const std::uint64_t rest = size() - std::min(size(), offset);
    const auto n =
        static_cast<std::size_t>(std::min<std::uint64_t>(rest, out.size()));
    std::fill_n(out.begin(), n, std::byte{0});
    return n;
  }
  static constexpr std::uint64_t kArray = 1ULL << 30;
  std::uint64_t read_ = 0;

 private:
  std::string head_;
};

}  // namespace

TEST_CASE("GGUF: well-formed files of all versions and orders are clean") {
  for (const auto& bytes :
       {SmallModel(1), SmallModel(2), SmallModel(3), SmallModel(3, Order::kBig),
        SmallModel(2, Order::kBig)}) {
    const ScanReply reply = ScanFile(bytes);
    CHECK(reply.status == OutcomeStatus::kScanned);
    CHECK(reply.format == "gguf");
    CHECK(RuleIds(reply) == Ids{});
  }
}

TEST_CASE("GGUF: facts are for inventories") {
  const ScanReply reply = ScanFile(SmallModel());
  REQUIRE(reply.assets.size() == 1);
  using Facts = std::vector<std::pair<std::string, std::string>>;
  CHECK(reply.assets[0].facts == Facts{{"architecture", "llama"},
                                       {"name", "tiny"},
                                       {"file type", "2"},
                                       {"version", "3"},
                                       {"tensors", "2"},
                                       {"parameters", "68"},
                                       {"quantisation", "Q4_0 x 1, F32 x 1"}});
}

TEST_CASE("GGUF: vocabulary alone, odd alignments, empty tensors are clean") {
  CHECK(RuleIds(ScanFile(GgufBuilder().Text("a", "b").Build())) == Ids{});
  CHECK(RuleIds(ScanFile(GgufBuilder().Build())) == Ids{});
  CHECK(RuleIds(ScanFile(OneTensor(0, 0, 0))) == Ids{});
  CHECK(RuleIds(ScanFile(GgufBuilder()
                             .Number("general.alignment", 8)
                             .Tensor("a", {1}, 0, 0)
                             .Tensor("b", {1}, 0, 8)
                             .Build(12, 8))) == Ids{});
  GgufBuilder nested;
  nested.Key("nested", gguf::kArray).raw().U32(gguf::kArray);
  nested.Length(1).raw().U32(gguf::kUint8);
  nested.Length(3).raw().Text("abc");
  CHECK(RuleIds(ScanFile(nested.Build())) == Ids{});
}

TEST_CASE("GGUF: broken headers are told under their rule") {
  struct Case {
    std::string_view what;
    std::string rule;
    std::string bytes;
  };
  GgufBuilder bad_type;
  bad_type.Key("a", 13);
  GgufBuilder bad_array;
  bad_array.Key("a", gguf::kArray).raw().U32(99);
  bad_array.Length(1).raw().Fill(8);
  GgufBuilder bad_bool;
  bad_bool.Key("a", gguf::kBool).raw().U8(2);
  GgufBuilder deep;
  deep.Key("a", gguf::kArray);
  for (int i = 0; i < 200'000; ++i) {
    deep.raw().U32(gguf::kArray);
    deep.Length(1);
  }
  GgufBuilder long_array;
  long_array.Key("a", gguf::kArray).raw().U32(gguf::kUint64);
  long_array.Length(1ULL << 61).raw().Fill(64);
  GgufBuilder long_strings;
  long_strings.Key("a", gguf::kArray).raw().U32(gguf::kString);
  long_strings.Length(1ULL << 60).raw().Fill(64);
  GgufBuilder wide_alignment;
  wide_alignment.Key("general.alignment", gguf::kUint64).raw().U64(32);

  const Case cases[] = {
      {"value type", "gguf-malformed", bad_type.Build()},
      {"array type", "gguf-malformed", bad_array.Build()},
      {"boolean", "gguf-malformed", bad_bool.Build()},
      {"nesting", "gguf-malformed", deep.Build()},
      {"alignment 0", "gguf-malformed",
       GgufBuilder().Number("general.alignment", 0).Build()},
      {"alignment 48", "gguf-malformed",
       GgufBuilder().Number("general.alignment", 48).Build()},
      {"alignment type", "gguf-malformed", wide_alignment.Build()},
      {"dimensions", "gguf-malformed",
       GgufBuilder().Tensor("t", {1, 1, 1, 1, 1}, 0, 0).Build(32)},
      {"blocks", "gguf-malformed",
       GgufBuilder().Tensor("t", {33}, 2, 0).Build()},
      {"offset", "gguf-malformed", OneTensor(9, 4, 40)},
      {"array length", "gguf-count", long_array.Build()},
      {"array of strings", "gguf-count", long_strings.Build()},
      {"duplicate key", "gguf-duplicate-key",
       GgufBuilder().Text("a", "b").Text("a", "c").Build()},
      {"duplicate tensor", "gguf-duplicate-key",
       GgufBuilder().Tensor("t", {8}, 0, 0).Tensor("t", {8}, 0, 32).Build(64)},
      {"tensor beyond end", "gguf-tensor-bounds", OneTensor(9, 0, 32)},
      {"tensor far away", "gguf-tensor-bounds",
       GgufBuilder().Tensor("t", {8}, 0, 1ULL << 62).Build()},
      {"product overflow", "gguf-tensor-bounds",
       GgufBuilder().Tensor("t", {1ULL << 32, 1ULL << 32, 4}, 0, 0).Build()},
      {"size overflow", "gguf-tensor-bounds",
       GgufBuilder().Tensor("t", {1ULL << 62}, 0, 0).Build()},
      {"end overflow", "gguf-tensor-bounds",
       GgufBuilder().Tensor("t", {64}, 0, ~0ULL - 31).Build()},
      {"overlap", "gguf-tensor-overlap",
       GgufBuilder().Tensor("a", {16}, 0, 0).Tensor("b", {8}, 0, 32).Build(64)},
      {"key path", "gguf-name", GgufBuilder().Text("../../x", "b").Build()},
      {"tensor path", "gguf-name",
       GgufBuilder().Tensor("a/../b", {8}, 0, 0).Build(32)},
      {"gap", "unclaimed-bytes", OneTensor(8, 64, 96)},
      {"trailing", "unclaimed-bytes", OneTensor(8, 0, 96)},
      {"data without tensors", "unclaimed-bytes", GgufBuilder().Build(96)},
  };
  for (const Case& one : cases) {
    CAPTURE(one.what);
    const ScanReply reply = ScanFile(one.bytes);
    CHECK(RuleIds(reply) == Ids{one.rule});
    CHECK(WorstSeverity(reply) == Severity::kMedium);
  }
}

TEST_CASE("GGUF: impossible counts are told without trying them") {
  for (const std::uint64_t count : {1ULL << 20, 1ULL << 60, ~0ULL}) {
    const ScanReply pairs = ScanFile(GgufBuilder().Build(0, 32, count, 0));
    CHECK(RuleIds(pairs) == Ids{"gguf-count", "gguf-malformed"});
    const ScanReply tensors = ScanFile(GgufBuilder().Build(0, 32, 0, count));
    CHECK(RuleIds(tensors) == Ids{"gguf-count", "gguf-malformed"});
  }
  GgufBuilder file;
  file.Key("a", gguf::kString).Length(1ULL << 40);
  CHECK_FALSE(IsClean(ScanFile(file.Build())));
}

TEST_CASE("GGUF: an impossible tensor count does not hide a template") {
  const std::string bytes =
      GgufBuilder()
          .Text("tokenizer.chat_template", "{{ x.__class__ }}")
          .Build(0, 32, 1, 1ULL << 60);
  CHECK(WorstSeverity(ScanFile(bytes)) == Severity::kCritical);
}

TEST_CASE("GGUF: unknown tensor types are low, absurd ones medium") {
  const ScanReply fork =
      ScanFile(GgufBuilder().Tensor("t", {256}, 140, 0).Build(256));
  CHECK(RuleIds(fork) == Ids{"gguf-unknown-type"});
  CHECK(WorstSeverity(fork) == Severity::kLow);
  const ScanReply absurd =
      ScanFile(GgufBuilder().Tensor("t", {256}, 1u << 31, 0).Build(256));
  CHECK(WorstSeverity(absurd) == Severity::kMedium);
}

TEST_CASE("GGUF: unknown versions are malformed and unsupported") {
  for (const std::uint32_t version : {0u, 4u, 255u}) {
    const ScanReply reply = ScanFile(GgufBuilder(version).Build());
    CHECK(reply.status == OutcomeStatus::kUnsupported);
    CHECK(RuleIds(reply) == Ids{"gguf-malformed"});
  }
}

TEST_CASE("GGUF: template that leaves the language is critical") {
  const std::string attack =
      "{% for x in ().__class__.__base__.__subclasses__() %}{{x()._module."
      "__builtins__['__import__']('os').popen('id').read()}}{% endfor %}";
  for (const std::string_view key :
       {"tokenizer.chat_template", "tokenizer.chat_template.tool_use",
        "general.description"}) {
    const ScanReply reply = ScanFile(GgufBuilder().Text(key, attack).Build());
    REQUIRE(reply.findings.size() == 1);
    const Finding& finding = reply.findings[0];
    CHECK(finding.rule_id == "gguf-template-injection");
    CHECK(finding.severity == Severity::kCritical);
    CHECK(finding.reference == "CVE-2024-34359 CWE-1336");
    CHECK(finding.message.find(key) != std::string::npos);
    CHECK(finding.message.find("__subclasses__") != std::string::npos);
    CHECK(finding.evidence.find("__class__") != std::string::npos);
  }
  GgufBuilder list;
  list.Key("tokenizer.chat_templates", gguf::kArray).raw().U32(gguf::kString);
  list.Length(2).String("{{ ok }}").String(attack);
  CHECK(WorstSeverity(ScanFile(list.Build())) == Severity::kCritical);
}

TEST_CASE("GGUF: ordinary template is clean") {
  const std::string text =
      "{% for message in messages %}{{ '<|' + message['role'] + '|>' + "
      "message['content'] }}{% endfor %} see https://example.com/";
  CHECK(RuleIds(ScanFile(
            GgufBuilder().Text("tokenizer.chat_template", text).Build())) ==
        Ids{});
}

TEST_CASE("GGUF: template over the limit is reported as not scanned") {
  const std::string huge(2 << 20, 'x');
  const ScanReply reply =
      ScanFile(GgufBuilder().Text("tokenizer.chat_template", huge).Build());
  CHECK(reply.status == OutcomeStatus::kLimit);
  CHECK(RuleIds(reply) == Ids{"gguf-limit"});
  const ScanReply other =
      ScanFile(GgufBuilder().Text("tokenizer.huggingface.json", huge).Build());
  CHECK(IsClean(other));
}

TEST_CASE("GGUF: long arrays are skipped, not read") {
  GgufBuilder file;
  file.Key("a", gguf::kArray).raw().U32(gguf::kUint8);
  file.Length(Holed::kArray);
  Holed source(file.Build());
  const ScanReply reply = ScanSourceAs(source, "m.gguf");
  CHECK(IsClean(reply));
  CHECK(RuleIds(reply) == Ids{});
  CHECK(source.read_ < (4u << 20));
}

TEST_CASE("GGUF: large padding may hold nothing") {
  GgufBuilder file;
  file.Number("general.alignment", 4096).Tensor("t", {8}, 0, 0);
  std::string clean = file.Build(32, 4096);
  CHECK(RuleIds(ScanFile(clean)) == Ids{});
  std::string hidden = clean;
  std::fill(hidden.begin() + 1000, hidden.begin() + 2000, '\xfa');
  CHECK(RuleIds(ScanFile(hidden)) == Ids{"unclaimed-bytes"});
}

TEST_CASE("GGUF: a file cut short is never clean") {
  const std::string whole = SmallModel();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(IsClean(ScanFile(std::string_view(whole).substr(0, size))));
  }
}

TEST_CASE("GGUF: a source of unknown size gives the same verdict") {
  const std::string whole = SmallModel();
  for (std::size_t size = 8; size <= whole.size(); ++size) {
    CAPTURE(size);
    const std::string bytes = whole.substr(0, size);
    MemorySource base(std::as_bytes(std::span(bytes)));
    UnsizedSource source(base);
    CHECK(IsClean(ScanSourceAs(source, "m.gguf")) == IsClean(ScanFile(bytes)));
  }
}

TEST_CASE("GGUF: a name without the magic number is malformed") {
  CHECK(RuleIds(ScanFile(std::string("GGUX\x03\0\0\0", 8))) ==
        Ids{"gguf-malformed"});
  CHECK(RuleIds(ScanFile("just text")) == Ids{"gguf-malformed"});
}

}  // namespace scanengine
