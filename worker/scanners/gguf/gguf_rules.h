#ifndef SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_RULES_H_
#define SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_RULES_H_

#include "ipc/finding.h"

namespace scanengine::gguf {

inline constexpr Rule kMalformed{
    "gguf-malformed",
    Severity::kMedium,
    "The GGUF header is not as the format requires",
    "Readers of the format have had memory errors on broken headers, and they "
    "disagree on what such a file holds.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-20"};
inline constexpr Rule kCount{
    "gguf-count",
    Severity::kMedium,
    "A count or length is larger than the file can hold",
    "A reader that allocates what the file asks for runs out of memory or "
    "overflows; this has been exploited.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-190 CVE-2024-25664 CVE-2024-25665 CVE-2024-25666"};
inline constexpr Rule kDuplicateKey{
    "gguf-duplicate-key",
    Severity::kMedium,
    "A key or tensor name occurs twice",
    "Readers differ in which of the two they take, so that one may load what "
    "another did not see.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-436"};
inline constexpr Rule kTensorBounds{
    "gguf-tensor-bounds",
    Severity::kMedium,
    "A tensor's place or size does not fit the file",
    "A reader that trusts it reads outside of the tensor's bytes.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-125"};
inline constexpr Rule kTensorOverlap{
    "gguf-tensor-overlap",
    Severity::kMedium,
    "Two tensors share bytes",
    "No writer makes such files; a small file can claim any amount of data.",
    "Do not load it; get the file again from a source that you trust.",
    "CWE-20"};
inline constexpr Rule kUnknownType{
    "gguf-unknown-type", Severity::kLow, "A tensor is of an unknown type",
    "It may be newer than this program, or of a fork; its size could not be "
    "checked.",
    "Check that your reader knows the type."};
inline constexpr Rule kName{
    "gguf-name",
    Severity::kMedium,
    "A key or tensor name holds a path or control characters",
    "Tools that write tensors to files by name, or print names, can be led "
    "astray by it.",
    "Look at the name before you unpack or convert the file.",
    "CWE-22"};
inline constexpr Rule kTemplate{
    "gguf-template-injection",
    Severity::kCritical,
    "The chat template reaches out of the template language",
    "Programs that render the template without a sandbox run what it says as "
    "soon as the model is used.",
    "Do not use the model; report it to its publisher.",
    "CVE-2024-34359 CWE-1336"};
inline constexpr Rule kLimit{
    "gguf-limit",
    Severity::kMedium,
    "The file has more of something than is looked at",
    "What lies beyond a limit was not looked at, and no real model comes near "
    "it.",
    "Do not load it unless you know why it is so large.",
    "CWE-770"};

}  // namespace scanengine::gguf

#endif  // SCANENGINE_WORKER_SCANNERS_GGUF_GGUF_RULES_H_
