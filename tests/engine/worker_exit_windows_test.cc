#include <catch2/catch.hpp>
#include <cstdint>
#include <string>

#include "engine/worker_exit.h"

namespace scanengine {
namespace {

struct Row {
  std::uint32_t code;
  OutcomeStatus status;
  bool external;
  const char* ended;
};

constexpr OutcomeStatus kCrashed = OutcomeStatus::kCrashed;

const Row kRows[] = {
    {0, kCrashed, false, "exit code 0"},
    {1, kCrashed, true, "exit code 1 (ended from outside)"},
    {3, kCrashed, false, "exit code 3 (abort)"},
    {7, kCrashed, false, "exit code 7"},
    {75, OutcomeStatus::kTimedOut, false, "watchdog"},
    {0xc0000005, kCrashed, false, "0xc0000005 (access violation)"},
    {0xc00000fd, kCrashed, false, "0xc00000fd (stack overflow)"},
    {0xc0000094, kCrashed, false, "0xc0000094 (integer division by zero)"},
    {0xc000001d, kCrashed, false, "0xc000001d (illegal instruction)"},
    {0xc0000374, kCrashed, false, "0xc0000374 (heap corruption)"},
    {0xc0000409, kCrashed, false,
     "0xc0000409 (stack buffer overrun or fast fail)"},
    {0xe06d7363, kCrashed, false, "0xe06d7363 (uncaught exception)"},
    {0xc0000604, OutcomeStatus::kSandboxViolation, false,
     "0xc0000604 (dynamic code forbidden)"},
    {0xc000013a, kCrashed, true, "0xc000013a (Ctrl-C)"},
    {0x40010004, kCrashed, true, "0x40010004 (the session ended)"},
    {0xc0123456, kCrashed, false, "0xc0123456"},
    {0x00123456, kCrashed, false, "0x00123456"},
};

TEST_CASE("Worker exit: each exit code has its status and text") {
  for (const Row& row : kRows) {
    CAPTURE(row.ended);
    const NativeEnd end = DecodeNativeExit(static_cast<int>(row.code));
    const ExitVerdict verdict =
        JudgeExit(end, KillReason::kNone, /*over_limit=*/false, "");
    CHECK(verdict.status == row.status);
    CHECK(verdict.external == row.external);
    CHECK(verdict.ended == row.ended);
    CHECK_FALSE(verdict.detail.empty());
  }
}

TEST_CASE("Worker exit: what the system says of a running process is no end") {
  const NativeEnd end = DecodeNativeExit(259);
  CHECK(end.kind == NativeEnd::Kind::kUnknown);
  CHECK(JudgeExit(end, KillReason::kNone, false, "").status == kCrashed);
}

TEST_CASE("Worker exit: at the memory limit a kill means out of memory") {
  const NativeEnd end = DecodeNativeExit(1);
  CHECK(JudgeExit(end, KillReason::kNone, true, "").status ==
        OutcomeStatus::kOutOfMemory);
}

TEST_CASE("Worker exit: no end is ever taken for a scan that was complete") {
  for (std::uint32_t high : {0U, 0x4001U, 0x8000U, 0xc000U, 0xe06dU}) {
    for (std::uint32_t low = 0; low <= 0xffff; ++low) {
      const NativeEnd end =
          DecodeNativeExit(static_cast<int>(high << 16 | low));
      if (JudgeExit(end, KillReason::kNone, false, "").status ==
          OutcomeStatus::kScanned) {
        FAIL(high << 16 << " " << low);
      }
    }
  }
}

}  // namespace
}  // namespace scanengine
