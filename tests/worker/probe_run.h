#ifndef SCANENGINE_TESTS_WORKER_PROBE_RUN_H_
#define SCANENGINE_TESTS_WORKER_PROBE_RUN_H_

#include <filesystem>
#include <string>
#include <vector>

namespace scanengine::testing {

/// How a helper process ended and what it said.
struct ProbeRun {
  int exit_code = -1;  ///< -1 if it was ended by a signal.
  int signal = 0;      ///< 0 if it exited.
  std::string out;
};

/// Runs |command| with its standard output captured and waits for its end.
ProbeRun RunProbe(const std::vector<std::string>& command);

/// A new folder that goes with this object.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_WORKER_PROBE_RUN_H_
