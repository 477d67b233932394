#ifndef SCANENGINE_WORKER_FORMAT_DETECTOR_H_
#define SCANENGINE_WORKER_FORMAT_DETECTOR_H_

#include <string>
#include <string_view>
#include <vector>

#include "ipc/result.h"
#include "worker/scanner.h"

namespace scanengine {

/// What a file is, judged by its bytes; its name is only a hint.
struct Detection {
  /// To be run, in this order; empty if no scanner knows it.
  std::vector<const Scanner*> scanners;
  /// Format that is known but has no scanner here: "onnx"; else empty. Beside
  /// scanners: a compression that this build cannot unpack.
  std::string recognised;
  /// True if no model loader reads such a file (text, pictures, programs).
  bool not_a_model = false;
  bool empty = false;  ///< No bytes at all; not_a_model then, too.
};

/// Fails only if the source cannot be read.
Result<Detection> DetectFormat(ByteSource& source, std::string_view name);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_FORMAT_DETECTOR_H_
