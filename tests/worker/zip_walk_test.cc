// The walk of a zip archive: what its headers and members can be like.

#include "worker/containers/zip_walk.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/support/zip_walking.h"
#include "worker/containers/zip_format.h"
#include "worker/containers/zip_rules.h"

namespace scanengine {
namespace {

using testing::Bytes;
using testing::Crc32;
using testing::Deflate;
using testing::kRawBits;
using testing::Members;
using testing::Ordinary;
using testing::OrdinaryMembers;
using testing::RecordingZipSink;
using testing::Rules;
using testing::StringSource;
using testing::Text;
using testing::Walk;
using testing::ZipBuilder;
using testing::ZipItem;

}  // namespace

TEST_CASE("WalkZip: an ordinary archive yields its members and no finding") {
  ZipBuilder builder = Ordinary();
  SECTION("plain") {}
  SECTION("with zip64 records") { builder.zip64 = true; }
  SECTION("with a comment") { builder.comment = "hello"; }
  SECTION("with the longest comment") {
    builder.comment = std::string(0xffff, 'c');
  }
  SECTION("with padding between members") {
    builder.items[2].gap = std::string(100, '\0');
  }
  SECTION("with zip64 sizes in a local header") {
    auto& local = builder.items[0].local;
    local.size = local.packed_size = 0xffffffff;
    local.extra = Bytes().U16(1).U16(16).U64(6).U64(6).Take();
  }
  SECTION("with zip64 sizes in the directory") {
    auto& central = builder.items[0].central;
    central.size = central.packed_size = 0xffffffff;
    central.extra = Bytes().U16(1).U16(16).U64(6).U64(6).Take();
  }
  const RecordingZipSink sink = Walk(builder);
  CHECK(sink.members == OrdinaryMembers());
  CHECK(sink.rules == Rules{});
  CHECK(sink.incomplete.empty());
}

TEST_CASE("WalkZip: members and folders are counted") {
  RecordingZipSink sink;
  StringSource source(Ordinary().Build());
  CHECK(WalkZip(source, sink) == ZipSummary{3, 1, 0});
}

TEST_CASE("WalkZip: an unread member of any size costs no read of its data") {
  ZipBuilder builder{.items = {{.name = "big", .data = Text(8 << 20)}}};
  RecordingZipSink sink;
  sink.read_members = false;
  StringSource source(builder.Build());
  WalkZip(source, sink);
  CHECK(source.bytes_read() < 400'000);
  CHECK(sink.rules == Rules{});
}

TEST_CASE("WalkZip: another name in the local header is reported") {
  // CVE-2025-1944.
  const RecordingZipSink sink = Walk(
      {.items = {
           {.name = "data.pkl", .data = "x", .local = {.name = "datap.kl"}}}});
  CHECK(sink.members == Members{{"data.pkl", "x"}, {"datap.kl", "x"}});
  CHECK(sink.rules == Rules{"zip-name-mismatch"});
}

TEST_CASE("WalkZip: contradicting sizes are scanned both ways") {
  const RecordingZipSink sink =
      Walk({.items = {{.name = "m",
                       .data = "0123456789",
                       .local = {.packed_size = 4, .size = 4}}}});
  CHECK(sink.members ==
        Members{{"m", "0123456789"}, {"m (by its own header)", "0123"}});
  CHECK(sink.Count(kZipHeaderMismatch) == 2);
}

TEST_CASE("WalkZip: contradicting methods are scanned both ways") {
  const std::string packed = Deflate("payload", kRawBits);
  const RecordingZipSink sink = Walk({.items = {{.name = "m",
                                                 .data = "payload",
                                                 .method = 8,
                                                 .local = {.method = 0}}}});
  REQUIRE(sink.members.size() == 2);
  CHECK(sink.members[0] == RecordingZipSink::Member{"m", "payload"});
  CHECK(sink.members[1].second.substr(0, packed.size()) == packed);
  CHECK(sink.Count(kZipHeaderMismatch) >= 1);
}

TEST_CASE("WalkZip: a stream that goes on behind its listed size is followed") {
  // The directory knows half of the stream; streaming readers read all of it.
  const std::string text = Text(3000);
  const std::string packed = Deflate(text, kRawBits);
  const RecordingZipSink sink =
      Walk({.items = {{.name = "m",
                       .data = text,
                       .method = 8,
                       .central = {.packed_size = static_cast<std::uint32_t>(
                                       packed.size() / 2)},
                       .descriptor = true}}});
  REQUIRE(sink.members.size() >= 2);
  CHECK(sink.members[0].second.size() < text.size());
  CHECK(sink.members[1] ==
        RecordingZipSink::Member{"m (by its own header)", text});
  CHECK(sink.Count(kZipMalformed) >= 1);
}

TEST_CASE("WalkZip: a stored member of two sizes is scanned at the larger") {
  const RecordingZipSink sink = Walk({.items = {{.name = "m",
                                                 .data = "0123456789",
                                                 .local = {.size = 4},
                                                 .central = {.size = 4}}}});
  CHECK(sink.members == Members{{"m", "0123456789"}});
  CHECK(sink.rules == Rules{"zip-header-mismatch"});
}

TEST_CASE("WalkZip: a deflated member longer than it claims is scanned whole") {
  const std::string text = Text(3000);
  const RecordingZipSink sink = Walk({.items = {{.name = "m",
                                                 .data = text,
                                                 .method = 8,
                                                 .local = {.size = 10},
                                                 .central = {.size = 10}}}});
  CHECK(sink.members == Members{{"m", text}});
  CHECK(sink.rules == Rules{"zip-header-mismatch"});
}

TEST_CASE("WalkZip: bytes behind a deflate stream are reported") {
  const RecordingZipSink sink =
      Walk({.items = {{.name = "m",
                       .data = "text",
                       .method = 8,
                       .packed = Deflate("text", kRawBits) + "stowaway"}}});
  CHECK(sink.members == Members{{"m", "text"}});
  CHECK(sink.rules == Rules{"zip-hidden-data"});
}

TEST_CASE("WalkZip: a wrong checksum does not keep a member from the scan") {
  // CVE-2025-10156.
  const std::uint16_t method = GENERATE(std::uint16_t{0}, std::uint16_t{8});
  const RecordingZipSink sink = Walk({.items = {{.name = "data.pkl",
                                                 .data = "payload",
                                                 .method = method,
                                                 .local = {.crc = 1},
                                                 .central = {.crc = 1}},
                                                {.name = "z", .data = "z"}}});
  CHECK(sink.members == Members{{"data.pkl", "payload"}, {"z", "z"}});
  CHECK(sink.rules == Rules{"zip-crc-mismatch"});
}

TEST_CASE("WalkZip: a false mark of encryption is seen through") {
  // CVE-2025-1945.
  const std::uint16_t flag =
      GENERATE(std::uint16_t{1}, std::uint16_t{0x20}, std::uint16_t{0x40},
               std::uint16_t{0x2000}, std::uint16_t{0x41});
  const std::uint16_t method = GENERATE(std::uint16_t{0}, std::uint16_t{8});
  const RecordingZipSink sink = Walk({.items = {{.name = "data.pkl",
                                                 .data = Text(100),
                                                 .method = method,
                                                 .flags = flag}}});
  CHECK(sink.members == Members{{"data.pkl", Text(100)}});
  CHECK(sink.rules == Rules{"zip-false-encryption"});
  CHECK(sink.incomplete.empty());
}

TEST_CASE("WalkZip: a mark of encryption in one header only is reported") {
  const RecordingZipSink sink =
      Walk({.items = {{.name = "m", .data = "x", .local = {.flags = 1}}}});
  CHECK(sink.members == Members{{"m", "x"}});
  CHECK(sink.rules == Rules{"zip-header-mismatch"});
}

TEST_CASE("WalkZip: encrypted members are incomplete") {
  ZipItem item{.name = "secret", .data = "twelve"};
  SECTION("stored") {
    item.flags = 1;
    item.packed = "hhhhhhhhhhhhsixsix";
  }
  SECTION("stored, empty") {
    item.flags = 1;
    item.data = "";
    item.packed = "hhhhhhhhhhhh";
  }
  SECTION("deflated") {
    item.flags = 1;
    item.method = 8;
    item.packed = "hhhhhhhhhhhh\xff\xff\xff\xff\xff";
  }
  SECTION("AES") {
    item.flags = 1;
    item.method = 99;
  }
  SECTION("AES without the mark") { item.method = 99; }
  const RecordingZipSink sink =
      Walk({.items = {item, {.name = "z", .data = "z"}}});
  CHECK(sink.members == Members{{"z", "z"}});
  CHECK(sink.rules == Rules{"zip-encrypted"});
  CHECK(sink.incomplete ==
        std::vector<OutcomeStatus>{OutcomeStatus::kEncrypted});
}

TEST_CASE("WalkZip: other methods are listed as unsupported") {
  const std::uint16_t method =
      GENERATE(std::uint16_t{1}, std::uint16_t{9}, std::uint16_t{12},
               std::uint16_t{14}, std::uint16_t{93}, std::uint16_t{95});
  const RecordingZipSink sink =
      Walk({.items = {{.name = "m", .data = "BZh9", .method = method},
                      {.name = "z", .data = "z"}}});
  CHECK(sink.members == Members{{"z", "z"}});
  CHECK(sink.rules == Rules{"zip-unsupported-method"});
  CHECK(sink.incomplete ==
        std::vector<OutcomeStatus>{OutcomeStatus::kUnsupported});
}

TEST_CASE("WalkZip: members of one name are all scanned and reported") {
  const RecordingZipSink sink = Walk(
      {.items = {{.name = "m", .data = "one"}, {.name = "m", .data = "two"}}});
  CHECK(sink.members == Members{{"m", "one"}, {"m", "two"}});
  CHECK(sink.rules == Rules{"zip-duplicate-name"});
}

TEST_CASE("WalkZip: a descriptor that lies is reported") {
  ZipBuilder builder{
      .items = {{.name = "a", .data = "aaaa", .descriptor = true}}};
  std::string bytes = builder.Build();
  bytes[bytes.find("PK\x07\x08") + 8] = 3;
  const RecordingZipSink sink = Walk(bytes);
  CHECK(sink.members == Members{{"a", "aaaa"}});
  CHECK(sink.rules == Rules{"zip-header-mismatch"});
}

TEST_CASE("WalkZip: overlapping members are reported") {
  SECTION("two records for one header are scanned once for each name") {
    const RecordingZipSink sink =
        Walk({.items = {{.name = "a", .data = "aaaa"},
                        {.name = "a", .data = "aaaa", .header_offset = 0}}});
    CHECK(sink.Count(kZipOverlap) == 1);
    CHECK(sink.members == Members{{"a", "aaaa"}, {"a", "aaaa"}});
  }
  SECTION("a member inside of another") {
    const std::string inner =
        ZipBuilder{.items = {{.name = "b", .data = "bb"}}}.Build();
    const std::string local = inner.substr(0, inner.find("PK\x01\x02"));
    const RecordingZipSink sink =
        Walk({.items = {{.name = "a", .data = local},
                        {.name = "b", .data = "bb", .header_offset = 31}}});
    CHECK(sink.Count(kZipOverlap) == 1);
    CHECK(sink.members[1] == RecordingZipSink::Member{"b", "bb"});
  }
}

TEST_CASE("WalkZip: overlap cannot multiply the work") {
  // Every record leads to the one large member, under a name of its own.
  ZipBuilder builder{
      .items = {{.name = "kernel", .data = std::string(1 << 20, 'a')}}};
  for (int i = 0; i < 1000; ++i) {
    builder.items.push_back({.name = "m" + std::to_string(i),
                             .data = builder.items[0].data,
                             .packed = "",
                             .local = {.name = "kernel"},
                             .central = {.packed_size = 1 << 20},
                             .header_offset = 0});
  }
  RecordingZipSink sink;
  StringSource source(builder.Build());
  WalkZip(source, sink);
  CHECK(source.bytes_read() < 30'000'000);
  CHECK(sink.Count(kZipOverlap) >= 1);
  CHECK(std::count(sink.incomplete.begin(), sink.incomplete.end(),
                   OutcomeStatus::kLimit) >= 1);
}

TEST_CASE("WalkZip: lies about sizes do not use up what members may take") {
  // Decoys claim the whole archive, but end at once.
  ZipBuilder builder;
  for (int i = 0; i < 50; ++i) {
    builder.items.push_back({.name = std::to_string(i),
                             .data = "x",
                             .method = 8,
                             .local = {.packed_size = 5 << 20},
                             .central = {.packed_size = 5 << 20}});
  }
  builder.items.push_back({.name = "evil", .data = std::string(5 << 20, 'e')});
  const RecordingZipSink sink = Walk(builder);
  REQUIRE(sink.members.size() >= 51);
  CHECK(std::count(
            sink.members.begin(), sink.members.end(),
            RecordingZipSink::Member{"evil", std::string(5 << 20, 'e')}) == 1);
  CHECK(sink.incomplete.empty());
}

TEST_CASE("WalkZip: a spent budget ends unpacking and not the walk") {
  ZipBuilder builder{
      .items = {
          {.name = "bomb", .data = std::string(10 << 20, 'a'), .method = 8},
          {.name = "z", .data = "z"}}};
  RecordingZipSink sink;
  sink.max_unpacked = 1 << 20;
  StringSource source(builder.Build());
  WalkZip(source, sink);
  REQUIRE(sink.members.size() == 2);
  CHECK(sink.members[0].second.size() < (2 << 20));
  CHECK(sink.members[1] == RecordingZipSink::Member{"z", "z"});
}

TEST_CASE("WalkZip: names that lead out of the folder are reported") {
  const std::string name =
      GENERATE("../x", "a/../../x", "/etc/passwd", "\\\\host\\x", "..\\x",
               "C:\\x", "c:x", "..");
  const RecordingZipSink sink = Walk({.items = {{.name = name, .data = "x"}}});
  CHECK(sink.members == Members{{name, "x"}});
  CHECK(sink.rules == Rules{"zip-path-traversal"});
}

TEST_CASE("WalkZip: names with dots are in order") {
  const std::string name = GENERATE("a..b", "...", "a/.b", "..a/b", "a:b/c");
  CHECK(Walk({.items = {{.name = name, .data = "x"}}}).rules ==
        (name == "a:b/c" ? Rules{"zip-path-traversal"} : Rules{}));
}

TEST_CASE("WalkZip: odd names are reported") {
  using std::string_literals::operator""s;
  const auto [name, flags, severity] =
      GENERATE(table<std::string, std::uint16_t, Severity>(
          {{"a\0b"s, 0, Severity::kMedium},
           {"", 0, Severity::kMedium},
           {"caf\x82", 0, Severity::kLow},
           {"caf\x82", kZipFlagUtf8, Severity::kMedium}}));
  const RecordingZipSink sink =
      Walk({.items = {{.name = name, .data = "x", .flags = flags}}});
  CHECK(sink.members == Members{{name, "x"}});
  CHECK(sink.rules == Rules{"zip-odd-name"});
  CHECK(sink.severities == std::vector<Severity>{severity});
}

TEST_CASE("WalkZip: a second name in the Unicode path field is reported") {
  const auto field = [](std::string_view name, std::string_view path) {
    return Bytes()
        .U16(0x7075)
        .U16(path.size() + 5)
        .Text("\x01")
        .U32(Crc32(name))
        .Text(path)
        .Take();
  };
  SECTION("another name") {
    const RecordingZipSink sink =
        Walk({.items = {{.name = "a.txt",
                         .data = "x",
                         .central = {.extra = field("a.txt", "evil.pkl")}}}});
    CHECK(sink.rules == Rules{"zip-name-mismatch"});
  }
  SECTION("the same name in another encoding") {
    const RecordingZipSink sink = Walk(
        {.items = {{.name = "caf_.txt",
                    .data = "x",
                    .central = {.extra = field("caf_.txt", "café.txt")}}}});
    CHECK(sink.rules == Rules{});
  }
  SECTION("of a name that is no more") {
    const RecordingZipSink sink =
        Walk({.items = {{.name = "a.txt",
                         .data = "x",
                         .central = {.extra = field("b.txt", "evil.pkl")}}}});
    CHECK(sink.rules == Rules{});
  }
}

TEST_CASE("WalkZip: links are reported, and scanned as what they hold") {
  const std::uint32_t link = 0120777u << 16;
  const auto [target, severity] =
      GENERATE(table<std::string, Severity>({{"b", Severity::kMedium},
                                             {"../b", Severity::kHigh},
                                             {"/etc/b", Severity::kHigh}}));
  const std::uint16_t method = GENERATE(std::uint16_t{0}, std::uint16_t{8});
  const RecordingZipSink sink =
      Walk({.items = {{.name = "l",
                       .data = target,
                       .method = method,
                       .external_attributes = link}}});
  CHECK(sink.members == Members{{"l", target}});
  CHECK(sink.rules == Rules{"zip-symlink"});
  CHECK(sink.severities == std::vector<Severity>{severity});
}

TEST_CASE("WalkZip: a folder that holds data is scanned") {
  CHECK(Walk({.items = {{.name = "data.pkl/", .data = "payload"}}}).members ==
        Members{{"data.pkl/", "payload"}});
}

TEST_CASE("WalkZip: broken extra fields and double zip64 are reported") {
  ZipItem item{.name = "m", .data = "x"};
  SECTION("cut") {
    item.central.extra = Bytes().U16(0x1234).U16(100).Take();
    CHECK(Walk({.items = {item}}).rules == Rules{"zip-malformed"});
  }
  SECTION("zip64 twice") {
    item.central.packed_size = item.central.size = 0xffffffff;
    const std::string one = Bytes().U16(1).U16(16).U64(1).U64(1).Take();
    item.central.extra = one + one;
    CHECK(Walk({.items = {item}}).rules == Rules{"zip-header-mismatch"});
  }
}

TEST_CASE("WalkZip: too many members are a limit") {
  ZipBuilder builder;
  for (int i = 0; i < 20; ++i) {
    builder.items.push_back({.name = std::to_string(i), .data = "x"});
  }
  RecordingZipSink sink;
  sink.scan_limits.max_members = 10;
  StringSource source(builder.Build());
  WalkZip(source, sink);
  CHECK(sink.members.size() == 10);
  CHECK(sink.rules == Rules{});
  CHECK(sink.incomplete == std::vector<OutcomeStatus>{OutcomeStatus::kLimit});
}

TEST_CASE("WalkZip: findings of one kind are counted after the first few") {
  ZipBuilder builder;
  for (int i = 0; i < 500; ++i) {
    builder.items.push_back({.name = "../" + std::to_string(i), .data = "x"});
  }
  const RecordingZipSink sink = Walk(builder);
  CHECK(sink.members.size() == 500);
  CHECK(sink.Count(kZipPathTraversal) == 17);
  CHECK(sink.messages.back() == "484 more cases of the same");
}

}  // namespace scanengine
