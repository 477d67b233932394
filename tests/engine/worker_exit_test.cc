// The table from how a worker ended to what is said of its file, row by row.

#include "engine/worker_exit.h"

#include <signal.h>

#include <catch2/catch.hpp>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "ipc/exit_codes.h"

namespace scanengine {

std::ostream& operator<<(std::ostream& out, const ExitVerdict& v) {
  return out << OutcomeStatusName(v.status) << (v.external ? " external" : "")
             << ", ended \"" << v.ended << "\", \"" << v.detail << '"';
}

namespace {

using Kind = NativeEnd::Kind;

// As the kernel packs them for wait(2).
constexpr int Exited(int code) { return code << 8; }
constexpr int Signaled(int number) { return number; }
constexpr int kCoreDumped = 0x80;

struct EndRow {
  int wait_status;
  NativeEnd end;
  EndClass end_class;
  ExitVerdict verdict;
};

EndRow Crash(int number, const std::string& name) {
  return {Signaled(number),
          {Kind::kSignaled, number},
          EndClass::kCrash,
          {OutcomeStatus::kCrashed, false, name,
           "its worker crashed with " + name}};
}
EndRow External(int number, const std::string& name) {
  return {Signaled(number),
          {Kind::kSignaled, number},
          EndClass::kExternalKill,
          {OutcomeStatus::kCrashed, true, name,
           "its worker was killed from outside with " + name}};
}
EndRow Forbidden(int number, const std::string& name) {
  return {Signaled(number),
          {Kind::kSignaled, number},
          EndClass::kSandbox,
          {OutcomeStatus::kSandboxViolation, false, name,
           "its worker tried what the sandbox forbids"}};
}
EndRow ExitCode(int code) {
  const std::string name = "exit code " + std::to_string(code);
  return {
      Exited(code),
      {Kind::kExited, code},
      EndClass::kExitCode,
      {OutcomeStatus::kCrashed, false, name, "its worker ended with " + name}};
}

std::vector<EndRow> AllEnds() {
  return {
      External(SIGHUP, "SIGHUP"),
      External(SIGINT, "SIGINT"),
      External(SIGQUIT, "SIGQUIT"),
      External(SIGKILL, "SIGKILL"),
      External(SIGTERM, "SIGTERM"),
      Crash(SIGILL, "SIGILL"),
      Crash(SIGTRAP, "SIGTRAP"),
      Crash(SIGABRT, "SIGABRT"),
      Crash(SIGBUS, "SIGBUS"),
      Crash(SIGFPE, "SIGFPE"),
      Crash(SIGSEGV, "SIGSEGV"),
      Crash(SIGUSR1, "SIGUSR1"),
      Crash(SIGUSR2, "SIGUSR2"),
      Crash(SIGPIPE, "SIGPIPE"),
      Crash(SIGALRM, "SIGALRM"),
      Crash(SIGVTALRM, "SIGVTALRM"),
      Crash(SIGPROF, "SIGPROF"),
      Crash(SIGRTMIN, "signal " + std::to_string(SIGRTMIN)),
      Crash(SIGRTMAX, "signal " + std::to_string(SIGRTMAX)),
      Forbidden(SIGSYS, "SIGSYS"),
      Forbidden(SIGXFSZ, "SIGXFSZ"),
      {Signaled(SIGXCPU),
       {Kind::kSignaled, SIGXCPU},
       EndClass::kCpuLimit,
       {OutcomeStatus::kTimedOut, false, "SIGXCPU",
        "used up its processor time"}},
      {Exited(0),
       {Kind::kExited, 0},
       EndClass::kClean,
       {OutcomeStatus::kCrashed, false, "exit code 0",
        "its worker ended without an answer"}},
      ExitCode(1),
      ExitCode(7),
      ExitCode(kSetupExitCode),
      ExitCode(kPipeExitCode),
      ExitCode(127),
      ExitCode(128 + SIGSEGV),  // What a shell makes of it is no signal.
      ExitCode(255),
      {Exited(kWatchdogExitCode),
       {Kind::kExited, kWatchdogExitCode},
       EndClass::kWatchdog,
       {OutcomeStatus::kTimedOut, false, "watchdog",
        "did not end by its deadline"}},
  };
}

TEST_CASE("Worker exit: each wait status has its cause, status and text") {
  for (const EndRow& row : AllEnds()) {
    DYNAMIC_SECTION(row.verdict.ended << " (" << row.wait_status << ")") {
      CHECK(DecodeNativeExit(row.wait_status) == row.end);
      CHECK(ClassifyEnd(row.end) == row.end_class);
      CHECK(JudgeExit(row.end, KillReason::kNone, false, "unused") ==
            row.verdict);
    }
  }
}

TEST_CASE("Worker exit: a core dump changes nothing") {
  const NativeEnd end = DecodeNativeExit(Signaled(SIGSEGV) | kCoreDumped);
  CHECK(end == NativeEnd{Kind::kSignaled, SIGSEGV});
}

TEST_CASE("Worker exit: a stop is no end, and is not taken for one") {
  constexpr int kStopped = SIGSTOP << 8 | 0x7f;
  const NativeEnd end = DecodeNativeExit(kStopped);
  CHECK(end.kind == Kind::kUnknown);
  CHECK(JudgeExit(end, KillReason::kNone, false, "") ==
        ExitVerdict{OutcomeStatus::kCrashed, false, "an unknown end",
                    "its worker crashed with an unknown end"});
}

TEST_CASE("Worker exit: an end that nobody knows counts as a crash") {
  CHECK(ClassifyEnd(NativeEnd{}) == EndClass::kCrash);
  CHECK(NameOfEnd(NativeEnd{}) == "an unknown end");
}

TEST_CASE("Worker exit: at the memory limit only a kill means out of memory") {
  for (const EndRow& row : AllEnds()) {
    DYNAMIC_SECTION(row.verdict.ended) {
      ExitVerdict expected = row.verdict;
      if (row.end_class == EndClass::kExternalKill) {
        expected = {OutcomeStatus::kOutOfMemory, false, row.verdict.ended,
                    "its worker was killed at its memory limit"};
      }
      CHECK(JudgeExit(row.end, KillReason::kNone, true, "") == expected);
    }
  }
}

struct KillRow {
  KillReason reason;
  ExitVerdict verdict;
};

const std::vector<KillRow>& KillRows() {
  static const std::vector<KillRow> rows{
      {KillReason::kDeadline,
       {OutcomeStatus::kTimedOut, false, "killed at deadline",
        "did not end by its deadline"}},
      {KillReason::kProtocol,
       {OutcomeStatus::kProtocol, false, "killed for protocol",
        "answered a task that it does not hold"}},
      {KillReason::kMemory,
       {OutcomeStatus::kOutOfMemory, false, "killed for memory",
        "workers needed more memory than --memory-limit"}},
      {KillReason::kCancelled,
       {OutcomeStatus::kCancelled, false, "killed on request",
        "the run was stopped"}},
  };
  return rows;
}

TEST_CASE("Worker exit: what we did ourselves outweighs how it looked") {
  for (const KillRow& kill : KillRows()) {
    for (const EndRow& row : AllEnds()) {
      for (const bool over_limit : {false, true}) {
        CAPTURE(kill.verdict.ended, row.verdict.ended, over_limit);
        CHECK(JudgeExit(row.end, kill.reason, over_limit,
                        "answered a task that it does not hold") ==
              kill.verdict);
      }
    }
  }
}

TEST_CASE("Worker exit: no end is ever taken for a scan that was complete") {
  const auto check = [](const NativeEnd& end) {
    for (const bool over_limit : {false, true}) {
      const ExitVerdict verdict =
          JudgeExit(end, KillReason::kNone, over_limit, "");
      CAPTURE(static_cast<int>(end.kind), end.code, verdict);
      CHECK(IsIncomplete(verdict.status));
      CHECK_FALSE(verdict.ended.empty());
      CHECK_FALSE(verdict.detail.empty());
    }
  };
  for (int code = 0; code <= 255; ++code) check({Kind::kExited, code});
  for (int number = 1; number <= SIGRTMAX; ++number) {
    check({Kind::kSignaled, number});
  }
  check({Kind::kUnknown, -1});
  check({Kind::kSignaled, 0});
  check({Kind::kSignaled, -5});
  check({Kind::kSignaled, 1 << 20});
}

TEST_CASE("Worker exit: every signal has a name of its own") {
  std::set<std::string> names;
  for (int number = 1; number <= SIGRTMAX; ++number) {
    const std::string name = NameOfEnd({Kind::kSignaled, number});
    CAPTURE(number, name);
    CHECK(names.insert(name).second);
    // 32 and 33 belong to the C library.
    const bool plain = number < 32;
    CHECK(name.starts_with(plain ? "SIG" : "signal "));
  }
  CHECK(names.size() == static_cast<std::size_t>(SIGRTMAX));
}

}  // namespace
}  // namespace scanengine
