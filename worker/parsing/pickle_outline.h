#ifndef SCANENGINE_WORKER_PARSING_PICKLE_OUTLINE_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_OUTLINE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ipc/inspection.h"
#include "worker/parsing/pickle_machine.h"

namespace scanengine {

class PickleInspector;

/// Writes a value as an indented outline: containers with their lengths,
/// objects with their state, tensors and arrays with their shapes.
///
/// Bounded in depth, in entries of one container and in lines; what occurs
/// again is not written again, so that neither cycles nor shared values
/// multiply.
class PickleOutline {
 public:
  static constexpr std::uint16_t kMaxDepth = 24;
  static constexpr std::size_t kMaxLines = 5'000;
  static constexpr std::size_t kMaxEntries = 512;  ///< Of one container.
  static constexpr std::size_t kMaxLineBytes = 240;

  PickleOutline(const PickleMachine& machine, const PickleInspector& inspector)
      : machine_(machine), inspector_(inspector) {}

  void Write(PickleValue value) { WriteValue(value, "", 0); }

  std::vector<InspectedLine>& lines() { return lines_; }
  /// Lines that did not fit.
  std::uint64_t dropped() const { return dropped_; }

 private:
  void WriteValue(PickleValue value, const std::string& label,
                  std::uint16_t depth);
  void WriteContainer(PickleValue value, const std::string& label,
                      std::uint16_t depth);
  void WriteObject(PickleValue value, const std::string& label,
                   std::uint16_t depth);
  void WriteEntries(const std::vector<PickleValue>& items, bool pairs,
                    std::uint64_t count, std::uint16_t depth);
  void AddLine(std::uint16_t depth, std::string text);
  // Plain items of a list share lines.
  bool IsPlain(PickleValue value) const;
  void AddToRow(std::uint16_t depth, std::string_view text);
  void EndRow(std::uint16_t depth);
  bool FitsOneLine(PickleValue container) const;
  std::string Short(PickleValue value, std::size_t max_bytes) const;
  std::string SummaryOf(PickleValue object) const;

  const PickleMachine& machine_;
  const PickleInspector& inspector_;
  std::vector<InspectedLine> lines_;
  std::unordered_set<std::uint32_t> seen_;  // Nodes that were written.
  std::string row_;                         // Not written yet.
  std::uint64_t dropped_ = 0;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_OUTLINE_H_
