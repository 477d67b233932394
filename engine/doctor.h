#ifndef SCANENGINE_ENGINE_DOCTOR_H_
#define SCANENGINE_ENGINE_DOCTOR_H_

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "engine/machine_facts.h"
#include "engine/scan_engine.h"
#include "engine/worker_count.h"

/// What a machine offers to scans, and what follows from it.

namespace scanengine {

enum class CheckState {
  kOk,
  kWeaker,   ///< Works with less protection, or slower.
  kMissing,  ///< Is not there.
};
/// "ok", "weaker", "missing".
std::string_view CheckStateName(CheckState state);

/// One thing that scans need or profit from.
struct DoctorCheck {
  std::string name;  ///< Stable: "cores", "landlock", ...
  CheckState state = CheckState::kOk;
  bool vital = false;       ///< Without it no worker can be had.
  std::string found;        ///< "ABI 7".
  std::string consequence;  ///< Empty if all is well.
  std::string advice;       ///< What to do; may be empty.
};

/// Judges facts. Pure.
std::vector<DoctorCheck> JudgeMachine(const MachineFacts& facts);

/// One thing that was tried with a real worker.
struct RoundTripStep {
  std::string name;  ///< Stable: "start", "hello", "scan", ...
  bool ok = false;
  std::chrono::microseconds time{0};
  std::string detail;  ///< What was seen, or what went wrong.
};

/// A worker's whole life. Ends at the first step that fails.
struct RoundTrip {
  std::vector<RoundTripStep> steps;
  std::vector<std::string> sandbox_active;  ///< As the worker says.
  std::vector<std::string> sandbox_missing;
  bool complete = false;  ///< Every step was made and went well.
};

/// Starts a worker, sends it every kind of message, ends it in every way, and
/// looks at what comes back. Uses |options| for the worker's path, its memory,
/// the sandbox and policies. Takes a fraction of a second; a worker that hangs
/// is given up after half a minute. Leaves nothing behind.
RoundTrip TryWorker(const ScanOptions& options);

enum class Fitness {
  kFull,    ///< All is there.
  kWeaker,  ///< Scans work, with less protection or slower.
  kUnable,  ///< No worker can be had: there is no isolation.
};
/// "capable", "weaker", "unable".
std::string_view FitnessName(Fitness fitness);

struct Diagnosis {
  std::vector<DoctorCheck> checks;
  WorkerCount workers;  ///< That a scan would start.
  RoundTrip round_trip;
  Fitness fitness = Fitness::kFull;
};

/// What checks and a round trip amount to. Pure.
Fitness JudgeFitness(const std::vector<DoctorCheck>& checks,
                     const RoundTrip& round_trip);

/// All of it, for this machine and the scans that |options| describe.
Diagnosis Diagnose(const ScanOptions& options);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_DOCTOR_H_
