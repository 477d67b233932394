#include "cli/run_observer.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/cli/synthetic_run.h"

namespace scanengine::cli {
namespace {

using testing::MakeOutcome;
using testing::MemorySink;

struct Bench {
  explicit Bench(std::size_t room = ~std::size_t{0})
      : writer(std::make_unique<MemorySink>(report_text, room)) {
    options.format = ReportFormat::kNdjson;
    report = NewReport(options, writer);
  }

  RunObserver Observer(bool quiet, bool verbose, bool shared_terminal) {
    return RunObserver({*report, writer, &line, shared_terminal, quiet, verbose,
                        [this](std::string_view text) { errors += text; },
                        [this] { ++failures; }});
  }

  std::string report_text;
  std::string errors;
  int failures = 0;
  ReportOptions options;
  ReportWriter writer;
  std::unique_ptr<Report> report;
  StatusLine line{{[this](std::string_view text) { errors += text; },
                   [] { return 80; },
                   [] { return StatusLine::Clock::time_point(); }}};
};

TEST_CASE("RunObserver: notices are single lines and clear the status line") {
  Bench bench;
  RunObserver observer = bench.Observer(false, false, false);
  observer.OnProgress(Progress());
  observer.OnNotice({Notice::Kind::kDegraded, "no workers:\nx\x1b[2J"});
  observer.OnNotice({Notice::Kind::kWorkerLost, "worker 3 ended"});
  CHECK(bench.errors ==
        "\r[0/0+]\x1b[K\r\x1b[K"
        "scanengine: no workers:\\nx\\x1b[2J\n");
}

TEST_CASE("RunObserver: quiet hides notices but that protection is lost") {
  Bench bench;
  RunObserver quiet = bench.Observer(true, false, false);
  quiet.OnNotice({Notice::Kind::kStopping, "x"});
  CHECK(bench.errors.empty());
  quiet.OnNotice({Notice::Kind::kDegraded, "no workers"});
  CHECK(bench.errors == "scanengine: no workers\n");
  bench.errors.clear();
  RunObserver verbose = bench.Observer(false, true, false);
  verbose.OnNotice({Notice::Kind::kWorkerLost, "worker 3 ended"});
  CHECK(bench.errors == "scanengine: worker 3 ended\n");
}

TEST_CASE("RunObserver: a shared terminal is cleared before a report line") {
  Bench bench;
  RunObserver observer = bench.Observer(false, false, true);
  observer.OnProgress(Progress());
  observer.OnFileFinished(MakeOutcome("a", OutcomeStatus::kScanned));
  CHECK(bench.errors == "\r[0/0+]\x1b[K\r\x1b[K");
  CHECK_FALSE(bench.report_text.empty());
}

TEST_CASE("RunObserver: tells once that the report cannot be written") {
  Bench bench(/*room=*/10);
  RunObserver observer = bench.Observer(false, false, false);
  observer.OnFileFinished(MakeOutcome("a", OutcomeStatus::kScanned));
  observer.OnFileFinished(MakeOutcome("b", OutcomeStatus::kScanned));
  CHECK(bench.failures == 1);
  const Status status = bench.writer.Commit();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().detail == "No space left on device");
}

}  // namespace
}  // namespace scanengine::cli
