#include "engine/path_syntax.h"

namespace scanengine {

std::string PortablePath(std::string path) { return path; }

std::string PortableGlob(std::string glob) { return glob; }

const bool kNamesIgnoreCase = false;

char32_t LowerCase(char32_t symbol) {
  return symbol >= U'A' && symbol <= U'Z' ? symbol - U'A' + U'a' : symbol;
}

char32_t UpperCase(char32_t symbol) {
  return symbol >= U'a' && symbol <= U'z' ? symbol - U'a' + U'A' : symbol;
}

}  // namespace scanengine
