#ifndef SCANENGINE_IPC_WTF8_H_
#define SCANENGINE_IPC_WTF8_H_

#include <string>
#include <string_view>

namespace scanengine {

/// Names on Windows are any sequence of 16-bit units; mostly UTF-16, but a half
/// of a surrogate pair may stand alone. WTF-8 (simonsapin.github.io/wtf-8) is
/// UTF-8 that can say that, too, so that every name has a form in bytes and
/// comes back the same. Linear time.
std::string Wtf8FromUtf16(std::u16string_view units);

/// The other way. What is no WTF-8 becomes U+FFFD, byte by byte: a name with
/// that in it is found nowhere.
std::u16string Utf16FromWtf8(std::string_view bytes);

}  // namespace scanengine

#endif  // SCANENGINE_IPC_WTF8_H_
