#ifndef SCANENGINE_CLI_ENGINE_API_H_
#define SCANENGINE_CLI_ENGINE_API_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/doctor.h"
#include "engine/scan_engine.h"

namespace scanengine::cli {

/// One scan: what the program needs of ScanEngine.
class Scan {
 public:
  virtual ~Scan() = default;
  virtual Result<RunSummary> Run(ScanObserver& observer) = 0;
  /// Thread-safe; before and during Run().
  virtual void RequestStop() = 0;
  /// As those of ScanEngine.
  virtual Result<FileOutcome> ReadBack(std::uint64_t /*place*/) {
    return Error{ErrorCode::kUnsupported, "there is no journal"};
  }
  virtual void ForgetJournal() {}
};

/// What the program needs of the library. Abstract so that the whole program
/// can be tested with a scan that is scripted; the real one is in main.cc.
class EngineApi {
 public:
  virtual ~EngineApi() = default;
  virtual std::unique_ptr<Scan> NewScan(ScanOptions options) = 0;
  virtual Result<FileOutcome> ScanOne(const std::string& path,
                                      const ScanOptions& options) = 0;
  virtual Diagnosis Diagnose(const ScanOptions& options) = 0;
  virtual std::vector<FormatInfo> Formats() = 0;
  virtual std::string Version() = 0;
  virtual std::vector<std::string> Features() = 0;
};

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_ENGINE_API_H_
