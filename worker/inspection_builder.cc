#include "worker/inspection_builder.h"

#include <utility>

#include "ipc/check.h"
#include "ipc/text.h"

namespace scanengine {
namespace {

constexpr std::size_t kMaxMemberBytes = 1024;
constexpr std::size_t kStepBytes = kMaxInspectionBytes / 4 * 3;

std::string KeyOf(const InspectionSection& section) {
  return section.kind + '\n' + section.member;
}

}  // namespace

bool InspectionBuilder::Open(std::string_view member, std::string_view kind) {
  InspectionSection section;
  section.member = Printable(member, kMaxMemberBytes);
  section.kind = kind;
  const std::size_t size = WireSizeOfHead(section);
  if (inspection_.sections.size() >= kMaxInspectionSections ||
      used_ + size > kMaxInspectionBytes) {
    inspection_.truncated = true;
    return false;
  }
  Opened opened;
  opened.index = inspection_.sections.size();
  opened.used_before = used_;
  opened.truncated_before = inspection_.truncated;
  used_ += size;
  if (open_.empty()) {
    section.number = ++numbers_[KeyOf(section)];
  } else {
    section.parent = static_cast<std::uint32_t>(open_.back().index + 1);
    section.parent_offset = open_.back().string_offset;
  }
  inspection_.sections.push_back(std::move(section));
  open_.push_back(opened);
  return true;
}

void InspectionBuilder::SetStringOffset(std::uint64_t offset) {
  if (!open_.empty()) open_.back().string_offset = offset;
}

bool InspectionBuilder::Charge(std::size_t bytes, Room room) {
  const std::size_t most =
      room == Room::kSteps ? kStepBytes : kMaxInspectionBytes;
  if (used_ + bytes > most) {
    inspection_.truncated = true;
    return false;
  }
  used_ += bytes;
  return true;
}

void InspectionBuilder::Close(InspectionSection section) {
  SCANENGINE_CHECK(!open_.empty());
  InspectionSection& place = inspection_.sections[open_.back().index];
  section.member = std::move(place.member);
  section.kind = std::move(place.kind);
  section.number = place.number;
  section.parent = place.parent;
  section.parent_offset = place.parent_offset;
  if (section.dropped != 0) inspection_.truncated = true;
  place = std::move(section);
  open_.pop_back();
}

void InspectionBuilder::Discard() {
  SCANENGINE_CHECK(!open_.empty());
  const Opened& opened = open_.back();
  if (open_.size() == 1) {
    --numbers_[KeyOf(inspection_.sections[opened.index])];
  }
  inspection_.sections.resize(opened.index);
  inspection_.truncated = opened.truncated_before;
  used_ = opened.used_before;
  open_.pop_back();
}

Inspection InspectionBuilder::Take(std::size_t max_bytes) {
  std::size_t size = WireSize(inspection_);
  // Parents come first, so that the last one holds nothing that stays.
  while (!inspection_.sections.empty() && size > max_bytes) {
    size -= WireSize(inspection_.sections.back());
    inspection_.sections.pop_back();
    inspection_.truncated = true;
  }
  open_.clear();
  numbers_.clear();
  used_ = 0;
  return std::exchange(inspection_, {});
}

}  // namespace scanengine
