#include "worker/inspection_builder.h"

#include <catch2/catch.hpp>

namespace scanengine {
namespace {

using Room = InspectionBuilder::Room;

InspectionSection Ending(std::uint64_t end) {
  InspectionSection section;
  section.end = end;
  return section;
}

InspectionSection Expected(std::string member, std::uint32_t number,
                           std::uint32_t parent, std::uint64_t parent_offset,
                           std::uint64_t end) {
  InspectionSection section = Ending(end);
  section.member = std::move(member);
  section.kind = "pickle";
  section.number = number;
  section.parent = parent;
  section.parent_offset = parent_offset;
  return section;
}

TEST_CASE("Inspection builder: sections keep their order and their parents") {
  InspectionBuilder builder{InspectOptions()};
  REQUIRE(builder.Open("a", "pickle"));
  builder.SetStringOffset(17);
  REQUIRE(builder.Open("a", "pickle"));
  builder.Close(Ending(1));
  builder.SetStringOffset(kNoOffset);
  REQUIRE(builder.Open("a", "pickle"));
  builder.Close(Ending(2));
  builder.Close(Ending(3));
  REQUIRE(builder.Open("a", "pickle"));
  builder.Close(Ending(4));
  REQUIRE(builder.Open("b\x1b", "pickle"));
  builder.Close(Ending(5));
  CHECK(
      builder.Take(kMaxInspectionBytes) ==
      Inspection{
          {Expected("a", 1, 0, kNoOffset, 3), Expected("a", 0, 1, 17, 1),
           Expected("a", 0, 1, kNoOffset, 2), Expected("a", 2, 0, kNoOffset, 4),
           Expected("b\\x1b", 1, 0, kNoOffset, 5)},
          false});
}

TEST_CASE("Inspection builder: what is discarded leaves no trace") {
  InspectionBuilder builder{InspectOptions()};
  REQUIRE(builder.Open("a", "pickle"));
  builder.SetStringOffset(17);
  REQUIRE(builder.Open("a", "pickle"));
  builder.Close(Ending(1));
  CHECK_FALSE(builder.Charge(kMaxInspectionBytes, Room::kSummary));
  builder.Discard();
  REQUIRE(builder.Open("a", "pickle"));
  builder.Close(Ending(2));
  CHECK(builder.Take(kMaxInspectionBytes) ==
        Inspection{{Expected("a", 1, 0, kNoOffset, 2)}, false});
}

TEST_CASE("Inspection builder: steps leave room for what sums them up") {
  InspectionBuilder builder{InspectOptions()};
  REQUIRE(builder.Open("a", "pickle"));
  while (builder.Charge(1 << 16, Room::kSteps)) {
  }
  std::size_t more = 0;
  while (builder.Charge(1 << 16, Room::kSummary)) ++more;
  CHECK(more >= 16);
  builder.Close(Ending(1));
  CHECK(builder.Take(kMaxInspectionBytes).truncated);
}

TEST_CASE("Inspection builder: sections are bounded in number") {
  InspectionBuilder builder{InspectOptions()};
  for (std::size_t i = 0; i < kMaxInspectionSections; ++i) {
    REQUIRE(builder.Open("a", "pickle"));
    builder.Close(Ending(i));
  }
  CHECK_FALSE(builder.Open("a", "pickle"));
  const Inspection inspection = builder.Take(kMaxInspectionBytes);
  CHECK(inspection.sections.size() == kMaxInspectionSections);
  CHECK(inspection.truncated);
}

TEST_CASE("Inspection builder: less room than was thought drops the last") {
  InspectionBuilder builder{InspectOptions()};
  for (int i = 0; i < 3; ++i) {
    REQUIRE(builder.Open("a", "pickle"));
    InspectionSection section;
    section.outline = {{0, std::string(1000, 'x')}};
    builder.Close(std::move(section));
  }
  const Inspection inspection = builder.Take(2'800);
  CHECK(inspection.sections.size() == 2);
  CHECK(inspection.truncated);
  CHECK(builder.Take(2'800) == Inspection());
}

}  // namespace
}  // namespace scanengine
