#ifndef SCANENGINE_WORKER_CONTAINERS_TAR_RULES_H_
#define SCANENGINE_WORKER_CONTAINERS_TAR_RULES_H_

#include "ipc/finding.h"

namespace scanengine {

inline constexpr Rule kTarMalformed{
    "tar-malformed",
    Severity::kMedium,
    "The tar archive is broken",
    "Some programs stop at the damage, others go on behind it.",
    "Get the file again from its source; do not load it as it is.",
    "CWE-436"};
inline constexpr Rule kTarAmbiguous{
    "tar-ambiguous-size",
    Severity::kHigh,
    "The size of a tar member is given in several ways",
    "Programs that trust one size see other members behind it than programs "
    "that trust the other. Both readings were scanned.",
    "Treat the file as an attempt to hide something.",
    "CVE-2025-62518 CWE-436"};
inline constexpr Rule kTarHiddenMember{
    "tar-hidden-member",
    Severity::kMedium,
    "The tar archive goes on behind its end",
    "Most programs stop at the mark of the end, some go on.",
    "Find out which tool wrote the file before you load it.",
    "CWE-436"};
inline constexpr Rule kTarTrailingData{
    "tar-trailing-data", Severity::kLow,
    "The tar archive holds bytes that belong to no member",
    "They are read by no archive program and can carry anything.",
    "Find out which tool wrote the file."};
inline constexpr Rule kTarPathTraversal{
    "tar-path-traversal",
    Severity::kHigh,
    "A tar member would be unpacked outside of its folder",
    "A careless unpacker overwrites files anywhere on the disk.",
    "Do not unpack the archive.",
    "CWE-22"};
inline constexpr Rule kTarLink{
    "tar-link",
    Severity::kLow,
    "A tar member is a link",
    "Links make unpackers write to, or loaders read from, other places.",
    "Do not unpack the archive with a tool that makes links out of its folder.",
    "CWE-61"};
inline constexpr Rule kTarSpecialFile{
    "tar-special-file", Severity::kMedium, "A tar member is a device or a pipe",
    "Models have no use for it; programs that open it hang or worse.",
    "Do not unpack the archive."};
inline constexpr Rule kTarDuplicateName{
    "tar-duplicate-name",
    Severity::kMedium,
    "Several tar members have the same name",
    "Some programs take the first, others the last of them.",
    "Find out which tool wrote the file before you load it.",
    "CWE-694"};
inline constexpr Rule kTarOddName{
    "tar-odd-name", Severity::kMedium,
    "A tar member has a name that programs read differently",
    "It is empty or has characters that no file name has.",
    "Find out which tool wrote the file."};
inline constexpr Rule kTarSparse{
    "tar-sparse", Severity::kLow, "A tar member is a sparse file",
    "Programs that do not know the format see other bytes. Both readings were "
    "scanned.",
    "Find out which tool wrote the file."};

/// What WalkTar() may report.
inline constexpr const Rule* kTarRules[] = {
    &kTarMalformed,     &kTarAmbiguous, &kTarHiddenMember, &kTarTrailingData,
    &kTarPathTraversal, &kTarLink,      &kTarSpecialFile,  &kTarDuplicateName,
    &kTarOddName,       &kTarSparse};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_TAR_RULES_H_
