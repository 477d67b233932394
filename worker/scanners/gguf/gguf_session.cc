#include "worker/scanners/gguf/gguf_session.h"

#include <algorithm>
#include <utility>

#include "ipc/text.h"
#include "worker/parsing/hostile_name.h"

namespace scanengine::gguf {
namespace {

constexpr std::uint64_t kMaxNameBytes = 65535;    // gguf.md, "key"
constexpr std::uint64_t kMaxEntries = 1'000'000;  // Keys, and tensors.

}  // namespace

Session::Session(ScanContext& scan_context)
    : context(scan_context),
      stream(scan_context.source()),
      reader(scan_context.source(), stream),
      malformed(scan_context, kMalformed),
      counts(scan_context, kCount),
      bounds(scan_context, kTensorBounds),
      overlaps(scan_context, kTensorOverlap),
      types(scan_context, kUnknownType),
      names(scan_context, kName) {}

std::string Session::ReadName(std::string_view what) {
  const std::uint64_t place = reader.offset();
  const std::uint64_t length = reader.Length();
  if (length <= kMaxNameBytes) {
    std::string name = reader.Text(static_cast<std::size_t>(length));
    if (IsHostileName(name)) {
      names.Report(
          {.message = std::string(what) + " \"" + Printable(name, 100) + "\"",
           .offset = place});
    }
    return name;
  }
  counts.Report({.message = "a name of " + HumanSize(length), .offset = place});
  reader.Skip(length);
  return {};
}

bool Session::WithinEntries(std::uint64_t count, std::string_view what) {
  if (count < kMaxEntries) return true;
  ReachLimit("more than " + std::to_string(kMaxEntries) + " " +
             std::string(what));
  return false;
}

void Session::ReachLimit(std::string message, std::uint64_t offset) {
  context.Report(kLimit, {.message = message, .offset = offset});
  context.MarkIncomplete(OutcomeStatus::kLimit, std::move(message));
  whole = false;
}

void Session::ReportDuplicates(std::vector<std::size_t>& hashes,
                               std::string_view what) {
  std::sort(hashes.begin(), hashes.end());
  std::uint64_t duplicates = 0;
  for (std::size_t i = 1; i < hashes.size(); ++i) {
    if (hashes[i] == hashes[i - 1]) ++duplicates;
  }
  if (duplicates == 0) return;
  context.Report(kDuplicateKey, {.message = std::to_string(duplicates) +
                                            " duplicate " + std::string(what)});
}

void Session::Finish() {
  for (DefectReporter* reporter :
       {&malformed, &counts, &bounds, &overlaps, &types, &names}) {
    reporter->Finish();
  }
}

}  // namespace scanengine::gguf
