#include "ipc/status_board.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace scanengine {

bool operator==(const BoardSnapshot& a, const BoardSnapshot& b) {
  return a.task == b.task && a.phase == b.phase && a.offset == b.offset &&
         a.bytes == b.bytes;
}
std::ostream& operator<<(std::ostream& out, const BoardSnapshot& s) {
  return out << s.task << ' ' << s.phase << ' ' << s.offset << ' ' << s.bytes;
}

namespace {

struct Board {
  Board() {
    auto made = StatusBoard::Create();
    REQUIRE(made.ok());
    reader = std::move(made).value();
    auto attached = StatusBoardWriter::Attach(reader->handle());
    REQUIRE(attached.ok());
    writer = std::move(attached).value();
  }
  int fd() const { return static_cast<int>(reader->handle()); }

  std::unique_ptr<StatusBoard> reader;
  std::unique_ptr<StatusBoardWriter> writer;
};

StatusBoardWriter* signal_writer = nullptr;

}  // namespace

TEST_CASE("StatusBoard: a new board has no task") {
  CHECK(Board().reader->Read() == BoardSnapshot{});
}

TEST_CASE("StatusBoard: the reader sees what the writer wrote") {
  Board board;
  board.writer->BeginTask(7);
  board.writer->SetPhase("pickle");
  board.writer->SetProgress(1, ~std::uint64_t{0});
  CHECK(board.reader->Read() ==
        BoardSnapshot{7, "pickle", 1, ~std::uint64_t{0}});
  board.writer->SetPhase("zip");
  CHECK(board.reader->Read().phase == "zip");
}

TEST_CASE("StatusBoard: a new task starts without traces of the one before") {
  Board board;
  board.writer->BeginTask(1);
  board.writer->SetPhase("hash");
  board.writer->SetProgress(5, 6);
  board.writer->EndTask();
  CHECK(board.reader->Read().task == 0);
  board.writer->BeginTask(2);
  CHECK(board.reader->Read() == BoardSnapshot{2, "", 0, 0});
}

TEST_CASE("StatusBoard: a long phase is cut") {
  Board board;
  board.writer->SetPhase(std::string(31, 'a'));
  CHECK(board.reader->Read().phase == std::string(31, 'a'));
  board.writer->SetPhase(std::string(5000, 'b'));
  CHECK(board.reader->Read().phase == std::string(31, 'b'));
  board.writer->SetPhase({});
  CHECK(board.reader->Read().phase.empty());
}

TEST_CASE("StatusBoard: writes are safe in a signal handler") {
  Board board;
  signal_writer = board.writer.get();
  const auto old = std::signal(SIGUSR1, [](int) {
    signal_writer->SetPhase("watchdog");
    signal_writer->SetProgress(3, 4);
  });
  board.writer->BeginTask(9);
  std::raise(SIGUSR1);
  std::signal(SIGUSR1, old);
  CHECK(board.reader->Read() == BoardSnapshot{9, "watchdog", 3, 4});
}

TEST_CASE("StatusBoard: a page of garbage reads as harmless values") {
  Board board;
  std::mt19937_64 random(42);
  std::vector<std::uint64_t> page(4096 / 8);
  for (int round = 0; round < 1000; ++round) {
    for (auto& word : page) word = random();
    REQUIRE(::pwrite(board.fd(), page.data(), 4096, 0) == 4096);
    const BoardSnapshot got = board.reader->Read();
    REQUIRE(got.task == page[0]);
    REQUIRE(got.phase.size() <= 31);
    for (const char c : got.phase) REQUIRE((c >= ' ' && c <= '~'));
  }
  const std::string ones(4096, '\xff');
  REQUIRE(::pwrite(board.fd(), ones.data(), 4096, 0) == 4096);
  const std::uint64_t most = ~std::uint64_t{0};
  CHECK(board.reader->Read() ==
        BoardSnapshot{most, std::string(31, '?'), most, most});
}

TEST_CASE("StatusBoard: a torn phase is a mixture of printable texts") {
  Board board;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop) {
      board.writer->SetPhase(std::string(31, 'a'));
      board.writer->SetPhase("b");
    }
  });
  bool clean = true;
  for (int i = 0; i < 100'000; ++i) {
    const std::string phase = board.reader->Read().phase;
    clean = clean && phase.size() <= 31 &&
            phase.find_first_not_of("ab") == std::string::npos;
  }
  stop = true;
  writer.join();
  CHECK(clean);
}

TEST_CASE("StatusBoard: a worker cannot shrink, grow or unseal the page") {
  Board board;
  // A reader of a page that is gone would die by SIGBUS.
  CHECK(::ftruncate(board.fd(), 0) == -1);
  CHECK(errno == EPERM);
  CHECK(::ftruncate(board.fd(), 8192) == -1);
  CHECK(errno == EPERM);
  CHECK(::fcntl(board.fd(), F_ADD_SEALS, F_SEAL_WRITE) == -1);
  CHECK(errno == EPERM);
  CHECK(board.reader->Read() == BoardSnapshot{});
}

TEST_CASE("StatusBoard: a page that was punched out reads as no task") {
  Board board;
  board.writer->BeginTask(3);
  REQUIRE(::fallocate(board.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      4096) == 0);
  CHECK(board.reader->Read() == BoardSnapshot{});
}

TEST_CASE("StatusBoard: what is no board is refused") {
  const auto code = [](int fd) {
    const auto writer = StatusBoardWriter::Attach(fd);
    return writer.ok() ? ErrorCode{} : writer.error().code;
  };
  CHECK(code(-1) == ErrorCode::kMalformed);
  const int fd = ::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  REQUIRE(::ftruncate(fd, 8) == 0);
  CHECK(code(fd) == ErrorCode::kMalformed);
  REQUIRE(::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ==
          0);
  CHECK(code(fd) == ErrorCode::kMalformed);  // Sealed, and too small.
  ::close(fd);
}

TEST_CASE("StatusBoardWriter: a detached board takes everything") {
  const auto writer = StatusBoardWriter::Detached();
  writer->BeginTask(1);
  writer->SetPhase(std::string(100, 'x'));
  writer->SetProgress(1, 2);
  writer->EndTask();
}

}  // namespace scanengine
