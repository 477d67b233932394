#include <zlib.h>

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"

namespace scanengine {
namespace {

using Op = PickleOp;

// A NumpyArrayWrapper as joblib 1.2 writes it: shape, dtype, alignment.
PickleBuilder& Wrapper(PickleBuilder& pickle, int elements,
                       std::string_view dtype, bool aligned) {
  pickle.Global("joblib.numpy_pickle", "NumpyArrayWrapper")
      .EmptyTuple()
      .Op(Op::kNewObj)
      .Op(Op::kEmptyDict)
      .Mark()
      .Text("shape")
      .Int(elements)
      .Tuple1()
      .Text("dtype")
      .Global("numpy", "dtype")
      .Text(dtype)
      .Tuple1()
      .Reduce();
  if (aligned) pickle.Text("numpy_array_alignment_bytes").Int(16);
  return pickle.Op(Op::kSetItems).Build();
}

std::string System() {
  return PickleBuilder()
      .Global("os", "system")
      .Text("id")
      .Tuple1()
      .Reduce()
      .Stop();
}

std::string Deflated(const std::string& text) {
  const auto length = static_cast<uLong>(text.size());
  uLongf size = compressBound(length);
  std::string out(size, '\0');
  REQUIRE(compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                    reinterpret_cast<const Bytef*>(text.data()), length,
                    3) == Z_OK);
  out.resize(size);
  return out;
}

// A list of one array of 32-bit numbers whose bytes are |raw|, then |rest|.
std::string WithArray(std::string_view raw, std::string_view rest,
                      bool aligned = true) {
  PickleBuilder pickle;
  pickle.Op(Op::kEmptyList);
  Wrapper(pickle, static_cast<int>(raw.size() / 4), "i4", aligned);
  if (aligned) pickle.Byte(3).Raw("\xff\xff\xff");
  return pickle.Raw(raw).Raw(rest).bytes();
}

constexpr std::string_view kRaw = "RRRRcos\n\x80\x04.\x01\x02\x03\x04\x05";

}  // namespace

TEST_CASE("joblib scanner: raw arrays between opcodes are passed over") {
  for (const bool aligned : {true, false}) {
    const ScanReply reply =
        ScanBytes(WithArray(kRaw.substr(0, 16), "a.", aligned), "m.joblib");
    CHECK(reply.format == "joblib");
    CHECK(IsClean(reply));
    REQUIRE(reply.assets.size() == 1);
    CHECK(reply.assets[0].facts.back() ==
          std::pair<std::string, std::string>{"arrays", "1"});
  }
}

TEST_CASE("joblib scanner: opcodes behind an array are scanned") {
  const std::string rest = "a" + System().substr(2);
  const ScanReply reply =
      ScanBytes(WithArray(kRaw.substr(0, 16), rest), "m.joblib");
  CHECK(WorstSeverity(reply) == Severity::kCritical);
}

TEST_CASE("joblib scanner: array bytes that a plain unpickler runs are found") {
  std::string raw = "cos\nsystem\nVid\n\x85R.";
  raw.resize(20, '.');
  const ScanReply reply = ScanBytes(WithArray(raw, "a.", false), "m.joblib");
  CHECK(WorstSeverity(reply) == Severity::kCritical);
}

TEST_CASE("joblib scanner: an object array is a pickle of its own") {
  PickleBuilder pickle;
  pickle.Op(Op::kEmptyList);
  Wrapper(pickle, 1, "O8", true);
  const std::string evil = pickle.bytes() + System() + "a.";
  CHECK(WorstSeverity(ScanBytes(evil, "m.joblib")) == Severity::kCritical);
  const std::string plain =
      pickle.bytes() + PickleBuilder().Int(1).Stop() + "a.";
  CHECK(IsClean(ScanBytes(plain, "m.joblib")));
}

TEST_CASE("joblib scanner: sizes that overflow or lie end the scan") {
  PickleBuilder pickle;
  pickle.Op(Op::kEmptyList);
  Wrapper(pickle, 0x7fffffff, "f8", false);
  const ScanReply reply = ScanBytes(pickle.Stop(), "m.joblib");
  CHECK(RuleIds(reply) == std::vector<std::string>{"pickle-malformed"});
}

TEST_CASE("joblib scanner: zlib files are unpacked and scanned") {
  const ScanReply evil = ScanBytes(Deflated(System()), "m.joblib");
  CHECK(evil.format == "joblib");
  CHECK(WorstSeverity(evil) == Severity::kCritical);
  CHECK(evil.findings[0].evidence == "os.system('id')");
  CHECK(IsClean(ScanBytes(Deflated(WithArray(kRaw.substr(0, 16), "a.")), "m")));
}

TEST_CASE("joblib scanner: what ran before a broken stream is kept") {
  std::string packed = Deflated(System() + std::string(5000, 'x'));
  packed.resize(packed.size() - 6);
  const ScanReply reply = ScanBytes(packed, "m.joblib");
  CHECK(WorstSeverity(reply) == Severity::kCritical);
  CHECK(std::ranges::count(RuleIds(reply), "compressed-broken-stream") == 1);
}

TEST_CASE("joblib scanner: a compression bomb is a limit") {
  ScanLimits limits;
  limits.max_unpacked = 1 << 20;
  const ScanReply reply = ScanBytes(
      Deflated("\x80\x04" + std::string(8 << 20, 'N')), "m.joblib", limits);
  CHECK(reply.status == OutcomeStatus::kLimit);
}

}  // namespace scanengine
