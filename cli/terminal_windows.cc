#include <windows.h>
//
#include <fcntl.h>
#include <io.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "cli/console_windows.h"
#include "cli/terminal.h"
#include "ipc/windows_system.h"

namespace scanengine::cli {
namespace {

// The console takes no more in one call on old systems.
constexpr std::size_t kMostUnits = 8192;

HANDLE HandleOf(Stream stream) {
  constexpr std::array<DWORD, 3> kNames{STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
                                        STD_ERROR_HANDLE};
  return ::GetStdHandle(kNames[static_cast<std::size_t>(stream)]);
}

// Of the console before we changed it; it outlives us.
struct SavedMode {
  HANDLE console = nullptr;
  DWORD mode = 0;
};
std::array<SavedMode, 3> saved_modes;

void RestoreConsole() {
  for (const SavedMode& saved : saved_modes) {
    if (saved.console != nullptr) ::SetConsoleMode(saved.console, saved.mode);
  }
}

// Colours and the status line are escape sequences.
void EnableSequences(Stream stream) {
  const HANDLE console = HandleOf(stream);
  DWORD mode = 0;
  if (!::GetConsoleMode(console, &mode)) return;
  if ((mode & ENABLE_VIRTUAL_TERMINAL_PROCESSING) == 0 &&
      ::SetConsoleMode(console, mode | ENABLE_PROCESSED_OUTPUT |
                                    ENABLE_VIRTUAL_TERMINAL_PROCESSING)) {
    saved_modes[static_cast<std::size_t>(stream)] = {console, mode};
  }
}

void OpenMissing(Stream stream, DWORD name) {
  const HANDLE handle = HandleOf(stream);
  if (handle != nullptr && handle != INVALID_HANDLE_VALUE) return;
  const HANDLE null_device = ::CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE,
                                           FILE_SHARE_READ | FILE_SHARE_WRITE,
                                           nullptr, OPEN_EXISTING, 0, nullptr);
  ::SetStdHandle(name, null_device);
}

// How many bytes at the end of |text| are the beginning of a character.
std::size_t Unfinished(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size());
       ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const std::size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return back < length ? back : 0;
  }
  return 0;
}

}  // namespace

DWORD ConsoleWriter::Write(std::string_view text) {
  held_ += text;
  const std::size_t whole = held_.size() - Unfinished(held_);
  const std::wstring units = Wide(std::string_view(held_).substr(0, whole));
  held_.erase(0, whole);
  for (std::size_t at = 0; at < units.size();) {
    std::size_t count = std::min(units.size() - at, kMostUnits);
    // Not between the halves of a pair.
    if (at + count < units.size() && (units[at + count] & 0xfc00) == 0xdc00) {
      --count;
    }
    DWORD put = 0;
    if (!::WriteConsoleW(console_, units.data() + at, static_cast<DWORD>(count),
                         &put, nullptr)) {
      return ::GetLastError();
    }
    at += std::max<std::size_t>(put, 1);
  }
  return 0;
}

void PrepareStandardStreams() {
  OpenMissing(Stream::kInput, STD_INPUT_HANDLE);
  OpenMissing(Stream::kOutput, STD_OUTPUT_HANDLE);
  OpenMissing(Stream::kError, STD_ERROR_HANDLE);
  // Bytes are bytes: no Ctrl-Z, no carriage returns.
  for (std::FILE* const file : {stdin, stdout, stderr}) {
    const int descriptor = ::_fileno(file);
    if (descriptor >= 0) ::_setmode(descriptor, _O_BINARY);
  }
  EnableSequences(Stream::kOutput);
  EnableSequences(Stream::kError);
  std::atexit(RestoreConsole);
}

// A console that does not know escape sequences (before Windows 10) is treated
// like a file: plain text, no status line.
bool IsTerminal(Stream stream) {
  DWORD mode = 0;
  if (!::GetConsoleMode(HandleOf(stream), &mode)) return false;
  return stream == Stream::kInput ||
         (mode & ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0;
}

int TerminalWidth(Stream stream) {
  CONSOLE_SCREEN_BUFFER_INFO info{};
  if (::GetConsoleScreenBufferInfo(HandleOf(stream), &info)) {
    // The window; the buffer behind it may be wider.
    const int columns = info.srWindow.Right - info.srWindow.Left + 1;
    if (columns > 0) return columns;
  }
  return WidthWithoutTerminal();
}

void WriteError(std::string_view text) {
  const HANDLE error = HandleOf(Stream::kError);
  DWORD mode = 0;
  if (::GetConsoleMode(error, &mode)) {
    ConsoleWriter(error).Write(text);
    return;
  }
  while (!text.empty()) {
    DWORD put = 0;
    if (!::WriteFile(error, text.data(), static_cast<DWORD>(text.size()), &put,
                     nullptr)) {
      return;
    }
    text.remove_prefix(put);
  }
}

}  // namespace scanengine::cli
