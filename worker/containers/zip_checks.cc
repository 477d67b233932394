#include "worker/containers/zip_checks.h"

#include <utility>

#include "ipc/text.h"
#include "worker/containers/zip_rules.h"

namespace scanengine {
namespace {

constexpr std::uint64_t kReportedOneByOne = 16;

bool IsAsciiLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// What every encoding leaves of a name: ASCII without the signs that tools put
// for what they cannot write.
std::string AsciiPart(std::string_view name) {
  std::string ascii;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x80 && c != '?' && c != '_') {
      ascii += c;
    }
  }
  return ascii;
}

std::string Both(std::string_view what, std::uint64_t central,
                 std::uint64_t local) {
  return std::string(what) + " " + std::to_string(central) +
         " in the directory, " + std::to_string(local) + " in its own header";
}

}  // namespace

void ZipReporter::Report(const Rule& rule, Severity severity,
                         Sighting sighting) {
  Tally& tally = tallies_[&rule];
  if (tally.reported == kReportedOneByOne) {
    ++tally.more;
    tally.worst_more = std::max(tally.worst_more, severity);
    return;
  }
  ++tally.reported;
  sink_.Report(rule, severity, std::move(sighting));
}

void ZipReporter::Finish() {
  // By id, so that the order does not depend on addresses.
  std::map<std::string_view, std::pair<const Rule*, Tally>> by_id;
  for (const auto& [rule, tally] : tallies_) {
    by_id.emplace(rule->id, std::pair(rule, tally));
  }
  for (const auto& [id, entry] : by_id) {
    const auto& [rule, tally] = entry;
    if (tally.more == 0) continue;
    sink_.Report(*rule, tally.worst_more,
                 {std::to_string(tally.more) + " more cases of the same"});
  }
}

std::string QuoteZipName(std::string_view name) {
  return '"' + Printable(name, 120) + '"';
}

std::string_view ZipPathLeadsOut(std::string_view name) {
  if (name.empty()) return {};
  if (name[0] == '/' || name[0] == '\\') return "it is an absolute path";
  if (name.size() >= 2 && name[1] == ':' && IsAsciiLetter(name[0])) {
    return "it names a drive";
  }
  std::size_t begin = 0;
  while (begin <= name.size()) {
    std::size_t end = name.find_first_of("/\\", begin);
    if (end == std::string_view::npos) end = name.size();
    if (name.substr(begin, end - begin) == "..") {
      return "it climbs to a parent folder";
    }
    begin = end + 1;
  }
  return {};
}

void CheckZipName(const ZipEntry& entry, ZipReporter& reporter) {
  const std::string quoted = QuoteZipName(entry.name);
  const std::uint64_t at = entry.record_offset;
  for (const std::string_view name :
       {std::string_view(entry.name), std::string_view(entry.unicode_name)}) {
    const std::string_view out = ZipPathLeadsOut(name);
    if (out.empty()) continue;
    reporter.Report(kZipPathTraversal,
                    {"member " + QuoteZipName(name) + ": " + std::string(out),
                     at, std::string(name)});
    break;
  }
  if (entry.name.empty()) {
    reporter.Report(kZipOddName, {"a member has an empty name", at});
  }
  if (entry.name.find('\0') != std::string::npos) {
    reporter.Report(kZipOddName,
                    {"member " + quoted + " has a NUL byte in its name", at});
  }
  if (!IsUtf8(entry.name)) {
    const bool claimed = (entry.flags & kZipFlagUtf8) != 0;
    reporter.Report(kZipOddName, claimed ? Severity::kMedium : Severity::kLow,
                    {"the name of member " + quoted +
                         (claimed ? " claims to be UTF-8 but is not"
                                  : " is in no known encoding"),
                     at});
  }
  if (!entry.unicode_name.empty() && entry.unicode_name != entry.name &&
      AsciiPart(entry.unicode_name) != AsciiPart(entry.name)) {
    reporter.Report(kZipNameMismatch, {"member " + quoted + " is called " +
                                           QuoteZipName(entry.unicode_name) +
                                           " by its Unicode path field",
                                       at});
  }
}

ZipDifference CompareZipHeaders(const ZipEntry& entry, const ZipLocal& local,
                                ZipReporter& reporter) {
  ZipDifference difference;
  const std::string member = "member " + QuoteZipName(entry.name) + ": ";
  const std::uint64_t at = local.offset;
  if (local.name != entry.name) {
    difference.name = true;
    reporter.Report(
        kZipNameMismatch,
        {member + "its own header calls it " + QuoteZipName(local.name), at});
  }
  if (local.method != entry.method) {
    difference.data = true;
    reporter.Report(kZipHeaderMismatch,
                    {member + "packed by " + ZipMethodName(entry.method) +
                         " in the directory, by " +
                         ZipMethodName(local.method) + " in its own header",
                     at});
  }
  if (((local.flags ^ entry.flags) & kZipFlagsOfEncryption) != 0) {
    reporter.Report(kZipHeaderMismatch,
                    {member + "only one of its headers says encrypted", at});
  }
  // Sizes and checksum follow the data; writers then leave zeros here.
  const bool later = ((local.flags | entry.flags) & kZipFlagDescriptor) != 0;
  if (local.packed_size != entry.packed_size &&
      !(later && local.packed_size == 0)) {
    difference.data = true;
    reporter.Report(
        kZipHeaderMismatch,
        {member + Both("packed size is", entry.packed_size, local.packed_size),
         at});
  }
  if (local.size != entry.size && !(later && local.size == 0)) {
    difference.data = true;
    reporter.Report(kZipHeaderMismatch,
                    {member + Both("size is", entry.size, local.size), at});
  }
  if (local.crc != entry.crc && !(later && local.crc == 0)) {
    reporter.Report(kZipHeaderMismatch, Severity::kMedium,
                    {member + "its headers give two checksums", at});
  }
  return difference;
}

}  // namespace scanengine
