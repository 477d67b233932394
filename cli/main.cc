#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cli/arguments.h"
#include "cli/memory_reserve.h"
#include "cli/program.h"
#include "engine/scan_engine.h"

namespace scanengine::cli {
namespace {

class EngineScan : public Scan {
 public:
  explicit EngineScan(ScanOptions options) : engine_(std::move(options)) {}
  Result<RunSummary> Run(ScanObserver& observer) override {
    return engine_.Run(observer);
  }
  void RequestStop() override { engine_.RequestStop(); }
  Result<FileOutcome> ReadBack(std::uint64_t place) override {
    return engine_.ReadBack(place);
  }
  void ForgetJournal() override { engine_.ForgetJournal(); }

 private:
  ScanEngine engine_;
};

class Engine : public EngineApi {
 public:
  std::unique_ptr<Scan> NewScan(ScanOptions options) override {
    return std::make_unique<EngineScan>(std::move(options));
  }
  Result<FileOutcome> ScanOne(const std::string& path,
                              const ScanOptions& options) override {
    return ScanOneInProcess(path, options);
  }
  Diagnosis Diagnose(const ScanOptions& options) override {
    return scanengine::Diagnose(options);
  }
  std::vector<FormatInfo> Formats() override { return ListFormats(); }
  std::string Version() override { return std::string(VersionText()); }
  std::vector<std::string> Features() override { return BuildFeatures(); }
};

}  // namespace
}  // namespace scanengine::cli

int main(int argc, char** argv) {
  scanengine::cli::KeepMemoryReserve();
  scanengine::cli::Engine engine;
  return static_cast<int>(scanengine::cli::RunProgram(
      scanengine::cli::ProgramArguments(argc, argv), engine));
}
