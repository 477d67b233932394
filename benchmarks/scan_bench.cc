// What the parsers do in a second, without a process or a file system: bytes in
// memory, format detection included.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include "ipc/check.h"
#include "tests/support/byte_builder.h"
#include "tests/support/pickle_builder.h"
#include "tests/support/scan_bytes.h"
#include "tests/support/zip_builder.h"
#include "worker/byte_source.h"
#include "worker/file_scan.h"

namespace scanengine {
namespace {

std::string RandomBytes(std::size_t size) {
  std::mt19937 random(7);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// A list of |items| small dicts: nothing but opcodes, as from a pickled table.
std::string DensePickle(int items) {
  PickleBuilder pickle;
  pickle.Op(PickleOp::kEmptyList).Mark();
  for (int i = 0; i < items; ++i) {
    pickle.Op(PickleOp::kEmptyDict).Op(PickleOp::kMemoize).Mark();
    pickle.Text("name").Text("layer" + std::to_string(i)).Text("size").Int(i);
    pickle.Text("shape").Int(3).Int(4).Tuple2().Op(PickleOp::kMemoize);
    pickle.Op(PickleOp::kSetItems);
  }
  return pickle.Op(PickleOp::kAppends).Stop();
}

// A list of byte strings, as numpy and legacy torch write weights.
std::string PayloadPickle(int strings, std::size_t size) {
  const std::string weights = RandomBytes(size);
  PickleBuilder pickle;
  pickle.Op(PickleOp::kEmptyList).Mark();
  for (int i = 0; i < strings; ++i) pickle.Bytes(weights);
  return pickle.Op(PickleOp::kAppends).Stop();
}

std::string Zip(int members, std::uint16_t method) {
  testing::ZipBuilder zip;
  for (int i = 0; i < members; ++i) {
    zip.items.push_back({.name = "archive/notes/" + std::to_string(i) + ".txt",
                         .data = std::string(1'000, 'a'),
                         .method = method});
  }
  return zip.Build();
}

std::string Safetensors(int tensors) {
  std::string header = "{";
  for (int i = 0; i < tensors; ++i) {
    const std::string begin = std::to_string(i * 64);
    const std::string end = std::to_string((i + 1) * 64);
    header += (i == 0 ? "" : ",") + std::string("\"model.layers.") +
              std::to_string(i) + ".weight\":{\"dtype\":\"F32\",\"shape\":" +
              "[4,4],\"data_offsets\":[" + begin + "," + end + "]}";
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return ByteBuilder()
      .U64(header.size())
      .Text(header)
      .Fill(static_cast<std::size_t>(tensors) * 64)
      .bytes();
}

void Scan(benchmark::State& state, std::string_view name,
          const std::string& bytes, std::int64_t items) {
  NullBoard board;
  ScanEnvironment environment;
  environment.imports = TestPolicy();
  environment.board = &board;
  MemorySource source(std::as_bytes(std::span(bytes)));
  for (auto _ : state) {
    FileScan scan(environment, TaskRequest{});
    const ScanReply reply = scan.Run(source, name);
    SCANENGINE_CHECK(reply.status == OutcomeStatus::kScanned);
    benchmark::DoNotOptimize(reply.findings.data());
  }
  state.SetItemsProcessed(state.iterations() * items);
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(bytes.size()));
}

// Items: dicts, each of about twelve opcodes.
void ScanDensePickle(benchmark::State& state) {
  const int items = static_cast<int>(state.range(0));
  Scan(state, "a.pkl", DensePickle(items), items);
}
BENCHMARK(ScanDensePickle)->Arg(60)->Arg(20'000);

// Items: strings of 1 MB.
void ScanPayloadPickle(benchmark::State& state) {
  Scan(state, "a.pkl", PayloadPickle(32, 1'000'000), 32);
}
BENCHMARK(ScanPayloadPickle);

// Items: members of 1 KB; range(1) is the method, 8 being deflate.
void ScanZip(benchmark::State& state) {
  const int members = static_cast<int>(state.range(0));
  Scan(state, "a.zip", Zip(members, static_cast<std::uint16_t>(state.range(1))),
       members);
}
BENCHMARK(ScanZip)->Args({10, 0})->Args({10'000, 0})->Args({10'000, 8});

// Items: tensors in the header.
void ScanSafetensors(benchmark::State& state) {
  const int tensors = static_cast<int>(state.range(0));
  Scan(state, "a.safetensors", Safetensors(tensors), tensors);
}
BENCHMARK(ScanSafetensors)->Arg(300)->Arg(10'000);

}  // namespace
}  // namespace scanengine
