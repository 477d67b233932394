// The only file of engine/ that may include worker/.
#include "engine/in_process_launcher.h"

#include <atomic>
#include <deque>
#include <thread>
#include <utility>

#include "engine/process_info.h"
#include "worker/containers/decoder.h"
#include "worker/recognised_formats.h"
#include "worker/scan_task.h"
#include "worker/scanner.h"

namespace scanengine {
namespace {

constexpr WorkerId kOnlyWorker = 1;

class InProcessLauncher final : public WorkerLauncher {
 public:
  InProcessLauncher(ImportPolicy imports, InProcessOptions options)
      : board_(StatusBoardWriter::Detached()) {
    environment_.imports = imports;
    environment_.limits = options.limits;
    environment_.board = board_.get();
    environment_.cancelled = std::move(options.cancelled);
    before_scan_ = std::move(options.before_scan);
  }

  Result<WorkerId> Spawn() override {
    WorkerHello hello;
    hello.build_id = BuildId();
    hello.pid = CurrentProcessId();
    closing_ = false;
    events_.emplace_back(WorkerReady{kOnlyWorker, std::move(hello)});
    return kOnlyWorker;
  }

  void Send(WorkerId, std::span<const TaskRequest> tasks) override {
    tasks_.insert(tasks_.end(), tasks.begin(), tasks.end());
  }

  void Close(WorkerId worker) override {
    closing_ = true;
    if (tasks_.empty()) End(worker);
  }
  void Terminate(WorkerId worker) override { End(worker); }
  void Kill(WorkerId worker) override { End(worker); }

  std::vector<WorkerEvent> Wait(Clock::Time until) override {
    if (events_.empty() && !tasks_.empty()) {
      const TaskRequest task = std::move(tasks_.front());
      tasks_.pop_front();
      if (before_scan_) before_scan_(task.path);
      events_.emplace_back(
          WorkerReplied{kOnlyWorker, {RunScanTask(environment_, task)}});
    } else if (events_.empty() && closing_) {
      End(kOnlyWorker);
    }
    while (events_.empty() && !interrupted_.exchange(false) &&
           std::chrono::steady_clock::now() < until) {
      // Only discovery can be behind: look again soon.
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return std::exchange(events_, {});
  }

  BoardSnapshot Board(WorkerId) override { return {}; }
  std::uint64_t Memory(WorkerId) override { return 0; }
  void Interrupt() override { interrupted_ = true; }
  std::chrono::microseconds Serialising() const override {
    return std::chrono::microseconds(0);
  }

 private:
  void End(WorkerId worker) {
    tasks_.clear();
    closing_ = false;
    events_.emplace_back(
        WorkerExited{worker, {NativeEnd::Kind::kExited, 0}, {}});
  }

  std::unique_ptr<StatusBoardWriter> board_;
  ScanEnvironment environment_;
  std::function<void(const std::string& path)> before_scan_;
  std::deque<TaskRequest> tasks_;
  std::vector<WorkerEvent> events_;
  bool closing_ = false;  // Ends when it has answered what it holds.
  std::atomic<bool> interrupted_{false};
};

}  // namespace

Result<std::unique_ptr<WorkerLauncher>> MakeInProcessLauncher(
    InProcessOptions options) {
  Result<ImportPolicy> imports = ImportPolicy::FromBytes(options.imports);
  if (!imports.ok()) return imports.error();
  return std::unique_ptr<WorkerLauncher>(
      new InProcessLauncher(imports.value(), std::move(options)));
}

std::vector<FormatInfo> ListFormats() {
  std::vector<FormatInfo> formats;
  for (const Scanner* scanner : AllScanners()) {
    formats.push_back({std::string(scanner->name),
                       std::string(scanner->extensions),
                       std::string(scanner->summary), true});
  }
  for (const std::string_view name : RecognisedFormatNames()) {
    formats.push_back({std::string(name), "",
                       IsLeftOut(name) ? "left out of this build"
                                       : "recognised, not scanned yet",
                       false});
  }
  return formats;
}

}  // namespace scanengine
