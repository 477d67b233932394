#ifndef SCANENGINE_IPC_WINDOWS_PATH_H_
#define SCANENGINE_IPC_WINDOWS_PATH_H_

#include <string>
#include <string_view>

/// The rules of Windows for paths, as text only, so that they can be tested on
/// every system. (Microsoft, "Naming Files, Paths, and Namespaces".)
///
/// Within the program a path has slashes on all systems: "C:/models/a.pkl",
/// "//server/share/a.pkl", "models/a.pkl". Bytes are WTF-8 (wtf8.h).

namespace scanengine {

/// What people and the system write: backslashes become slashes, the prefixes
/// `\\?\` and `\\?\UNC\` go.
std::string WithSlashes(std::string_view path);

/// True for "C:", "C:/", "//server/share" and what is below them.
bool IsAbsoluteWindowsPath(std::string_view path);

/// The form that the system takes as it is: `\\?\C:\models\a.pkl`,
/// `\\?\UNC\server\share\a.pkl`. There is no limit of 260 characters to it, no
/// name is reserved in it ("NUL" is a file), and blanks and dots at the end of
/// a name count.
///
/// |current| is the current folder, absolute and with slashes; "." and ".." are
/// taken out as text. "C:" is the root of the drive. Empty for what is no path
/// to a file: "//./pipe/x",
/// "//server", "C:x" where |current| is on another drive.
std::string ExtendedPath(std::string_view path, std::string_view current);

/// True if Windows outside of `\\?\` takes this name, whatever its folder, for
/// a device: CON, NUL, COM1, also with an extension or in lower case.
bool IsReservedName(std::string_view name);

}  // namespace scanengine

#endif  // SCANENGINE_IPC_WINDOWS_PATH_H_
