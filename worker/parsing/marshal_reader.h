#ifndef SCANENGINE_WORKER_PARSING_MARSHAL_READER_H_
#define SCANENGINE_WORKER_PARSING_MARSHAL_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scanengine {

/// What a code object of Python that was written by marshal refers to, with the
/// code objects inside it.
struct MarshalCode {
  std::string name;      ///< "<module>", or of the function.
  std::string filename;  ///< Where it was compiled.
  /// Names of globals, modules and attributes, each once, in order; at most
  /// kMostNames.
  std::vector<std::string> names;
  std::vector<std::string> strings;  ///< Constants; at most kMostStrings.
  std::uint32_t codes = 0;           ///< Code objects.
  bool whole = false;                ///< Read to its end without an error.

  static constexpr std::size_t kMostNames = 100;
  static constexpr std::size_t kMostStrings = 20;
};

/// Reads |bytes|, the marshal dump of a code object of Python 2.7 or 3.0 to
/// 3.13, or a .pyc file with one in it; nothing if it is none. What is cut or
/// broken is read as far as it goes.
///
/// Format: CPython Python/marshal.c; the layout of code objects changed in 3.8
/// and 3.11 and is told by what fits. Linear, and nested at most as deep as
/// CPython allows.
std::optional<MarshalCode> ReadMarshalCode(std::string_view bytes);

/// Quick test of the first bytes.
bool MayBeMarshalCode(std::string_view head);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_MARSHAL_READER_H_
