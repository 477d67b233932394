#ifndef SCANENGINE_TESTS_SUPPORT_SCRIPTED_SCANNER_H_
#define SCANENGINE_TESTS_SUPPORT_SCRIPTED_SCANNER_H_

#include <functional>

#include "worker/scanner.h"

namespace scanengine::testing {

/// What the scanner "scripted" does with a file or member that begins with
/// "SCRIPT". It stands in for all scanners in a test that links
/// scripted_scanner.cc: the registry of the program is left out there.
extern std::function<void(ScanContext&)> on_scan;

}  // namespace scanengine::testing

#endif  // SCANENGINE_TESTS_SUPPORT_SCRIPTED_SCANNER_H_
