#ifndef SCANENGINE_WORKER_RECOGNISED_FORMATS_H_
#define SCANENGINE_WORKER_RECOGNISED_FORMATS_H_

#include <span>
#include <string_view>

#include "worker/scanner.h"

namespace scanengine {

/// Names a format that a model loader or an archive tool reads but that no
/// scanner here covers ("onnx", "7z"); empty if it is none of them. Judges by
/// magic numbers, then by the name's extension.
std::string_view RecogniseUnsupported(const ProbeInput& input);

/// True for what no model loader reads: text, pictures, sources, programs, by
/// content first and then by name. An unknown binary is not among them.
bool IsNotAModel(const ProbeInput& input);

/// For --list-formats: every format that RecogniseUnsupported() can name.
std::span<const std::string_view> RecognisedFormatNames();

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_RECOGNISED_FORMATS_H_
