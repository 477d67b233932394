// What scanengine_cli needs of the engine at link time. Goes away with the
// condition in CMakeLists.txt.
#include "engine/scan_engine.h"

namespace scanengine {

std::string_view IsolationModeName(IsolationMode mode) {
  switch (mode) {
    case IsolationMode::kProcess:
      return "process";
    case IsolationMode::kPerFile:
      return "per-file";
    case IsolationMode::kInProcess:
      break;
  }
  return "in-process";
}

}  // namespace scanengine
