#ifndef SCANENGINE_WORKER_RECOGNISED_FORMATS_H_
#define SCANENGINE_WORKER_RECOGNISED_FORMATS_H_

#include <span>
#include <string_view>

#include "worker/scanner.h"

namespace scanengine {

/// Names a format that a model loader or an archive tool reads but that no
/// scanner here covers ("onnx", "7z"); empty if it is none of them. Judges by
/// magic numbers, then by marks in the text, then by the name's extension.
std::string_view RecogniseUnsupported(const ProbeInput& input);

/// True for what no model loader reads: text, pictures, sources, programs, by
/// content first and then by name. An unknown binary is not among them, nor is
/// anything but an empty file whose name claims a model: whatever it holds, it
/// is not what it says, and silence would call it harmless.
bool IsNotAModel(const ProbeInput& input);

/// True if |name| has an extension that only model files have (".pt", ".onnx").
bool NameClaimsModel(std::string_view name);

/// For --list-formats: every format that RecogniseUnsupported() can name,
/// sorted.
std::span<const std::string_view> RecognisedFormatNames();

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_RECOGNISED_FORMATS_H_
