#ifndef SCANENGINE_CLI_CONSOLE_WINDOWS_H_
#define SCANENGINE_CLI_CONSOLE_WINDOWS_H_

#include <windows.h>

#include <string>
#include <string_view>

namespace scanengine::cli {

/// Writes UTF-8 to a console, whatever its code page: in UTF-16, by the call
/// for that. A character that was cut in two is kept until the rest comes.
class ConsoleWriter {
 public:
  explicit ConsoleWriter(HANDLE console) : console_(console) {}

  /// 0 or an error of the system.
  DWORD Write(std::string_view text);

 private:
  HANDLE console_;
  std::string held_;
};

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_CONSOLE_WINDOWS_H_
