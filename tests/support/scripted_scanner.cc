#include "tests/support/scripted_scanner.h"

#include <array>

#include "tests/support/byte_strings.h"

namespace scanengine {
namespace testing {

std::function<void(ScanContext&)> on_scan;

namespace {

bool BeginsWith(const ProbeInput& input, std::string_view magic) {
  const auto bytes = BytesOf(magic);
  return input.head.size() >= bytes.size() &&
         std::equal(bytes.begin(), bytes.end(), input.head.begin());
}

constexpr Scanner kScripted{
    "scripted",
    ".script",
    "a scanner that does what a test says",
    [](const ProbeInput& input) {
      return BeginsWith(input, "SCRIPT") ? Match::kCertain : Match::kNo;
    },
    [](ScanContext& context) { on_scan(context); },
    {}};
// Certain of half of what the other one takes: a polyglot.
constexpr Scanner kSecond{
    "second",
    ".second",
    "a second one, for polyglots",
    [](const ProbeInput& input) {
      return BeginsWith(input, "SCRIPT+") ? Match::kCertain : Match::kNo;
    },
    [](ScanContext&) {},
    {}};

constexpr std::array<const Scanner*, 2> kAll{&kScripted, &kSecond};

}  // namespace
}  // namespace testing

std::span<const Scanner* const> AllScanners() { return testing::kAll; }

}  // namespace scanengine
