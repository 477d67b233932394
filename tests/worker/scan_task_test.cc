// One task from its file to its reply: files that change, vanish or are none.

#include "worker/scan_task.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/scan_bytes.h"
#include "tests/support/scripted_scanner.h"
#include "tests/support/temp_dir.h"
#include "worker/file_source.h"

namespace scanengine {
namespace {

using testing::TempDir;

constexpr Rule kSeen{"seen", Severity::kHigh, "Seen", "Why.", "Advice."};

/// Checks that tasks begin and end in turn.
class TurnBoard final : public StatusBoardWriter {
 public:
  void BeginTask(std::uint64_t task) override {
    CHECK(current == 0);
    current = task;
  }
  void EndTask() override {
    CHECK(current != 0);
    current = 0;
    ++ended;
  }
  void SetPhase(std::string_view) override { CHECK(current != 0); }
  void SetProgress(std::uint64_t, std::uint64_t) override {}

  std::uint64_t current = 0;
  int ended = 0;
};

void ReadToEnd(ScanContext& context) {
  ByteStream stream(context.source());
  while (!stream.Window().empty()) stream.Consume(stream.Window().size());
}

ScanReply RunTask(const TaskRequest& task,
                  std::function<void(ScanContext&)> script = ReadToEnd) {
  testing::on_scan = std::move(script);
  TurnBoard board;
  ScanEnvironment environment;
  environment.board = &board;
  ScanReply reply = RunScanTask(environment, task);
  CHECK(board.ended == 1);
  CHECK(reply.task == task.id);
  return reply;
}
TaskRequest TaskFor(std::string path) {
  TaskRequest task;
  task.id = 31;
  task.path = std::move(path);
  return task;
}

TEST_CASE("Scan task: a kind that nobody knows is not done") {
  TempDir folder;
  TaskRequest task = TaskFor(folder.File("a", "SCRIPT123"));
  task.kind = "sc\x1b";
  bool scanned = false;
  testing::on_scan = [&](ScanContext&) { scanned = true; };
  NullBoard board;
  ScanEnvironment environment;
  environment.board = &board;
  const ScanReply reply = RunScanTask(environment, task);
  CHECK(reply.task == task.id);
  CHECK(reply.status == OutcomeStatus::kProtocol);
  CHECK(reply.detail == "no such kind of task: sc\\x1b");
  CHECK_FALSE(scanned);
}

TEST_CASE("Scan task: what is told comes with an inspection only") {
  TempDir folder;
  TaskRequest task = TaskFor(folder.File("a", "SCRIPT123"));
  const auto tell = [](ScanContext& context) {
    context.Tell("a tensor\n", 1);
    ReadToEnd(context);
  };
  CHECK(RunTask(task, tell).inspection == Inspection());
  task.kind = kInspectTask;
  InspectionSection section;
  section.kind = "scripted";
  section.number = 1;
  section.outline = {{1, "a tensor\\n"}};
  CHECK(RunTask(task, tell).inspection == Inspection{{section}, false});
}

TEST_CASE("Scan task: a file that stays is scanned") {
  TempDir folder;
  const ScanReply reply = RunTask(TaskFor(folder.File("a", "SCRIPT123")));
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(reply.bytes == 9);
  CHECK(reply.format == "scripted");
}

TEST_CASE("Scan task: a scanner is told the name without its folders") {
  TempDir folder;
  std::string name;
  RunTask(TaskFor(folder.File("x/y/a.bin", "SCRIPT")),
          [&](ScanContext& context) { name = context.name(); });
  CHECK(name == "a.bin");
}

TEST_CASE("Scan task: what is there no more, or no file any more, changed") {
  TempDir folder;
  std::string path = folder / "a";
  SECTION("gone") {}
  SECTION("its folder is a file now") { path = folder.File("b") + "/a"; }
  SECTION("a folder") { folder.Folder("a"); }
  SECTION("a FIFO") { REQUIRE(::mkfifo(path.c_str(), 0600) == 0); }
  SECTION("a socket") {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof(address.sun_path));
    path.copy(address.sun_path, path.size());
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address),
                   sizeof(address)) == 0);
    ::close(fd);
  }
  SECTION("a device") { path = "/dev/null"; }
  SECTION("a dangling link") { folder.Link("a", "nothing"); }
  SECTION("no name at all") { path.clear(); }
  const ScanReply reply = RunTask(TaskFor(path));
  CHECK(reply.status == OutcomeStatus::kChanged);
  CHECK_FALSE(reply.detail.empty());
  CHECK(reply.findings.empty());
}

TEST_CASE("Scan task: a null byte in a name never names another file") {
  TempDir folder;
  const std::string path = folder.File("a", "SCRIPT");
  const ScanReply reply = RunTask(TaskFor(path + std::string("\0.txt", 5)));
  CHECK(reply.status == OutcomeStatus::kChanged);
}

TEST_CASE("Scan task: a loop of links cannot be read") {
  TempDir folder;
  folder.Link("a", "b");
  const ScanReply reply = RunTask(TaskFor(folder.Link("b", "a")));
  CHECK(reply.status == OutcomeStatus::kUnreadable);
  CHECK(reply.detail == "too many levels of links");
}

TEST_CASE("Scan task: a file that changes under the scanner says so") {
  TempDir folder;
  const std::string path =
      folder.File("a", "SCRIPT" + std::string(1 << 20, 'x'));
  std::function<void()> change;
  SECTION("cut short") {
    change = [&] { REQUIRE(::truncate(path.c_str(), 10) == 0); };
  }
  SECTION("cut to nothing") {
    change = [&] { REQUIRE(::truncate(path.c_str(), 0) == 0); };
  }
  SECTION("grown") {
    change = [&] { std::ofstream(path, std::ios::app) << "more"; };
  }
  SECTION("written to in place") {
    change = [&] {
      std::fstream(path, std::ios::in | std::ios::out) << "SCRIPT";
      // The clock of the file system may stand still for some milliseconds.
      const timespec times[2] = {{1, 0}, {1, 0}};
      REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
    };
  }
  const ScanReply reply = RunTask(TaskFor(path), [&](ScanContext& context) {
    context.Report(kSeen, {"before"});
    change();
    ReadToEnd(context);
  });
  CHECK(reply.status == OutcomeStatus::kChanged);
  CHECK_FALSE(reply.detail.empty());
  // What was found before is still told.
  CHECK(reply.findings.size() == 1);
}

TEST_CASE(
    "Scan task: a cut file is changed even if the parser calls it broken") {
  TempDir folder;
  const std::string path =
      folder.File("a", "SCRIPT" + std::string(1 << 20, 'x'));
  const ScanReply reply = RunTask(TaskFor(path), [&](ScanContext& context) {
    REQUIRE(::truncate(path.c_str(), 10) == 0);
    const auto got = ReadExactly(context.source(), 100, 100);
    CHECK(got.error().code == ErrorCode::kStopped);
    CHECK(context.stopped());
    context.Report(kSeen, {"malformed"});
    context.MarkIncomplete(OutcomeStatus::kLimit, "malformed");
  });
  CHECK(reply.status == OutcomeStatus::kChanged);
  CHECK(reply.detail == "became shorter during the scan");
  CHECK(reply.findings.empty());
}

TEST_CASE("Scan task: a file that is replaced or removed has changed") {
  TempDir folder;
  const std::string path =
      folder.File("a", "SCRIPT" + std::string(1 << 20, 'x'));
  const ScanReply reply = RunTask(TaskFor(path), [&](ScanContext& context) {
    REQUIRE(::unlink(path.c_str()) == 0);
    folder.File("a", "another file by the same name");
    ReadToEnd(context);  // What was opened is still there.
  });
  CHECK(reply.status == OutcomeStatus::kChanged);
  CHECK(reply.bytes == 6 + (1 << 20));
}

TEST_CASE("Scan task: paths longer than the system takes are opened") {
  TempDir folder;
  const std::string name(200, 'n');
  const std::filesystem::path before = std::filesystem::current_path();
  std::string path = folder.path();
  std::filesystem::current_path(path);
  for (int i = 0; i < 40; ++i) {
    REQUIRE(::mkdir(name.c_str(), 0700) == 0);
    REQUIRE(::chdir(name.c_str()) == 0);
    path += "/" + name;
  }
  std::ofstream("file") << "SCRIPT";
  std::filesystem::current_path(before);
  REQUIRE(path.size() > 8'000);
  CHECK(RunTask(TaskFor(path + "/file")).status == OutcomeStatus::kScanned);
  CHECK(RunTask(TaskFor(path + "////file")).status == OutcomeStatus::kScanned);
  CHECK(RunTask(TaskFor(path + "/none")).status == OutcomeStatus::kChanged);
  CHECK(RunTask(TaskFor(path)).status == OutcomeStatus::kChanged);
  CHECK(RunTask(TaskFor(path + "/" + std::string(9'000, 'x'))).status ==
        OutcomeStatus::kUnreadable);
}

TEST_CASE("Scan task: an inherited descriptor is read from its beginning") {
  TempDir folder;
  const std::string path = folder.File("a", "SCRIPT123");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(::lseek(fd, 5, SEEK_SET) == 5);
  TaskRequest task = TaskFor("-");
  task.inherited_fd = fd;
  for (int i = 0; i < 2; ++i) {  // It is not used up, and stays open.
    const ScanReply reply = RunTask(task);
    CHECK(reply.status == OutcomeStatus::kScanned);
    CHECK(reply.bytes == 9);
  }
  ::close(fd);
  CHECK(RunTask(task).status == OutcomeStatus::kUnreadable);
}

TEST_CASE("Scan task: an inherited pipe is not read") {
  int fds[2];
  REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
  TaskRequest task = TaskFor("-");
  task.inherited_fd = fds[0];
  CHECK(RunTask(task).status == OutcomeStatus::kChanged);
  ::close(fds[0]);
  ::close(fds[1]);
}

TEST_CASE("Scan task: what a parser throws becomes the status") {
  TempDir folder;
  const TaskRequest task = TaskFor(folder.File("a", "SCRIPT"));
  const ScanReply memory =
      RunTask(task, [](ScanContext&) -> void { throw std::bad_alloc(); });
  CHECK(memory.status == OutcomeStatus::kOutOfMemory);
  CHECK(memory.detail == "needed more memory than a worker may have");
  const ScanReply thrown = RunTask(task, [](ScanContext&) -> void {
    throw std::length_error("vector::reserve");
  });
  CHECK(thrown.status == OutcomeStatus::kCrashed);
  CHECK(thrown.detail == "its parser failed: vector::reserve");
  // The next task is not hurt.
  CHECK(RunTask(task).status == OutcomeStatus::kScanned);
}

TEST_CASE("Scan task: reading alone runs into the deadline") {
  TempDir folder;
  TaskRequest task =
      TaskFor(folder.File("a", "SCRIPT" + std::string(1 << 16, 'x')));
  task.soft_deadline_us = 1;
  const ScanReply reply = RunTask(task, [](ScanContext& context) {
    std::byte one[1];
    // No Checkpoint() of its own: every read is one.
    while (context.source().ReadAt(0, one).ok()) {
    }
    CHECK(context.stopped());
  });
  CHECK(reply.status == OutcomeStatus::kTimedOut);
}

TEST_CASE("File source: reads by place, and nothing behind the first size") {
  TempDir folder;
  const std::string path = folder.File("a", "0123456789");
  const auto source = FileSource::Open(TaskFor(path)).value();
  CHECK(source->size() == 10);
  CHECK(source->Unchanged());
  std::byte out[20];
  CHECK(source->ReadAt(0, out).value() == 10);
  CHECK(source->ReadAt(9, out).value() == 1);
  CHECK(out[0] == std::byte{'9'});
  CHECK(source->ReadAt(10, out).value() == 0);
  CHECK(source->ReadAt(kUnknownSize, out).value() == 0);
  std::ofstream(path, std::ios::app) << "more";
  CHECK(source->ReadAt(0, out).value() == 10);
  CHECK_FALSE(source->Unchanged());
}

TEST_CASE("File source: a time of writing that was set back hides nothing") {
  TempDir folder;
  const std::string path = folder.File("a", "0123456789");
  const auto source = FileSource::Open(TaskFor(path)).value();
  const auto written = std::filesystem::last_write_time(path);
  // Systems stamp a change with the last tick of their clock only: again until
  // there was one.
  bool unchanged = true;
  for (int i = 0; i < 20'000 && unchanged; ++i) {
    std::ofstream(path, std::ios::in) << "9876543210";
    std::filesystem::last_write_time(path, written);
    unchanged = source->Unchanged();
  }
  CHECK(std::filesystem::file_size(path) == 10);
  CHECK(std::filesystem::last_write_time(path) == written);
  CHECK_FALSE(unchanged);
}

}  // namespace
}  // namespace scanengine
