#ifndef SCANENGINE_WORKER_PARSING_PICKLE_TEXT_CALLS_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_TEXT_CALLS_H_

#include <optional>
#include <span>
#include <string>

#include "worker/parsing/pickle_machine.h"

namespace scanengine {

/// A str or bytes of Python.
struct PickleText {
  std::string text;
  bool is_bytes = false;

  bool operator==(const PickleText&) const = default;
};

/// What a function of strings returns for |first| and |rest|, of which those
/// are empty that are no text. Nothing if the result cannot be told for sure:
/// with an argument that the machine does not model, or an unusual codec.
std::optional<PickleText> CallOnText(
    PickleMeaning meaning, const PickleText& first,
    std::span<const std::optional<std::string>> rest);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_TEXT_CALLS_H_
