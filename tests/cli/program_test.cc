// Real processes: exit codes, streams and signals of the whole program.

#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/cli/scratch_folder.h"

namespace scanengine::cli {
namespace {

using nlohmann::json;
using testing::ScratchFolder;

struct Ended {
  int code = -1;
  std::string out;
  std::string err;

  bool operator==(const Ended&) const = default;
};

// Runs a shell command in which P is the program. A signal that ends it shows
// as 128 + its number.
Ended Shell(const ScratchFolder& folder, const std::string& command) {
  const std::string script = "cd '" + folder.path() +
                             "' && P='" SCRIPTED_SCANENGINE
                             "' && unset NO_COLOR CLICOLOR_FORCE && { " +
                             command + "\n} > out 2> err";
  const std::string file = folder.Write("script", script);
  const int status = std::system(("exec sh '" + file + "'").c_str());
  Ended ended{WEXITSTATUS(status), folder.Read("out"), folder.Read("err")};
  for (const char* name : {"script", "out", "err"}) {
    std::filesystem::remove(folder.File(name));
  }
  return ended;
}

Ended Shell(const std::string& command) {
  const ScratchFolder folder;
  return Shell(folder, command);
}

TEST_CASE("Program: doctor's exit code says how fit the machine is") {
  CHECK(Shell("$P doctor").code == 0);
  CHECK(Shell("$P doctor --worker-path weaker").code == 2);
  CHECK(Shell("$P doctor --worker-path unable").code == 4);
  CHECK(Shell("$P doctor --json > /dev/full").code == 2);
}

TEST_CASE("Program: exit codes tell how the run went") {
  CHECK(Shell("$P -q clean") ==
        Ended{0,
              "CLEAN: 1 file scanned to the end, no finding at medium or "
              "above\n",
              ""});
  CHECK(Shell("$P -q clean finding").code == 1);
  CHECK(Shell("$P -q --fail-on critical clean finding").code == 0);
  CHECK(Shell("$P -q finding crash").code == 2);
  CHECK(Shell("$P refuse") ==
        Ended{2, "", "scanengine: cannot scan: workers cannot be started\n"});
}

TEST_CASE("Program: wrong usage is one line, nothing on stdout, exit 3") {
  CHECK(Shell("$P") ==
        Ended{3, "", "scanengine: no PATH given (see scanengine --help)\n"});
  CHECK(Shell("$P --workers many x") ==
        Ended{3, "",
              "scanengine: --workers: \"many\" is not a whole number from 1 to "
              "1024, or auto (see scanengine --help)\n"});
  CHECK(Shell("$P --policy missing x") ==
        Ended{3, "",
              "scanengine: --policy: cannot read \"missing\": No such file or "
              "directory (see scanengine --help)\n"});
}

TEST_CASE("Program: pages go to stdout") {
  CHECK(Shell("$P -h").out.starts_with("Usage: scanengine "));
  CHECK(Shell("$P --help").code == 0);
  CHECK(Shell("$P --version") ==
        Ended{0, "scanengine 1.2.3\n  scripted\n", ""});
  CHECK(Shell("$P --list-formats").out ==
        "format  extensions  scanned      summary\n"
        "pickle  pkl pt      yes          Python objects\n"
        "onnx    onnx        unsupported  ONNX\n");
  CHECK(Shell("$P --help > /dev/full").code == 2);
}

TEST_CASE("Program: one file for a debugger") {
  const Ended ended = Shell("$P --debug-worker some.pkl");
  CHECK(ended.code == 0);
  CHECK(ended.out.find("isolation in-process") != std::string::npos);
}

TEST_CASE("Program: a report goes to a file and nowhere else") {
  const ScratchFolder folder;
  const Ended ended = Shell(folder, "$P --format json -o r.json clean");
  CHECK(ended == Ended{0, "", ""});
  CHECK(json::parse(folder.Read("r.json"))["files"][0]["path"] == "clean");
  CHECK(folder.Names() == std::set<std::string>{"r.json"});
}

TEST_CASE("Program: a report that cannot be written is told, exit 2") {
  const ScratchFolder folder;
  CHECK(Shell(folder, "$P -o no/r.json clean") ==
        Ended{2, "",
              "scanengine: cannot write the report \"no/r.json\": No such file "
              "or directory\n"});
  CHECK(
      Shell(folder, "$P -o /dev/full clean") ==
      Ended{2, "",
            "scanengine: cannot write the report \"/dev/full\": No space left "
            "on device\n"});
  CHECK(
      Shell(folder, "$P clean > /dev/full") ==
      Ended{2, "",
            "scanengine: cannot write the report to standard output: No space "
            "left on device\n"});
}

TEST_CASE("Program: a disk that fills up leaves the earlier report") {
  const ScratchFolder folder;
  folder.Write("r.json", "earlier");
  // The limit on file size stands for the disk; its signal is for another day.
  const Ended ended = Shell(
      folder, "trap '' XFSZ; ulimit -f 1; $P --format json -o r.json many");
  CHECK(ended.code == 2);
  CHECK(ended.err ==
        "scanengine: cannot write the report \"r.json\": File too large\n");
  CHECK(folder.Read("r.json") == "earlier");
  CHECK(folder.Names() == std::set<std::string>{"r.json"});
}

TEST_CASE("Program: a broken pipe ends quietly with 2") {
  CHECK(Shell("{ $P --format ndjson many; echo $? > code; } | "
              "true; cat code") == Ended{0, "2\n", ""});
  CHECK(Shell("{ $P --format ndjson many; echo $? > code; } | head -n 1 > "
              "first; cat code; wc -l < first") == Ended{0, "2\n1\n", ""});
}

TEST_CASE("Program: closed standard streams harm nothing") {
  const ScratchFolder folder;
  CHECK(Shell(folder, "$P --format json -o r.json clean 0<&- 1>&- 2>&-").code ==
        0);
  CHECK(json::accept(folder.Read("r.json")));
  CHECK(Shell(folder, "$P clean 2>&-").code == 0);
}

// Starts the program in the background, waits until it waits, sends |signals|
// and reports its exit code on stdout, the streams in files.
std::string Stopped(const std::string& path, const std::string& signals) {
  // A FIFO instead of sleep: the read ends when the program has written.
  return "mkfifo f; $P " + path +
         " -q > report 2> f & pid=$!; exec 3< f; "
         "read line <&3; " +
         signals +
         "; wait $pid; echo $?; cat report <&3; exec 3<&-; rm f report";
}

TEST_CASE("Program: signals stop the run and give a partial report") {
  const std::string verdict =
      "STOPPED: the report is partial; 1 file was not scanned to its end\n";
  // Shells without job control start background jobs with SIGINT ignored, and
  // what is ignored at the start stays so; env undoes that.
  CHECK(Shell(Stopped("wait", "kill -TERM $pid")).out == "143\n" + verdict);
  CHECK(Shell(Stopped("wait", "kill -HUP $pid")).out == "143\n" + verdict);
  CHECK(Shell(Stopped("wait2", "kill -TERM $pid; kill -HUP $pid")).out ==
        "143\n" + verdict);
  CHECK(Shell("P=\"env --default-signal=INT $P\"; " +
              Stopped("wait", "kill -INT $pid"))
            .out == "130\n" + verdict);
}

TEST_CASE("Program: the third signal ends it at once") {
  CHECK(
      Shell(Stopped("hang",
                    "while kill -TERM $pid 2> /dev/null; do sleep 0.02; done"))
          .out == "143\n");
}

TEST_CASE("Program: a signal that was ignored at the start stays ignored") {
  CHECK(Shell("trap '' INT; " +
              Stopped("wait", "kill -INT $pid; kill -TERM $pid"))
            .out.starts_with("143\n"));
}

TEST_CASE("Program: colors and the status line follow flags and environment") {
  CHECK(Shell("$P finding").out.find('\x1b') == std::string::npos);
  CHECK(Shell("CLICOLOR_FORCE=1 $P finding").out.find("\x1b[") !=
        std::string::npos);
  CHECK(Shell("NO_COLOR=1 CLICOLOR_FORCE=1 $P finding").out.find('\x1b') ==
        std::string::npos);
  CHECK(Shell("NO_COLOR=1 $P --color always finding").out.find("\x1b[") !=
        std::string::npos);
  CHECK(Shell("COLUMNS=40 $P --progress always clean").err ==
        "\r[1/1+]\x1b[K\r\x1b[K");
  CHECK(Shell("$P clean").err.empty());
}

// What a terminal of |columns| gets to see of the program.
std::string OnTerminal(unsigned short columns, const char* argument) {
  winsize size{};
  size.ws_col = columns;
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    ::unsetenv("NO_COLOR");
    ::unsetenv("CLICOLOR_FORCE");
    ::setenv("TERM", "xterm", 1);
    ::execl(SCRIPTED_SCANENGINE, SCRIPTED_SCANENGINE, argument, nullptr);
    ::_exit(127);
  }
  REQUIRE(child > 0);
  std::string seen;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(terminal, buffer, sizeof buffer)) > 0;) {
    seen.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(terminal);
  ::waitpid(child, nullptr, 0);
  return seen;
}

TEST_CASE("Program: a terminal gets colors and a status line of its width") {
  CHECK(OnTerminal(80, "finding")
            .starts_with("\r[1/1+]\x1b[K\r\x1b[K\x1b[1mfinding\x1b[0m\r\n"));
  CHECK(OnTerminal(6, "clean").starts_with("\r[...]\x1b[K\r\x1b[K"));
}

}  // namespace
}  // namespace scanengine::cli
