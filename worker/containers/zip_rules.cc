#include "worker/containers/zip_rules.h"

namespace scanengine {

const Rule kZipMalformed{
    "zip-malformed",
    Severity::kMedium,
    "The zip archive is broken",
    "Programs recover from the damage in different ways, so what was scanned "
    "may differ from what is loaded.",
    "Get the file again from its source; do not load it as it is.",
    "CWE-436"};
const Rule kZipAmbiguousEnd{
    "zip-ambiguous-end",
    Severity::kHigh,
    "The end of the zip archive can be read in several ways",
    "Programs will list different members for one and the same file, so a "
    "check sees other contents than the loader. No ordinary tool writes this.",
    "Treat the file as an attempt to hide something.",
    "CWE-436"};
const Rule kZipNameMismatch{
    "zip-name-mismatch",
    Severity::kHigh,
    "A zip member has two different names",
    "Scanners that stop at the difference see nothing, while PyTorch loads the "
    "member by the name in the central directory.",
    "Treat the file as an attempt to hide something.",
    "CVE-2025-1944 CWE-436"};
const Rule kZipHeaderMismatch{
    "zip-header-mismatch",
    Severity::kHigh,
    "The two headers of a zip member contradict each other",
    "Programs that trust the one header get other bytes than programs that "
    "trust the other. Both readings were scanned.",
    "Treat the file as an attempt to hide something.",
    "CWE-436"};
const Rule kZipFalseEncryption{
    "zip-false-encryption",
    Severity::kHigh,
    "A zip member is marked as encrypted but is not",
    "The mark makes scanners skip the member or fail, while PyTorch ignores it "
    "and loads the contents.",
    "Treat the file as an attempt to hide something.",
    "CVE-2025-1945 CWE-436"};
const Rule kZipCrcMismatch{
    "zip-crc-mismatch",
    Severity::kMedium,
    "A zip member does not match its checksum",
    "The file is damaged, or the checksum was broken on purpose: Python "
    "refuses "
    "such a member, PyTorch loads it.",
    "Get the file again from its source; do not load it as it is.",
    "CVE-2025-10156 CWE-354"};
const Rule kZipDuplicateName{
    "zip-duplicate-name",
    Severity::kMedium,
    "Several zip members have the same name",
    "Some programs take the first, others the last of them.",
    "Find out which tool wrote the file before you load it.",
    "CWE-694"};
const Rule kZipOverlap{
    "zip-overlap",
    Severity::kHigh,
    "Zip members share bytes",
    "Members that lie on top of each other make archive bombs, and show one "
    "content under several headers. No ordinary tool writes this.",
    "Treat the file as hostile.",
    "CVE-2019-13232 CWE-409"};
const Rule kZipHiddenMember{
    "zip-hidden-member",
    Severity::kHigh,
    "The zip archive holds members that its directory does not list",
    "Programs that read archives from front to back unpack them, programs that "
    "use the directory do not see them.",
    "Treat the file as an attempt to hide something.",
    "CWE-436"};
const Rule kZipHiddenData{
    "zip-hidden-data",
    Severity::kLow,
    "The zip archive holds bytes that belong to no member",
    "They are read by no archive program and can carry anything.",
    "Find out which tool wrote the file.",
    "CWE-506"};
const Rule kZipOutsideData{
    "zip-outside-data",
    Severity::kLow,
    "There are bytes before or after the zip archive",
    "The file may be something else to another program.",
    "Find out why the file carries more than an archive.",
    "CWE-436"};
const Rule kZipPathTraversal{
    "zip-path-traversal",
    Severity::kHigh,
    "A zip member would be unpacked outside of its folder",
    "A careless unpacker overwrites files anywhere on the disk.",
    "Do not unpack the archive.",
    "CWE-22"};
const Rule kZipSymlink{
    "zip-symlink",
    Severity::kMedium,
    "A zip member is a symbolic link",
    "Links make unpackers write to, or loaders read from, other places.",
    "Do not unpack the archive with a tool that makes links.",
    "CWE-61"};
const Rule kZipOddName{
    "zip-odd-name",
    Severity::kMedium,
    "A zip member has a name that programs read differently",
    "Some programs cut a name at a NUL byte or guess its encoding.",
    "Find out which tool wrote the file.",
    "CWE-158"};
const Rule kZipEncrypted{"zip-encrypted", Severity::kLow,
                         "A zip member is encrypted",
                         "What cannot be read cannot be scanned.",
                         "Scan the unpacked member before you load it."};
const Rule kZipUnsupportedMethod{
    "zip-unsupported-method", Severity::kLow,
    "A zip member is packed in a way that is not read yet",
    "What cannot be read cannot be scanned.",
    "Scan the unpacked member before you load it."};

std::span<const Rule* const> ZipRules() {
  static constexpr const Rule* kRules[] = {
      &kZipMalformed,        &kZipAmbiguousEnd,    &kZipNameMismatch,
      &kZipHeaderMismatch,   &kZipFalseEncryption, &kZipCrcMismatch,
      &kZipDuplicateName,    &kZipOverlap,         &kZipHiddenMember,
      &kZipHiddenData,       &kZipOutsideData,     &kZipPathTraversal,
      &kZipSymlink,          &kZipOddName,         &kZipEncrypted,
      &kZipUnsupportedMethod};
  return kRules;
}

}  // namespace scanengine
