#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/support/scan_bytes.h"
#include "tests/support/zip_builder.h"

namespace scanengine {
namespace {

using testing::ScanBytes;
using testing::ZipBuilder;
using testing::ZipItem;

using Facts = std::vector<std::pair<std::string, std::string>>;

// protocol 2, empty dict, STOP.
const std::string kEmptyDict = "\x80\x02}q\x01.";

std::string Weights(std::size_t size) {
  std::mt19937 random(3);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random() & 0xff);
  return bytes;
}

// As torch.save() writes it: stored, sizes behind the data.
ZipBuilder Saved(const std::string& root) {
  ZipBuilder builder;
  builder.zip64 = true;
  for (auto& [name, data] : std::vector<std::pair<std::string, std::string>>{
           {"data.pkl", kEmptyDict},
           {"byteorder", "little"},
           {"data/0", Weights(1000)},
           {"data/1", Weights(24)},
           {"version", "3\n"}}) {
    builder.items.push_back({.name = root + name,
                             .data = data,
                             .flags = 0x0800,
                             .descriptor = true});
  }
  return builder;
}

const Asset* Find(const ScanReply& reply, std::string_view format) {
  for (const Asset& asset : reply.assets) {
    if (asset.format == format) return &asset;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("pytorch-zip scanner: a saved model is scanned, whatever its root") {
  const std::string root = GENERATE("archive/", "my model/", "a/b/");
  const ScanReply reply = ScanBytes(Saved(root).Build(), "weights");
  CHECK(reply.format == "pytorch-zip");
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(reply.findings.empty());
  const Asset* asset = Find(reply, "pytorch-zip");
  REQUIRE(asset != nullptr);
  CHECK(asset->facts == Facts{{"root", root.substr(0, root.size() - 1)},
                              {"kind", "pickled"},
                              {"members", "5"},
                              {"storages", "2"},
                              {"storage_bytes", "1024"},
                              {"version", "3"},
                              {"byteorder", "little"}});
}

TEST_CASE("pytorch-zip scanner: TorchScript is told from pickled models") {
  ZipBuilder builder = Saved("m/");
  builder.items.insert(
      builder.items.begin(),
      ZipItem{.name = "m/code/__torch__.py", .data = "op_version_set = 1\n"});
  builder.items.push_back({.name = "m/constants.pkl", .data = kEmptyDict});
  const ScanReply reply = ScanBytes(builder.Build(), "model.pt");
  CHECK(reply.format == "pytorch-zip");
  const Asset* asset = Find(reply, "pytorch-zip");
  REQUIRE(asset != nullptr);
  REQUIRE(asset->facts.size() > 1);
  CHECK(asset->facts[1] ==
        std::pair<std::string, std::string>{"kind", "torchscript"});
}

TEST_CASE("pytorch-zip scanner: storages are told by their place") {
  const auto [name, storages] =
      GENERATE(table<std::string, std::string>({{"m/data/7", "3"},
                                                {"m/constants/0", "3"},
                                                {"m/.data/7.storage", "3"},
                                                {"m/data/seven.txt", "2"},
                                                {"m/other/7.txt", "2"}}));
  ZipBuilder builder = Saved("m/");
  builder.items.push_back({.name = name, .data = "text text\n"});
  const ScanReply reply = ScanBytes(builder.Build(), "model.pt");
  const Asset* asset = Find(reply, "pytorch-zip");
  REQUIRE(asset != nullptr);
  CHECK(asset->facts[3] ==
        std::pair<std::string, std::string>{"storages", storages});
}

TEST_CASE("pytorch-zip scanner: a storage of another format is scanned") {
  ZipBuilder builder = Saved("m/");
  builder.items.push_back(
      {.name = "m/data/2",
       .data =
           ZipBuilder{.items = {{.name = "../x.txt", .data = "x\n"}}}.Build()});
  const ScanReply reply = ScanBytes(builder.Build(), "model.pt");
  REQUIRE(reply.findings.size() == 1);
  CHECK(reply.findings[0].rule_id == "zip-path-traversal");
  CHECK(reply.findings[0].member == "m/data/2");
}

TEST_CASE("pytorch-zip scanner: large storages are not read") {
  ZipBuilder builder = Saved("m/");
  builder.items[2].data = Weights(20 << 20);
  testing::NullBoard board;
  ScanEnvironment environment;
  environment.board = &board;
  testing::StringSource source(builder.Build());
  FileScan scan(environment, TaskRequest{});
  const ScanReply reply = scan.Run(source, "model.pt");
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(source.bytes_read() < (2 << 20));
}

TEST_CASE("pytorch-zip scanner: a cut model is malformed and still scanned") {
  const std::string bytes = Saved("archive/").Build();
  const ScanReply reply =
      ScanBytes(std::string_view(bytes).substr(0, 900), "model.pt");
  CHECK(reply.format == "pytorch-zip");
  REQUIRE_FALSE(reply.findings.empty());
  CHECK(reply.findings[0].rule_id == "zip-malformed");
  const Asset* asset = Find(reply, "pytorch-zip");
  REQUIRE(asset != nullptr);
  CHECK(asset->facts[0] ==
        std::pair<std::string, std::string>{"root", "archive"});
}

}  // namespace scanengine
