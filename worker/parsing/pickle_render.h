#ifndef SCANENGINE_WORKER_PARSING_PICKLE_RENDER_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_RENDER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "worker/parsing/pickle_machine.h"

namespace scanengine {

/// Writes values as Python-like text for people, bounded in depth and size.
/// Lives for one text.
class PickleRenderer {
 public:
  /// Name of a value that was made by a call ("v3"); empty: it has none and is
  /// written as the call. May be null.
  using NameOf = std::function<std::string(PickleValue)>;

  PickleRenderer(const PickleMachine& machine, std::size_t max_bytes,
                 NameOf name_of = nullptr)
      : machine_(machine),
        max_bytes_(max_bytes),
        name_of_(std::move(name_of)) {}

  void Write(PickleValue value, std::uint32_t depth = 0);
  /// "(1, 2)", with ", **{...}" if there are keywords.
  void WriteArguments(PickleValue arguments, std::uint32_t depth = 0,
                      PickleValue keywords = {});
  void Add(std::string_view text) { out_ += text; }

  /// All that was written, printable.
  std::string Finish();

 private:
  void WriteNode(PickleValue value, std::uint32_t depth);
  void WriteItems(PickleValue value, std::uint32_t depth, bool pairs);
  bool full() const { return out_.size() > max_bytes_; }

  const PickleMachine& machine_;
  std::size_t max_bytes_;
  NameOf name_of_;
  std::string out_;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_RENDER_H_
