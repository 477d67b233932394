#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/deflate.h"
#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"
#include "worker/containers/decoder.h"
#include "worker/parsing/marshal_reader.h"

namespace scanengine {
namespace {

using testing::Deflate;
using testing::kGzipBits;
using testing::kZlibBits;

std::string System(std::uint8_t protocol = 4) {
  return PickleBuilder(protocol)
      .Global("os", "system")
      .Text("id")
      .Tuple1()
      .Reduce()
      .Stop();
}

std::string Base64(const std::string& bytes) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  std::uint32_t bits = 0;
  int have = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (have += 8; have >= 6; have -= 6) {
      text += kLetters[bits >> (have - 6) & 63];
    }
  }
  if (have != 0) text += kLetters[bits << (6 - have) & 63];
  while (text.size() % 4 != 0) text += '=';
  return text;
}

std::string Hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    text += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

std::string Latin1(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xc0 | byte >> 6);
      text += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return text;
}

using Step = std::string (*)(const std::string&);

constexpr Step kSteps[] = {
    Base64, Hex,
    [](const std::string& bytes) { return Deflate(bytes, kZlibBits); },
    [](const std::string& bytes) { return Deflate(bytes, kGzipBits); }};

ScanReply ScanString(const std::string& text) {
  return ScanBytes(PickleBuilder().Bytes(text).Stop(), "a.pkl");
}

// A call in a pickle inside a string: high, since nobody runs it yet.
bool FindsCall(const ScanReply& reply) {
  return WorstSeverity(reply) == Severity::kHigh &&
         reply.findings[0].rule_id == "pickle-dangerous-call" &&
         reply.findings[0].evidence == "os.system('id')";
}

std::string Fixture(const std::string& name) {
  std::ifstream in(std::string(SCANENGINE_FIXTURES) + "/hostile/nested/" + name,
                   std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The code object of a fixture, without the pickle around it.
std::string Code(const std::string& version) {
  const std::string pickle = Fixture("code_" + version + ".pkl");
  return pickle.substr(7, pickle.size() - 8);
}

}  // namespace

TEST_CASE("Nested pickles: any two encodings are undone") {
  const int first = GENERATE(range(0, 4));
  const int second = GENERATE(range(0, 4));
  INFO(first << " " << second);
  const std::string once = kSteps[first](System());
  CHECK(FindsCall(ScanString(once)));
  CHECK(FindsCall(ScanString(kSteps[second](once))));
}

TEST_CASE("Nested pickles: long chains are followed, but not without end") {
  std::string text = System();
  const int steps = GENERATE(8, 12, 30);
  for (int i = 0; i < steps; ++i) {
    text = i % 3 == 0 ? Deflate(text, kZlibBits) : Base64(text);
  }
  const ScanReply reply = ScanString(text);
  INFO(steps);
  CHECK(FindsCall(reply) == (steps <= 12));
  CHECK((reply.status == OutcomeStatus::kLimit) == (steps > 12));
}

TEST_CASE("Nested pickles: text forms that readers take are undone") {
  const std::string base64 = Base64(System() + System());
  std::string lines;
  for (std::size_t i = 0; i < base64.size(); i += 20) {
    lines += base64.substr(i, 20) + "\r\n";
  }
  std::string urlsafe = base64;
  std::replace(urlsafe.begin(), urlsafe.end(), '+', '-');
  std::replace(urlsafe.begin(), urlsafe.end(), '/', '_');
  std::string spaced;
  const std::string hex = Hex(System());
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    spaced += hex.substr(i, 2) + " ";
  }
  const std::string text =
      GENERATE_COPY(as<std::string>{}, lines, "\n\n " + lines, urlsafe, spaced,
                    base64 + "!rest", hex + " and more", Latin1(System()),
                    Latin1(Deflate(System(), kZlibBits)),
                    Latin1(Deflate(System(), kGzipBits)));
  CHECK(FindsCall(ScanString(text)));
  CHECK(FindsCall(ScanBytes(PickleBuilder().Text(text).Stop(), "a.pkl")));
}

TEST_CASE("Nested pickles: encoded ones of any length are found") {
  for (const int protocol : {0, 2, 4}) {
    for (std::size_t size = 0; size < 40; ++size) {
      const std::string pickle =
          PickleBuilder(static_cast<std::uint8_t>(protocol))
              .Global("os", "system")
              .Text(std::string(size, 'a'))
              .Tuple1()
              .Reduce()
              .Stop();
      const std::string hex = Hex(pickle);
      std::string upper = hex;
      for (char& c : upper) {
        if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
      }
      const std::string base64 = Base64(pickle);
      const std::string unpadded = base64.substr(0, base64.find('='));
      for (const std::string& text :
           {hex, upper, hex + "0", hex + "g", hex + ";", base64, unpadded,
            unpadded + "\n", unpadded + ";",
            unpadded.substr(0, 20) + "\n" + unpadded.substr(20), Base64(hex),
            Hex(base64)}) {
        INFO(protocol << ' ' << size << ' ' << text);
        const ScanReply reply = ScanString(text);
        CHECK(WorstSeverity(reply) == Severity::kHigh);
      }
    }
  }
}

TEST_CASE("Nested pickles: protocol 0 is found, too") {
  CHECK(FindsCall(ScanString(Base64(System(0)))));
  CHECK(FindsCall(ScanString(Deflate(System(0), kZlibBits))));
}

TEST_CASE("Nested pickles: digests that read as opcodes are left alone") {
  // As digits or as bytes they are opcodes that name nothing, from the first
  // to a STOP or a name that no unpickler takes.
  const std::string text = GENERATE(
      as<std::string>{},
      "830fb35d935154afde7c78ac292c3d530dd5ab3b4f1b2d71b660f38b323e32fd",
      "5d836b2c5d9317ed97aa5c5acc779818c8ebec50fcbcad00e2e5431e526b624e",
      "5d9795f5dd51241f2bbe6393e3da775c2c85dc37db5fb679c187ecaf073763ef");
  CHECK(ScanString(text).findings.empty());
}

TEST_CASE("Nested pickles: codes of the registry count beside a name") {
  const std::string pickle = PickleBuilder()
                                 .Op(PickleOp::kExt1)
                                 .Byte(7)
                                 .Global("os", "system")
                                 .Text("id")
                                 .Tuple1()
                                 .Reduce()
                                 .Stop()
                                 .substr(2);
  // Behind what has an end of its own, or is too long to be a digest; inside
  // another string.
  std::string filler = "(\x82\x01t0";
  for (int i = 0; i < 600; ++i) filler += "N0";
  const std::string shell =
      "]\x82\x01" + PickleBuilder(0).Text(Hex(System())).Pop().Stop();
  for (const std::string& text :
       {pickle, "]\x82\x01\x85." + System(), "]\x82\x01\x85." + System(0),
        filler + pickle, shell}) {
    CHECK(WorstSeverity(ScanString(text)) == Severity::kHigh);
    CHECK(WorstSeverity(ScanString(Hex(text))) == Severity::kHigh);
    CHECK(WorstSeverity(ScanString(Base64(text))) == Severity::kHigh);
  }
}

TEST_CASE("Nested pickles: a buffer of the loader may be a name") {
  const std::string pickle = PickleBuilder(0)
                                 .Mark()
                                 .Op(PickleOp::kNextBuffer)
                                 .Op(PickleOp::kNextBuffer)
                                 .Op(PickleOp::kStackGlobal)
                                 .Text("id")
                                 .Tuple1()
                                 .Reduce()
                                 .Tuple()
                                 .Stop();
  CHECK(WorstSeverity(ScanString(pickle)) == Severity::kHigh);
}

TEST_CASE("Nested pickles: whatever opcode they begin with, they are found") {
  for (const std::string_view begin : {"N0",
                                       "I1\n0",
                                       "K\x01"
                                       "0",
                                       "J\1\1\1\1"
                                       "0",
                                       "F1\n0",
                                       "L1L\n0",
                                       "S'a'\n0",
                                       "Va\n0",
                                       "U\1a0",
                                       "X\1\0\0\0a0",
                                       "C\1a0",
                                       "Pid\n0",
                                       "\x88"
                                       "0",
                                       "\x8a\1\1"
                                       "0",
                                       "\x8c\1a0",
                                       "\x8f"
                                       "0",
                                       "\x97"
                                       "0",
                                       ")0",
                                       "]0",
                                       "}0",
                                       "(1"}) {
    const std::string_view whole =
        begin[0] == 'X' ? std::string_view("X\1\0\0\0a0", 7) : begin;
    INFO(whole);
    CHECK(FindsCall(ScanString(std::string(whole) + System(0))));
  }
}

TEST_CASE("Nested pickles: a call counts, however soon the stream is broken") {
  for (const std::string_view end : {")\x93.", "\xff\xff\xff\xff", "]0000"}) {
    const std::string pickle = "(icode\ninteract\n" + std::string(end);
    CHECK(WorstSeverity(ScanString(pickle)) == Severity::kHigh);
    CHECK(WorstSeverity(ScanString(Base64(pickle))) == Severity::kHigh);
    CHECK(WorstSeverity(ScanBytes(pickle, "a")) == Severity::kCritical);
  }
}

TEST_CASE("Nested pickles: strings of real models are left alone") {
  const std::string text = GENERATE(
      as<std::string>{}, "transformer_h_0_attn_weight_and_more",
      "deadbeefdeadbeefdeadbeefdeadbeef0123", std::string(3000, 'A'),
      "a text about \xc3\xa9tudes and \xc2\xa3 100, as people write it",
      std::string("c\0\0\0\0 begins as code does but is none, is it?", 44),
      "x\x9c no zlib stream at all, for sure");
  const ScanReply reply =
      ScanBytes(PickleBuilder().Bytes(text).Stop(), "a.pkl");
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(reply.findings.empty());
}

// Broken here; but a build that cannot unpack such a string cannot know that.
TEST_CASE("Nested pickles: a string is packed in a way that a build lacks") {
  const std::string text = "BZh91AY&SY broken bzip2 data";
  const bool can = CanUnpack(Compression::kBzip2);
  for (const std::string& form : {text, Base64(text), Hex(text)}) {
    const ScanReply reply =
        ScanBytes(PickleBuilder().Bytes(form).Stop(), "a.pkl");
    CHECK(reply.status ==
          (can ? OutcomeStatus::kScanned : OutcomeStatus::kUnsupported));
    CHECK(reply.detail ==
          (can ? ""
               : "a string is packed by bzip2, which is not supported in this "
                 "build"));
    CHECK(reply.findings.empty());
  }
}

TEST_CASE("Marshal: code objects of every Python are read whole") {
  const std::string version =
      GENERATE(as<std::string>{}, "2.7", "3.6", "3.7", "3.8", "3.9", "3.10",
               "3.11", "3.12", "3.13");
  INFO(version);
  const auto code = ReadMarshalCode(Code(version));
  REQUIRE(code);
  CHECK(code->whole);
  CHECK(code->codes == 4);
  CHECK(code->name == "<module>");
  CHECK(code->filename == "<model>");
  for (const char* name : {"os", "system", "eval", "TOLD"}) {
    CHECK(std::ranges::count(code->names, name) == 1);
  }
  CHECK(std::ranges::count(code->strings, "echo inert") == 1);
}

TEST_CASE("Marshal: code in a string is reported with what it uses") {
  const std::string version = GENERATE(as<std::string>{}, "2.7", "3.7", "3.13");
  for (const char* form : {"code_", "pyc_"}) {
    const ScanReply reply =
        ScanBytes(Fixture(form + version + ".pkl"), "a.pkl");
    INFO(form << version);
    REQUIRE(reply.findings.size() == 1);
    CHECK(reply.findings[0].rule_id == "pickle-code-object");
    CHECK(reply.findings[0].severity == Severity::kHigh);
    CHECK(reply.findings[0].message.find("os.system") != std::string::npos);
    CHECK(reply.findings[0].message.find("eval") != std::string::npos);
    CHECK(reply.findings[0].evidence.find("echo inert") != std::string::npos);
  }
}

TEST_CASE("Marshal: encoded code is found") {
  const int step = GENERATE(range(0, 4));
  const ScanReply reply = ScanString(kSteps[step](Code("3.11")));
  REQUIRE(reply.findings.size() == 1);
  CHECK(reply.findings[0].rule_id == "pickle-code-object");
}

TEST_CASE("Marshal: cut and broken code is read as far as it goes") {
  const std::string whole = Code(GENERATE(as<std::string>{}, "3.6", "3.12"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto code = ReadMarshalCode(std::string_view(whole).substr(0, size));
    if (code) CHECK_FALSE(code->whole);
    std::string changed = whole;
    changed[size] = static_cast<char>(changed[size] ^ 0xff);
    ReadMarshalCode(changed);
  }
  const auto half =
      ReadMarshalCode(std::string_view(whole).substr(0, whole.size() - 10));
  REQUIRE(half);
  CHECK(std::ranges::count(half->names, "system") == 1);
}

TEST_CASE("Marshal: nesting and counts without end are refused") {
  // Numbers, code, and then constants that are tuples in tuples.
  std::string head("\xe3" + std::string(20, '\0') + "\xf3" +
                   std::string(4, '\0'));
  std::string deep = head;
  for (int i = 0; i < 100'000; ++i) deep += ")\x01";
  std::string many = head + "(\xff\xff\xff\x7f";
  for (const std::string& bytes : {deep, many}) {
    const auto code = ReadMarshalCode(bytes);
    REQUIRE(code);
    CHECK_FALSE(code->whole);
  }
}

}  // namespace scanengine
