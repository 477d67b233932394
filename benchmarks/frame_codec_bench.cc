// What it costs to turn tasks and replies into bytes and back.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ipc/check.h"
#include "ipc/frame_codec.h"
#include "ipc/messages.h"
#include "ipc/outcome.h"

namespace scanengine {
namespace {

using Bytes = std::vector<std::byte>;

std::vector<TaskRequest> MakeTasks(std::size_t count) {
  std::vector<TaskRequest> tasks(count);
  for (std::size_t i = 0; i < count; ++i) {
    tasks[i].id = i + 1;
    tasks[i].path = "/models/organisation/name/snapshot/part-" +
                    std::to_string(i) + ".safetensors";
    tasks[i].soft_deadline_us = 60'000'000;
  }
  return tasks;
}

// What a worker says of a checkpoint with three findings and a fact sheet.
std::vector<ScanReply> MakeReplies(std::size_t count) {
  Finding finding;
  finding.rule_id = "pickle-dangerous-import";
  finding.severity = Severity::kCritical;
  finding.member = "archive/data.pkl";
  finding.evidence = "posix.system";
  finding.why = "Loading the file calls it, with arguments from the file.";
  finding.advice = "Do not load the file.";
  finding.reference = "CWE-502";
  ScanReply reply;
  reply.format = "pytorch-zip";
  reply.bytes = 123'456'789;
  reply.scanners = {"pickle", "pytorch-zip", "zip"};
  reply.assets = {{"archive/data.pkl", "pickle", 4'096, {{"protocol", "2"}}}};
  for (std::uint64_t at : {11U, 222U, 3'333U}) {
    finding.offset = at;
    finding.message = "calls posix.system at offset " + std::to_string(at);
    reply.findings.push_back(finding);
  }
  std::vector<ScanReply> replies(count, reply);
  for (std::size_t i = 0; i < count; ++i) replies[i].task = i + 1;
  return replies;
}

void CountMessages(benchmark::State& state, std::size_t bytes) {
  const std::int64_t per_round = state.range(0);
  state.SetItemsProcessed(state.iterations() * per_round);
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(bytes));
}

void EncodeTasks(benchmark::State& state) {
  const auto tasks = MakeTasks(static_cast<std::size_t>(state.range(0)));
  std::size_t bytes = 0;
  for (auto _ : state) {
    const Bytes payload = Encode(tasks);
    bytes = payload.size();
    benchmark::DoNotOptimize(payload.data());
  }
  CountMessages(state, bytes);
}
BENCHMARK(EncodeTasks)->Arg(1)->Arg(32);

void DecodeTasksOfOneMessage(benchmark::State& state) {
  const Bytes payload =
      Encode(MakeTasks(static_cast<std::size_t>(state.range(0))));
  for (auto _ : state) {
    const auto tasks = DecodeTasks(payload);
    SCANENGINE_CHECK(tasks.ok());
    benchmark::DoNotOptimize(tasks.value().data());
  }
  CountMessages(state, payload.size());
}
BENCHMARK(DecodeTasksOfOneMessage)->Arg(1)->Arg(32);

void EncodeReplies(benchmark::State& state) {
  const auto replies = MakeReplies(static_cast<std::size_t>(state.range(0)));
  std::size_t bytes = 0;
  for (auto _ : state) {
    const Bytes payload = Encode(replies);
    bytes = payload.size();
    benchmark::DoNotOptimize(payload.data());
  }
  CountMessages(state, bytes);
}
BENCHMARK(EncodeReplies)->Arg(1)->Arg(32);

void DecodeRepliesOfOneMessage(benchmark::State& state) {
  const Bytes payload =
      Encode(MakeReplies(static_cast<std::size_t>(state.range(0))));
  for (auto _ : state) {
    const auto replies = DecodeReplies(payload);
    SCANENGINE_CHECK(replies.ok());
    benchmark::DoNotOptimize(replies.value().data());
  }
  CountMessages(state, payload.size());
}
BENCHMARK(DecodeRepliesOfOneMessage)->Arg(1)->Arg(32);

// A stream of 64 frames that arrives in pieces of range(0) bytes, as a pipe
// gives them.
void FeedFrames(benchmark::State& state) {
  constexpr int kFrames = 64;
  const Bytes payload = Encode(MakeReplies(1));
  Bytes stream;
  for (int i = 0; i < kFrames; ++i) {
    AppendFrame(MessageType::kReplies, payload, &stream);
  }
  const auto piece = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    FrameDecoder decoder;
    int frames = 0;
    for (auto rest = std::span<const std::byte>(stream); !rest.empty();) {
      const auto size = std::min(piece, rest.size());
      frames += static_cast<int>(decoder.Feed(rest.first(size)).size());
      rest = rest.subspan(size);
    }
    SCANENGINE_CHECK(decoder.status().ok() && frames == kFrames);
  }
  state.SetItemsProcessed(state.iterations() * kFrames);
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(stream.size()));
}
BENCHMARK(FeedFrames)->Arg(64)->Arg(4'096)->Arg(65'536);

}  // namespace
}  // namespace scanengine
