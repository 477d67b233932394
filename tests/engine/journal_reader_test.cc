#include "engine/journal_reader.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "engine/crc32c.h"
#include "tests/support/journal_fakes.h"

namespace scanengine {
namespace {

using testing::Bytes;
using testing::ExampleOutcome;
using testing::ExampleSession;
using testing::ReadAll;
using testing::Reading;

// A journal of every kind of record, and where its records begin.
struct Example {
  Bytes content;
  std::vector<std::uint64_t> places;  // Of records behind the header.
  std::vector<std::pair<JournalRecordType, Bytes>> records;
  std::uint64_t body = 0;  // First byte behind the header.
};

Example MakeExample(int outcomes) {
  JournalBuffer buffer(ExampleSession());
  Example example;
  example.body = buffer.bytes().size();
  for (int i = 0; i < outcomes; ++i) {
    const FileOutcome outcome = ExampleOutcome(i);
    const std::vector<std::string> listed{outcome.path, "other"};
    if (i % 3 == 0) buffer.AddListed(listed);
    if (i % 11 == 0) buffer.AddInProcessStart(outcome.path);
    REQUIRE(buffer.AddOutcome(outcome));
    if (i % 9 == 0) buffer.AddDropped(outcome.path);
    if (i % 20 == 19) buffer.AddSession(ExampleSession());
  }
  buffer.AddEnd({true, 3, {1, 2}, {0, 1}, 99});
  example.content.assign(buffer.bytes().begin(), buffer.bytes().end());
  const Reading reading = ReadAll(example.content);
  REQUIRE_FALSE(reading.refused);
  REQUIRE(reading.tail.kind == JournalTail::Kind::kWhole);
  example.places = reading.places;
  example.records = reading.records;
  return example;
}

// Records that end at or before |place|.
std::size_t WholeRecords(const Example& example, std::uint64_t place) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < example.places.size(); ++i) {
    const std::uint64_t end = i + 1 < example.places.size()
                                  ? example.places[i + 1]
                                  : example.content.size();
    count += end <= place ? 1 : 0;
  }
  return count;
}

bool IsPrefix(const Example& example, const Reading& reading,
              std::size_t size) {
  return reading.records.size() == size &&
         std::equal(reading.records.begin(), reading.records.end(),
                    example.records.begin());
}

bool Same(const FileOutcome& a, const FileOutcome& b) {
  const auto all = [](const FileOutcome& o) {
    return std::tie(o.path, o.result, o.attempts, o.worker, o.in_process,
                    o.ended, o.stamp);
  };
  return all(a) == all(b);
}

TEST_CASE("CRC-32C: equals the published check values") {
  const auto of = [](std::string_view text) {
    return Crc32c(0, std::as_bytes(std::span(text)));
  };
  CHECK(of("") == 0);
  CHECK(of("123456789") == 0xE3069283);
  CHECK(of(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(of(std::string(32, '\xff')) == 0x62A8AB43);
}

TEST_CASE("CRC-32C: parts give what the whole gives") {
  const std::string text = "the quick brown fox jumps over the lazy dog";
  const auto bytes = std::as_bytes(std::span(text));
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    CHECK(Crc32c(Crc32c(0, bytes.first(cut)), bytes.subspan(cut)) ==
          Crc32c(0, bytes));
  }
}

TEST_CASE("Journal: what was written is read") {
  JournalBuffer buffer(ExampleSession());
  std::vector<std::uint64_t> places;
  for (int i = 0; i < 100; ++i) {
    places.push_back(buffer.AddOutcome(ExampleOutcome(i)).value());
  }
  const JournalEnd end{true, 7, {1, 2, 3}, {4, 5}, 6};
  buffer.AddEnd(end);
  const auto disk =
      testing::DiskOf(Bytes(buffer.bytes().begin(), buffer.bytes().end()));
  const auto file = testing::FileOn(*disk);

  Result<JournalReader> reader = JournalReader::Open(*file);
  REQUIRE(reader.ok());
  CHECK(reader.value().header() == ExampleSession());
  for (int i = 0; i < 100; ++i) {
    const auto record = reader.value().Next();
    REQUIRE(record);
    REQUIRE(record->type == JournalRecordType::kOutcome);
    const auto at = static_cast<std::size_t>(i);
    CHECK(record->place == places[at]);
    const Result<FileOutcome> outcome = DecodeOutcome(record->payload);
    REQUIRE(outcome.ok());
    CHECK(Same(outcome.value(), ExampleOutcome(i)));
    const Result<OutcomeHead> head = DecodeOutcomeHead(record->payload);
    REQUIRE(head.ok());
    CHECK(head.value().path == ExampleOutcome(i).path);
    CHECK(head.value().status == ExampleOutcome(i).result.status);
    const Result<FileOutcome> direct =
        ReadOutcome(*file, ExampleSession().run, places[at]);
    REQUIRE(direct.ok());
    CHECK(Same(direct.value(), ExampleOutcome(i)));
    CHECK(direct.value().place == places[at]);
  }
  const auto last = reader.value().Next();
  REQUIRE(last);
  const Result<JournalEnd> read = DecodeEnd(last->payload);
  REQUIRE(read.ok());
  CHECK(read.value() == end);
  CHECK_FALSE(reader.value().Next());
  CHECK(reader.value().tail().kind == JournalTail::Kind::kWhole);
}

TEST_CASE("Journal: paths are bytes, in lists as well") {
  const std::vector<std::string> paths{"a",
                                       "",
                                       std::string("n\0\n", 3),
                                       "\xff\xfe",
                                       std::string(300'000, 'p'),
                                       std::string(900'000, 'q')};
  JournalBuffer buffer(ExampleSession());
  buffer.AddListed(paths);
  buffer.AddDropped(paths[2]);
  const Reading reading =
      ReadAll(Bytes(buffer.bytes().begin(), buffer.bytes().end()));
  std::vector<std::string> got;
  for (const auto& [type, payload] : reading.records) {
    if (type == JournalRecordType::kListed) {
      CHECK(DecodeListed(payload, [&](std::string_view path) {
              got.emplace_back(path);
            }).ok());
    } else {
      CHECK(type == JournalRecordType::kDropped);
      CHECK(DecodePath(payload) == paths[2]);
    }
  }
  CHECK(got == paths);
}

TEST_CASE("Journal: cut at any byte, the records before the cut are read") {
  const Example example = MakeExample(200);
  const std::uint64_t size = example.content.size();
  REQUIRE(size > 8192);
  // All of the last 4 KiB and, since it is cheap, the first bytes.
  for (std::uint64_t cut = 0; cut < size; ++cut) {
    if (cut > example.body + 64 && cut + 4096 < size) continue;
    const Reading reading = ReadAll(
        Bytes(example.content.begin(),
              example.content.begin() + static_cast<std::ptrdiff_t>(cut)));
    CAPTURE(cut);
    if (cut < example.body) {
      REQUIRE(reading.refused);
      continue;
    }
    REQUIRE_FALSE(reading.refused);
    const std::size_t whole = WholeRecords(example, cut);
    REQUIRE(IsPrefix(example, reading, whole));
    const std::uint64_t end = example.places[whole];
    REQUIRE(reading.tail.place == end);
    REQUIRE(reading.tail.dropped == cut - end);
    REQUIRE((reading.tail.kind == JournalTail::Kind::kWhole) == (cut == end));
    REQUIRE(reading.tail.kind != JournalTail::Kind::kDamaged);
  }
}

TEST_CASE("Journal: any flipped bit is noticed and nothing wrong is read") {
  const Example example = MakeExample(200);
  std::mt19937 random(20261121);
  Bytes content = example.content;
  for (int i = 0; i < 10'000; ++i) {
    // The head of the file bit by bit, then anywhere.
    const std::size_t bit = i < 4'000 ? static_cast<std::size_t>(i)
                                      : random() % (content.size() * 8);
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    content[bit / 8] ^= mask;
    const Reading reading = ReadAll(content);
    content[bit / 8] ^= mask;
    CAPTURE(bit);
    if (bit / 8 < example.body) {
      REQUIRE(reading.refused);
      continue;
    }
    REQUIRE_FALSE(reading.refused);
    const std::size_t whole = WholeRecords(example, bit / 8);
    REQUIRE(IsPrefix(example, reading, whole));
    REQUIRE(reading.tail.kind != JournalTail::Kind::kWhole);
    REQUIRE(reading.tail.place == example.places[whole]);
    REQUIRE_FALSE(reading.tail.why.empty());
  }
}

TEST_CASE("Journal: damage in the middle is told from a torn end") {
  const Example example = MakeExample(50);
  Bytes content = example.content;
  content[static_cast<std::size_t>(example.places[10]) + 20] ^= std::byte{1};
  const Reading damaged = ReadAll(content);
  CHECK(damaged.tail.kind == JournalTail::Kind::kDamaged);
  CHECK(damaged.tail.place == example.places[10]);
  CHECK(damaged.tail.dropped == content.size() - example.places[10]);

  content = example.content;
  content.resize(content.size() + 5000);  // Zeros, as after a power cut.
  const Reading zeros = ReadAll(content);
  CHECK(zeros.tail.kind == JournalTail::Kind::kTorn);
  CHECK(IsPrefix(example, zeros, example.records.size()));
}

TEST_CASE("Journal: one flipped bit is damage, wherever it is") {
  const Example example = MakeExample(20);
  // In the last record it may be a write that was cut short as well.
  for (std::size_t at = example.body;
       at < static_cast<std::size_t>(example.places.back()); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes content = example.content;
      content[at] ^= static_cast<std::byte>(1U << bit);
      const Reading reading = ReadAll(content);
      CAPTURE(at, bit);
      REQUIRE(reading.tail.kind == JournalTail::Kind::kDamaged);
      REQUIRE(IsPrefix(example, reading, reading.records.size()));
    }
  }
}

TEST_CASE("Journal: a record counts only in its run and at its place") {
  const Example example = MakeExample(40);
  const auto at = [&](std::size_t i) {
    return static_cast<std::ptrdiff_t>(example.places[i]);
  };
  const auto begin = example.content.begin();
  SECTION("twice") {
    Bytes content(begin, begin + at(11));
    content.insert(content.end(), begin + at(10), begin + at(11));
    CHECK(IsPrefix(example, ReadAll(content), 11));
  }
  SECTION("left out") {
    Bytes content(begin, begin + at(10));
    content.insert(content.end(), begin + at(11), example.content.end());
    CHECK(IsPrefix(example, ReadAll(content), 10));
  }
  SECTION("of another run") {
    JournalBuffer other(ExampleSession(2));
    REQUIRE(other.bytes().size() == example.body);
    Bytes content(other.bytes().begin(), other.bytes().end());
    content.insert(content.end(), begin + at(0), example.content.end());
    const Reading reading = ReadAll(content);
    REQUIRE_FALSE(reading.refused);
    CHECK(reading.records.empty());
    CHECK(reading.tail.kind == JournalTail::Kind::kDamaged);
  }
}

TEST_CASE("Journal: hostile lengths and counts allocate nothing") {
  JournalBuffer buffer(ExampleSession());
  Bytes content(buffer.bytes().begin(), buffer.bytes().end());
  const std::size_t body = content.size();
  content.resize(body + kRecordHeaderBytes + 100, std::byte{1});
  const auto put = [&](std::uint32_t length, std::uint8_t type) {
    for (std::size_t i = 0; i < 4; ++i) {
      content[body + i] = static_cast<std::byte>(length >> (8 * i));
    }
    content[body + 4] = static_cast<std::byte>(type);
    const std::uint32_t check = HeaderCheck(length, type);
    for (std::size_t i = 0; i < 3; ++i) {
      content[body + 5 + i] = static_cast<std::byte>(check >> (8 * i));
    }
  };
  put(0xFFFFFFFF, 3);
  CHECK(ReadAll(content).tail.kind == JournalTail::Kind::kDamaged);
  put(kMaxRecordBytes, 3);
  CHECK(ReadAll(content).tail.kind == JournalTail::Kind::kTorn);
  put(10, 99);
  CHECK(ReadAll(content).tail.kind == JournalTail::Kind::kDamaged);
  put(10, 0);
  CHECK(ReadAll(content).tail.kind == JournalTail::Kind::kDamaged);

  const Bytes all(64, std::byte{0xFF});
  CHECK_FALSE(DecodeEnd(all).ok());
  CHECK_FALSE(DecodeOutcome(all).ok());
  CHECK_FALSE(DecodeOutcomeHead(all).ok());
  CHECK_FALSE(DecodeListed(all, [](std::string_view) {}).ok());
  Bytes counts(4 + 16 + 4, std::byte{0});  // Format, run, started.
  counts[0] = static_cast<std::byte>(kJournalFormat);
  counts.resize(counts.size() + 4, std::byte{0xFF});  // Roots.
  CHECK_FALSE(DecodeSession(counts).ok());
}

TEST_CASE("Journal: other files are refused") {
  const auto refused = [](std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    const Reading reading = ReadAll(Bytes(bytes.begin(), bytes.end()));
    return reading.refused ? reading.refused->detail : "";
  };
  CHECK(refused("") == "is no journal");
  CHECK(refused("{\"schema\":\"scanengine\"}") == "is no journal");
  CHECK(refused("\x89SEJ\r\n\x1a\n") == "its header is damaged");

  JournalSession newer = ExampleSession();
  newer.format = kJournalFormat + 1;
  const JournalBuffer buffer(newer);
  const Reading reading =
      ReadAll(Bytes(buffer.bytes().begin(), buffer.bytes().end()));
  REQUIRE(reading.refused);
  CHECK(reading.refused->code == ErrorCode::kUnsupported);
}

TEST_CASE("Journal: a place that is none gives no outcome") {
  const Example example = MakeExample(20);
  const auto disk = testing::DiskOf(example.content);
  const auto file = testing::FileOn(*disk);
  const RunId run = ExampleSession().run;
  std::size_t right = 0;
  for (std::uint64_t place = 0; place < example.content.size() + 20; ++place) {
    if (ReadOutcome(*file, run, place).ok()) ++right;
  }
  CHECK(right == 20);
  CHECK_FALSE(
      ReadOutcome(*file, ExampleSession(2).run, example.places[1]).ok());
}

}  // namespace
}  // namespace scanengine
