#ifndef SCANENGINE_CLI_OUTPUT_FILE_H_
#define SCANENGINE_CLI_OUTPUT_FILE_H_

#include <memory>
#include <string>

#include "cli/report_writer.h"
#include "ipc/result.h"

namespace scanengine::cli {

/// Standard output. Commit() fails if the system says so only now.
std::unique_ptr<ByteSink> OpenStandardOutput();

/// A file that appears under |path|, or replaces what is there, at Commit() and
/// not before: until then the bytes are in a file beside it that has no name
/// where the file system allows that, so that neither a scan of the folder nor
/// a kill leaves traces. Commit() syncs, renames, and syncs the folder. A
/// replaced file keeps its mode; a link is followed. What is no regular file
/// (a device, a FIFO) is written directly.
///
/// Fails with kIo, kPermission or kNotFound and a fragment that reads after
/// "cannot write PATH: ".
Result<std::unique_ptr<ByteSink>> OpenOutputFile(const std::string& path);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_OUTPUT_FILE_H_
