// The walk of a zip archive: its end, what no directory lists, and damage.

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/support/zip_walking.h"
#include "worker/containers/unpacked_source.h"
#include "worker/containers/zip_rules.h"
#include "worker/containers/zip_walk.h"

namespace scanengine {
namespace {

using testing::Bytes;
using testing::Deflate;
using testing::kGzipBits;
using testing::Members;
using testing::Ordinary;
using testing::OrdinaryMembers;
using testing::RecordingZipSink;
using testing::Rules;
using testing::StringSource;
using testing::Text;
using testing::Walk;
using testing::ZipBuilder;

}  // namespace

TEST_CASE("WalkZip: an empty archive is in order") {
  const RecordingZipSink sink = Walk(ZipBuilder{});
  CHECK(sink.members.empty());
  CHECK(sink.rules == Rules{});
}

TEST_CASE("WalkZip: members that no directory lists are scanned") {
  const bool streamed = GENERATE(false, true);
  const std::uint16_t method = GENERATE(std::uint16_t{0}, std::uint16_t{8});
  const std::size_t place =
      GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2});
  ZipBuilder builder{
      .items = {{.name = "a", .data = "a"}, {.name = "b", .data = "b"}}};
  builder.items.insert(builder.items.begin() + static_cast<long>(place),
                       {.name = "evil",
                        .data = "payload",
                        .method = method,
                        .descriptor = streamed,
                        .listed = false});
  const RecordingZipSink sink = Walk(builder);
  CHECK(sink.members == Members{{"a", "a"}, {"b", "b"}, {"evil", "payload"}});
  CHECK(sink.Count(kZipHiddenMember) == 1);
  CHECK(sink.Count(kZipOutsideData) == 0);
}

TEST_CASE("WalkZip: a member hidden in the archive comment is scanned") {
  const std::string inner =
      ZipBuilder{.items = {{.name = "evil", .data = "payload"}}}.Build();
  const RecordingZipSink sink =
      Walk({.items = {{.name = "a", .data = "a"}},
            .comment = "see: " + inner.substr(0, inner.find("PK\x01\x02"))});
  CHECK(sink.members == Members{{"a", "a"}, {"evil", "payload"}});
  CHECK(sink.rules == Rules{"zip-hidden-member"});
}

TEST_CASE("WalkZip: a header across a search window is found") {
  // Searched in windows of 64 KiB: put the signature on every cut.
  const std::size_t gap = (64 << 10) - 4 + GENERATE(range<std::size_t>(0, 8));
  ZipBuilder builder{.items = {{.name = "a", .data = "a"},
                               {.name = "evil",
                                .data = "payload",
                                .listed = false,
                                .gap = std::string(gap, 'P')},
                               {.name = "b", .data = "b"}}};
  const RecordingZipSink sink = Walk(builder);
  CHECK(sink.members == Members{{"a", "a"}, {"b", "b"}, {"evil", "payload"}});
}

TEST_CASE("WalkZip: bytes between members are reported") {
  const RecordingZipSink sink =
      Walk({.items = {{.name = "a", .data = "a"},
                      {.name = "b", .data = "b", .gap = "stowaway"}}});
  CHECK(sink.members == Members{{"a", "a"}, {"b", "b"}});
  CHECK(sink.rules == Rules{"zip-hidden-data"});
}

TEST_CASE("WalkZip: data before the archive are reported and scanned") {
  ZipBuilder builder = Ordinary();
  SECTION("offsets count from the archive, as Python reads it") {
    builder.prefix = "#!/bin/sh\n";
  }
  SECTION("offsets count from the file, as miniz reads it") {
    builder.items[0].gap = "#!/bin/sh\n";
  }
  const RecordingZipSink sink = Walk(builder);
  CHECK(sink.members == OrdinaryMembers());
  CHECK(sink.outside == Members{{"0", "#!/bin/sh\n"}});
  CHECK(sink.rules == Rules{"zip-outside-data"});
}

TEST_CASE("WalkZip: data after the archive are reported and scanned") {
  ZipBuilder builder = Ordinary();
  builder.comment = "comment";
  builder.trailing = "trailing";
  const RecordingZipSink sink = Walk(builder);
  CHECK(sink.members == OrdinaryMembers());
  REQUIRE(sink.outside.size() == 1);
  CHECK(sink.outside[0].second == "trailing");
  CHECK(sink.rules == Rules{"zip-outside-data"});
}

TEST_CASE("WalkZip: the marker of a split archive is in order") {
  ZipBuilder builder = Ordinary();
  builder.items[0].gap = GENERATE("PK\x07\x08", "PK00");
  const RecordingZipSink sink = Walk(builder);
  CHECK(sink.members == OrdinaryMembers());
  CHECK(sink.rules == Rules{});
}

TEST_CASE("WalkZip: every directory that an end record can mean is walked") {
  const ZipBuilder shown{.items = {{.name = "good", .data = "good"}}};
  const ZipBuilder other{.items = {{.name = "evil", .data = "evil"}}};
  SECTION("two end records, the first with the second in its comment") {
    // Offsets of the second archive are made right by its prefix.
    ZipBuilder last = other;
    const std::string tail = last.Build();
    ZipBuilder first = shown;
    first.comment = tail;
    const RecordingZipSink sink = Walk(first);
    CHECK(sink.Count(kZipAmbiguousEnd) >= 1);
    std::vector<std::string> names;
    for (const auto& [name, data] : sink.members) names.push_back(name);
    CHECK(std::count(names.begin(), names.end(), "good") >= 1);
    CHECK(std::count(names.begin(), names.end(), "evil") >= 1);
  }
  SECTION("offset and size of one end record lead to two directories") {
    // miniz goes by the offset, Python by the size.
    const std::string bytes = other.Build();
    const std::size_t record = bytes.find("PK\x01\x02");
    const std::size_t end = bytes.find("PK\x05\x06");
    ZipBuilder builder = shown;
    const std::size_t base = shown.Build().find("PK\x01\x02");
    builder.before_end =
        bytes.substr(0, record) + bytes.substr(record, end - record);
    builder.directory_size = static_cast<std::uint32_t>(end - record);
    builder.directory_offset = static_cast<std::uint32_t>(base);
    const RecordingZipSink sink = Walk(builder);
    CHECK(sink.Count(kZipAmbiguousEnd) >= 1);
    CHECK(std::count(sink.members.begin(), sink.members.end(),
                     RecordingZipSink::Member{"good", "good"}) == 1);
    CHECK(std::count(sink.members.begin(), sink.members.end(),
                     RecordingZipSink::Member{"evil", "evil"}) == 1);
  }
  SECTION("the plain record contradicts the zip64 record") {
    ZipBuilder builder{.items = {{.name = "good", .data = "good"},
                                 {.name = "evil", .data = "evil"}}};
    builder.zip64 = true;
    builder.entries = 1;
    const std::string bytes = builder.Build();
    const std::size_t second =
        bytes.find("PK\x01\x02", bytes.find("PK\x01\x02") + 1);
    builder.directory_offset = static_cast<std::uint32_t>(second);
    builder.directory_size = 50;
    const RecordingZipSink sink = Walk(builder);
    CHECK(sink.Count(kZipAmbiguousEnd) >= 1);
    CHECK(sink.members == Members{{"good", "good"}, {"evil", "evil"}});
  }
}

TEST_CASE("WalkZip: one directory that leads to two sets of members") {
  // By the plain record headers are where the directory says; by the zip64
  // record, counted back from the end, all of them lie 33 bytes further on.
  ZipBuilder builder{.items = {{.name = "m", .data = "ok"},
                               {.name = "m", .data = "no", .listed = false}},
                     .zip64 = true};
  const std::string honest = builder.Build();
  const auto directory = static_cast<std::uint32_t>(honest.find("PK\x01\x02"));
  builder.directory_offset = directory;
  builder.directory_size = 47;
  builder.entries = 1;
  std::string bytes = builder.Build();
  const std::size_t field = bytes.find("PK\x06\x06") + 48;
  bytes.replace(field, 8, Bytes().U64(directory - 33).Take());
  const RecordingZipSink sink = Walk(bytes);
  CHECK(sink.Count(kZipAmbiguousEnd) == 1);
  CHECK(sink.Count(kZipHiddenMember) == 0);
  std::vector<std::string> data;
  for (const auto& [name, content] : sink.members) data.push_back(content);
  std::sort(data.begin(), data.end());
  CHECK(data == std::vector<std::string>{"no", "ok"});
}

TEST_CASE("WalkZip: a wrong count or size of the directory is reported") {
  ZipBuilder builder = Ordinary();
  SECTION("fewer entries") { builder.entries = 1; }
  SECTION("more entries") { builder.entries = 7; }
  SECTION("shorter directory") {
    builder.directory_size = 51;  // The first record.
  }
  const RecordingZipSink sink = Walk(builder);
  CHECK(sink.members == OrdinaryMembers());
  CHECK(sink.Count(kZipAmbiguousEnd) >= 1);
}

TEST_CASE("WalkZip: a nested archive at the end is no second reading") {
  ZipBuilder builder{
      .items = {{.name = "inner.zip", .data = Ordinary().Build()}}};
  const RecordingZipSink sink = Walk(builder);
  CHECK(sink.members == Members{{"inner.zip", Ordinary().Build()}});
  CHECK(sink.rules == Rules{});
}

TEST_CASE("WalkZip: a cut archive yields what its local headers give") {
  const std::string whole = Ordinary().Build();
  const std::size_t directory = whole.find("PK\x01\x02");
  SECTION("behind the members") {
    const RecordingZipSink sink = Walk(whole.substr(0, directory));
    CHECK(sink.members == OrdinaryMembers());
    CHECK(sink.rules == Rules{"zip-malformed"});
  }
  SECTION("in the directory") {
    const RecordingZipSink sink = Walk(whole.substr(0, directory + 60));
    CHECK(sink.members == OrdinaryMembers());
    CHECK(sink.rules == Rules{"zip-malformed"});
  }
  SECTION("in a deflated member") {
    const RecordingZipSink sink = Walk(whole.substr(0, 500));
    REQUIRE(sink.members.size() == 2);
    CHECK(sink.members[0] == RecordingZipSink::Member{"a.txt", "stored"});
    CHECK(sink.members[1].first == "sub/b");
    CHECK_FALSE(sink.members[1].second.empty());
    CHECK(sink.Count(kZipMalformed) >= 1);
  }
}

TEST_CASE("WalkZip: a directory that is not there is recovered from") {
  ZipBuilder builder = Ordinary();
  SECTION("wrong offset and size") {
    builder.directory_offset = 7;
    builder.directory_size = 3;
  }
  SECTION("beyond the end") {
    builder.directory_offset = builder.directory_size = 0xfffffff0;
  }
  const RecordingZipSink sink = Walk(builder);
  CHECK(sink.members == OrdinaryMembers());
  CHECK(sink.rules == Rules{"zip-malformed"});
}

TEST_CASE("WalkZip: a record without a local header is incomplete") {
  ZipBuilder builder = Ordinary();
  builder.items[0].header_offset = 3;
  const RecordingZipSink sink = Walk(builder);
  CHECK(sink.Count(kZipMalformed) == 1);
  CHECK(sink.incomplete ==
        std::vector<OutcomeStatus>{OutcomeStatus::kUnsupported});
  // Found all the same, where no record leads.
  CHECK(std::count(sink.members.begin(), sink.members.end(),
                   RecordingZipSink::Member{"a.txt", "stored"}) == 1);
}

TEST_CASE("WalkZip: a member beyond the end of the file is reported") {
  const RecordingZipSink sink =
      Walk({.items = {{.name = "m",
                       .data = "x",
                       .local = {.packed_size = 5000, .size = 5000},
                       .central = {.packed_size = 5000, .size = 5000}}}});
  CHECK(sink.Count(kZipMalformed) == 1);
  CHECK(sink.members.size() == 1);
}

TEST_CASE("WalkZip: every prefix of an archive is survived") {
  ZipBuilder builder = Ordinary();
  builder.zip64 = true;
  const std::string whole = builder.Build();
  for (std::size_t size = 0; size < whole.size(); size += 3) {
    const RecordingZipSink sink = Walk(whole.substr(0, size));
    CHECK(sink.Count(kZipMalformed) >= 1);
  }
}

TEST_CASE("WalkZip: every changed byte is survived") {
  const std::string whole = Ordinary().Build();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0xff);
    const RecordingZipSink sink = Walk(bytes);
    INFO(at);
    // Times and versions may change; what is read may not change unnoticed.
    CHECK((sink.members == OrdinaryMembers() || !sink.rules.empty()));
  }
}

TEST_CASE("WalkZip: an archive inside of a compressed stream is walked") {
  ZipBuilder builder = Ordinary();
  builder.items.push_back({.name = "big", .data = Text(3'000'000)});
  const std::string bytes = builder.Build();
  StringSource packed(Deflate(bytes, kGzipBits, 1));
  for (const std::uint64_t claimed : {kUnknownSize, std::uint64_t{100}}) {
    CAPTURE(claimed);
    RecordingZipSink sink;
    UnpackedSource source([](std::uint64_t, std::uint64_t) { return true; },
                          packed, Compression::kGzip, claimed);
    WalkZip(source, sink);
    REQUIRE(sink.members.size() == 4);
    CHECK(sink.members.back().second == Text(3'000'000));
    CHECK(sink.rules == Rules{});
  }
}

}  // namespace scanengine
