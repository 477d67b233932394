#ifndef SCANENGINE_WORKER_INSPECTION_BUILDER_H_
#define SCANENGINE_WORKER_INSPECTION_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/inspection.h"

namespace scanengine {

/// Collects what a task of kind "inspect" tells, within the bounds of
/// ipc/inspection.h. One for each file. Not thread-safe.
///
/// Sections are opened and closed like brackets: one that is opened within
/// another is a part of it.
class InspectionBuilder {
 public:
  /// What a record is for. Where much is told step by step, room is kept for
  /// what sums it up.
  enum class Room { kSteps, kSummary };

  explicit InspectionBuilder(InspectOptions options)
      : options_(std::move(options)) {}

  const InspectOptions& options() const { return options_; }
  bool Wants(std::string_view member) const {
    return WantsMember(options_.member, member);
  }

  /// Opens a section of |member|; false if there are too many. Then nothing of
  /// it is told, and it must not be closed.
  bool Open(std::string_view member, std::string_view kind);
  /// A string at |offset| of the open section is looked into: what is opened
  /// next lies in it. kNoOffset: no longer.
  void SetStringOffset(std::uint64_t offset);
  /// True if a record of |bytes| fits; if not, that is remembered.
  bool Charge(std::size_t bytes, Room room);
  /// Closes what was opened last. |section| is what it tells; number, parent,
  /// member and kind are filled in here.
  void Close(InspectionSection section);
  /// Closes it as if it had never been opened, with all within it.
  void Discard();

  /// All of it, in at most |max_bytes|. The builder is empty after it.
  Inspection Take(std::size_t max_bytes);

 private:
  struct Opened {
    std::size_t index = 0;
    std::size_t used_before = 0;
    bool truncated_before = false;
    std::uint64_t string_offset = kNoOffset;
  };

  InspectOptions options_;
  Inspection inspection_;
  std::vector<Opened> open_;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
  std::size_t used_ = 0;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_INSPECTION_BUILDER_H_
