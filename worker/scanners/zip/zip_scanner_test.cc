#include <catch2/catch.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/scan_bytes.h"
#include "tests/support/zip_builder.h"

namespace scanengine {
namespace {

using testing::ScanBytes;
using testing::ZipBuilder;

using Strings = std::vector<std::string>;

// Only what the archive itself earned; members are other scanners' business.
Strings ZipRuleIds(const ScanReply& reply) {
  Strings ids;
  for (const Finding& finding : reply.findings) {
    if (finding.rule_id.starts_with("zip-")) ids.push_back(finding.rule_id);
  }
  return ids;
}

Strings AssetFormats(const ScanReply& reply) {
  Strings formats;
  for (const Asset& asset : reply.assets) formats.push_back(asset.format);
  return formats;
}

bool Ran(const ScanReply& reply, std::string_view scanner) {
  return std::find(reply.scanners.begin(), reply.scanners.end(), scanner) !=
         reply.scanners.end();
}

const ZipBuilder kPlain{
    .items = {
        {.name = "readme.txt", .data = "hello\n"},
        {.name = "folder/", .data = ""},
        {.name = "folder/notes.txt", .data = "some text\n", .method = 8}}};

}  // namespace

TEST_CASE("zip scanner: a plain archive is scanned whole") {
  const ScanReply reply = ScanBytes(kPlain.Build(), "any.name");
  CHECK(reply.format == "zip");
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(reply.findings.empty());
  CHECK(reply.scanners == Strings{"zip"});
  REQUIRE(reply.assets.size() == 1);
  CHECK(reply.assets[0].format == "zip");
  CHECK(reply.assets[0].facts ==
        std::vector<std::pair<std::string, std::string>>{{"members", "2"}});
}

TEST_CASE("zip scanner: an empty archive is scanned") {
  const ScanReply reply = ScanBytes(ZipBuilder{}.Build(), "empty.zip");
  CHECK(reply.format == "zip");
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(reply.findings.empty());
}

TEST_CASE("zip scanner: archives inside of archives are scanned") {
  ZipBuilder builder = kPlain;
  builder.items[0].name = "../evil.txt";
  for (int depth = 0; depth < 3; ++depth) {
    const std::uint16_t method = depth % 2 == 0 ? 8 : 0;
    builder = {.items = {{.name = "inner" + std::to_string(depth),
                          .data = builder.Build(),
                          .method = method}}};
  }
  const ScanReply reply = ScanBytes(builder.Build(), "outer.zip");
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(ZipRuleIds(reply) == Strings{"zip-path-traversal"});
  REQUIRE_FALSE(reply.findings.empty());
  CHECK(reply.findings[0].member == "inner2!inner1!inner0");
}

TEST_CASE("zip scanner: nesting without end is a limit") {
  ZipBuilder builder = kPlain;
  for (int depth = 0; depth < 12; ++depth) {
    builder = {.items = {{.name = "z", .data = builder.Build()}}};
  }
  const ScanReply reply = ScanBytes(builder.Build(), "outer.zip");
  CHECK(reply.status == OutcomeStatus::kLimit);
}

TEST_CASE("zip scanner: a bomb is a limit") {
  ScanLimits limits;
  limits.max_unpacked = 1 << 20;
  const ZipBuilder builder{
      .items = {
          {.name = "z.txt", .data = std::string(64 << 20, 'a'), .method = 8}}};
  // Raw text is only probed; an archive inside is unpacked.
  ZipBuilder inner{
      .items = {{.name = "a.txt", .data = std::string(8 << 20, 'a')}}};
  const ZipBuilder outer{
      .items = {{.name = "in.zip", .data = inner.Build(), .method = 8}}};
  CHECK(ScanBytes(builder.Build(), "b.zip", limits).status ==
        OutcomeStatus::kScanned);
  CHECK(ScanBytes(outer.Build(), "b.zip", limits).status ==
        OutcomeStatus::kLimit);
}

TEST_CASE("zip scanner: an archive behind something else is found") {
  ZipBuilder builder = kPlain;
  builder.prefix = std::string(5000, 'x');
  SECTION("at the end") {}
  SECTION("with a comment") { builder.comment = "comment"; }
  SECTION("with more behind it") { builder.trailing = "trailing text"; }
  const ScanReply reply = ScanBytes(builder.Build(), "model.gguf");
  CHECK(Ran(reply, "zip"));
  const Strings rules = ZipRuleIds(reply);
  CHECK(std::count(rules.begin(), rules.end(), "zip-outside-data") >= 1);
}

TEST_CASE("zip scanner: other files are not claimed") {
  const std::string bytes =
      GENERATE(as<std::string>{}, "", "P", "PK", "PK\x03", "plain text",
               "PK\x01\x02 is a central record", std::string(70000, 'P'));
  CHECK_FALSE(Ran(ScanBytes(bytes, "model.zip"), "zip"));
}

TEST_CASE("zip scanner: a tar with an archive among its members is no zip") {
  ZipBuilder builder = kPlain;
  std::string header(512, '\0');
  header.replace(0, 9, "model.zip");
  header.replace(257, 5, "ustar");
  builder.prefix = header;
  builder.trailing = std::string(1024, '\0');
  CHECK_FALSE(Ran(ScanBytes(builder.Build(), "model.nemo"), "zip"));
}

TEST_CASE("zip scanner: a cut archive is malformed") {
  const std::string bytes = kPlain.Build();
  const ScanReply reply =
      ScanBytes(std::string_view(bytes).substr(0, 60), "cut.zip");
  CHECK(reply.format == "zip");
  CHECK(ZipRuleIds(reply) == Strings{"zip-malformed"});
}

TEST_CASE("zip scanner: a source that does not know its size is measured") {
  const std::string whole = kPlain.Build();
  // Cut behind a signature that no directory lists, too.
  for (const std::size_t size : {whole.size(), std::size_t{60}}) {
    const std::string_view bytes = std::string_view(whole).substr(0, size);
    MemorySource source(std::as_bytes(std::span(bytes)));
    UnsizedSource unsized(source);
    const ScanReply reply = ScanSourceAs(unsized, "stream.zip");
    CHECK(reply.format == "zip");
    CHECK(RuleIds(reply) == RuleIds(ScanBytes(bytes, "sized.zip")));
  }
}

TEST_CASE("zip scanner: encrypted members are no clean file") {
  const ScanReply reply =
      ScanBytes(ZipBuilder{.items = {{.name = "s",
                                      .data = "secret",
                                      .flags = 1,
                                      .packed = "hhhhhhhhhhhhsecret"}}}
                    .Build(),
                "s.zip");
  CHECK(reply.status == OutcomeStatus::kEncrypted);
  CHECK(ZipRuleIds(reply) == Strings{"zip-encrypted"});
}

TEST_CASE("zip scanner: formats without a scanner are named") {
  const auto [names, format] = GENERATE(table<Strings, std::string>(
      {{{"config.json", "metadata.json", "x.txt"}, "keras"},
       {{"schema.json", "x.txt"}, "skops"},
       {{"MAR-INF/MANIFEST.json", "x.txt"}, "torchserve-mar"},
       {{"model.ini", "x.txt"}, "h2o-mojo"}}));
  ZipBuilder builder;
  for (const std::string& name : names) {
    builder.items.push_back({.name = name, .data = "{}\n"});
  }
  builder.items.back().name = "../x.txt";
  const ScanReply reply = ScanBytes(builder.Build(), "model");
  CHECK(reply.format == "zip");
  CHECK(reply.status == OutcomeStatus::kUnsupported);
  CHECK(AssetFormats(reply) == Strings{format});
  // Members are walked all the same.
  CHECK(ZipRuleIds(reply) == Strings{"zip-path-traversal"});
}

TEST_CASE("zip scanner: each archive has one scanner") {
  using testing::ZipItem;
  const auto [names, format] = GENERATE(
      table<Strings, std::string>({{{"a.txt"}, "zip"},
                                   {{"a.npy", "b.txt"}, "zip"},
                                   {{"a.npy", "data.pkl"}, "pytorch-zip"},
                                   {{"a.npy", "b.npy"}, "npz"}}));
  ZipBuilder builder;
  for (const std::string& name : names) {
    builder.items.push_back({.name = name, .data = "text\n"});
  }
  SECTION("whole") {}
  SECTION("with a prefix marker") { builder.items[0].gap = "PK00"; }
  const ScanReply reply = ScanBytes(builder.Build(), "x.zip");
  int zips = 0;
  for (const char* scanner : {"zip", "npz", "pytorch-zip"}) {
    zips += Ran(reply, scanner) ? 1 : 0;
  }
  CHECK(zips == 1);
  CHECK(Ran(reply, format));
}

}  // namespace scanengine
