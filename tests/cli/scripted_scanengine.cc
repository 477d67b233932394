// The whole program with a scripted scan in place of the engine, to see how it
// treats signals, pipes and full disks. Each PATH is an outcome, by its name:
//   clean, finding, crash   the outcome
//   many                    100,000 clean files
//   wait                    prints "waiting" to standard error and blocks until
//                           a stop is requested; wait2: until the second one;
//                           hang: for ever
//   refuse                  the run fails as if isolation could not be had

#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "cli/program.h"
#include "cli/terminal.h"

namespace scanengine::cli {
namespace {

class ScriptedScan : public Scan {
 public:
  explicit ScriptedScan(ScanOptions options) : options_(std::move(options)) {}

  Result<RunSummary> Run(ScanObserver& observer) override {
    for (const std::string& path : options_.paths) {
      if (path == "refuse") {
        return Error{ErrorCode::kSpawnFailed, "workers cannot be started"};
      }
      if (path == "many") {
        for (int i = 0; i < 100'000 && !Stopped(1); ++i) {
          Finish("many/" + std::to_string(i), OutcomeStatus::kScanned,
                 observer);
        }
      } else if (path == "wait" || path == "wait2" || path == "hang") {
        Wait(path == "hang" ? 1000 : path == "wait2" ? 2 : 1);
        summary_.stopped = true;
        Finish(path, OutcomeStatus::kCancelled, observer);
      } else {
        Finish(
            path,
            path == "crash" ? OutcomeStatus::kCrashed : OutcomeStatus::kScanned,
            observer);
      }
    }
    return summary_;
  }

  void RequestStop() override {
    const std::lock_guard lock(mutex_);
    ++stops_;
    stopped_.notify_all();
  }

 private:
  bool Stopped(int times) {
    const std::lock_guard lock(mutex_);
    return stops_ >= times;
  }

  void Wait(int times) {
    WriteError("waiting\n");
    std::unique_lock lock(mutex_);
    stopped_.wait(lock, [&] { return stops_ >= times; });
  }

  void Finish(const std::string& path, OutcomeStatus status,
              ScanObserver& observer) {
    FileOutcome outcome;
    outcome.path = path;
    outcome.attempts = 1;
    outcome.result.status = status;
    if (path == "finding") {
      Finding finding;
      finding.rule_id = "scripted";
      finding.severity = Severity::kHigh;
      finding.message = "as told";
      outcome.result.findings = {finding};
      ++summary_
            .findings_by_severity[static_cast<std::size_t>(Severity::kHigh)];
    }
    ++summary_.files;
    ++summary_.by_status[static_cast<std::size_t>(status)];
    observer.OnFileFinished(outcome);
    Progress progress;
    progress.found = summary_.files;
    progress.done = summary_.files;
    observer.OnProgress(progress);
  }

  ScanOptions options_;
  RunSummary summary_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  int stops_ = 0;
};

class ScriptedEngine : public EngineApi {
 public:
  std::unique_ptr<Scan> NewScan(ScanOptions options) override {
    return std::make_unique<ScriptedScan>(std::move(options));
  }
  Result<FileOutcome> ScanOne(const std::string& path,
                              const ScanOptions&) override {
    FileOutcome outcome;
    outcome.path = path;
    outcome.in_process = true;
    return outcome;
  }
  // The path of the worker says how fit the machine is.
  Diagnosis Diagnose(const ScanOptions& options) override {
    Diagnosis diagnosis;
    if (options.worker_path == "weaker") diagnosis.fitness = Fitness::kWeaker;
    if (options.worker_path == "unable") diagnosis.fitness = Fitness::kUnable;
    return diagnosis;
  }
  std::vector<FormatInfo> Formats() override {
    return {{"pickle", "pkl pt", "Python objects", true},
            {"onnx", "onnx", "ONNX", false}};
  }
  std::string Version() override { return "1.2.3"; }
  std::vector<std::string> Features() override { return {"scripted"}; }
};

}  // namespace
}  // namespace scanengine::cli

int main(int argc, char** argv) {
  scanengine::cli::ScriptedEngine engine;
  const std::vector<std::string> args(argv + 1, argv + argc);
  return static_cast<int>(scanengine::cli::RunProgram(args, engine));
}
