#ifndef SCANENGINE_ENGINE_PATH_SYNTAX_H_
#define SCANENGINE_ENGINE_PATH_SYNTAX_H_

#include <string>

/// What differs between systems in how people write paths and names.

namespace scanengine {

/// A path as somebody typed it, as the program writes paths: with slashes on
/// all systems (a backslash is part of a name on POSIX). |path| as it is
/// otherwise.
std::string PortablePath(std::string path);

/// The same for a glob: where a backslash separates folders it quotes nothing.
std::string PortableGlob(std::string glob);

/// True if the system takes names for one that differ in case only.
extern const bool kNamesIgnoreCase;

/// The simple case mapping of one character where kNamesIgnoreCase, as the
/// system has it; of ASCII elsewhere.
char32_t LowerCase(char32_t symbol);
char32_t UpperCase(char32_t symbol);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_PATH_SYNTAX_H_
