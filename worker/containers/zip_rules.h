#ifndef SCANENGINE_WORKER_CONTAINERS_ZIP_RULES_H_
#define SCANENGINE_WORKER_CONTAINERS_ZIP_RULES_H_

#include <span>

#include "ipc/finding.h"

namespace scanengine {

/// What WalkZip() may report.
extern const Rule kZipMalformed;
extern const Rule kZipAmbiguousEnd;
extern const Rule kZipNameMismatch;
extern const Rule kZipHeaderMismatch;
extern const Rule kZipFalseEncryption;
extern const Rule kZipCrcMismatch;
extern const Rule kZipDuplicateName;
extern const Rule kZipOverlap;
extern const Rule kZipHiddenMember;
extern const Rule kZipHiddenData;
extern const Rule kZipOutsideData;
extern const Rule kZipPathTraversal;
extern const Rule kZipSymlink;
extern const Rule kZipOddName;
extern const Rule kZipEncrypted;
extern const Rule kZipUnsupportedMethod;

/// All of them.
std::span<const Rule* const> ZipRules();

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_ZIP_RULES_H_
