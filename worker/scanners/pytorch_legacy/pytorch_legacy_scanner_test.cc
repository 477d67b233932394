#include <catch2/catch.hpp>
#include <string>

#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"

namespace scanengine {
namespace {

using Op = PickleOp;

const std::string kMagic = "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.";

std::string Number(int value) { return PickleBuilder(2).Int(value).Stop(); }

// A dict with one tensor's storage of |elements| floats.
std::string Object(int elements, std::string_view more = "") {
  return PickleBuilder(2)
      .Mark()
      .Text("storage")
      .Global("torch", "FloatStorage")
      .Text("0")
      .Text("cpu")
      .Int(elements)
      .Op(Op::kNone)
      .Tuple()
      .Op(Op::kBinPersId)
      .Raw(more)
      .Stop();
}

std::string Keys() {
  return PickleBuilder(2).Op(Op::kEmptyList).Text("0").Op(Op::kAppend).Stop();
}

std::string Storage(int elements) {
  PickleBuilder storage(0);
  storage.Number(static_cast<std::uint64_t>(elements), 8);
  return storage.bytes() +
         std::string(static_cast<std::size_t>(elements) * 4, 'R');
}

std::string File(const std::string& object, const std::string& tail) {
  return kMagic + Number(1001) + PickleBuilder(2).Op(Op::kEmptyDict).Stop() +
         object + Keys() + tail;
}

std::string SystemCall() {
  return PickleBuilder(0)
      .Global("os", "system")
      .Text("id")
      .Tuple1()
      .Reduce()
      .bytes();
}

}  // namespace

TEST_CASE("Legacy torch scanner: a file of tensors is clean") {
  const ScanReply reply = ScanBytes(File(Object(3), Storage(3)), "m.pt");
  CHECK(reply.format == "pytorch-legacy");
  CHECK(reply.scanners == std::vector<std::string>{"pytorch-legacy"});
  CHECK(IsClean(reply));
  REQUIRE(reply.assets.size() == 1);
  CHECK(reply.assets[0].facts ==
        std::vector<std::pair<std::string, std::string>>{
            {"storages", "1"}, {"storage_bytes", "20"}});
}

TEST_CASE("Legacy torch scanner: each of the five pickles is scanned") {
  const std::string evil = "\x80\x02" + SystemCall() + ".";
  const std::string good[] = {Number(1001), Number(0), Object(1), Keys()};
  for (std::size_t bad = 0; bad < 4; ++bad) {
    std::string file = kMagic;
    for (std::size_t i = 0; i < 4; ++i) file += i == bad ? evil : good[i];
    INFO(bad);
    CHECK(WorstSeverity(ScanBytes(file + Storage(1), "m.pt")) ==
          Severity::kCritical);
  }
}

TEST_CASE("Legacy torch scanner: a class named by a persistent id is called") {
  const std::string object = PickleBuilder(2)
                                 .Mark()
                                 .Text("module")
                                 .Global("os", "system")
                                 .Text("net.py")
                                 .Text("class Net: pass")
                                 .Tuple()
                                 .Op(Op::kBinPersId)
                                 .Text("id")
                                 .Tuple1()
                                 .Reduce()
                                 .Stop();
  const ScanReply reply = ScanBytes(File(object, ""), "m.pt");
  CHECK(reply.findings[0].evidence == "os.system('id')");
}

TEST_CASE("Legacy torch scanner: storages cut short are malformed") {
  const std::string file = File(Object(3), Storage(3));
  const ScanReply reply = ScanBytes(file.substr(0, file.size() - 1), "m.pt");
  CHECK(RuleIds(reply) == std::vector<std::string>{"pickle-malformed"});
}

TEST_CASE("Legacy torch scanner: a pickle behind the storages is found") {
  const std::string evil = "\x80\x02" + SystemCall() + ".";
  const ScanReply reply = ScanBytes(File(Object(3), Storage(3) + evil), "m.pt");
  CHECK(WorstSeverity(reply) == Severity::kCritical);
  CHECK(std::ranges::count(RuleIds(reply), "pickle-trailing-data") == 1);
}

}  // namespace scanengine
