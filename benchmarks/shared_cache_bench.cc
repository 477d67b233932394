// What the tables in shared memory cost: once for a run, once for a worker, and
// for each imported name.

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/check.h"
#include "ipc/import_policy.h"
#include "ipc/shared_cache.h"
#include "ipc/status_board.h"

namespace scanengine {
namespace {

SharedCache::Section Imports() {
  return {std::string(kImportPolicySection),
          CompileImportPolicy(BuiltInPolicy()).value()};
}

void CompilePolicy(benchmark::State& state) {
  for (auto _ : state) {
    const auto compiled = CompileImportPolicy(BuiltInPolicy());
    SCANENGINE_CHECK(compiled.ok());
    benchmark::DoNotOptimize(compiled.value().data());
  }
}
BENCHMARK(CompilePolicy)->Unit(benchmark::kMicrosecond);

void CreateCache(benchmark::State& state) {
  const SharedCache::Section imports = Imports();
  for (auto _ : state) {
    const auto cache = SharedCache::Create(std::span(&imports, 1));
    SCANENGINE_CHECK(cache.ok());
  }
  state.SetLabel(std::to_string(imports.second.size()) + " bytes");
}
BENCHMARK(CreateCache)->Unit(benchmark::kMicrosecond);

// What each worker does: map, check, find the tables and check them.
void AttachCache(benchmark::State& state) {
  const SharedCache::Section imports = Imports();
  const auto cache = SharedCache::Create(std::span(&imports, 1));
  SCANENGINE_CHECK(cache.ok());
  for (auto _ : state) {
    const auto attached = SharedCache::Attach(cache.value()->handle());
    SCANENGINE_CHECK(attached.ok());
    const auto policy =
        ImportPolicy::FromBytes(attached.value()->Find(kImportPolicySection));
    SCANENGINE_CHECK(policy.ok());
  }
}
BENCHMARK(AttachCache)->Unit(benchmark::kMicrosecond);

void JudgeName(benchmark::State& state) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kNames{
      {{"torch._utils", "_rebuild_tensor_v2"},
       {"posix", "system"},
       {"my.own.module", "Layer"},
       {"sklearn.linear_model._logistic", "LogisticRegression"}}};
  const SharedCache::Section imports = Imports();
  const auto policy = ImportPolicy::FromBytes(imports.second);
  SCANENGINE_CHECK(policy.ok());
  const auto& [module, name] = kNames[static_cast<std::size_t>(state.range(0))];
  for (auto _ : state) {
    benchmark::DoNotOptimize(policy.value().Judge(module, name));
  }
  state.SetLabel(std::string(module) + " " + std::string(name));
}
BENCHMARK(JudgeName)->DenseRange(0, 3);

// One task as the worker writes it down and the supervisor reads it.
void BoardOfOneTask(benchmark::State& state) {
  const auto board = StatusBoard::Create();
  SCANENGINE_CHECK(board.ok());
  const auto writer = StatusBoardWriter::Attach(board.value()->handle());
  SCANENGINE_CHECK(writer.ok());
  std::uint64_t task = 0;
  for (auto _ : state) {
    writer.value()->BeginTask(++task);
    writer.value()->SetPhase("pickle");
    writer.value()->SetProgress(100, 0);
    benchmark::DoNotOptimize(board.value()->Read());
    writer.value()->EndTask();
  }
}
BENCHMARK(BoardOfOneTask);

}  // namespace
}  // namespace scanengine
