#include <catch2/catch.hpp>
#include <cstdint>
#include <string>

#include "tests/support/deflate.h"
#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"
#include "tests/support/tar_builder.h"

namespace scanengine {
namespace {

using testing::Octal;
using testing::Padded;
using testing::TarBlock;
using testing::TarEnd;
using testing::TarMember;
using testing::TarPax;

using Strings = std::vector<std::string>;

std::string System(std::uint8_t protocol = 4) {
  return PickleBuilder(protocol)
      .Global("os", "system")
      .Text("id")
      .Tuple1()
      .Reduce()
      .Stop();
}

// Only what the archive itself earned.
Strings TarRuleIds(const ScanReply& reply) {
  Strings ids = RuleIds(reply);
  std::erase_if(ids,
                [](const std::string& id) { return !id.starts_with("tar-"); });
  return ids;
}

bool FindsCall(const ScanReply& reply) {
  return WorstSeverity(reply) == Severity::kCritical &&
         reply.findings[0].evidence == "os.system('id')";
}

std::string Text(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "some text\n";
  return text;
}

}  // namespace

TEST_CASE("tar scanner: a plain archive is scanned whole") {
  const ScanReply reply = ScanBytes(
      TarMember("a.txt", "text") + TarBlock{.name = "d/", .type = '5'}.Build() +
          TarMember("d/b.txt", Text(2000)) + TarEnd(),
      "any.name");
  CHECK(reply.format == "tar");
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(reply.findings.empty());
  REQUIRE(reply.assets.size() == 1);
  CHECK(reply.assets[0].facts ==
        std::vector<std::pair<std::string, std::string>>{
            {"members", "2"}, {"folders", "1"}, {"links", "0"}});
}

TEST_CASE("tar scanner: members are scanned, whatever the header's dialect") {
  TarBlock block{.name = "evil", .size = System().size()};
  std::string before;
  std::string name = "evil";
  SECTION("ustar") {}
  SECTION("ustar with a prefix") {
    block.prefix = "some/folder";
    name = "some/folder/evil";
  }
  SECTION("v7") { block.magic = ""; }
  SECTION("GNU") { block.magic = std::string("ustar  \0", 8); }
  SECTION("binary size") {
    block.size_field = std::string("\x80\0\0\0\0\0\0\0\0\0\0", 11) +
                       static_cast<char>(System().size());
  }
  SECTION("contiguous file") { block.type = '7'; }
  SECTION("unknown type") { block.type = 'Q'; }
  SECTION("GNU long name") {
    name = std::string(150, 'n');
    before =
        TarBlock{.name = "././@LongLink", .type = 'L', .size = 151}.Build() +
        Padded(name + '\0');
  }
  SECTION("pax path") {
    name = "other/name";
    before = TarPax("path", name);
  }
  SECTION("global pax path") {
    name = "all/have/this";
    before = TarPax("path", name, 'g');
  }
  const ScanReply reply =
      ScanBytes(before + block.Build() + Padded(System()) + TarEnd(), "m.tar");
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(FindsCall(reply));
  CHECK(reply.findings[0].member == name);
  CHECK(TarRuleIds(reply).empty());
}

TEST_CASE("tar scanner: what is behind damage is scanned") {
  const std::string evil = TarMember("evil", System());
  const std::string good = TarMember("good", "text");
  SECTION("a second archive") {
    const ScanReply reply =
        ScanBytes(good + TarEnd() + evil + TarEnd(), "m.tar");
    CHECK(FindsCall(reply));
    CHECK(TarRuleIds(reply) == Strings{"tar-hidden-member"});
  }
  SECTION("a broken checksum") {
    const ScanReply reply = ScanBytes(
        good +
            TarBlock{.name = "x", .size = 3, .good_checksum = false}.Build() +
            evil + TarEnd(),
        "m.tar");
    CHECK(FindsCall(reply));
    CHECK(TarRuleIds(reply) == Strings{"tar-malformed", "tar-trailing-data"});
  }
  SECTION("a pickle outside of all members") {
    const ScanReply reply =
        ScanBytes(good + TarEnd() + "junk" + System(), "m.tar");
    CHECK(FindsCall(reply));
    CHECK(TarRuleIds(reply) == Strings{"tar-trailing-data"});
  }
  SECTION("a size larger than the file") {
    const ScanReply reply = ScanBytes(
        TarBlock{.name = "evil", .size = 1ULL << 33}.Build() + System(),
        "m.tar");
    CHECK(FindsCall(reply));
    CHECK(TarRuleIds(reply) == Strings{"tar-malformed"});
  }
  SECTION("a size that is no number") {
    const ScanReply reply = ScanBytes(
        good + TarBlock{.name = "x", .size_field = "no number"}.Build() + evil,
        "m.tar");
    CHECK(FindsCall(reply));
  }
}

TEST_CASE("tar scanner: both readings of a size are scanned") {
  const std::string evil = TarMember("evil", System());
  // By pax the first member holds the second; by its header it is empty.
  const ScanReply reply =
      ScanBytes(TarPax("size", std::to_string(evil.size())) +
                    TarMember("a.txt", "") + evil + TarEnd(),
                "m.tar");
  CHECK(FindsCall(reply));
  CHECK(std::ranges::count(TarRuleIds(reply), "tar-ambiguous-size") == 1);
  const ScanReply large = ScanBytes(
      TarPax("size", std::to_string(1ULL << 33)) + TarMember("a.txt", ""),
      "m.tar");
  CHECK(TarRuleIds(large) == Strings{"tar-malformed"});
}

TEST_CASE("tar scanner: too many readings are a limit") {
  std::string archive;
  for (int i = 0; i < 20; ++i) {
    archive += TarPax("size", "512") + TarMember(std::to_string(i), "");
  }
  CHECK(ScanBytes(archive + TarEnd(), "m.tar").status == OutcomeStatus::kLimit);
}

TEST_CASE("tar scanner: names and links that leave the folder are high") {
  const auto [block, rule] = GENERATE(table<TarBlock, std::string>(
      {{{.name = "../up"}, "tar-path-traversal"},
       {{.name = "/etc/x"}, "tar-path-traversal"},
       {{.name = "a/b", .type = '2', .link = "../../x"}, "tar-link"},
       {{.name = "a", .type = '2', .link = "/etc/passwd"}, "tar-link"},
       {{.name = "a/b", .type = '1', .link = "../x"}, "tar-link"}}));
  const ScanReply reply = ScanBytes(block.Build() + TarEnd(), "m.tar");
  CHECK(RuleIds(reply) == Strings{rule});
  CHECK(WorstSeverity(reply) == Severity::kHigh);
}

TEST_CASE("tar scanner: links within the folder are low") {
  const ScanReply reply = ScanBytes(
      TarBlock{.name = "a/b", .type = '2', .link = "../c"}.Build() +
          TarBlock{.name = "a/d", .type = '1', .link = "a/b"}.Build() +
          TarEnd(),
      "m.tar");
  CHECK(RuleIds(reply) == Strings{"tar-link"});
  CHECK(WorstSeverity(reply) == Severity::kLow);
}

TEST_CASE("tar scanner: oddities of members are reported") {
  const auto [archive, rule] = GENERATE(table<std::string, std::string>(
      {{TarMember("a", "x") + TarMember("a", "y"), "tar-duplicate-name"},
       {TarBlock{.name = "a", .type = '3'}.Build(), "tar-special-file"},
       {TarBlock{.name = "a", .type = '6'}.Build(), "tar-special-file"},
       {TarMember("", "x"), "tar-odd-name"},
       {TarMember("a\nb", "x"), "tar-odd-name"}}));
  const ScanReply reply = ScanBytes(archive + TarEnd(), "m.tar");
  CHECK(RuleIds(reply) == Strings{rule});
  CHECK(WorstSeverity(reply) == Severity::kMedium);
}

TEST_CASE("tar scanner: sparse members are put together") {
  const std::string evil = System();
  const std::size_t half = evil.size() / 2;
  // The second half comes at once in the file that is unpacked, but not here.
  const std::string map = "0," + std::to_string(half) + "," +
                          std::to_string(half) + "," +
                          std::to_string(evil.size() - half);
  SECTION("pax 0.1") {
    const ScanReply reply =
        ScanBytes(TarPax("GNU.sparse.map", map) +
                      TarPax("GNU.sparse.size", std::to_string(evil.size())) +
                      TarMember("evil", evil) + TarEnd(),
                  "m.tar");
    CHECK(FindsCall(reply));
    CHECK(TarRuleIds(reply) == Strings{"tar-sparse"});
  }
  SECTION("pax 1.0") {
    const std::string blocks =
        Padded("1\n0\n" + std::to_string(evil.size()) + "\n") + evil;
    const ScanReply reply = ScanBytes(
        TarPax("GNU.sparse.major", "1") + TarPax("GNU.sparse.minor", "0") +
            TarPax("GNU.sparse.name", "real") +
            TarPax("GNU.sparse.realsize", "100000") +
            TarMember("evil", blocks) + TarEnd(),
        "m.tar");
    CHECK(FindsCall(reply));
    CHECK(reply.findings[0].member == "real");
  }
  SECTION("a map that is broken") {
    const ScanReply reply = ScanBytes(TarPax("GNU.sparse.map", "5,9,0,3") +
                                          TarPax("GNU.sparse.size", "100") +
                                          TarMember("evil", evil) + TarEnd(),
                                      "m.tar");
    CHECK(reply.status == OutcomeStatus::kUnsupported);
    CHECK(FindsCall(reply));
  }
  SECTION("a giant of zeros is a limit") {
    ScanLimits limits;
    limits.max_unpacked = 1 << 20;
    const ScanReply reply =
        ScanBytes(TarPax("GNU.sparse.map", "0,4") +
                      TarPax("GNU.sparse.size", std::to_string(1ULL << 60)) +
                      TarMember("evil.pkl", "\x80\x04N.") + TarEnd(),
                  "m.tar", limits);
    CHECK(reply.status == OutcomeStatus::kLimit);
  }
}

TEST_CASE("tar scanner: an archive that is compressed is scanned") {
  const ScanReply reply =
      ScanBytes(testing::Deflate(TarMember("a.txt", Text(3'000'000)) +
                                     TarMember("evil", System()) + TarEnd(),
                                 testing::kGzipBits),
                "m.tgz");
  CHECK(reply.format == "compressed");
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(FindsCall(reply));
  CHECK(reply.findings[0].member == "m.tar!evil");
}

TEST_CASE("tar scanner: more members than the limit are a limit") {
  ScanLimits limits;
  limits.max_members = 10;
  std::string archive;
  for (int i = 0; i < 30; ++i) archive += TarMember(std::to_string(i), "x");
  CHECK(ScanBytes(archive + TarEnd(), "m.tar", limits).status ==
        OutcomeStatus::kLimit);
}

TEST_CASE("tar scanner: other files are not claimed") {
  const std::string bytes =
      GENERATE(as<std::string>{}, "", "ustar", std::string(512, '\0'),
               std::string(5000, 'x'), std::string(2000, '0'));
  const ScanReply reply = ScanBytes(bytes, "m.tar");
  CHECK(std::ranges::count(reply.scanners, "tar") == 0);
}

namespace {

std::string Int(int number) { return PickleBuilder(2).Int(number).Stop(); }

std::string Triple(std::string_view class_name) {
  return PickleBuilder(2)
      .Mark()
      .Int(7)
      .Text("cpu")
      .Global("torch", class_name)
      .Tuple()
      .Stop();
}

std::string Count(std::uint64_t number, int bytes) {
  return PickleBuilder(0).Number(number, bytes).bytes();
}

std::string TorchFile(const std::string& storages, const std::string& tensors) {
  return TarMember("sys_info", Int(1)) + TarMember("pickle", Int(1)) +
         TarMember("storages", storages) + TarMember("tensors", tensors) +
         TarEnd();
}

const std::string kStorages = Int(1) + Triple("FloatStorage") + Count(2, 8) +
                              std::string(8, 'R') + Int(0);
const std::string kTensors = Int(1) + Triple("FloatTensor") + Count(1, 4) +
                             Count(0, 4) + Count(2, 8) + Count(1, 8) +
                             Count(0, 8);

}  // namespace

TEST_CASE("tar scanner: a torch file of tensors is clean") {
  const ScanReply reply = ScanBytes(TorchFile(kStorages, kTensors), "m.pt");
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(reply.findings.empty());
  REQUIRE_FALSE(reply.assets.empty());
  CHECK(reply.assets.back().format == "pytorch-tar");
  CHECK(reply.assets.back().facts.back() ==
        std::pair<std::string, std::string>{"storages", "1"});
}

TEST_CASE("tar scanner: each pickle of a torch file is scanned") {
  // Protocol 0: no search for headers would find it.
  const std::string evil = System(0);
  const auto [storages, tensors] =
      GENERATE_COPY(table<std::string, std::string>(
          {{evil, kTensors},
           {Int(1) + evil, kTensors},
           {Int(1) + Triple("FloatStorage") + Count(2, 8) +
                std::string(8, 'R') + evil,
            kTensors},
           {Int(2) + Triple("HalfStorage") + Count(3, 8) + std::string(6, 'R') +
                evil,
            kTensors},
           {kStorages, evil},
           {kStorages, Int(1) + evil},
           {kStorages, Int(2) + kTensors.substr(Int(1).size()) + evil}}));
  CHECK(FindsCall(ScanBytes(TorchFile(storages, tensors), "m.pt")));
}

TEST_CASE("tar scanner: torch storages that lie are malformed") {
  const std::string storages =
      GENERATE(Int(1) + Triple("FloatStorage") + Count(~std::uint64_t{0}, 8),
               Int(1) + Triple("FloatStorage") + Count(5, 8) + "R",
               Int(1) + Triple("NoStorage") + Count(5, 8), Int(5));
  const ScanReply reply = ScanBytes(TorchFile(storages, kTensors), "m.pt");
  CHECK(std::ranges::count(RuleIds(reply), "pickle-malformed") == 1);
}

}  // namespace scanengine
