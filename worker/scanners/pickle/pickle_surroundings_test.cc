// What may stand before, between and behind the pickles of a file, and what may
// break in them: nothing of it hides a payload, and none of it is silent.

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"

namespace scanengine {
namespace {

std::string Payload(std::uint8_t protocol) {
  return PickleBuilder(protocol)
      .Global("os", "system")
      .Text("id")
      .Tuple1()
      .Reduce()
      .bytes();
}

std::string Evil(std::uint8_t protocol) { return Payload(protocol) + "."; }

std::string Good() { return PickleBuilder().Int(1).Stop(); }

bool FindsCall(const ScanReply& reply) {
  return std::ranges::any_of(reply.findings, [](const Finding& finding) {
    return finding.severity == Severity::kCritical &&
           finding.evidence == "os.system('id')";
  });
}

bool Has(const ScanReply& reply, std::string_view rule) {
  return std::ranges::count(RuleIds(reply), rule) != 0;
}

// Protocols with a header that can be looked for, and without.
std::uint8_t AnyProtocol() { return GENERATE(as<std::uint8_t>{}, 0, 2, 4, 5); }

}  // namespace

TEST_CASE("Surroundings: garbage before a pickle hides nothing") {
  const std::uint8_t protocol = AnyProtocol();
  const std::string garbage =
      GENERATE(as<std::string>{}, std::string(64, '\0'), "\n\n",
               "# a comment\n", "#!/usr/bin/env python\n", "\xef\xbb\xbf",
               "junk", "\xff\xff\xff\xff", "\x80", "\x80\x63", "\x80\x04.\x80",
               std::string(5000, 'j'), std::string(300'000, '\xfe'));
  INFO(int{protocol} << " " << garbage.size() << " " << garbage.substr(0, 9));
  const ScanReply reply = ScanBytes(garbage + Evil(protocol), "m.pkl");
  CHECK(FindsCall(reply));
  CHECK(reply.findings.size() > 1);
}

TEST_CASE("Surroundings: pickles after one another are all scanned") {
  const std::uint8_t protocol = AnyProtocol();
  const int before = GENERATE(1, 2, 1000);
  std::string bytes;
  for (int i = 0; i < before; ++i) bytes += Good();
  CHECK(FindsCall(ScanBytes(bytes + Evil(protocol) + Good(), "m.pkl")));
}

TEST_CASE("Surroundings: what lies behind STOP is found") {
  const std::uint8_t protocol = AnyProtocol();
  const std::string gap = GENERATE(
      as<std::string>{}, "", std::string(64, '\0'), "\n", "junk", "....",
      "\x80\x63", "{\"json\": [1, 2]}\n", std::string(300'000, '\0'),
      std::string(300'000, 'c'), std::string(300'000, '\x80'));
  INFO(int{protocol} << " " << gap.size() << " " << gap.substr(0, 9));
  CHECK(FindsCall(ScanBytes(Good() + gap + Evil(protocol), "m.pkl")));
  CHECK(FindsCall(ScanBytes(Good() + gap + Evil(protocol) + gap, "m.pkl")));
}

TEST_CASE("Surroundings: data behind STOP is told") {
  const ScanReply blank = ScanBytes(Good() + std::string(100, '\0'), "m.pkl");
  CHECK(RuleIds(blank) == std::vector<std::string>{"pickle-trailing-data"});
  CHECK(WorstSeverity(blank) == Severity::kInfo);
  const ScanReply junk = ScanBytes(Good() + "junk", "m.pkl");
  CHECK(RuleIds(junk) == std::vector<std::string>{"pickle-trailing-data"});
  CHECK(WorstSeverity(junk) == Severity::kLow);
}

TEST_CASE("Surroundings: a break after the payload keeps the payload") {
  const std::uint8_t protocol = AnyProtocol();
  const std::string rest = GENERATE(
      as<std::string>{}, "", "\xff", "\xff.", "\x01\x02.", "0000.", "h\x63.",
      "X\xff\xff\xff\xff"
      "abc",
      "\x8b\xff\xff\xff\x7f.", "\x80\x63.", "(", "t.", "Inothing\n.",
      "S'open\n.", std::string(100'000, '('));
  INFO(int{protocol} << " " << rest.substr(0, 9));
  const ScanReply reply = ScanBytes(Payload(protocol) + rest, "m.pkl");
  CHECK(FindsCall(reply));
  CHECK(Has(reply, "pickle-malformed"));
}

TEST_CASE("Surroundings: a cut pickle is never silent") {
  const std::string whole = Evil(4);
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const ScanReply reply = ScanBytes(whole.substr(0, size), "m.pkl");
    INFO(size);
    CHECK(Has(reply, "pickle-malformed"));
    // The name is there from the import on, the call from REDUCE on.
    if (size + 1 == whole.size()) CHECK(FindsCall(reply));
  }
}

TEST_CASE("Surroundings: a payload behind a broken pickle is found") {
  const std::uint8_t protocol = AnyProtocol();
  const std::string broken =
      GENERATE(as<std::string>{}, "\x80\x04\xff\xff", "\x80\x63K\x01.",
               "\x80\x04N0000.", "\x80\x04(((((", "\x80\x04h\x07.");
  CHECK(FindsCall(ScanBytes(broken + Evil(protocol), "m.pkl")));
}

TEST_CASE("Surroundings: wrong protocol bytes are malformed") {
  for (int protocol = 6; protocol < 256; protocol += 7) {
    std::string bytes = Evil(4);
    bytes[1] = static_cast<char>(protocol);
    const ScanReply reply = ScanBytes(bytes, "m.pkl");
    INFO(protocol);
    CHECK(WorstSeverity(reply) >= Severity::kMedium);
    CHECK(Has(reply, "pickle-malformed"));
  }
}

namespace {

/// A terabyte of zeros between a head and a tail; counts the bytes read.
class Sparse final : public ByteSource {
 public:
  Sparse(std::string head, std::string tail)
      : head_(std::move(head)), tail_(std::move(tail)) {}
  std::uint64_t size() const override { return kTail + tail_.size(); }
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<std::byte> out) override {
    std::size_t n = 0;
    for (; n < out.size() && offset + n < size(); ++n) {
      const std::uint64_t at = offset + n;
      char c = '\0';
      if (at < head_.size()) c = head_[static_cast<std::size_t>(at)];
      if (at >= kTail) c = tail_[static_cast<std::size_t>(at - kTail)];
      out[n] = static_cast<std::byte>(c);
    }
    read += n;
    return n;
  }
  std::uint64_t NextData(std::uint64_t offset) override {
    if (offset < head_.size() || offset >= kTail) return offset;
    return tail_.empty() ? size() : kTail;
  }
  static constexpr std::uint64_t kTail = 1ULL << 40;
  std::uint64_t read = 0;

 private:
  std::string head_;
  std::string tail_;
};

}  // namespace

TEST_CASE("Surroundings: holes of sparse files are passed over") {
  const std::pair<std::string, std::string> cases[] = {
      {Evil(2), ""}, {Good(), Evil(2)}, {"", Evil(0)}};
  for (const auto& [head, tail] : cases) {
    Sparse source(head, tail);
    CHECK(FindsCall(ScanSourceAs(source, "m.pkl")));
    CHECK(source.read < 16 << 20);
  }
}

}  // namespace scanengine
