#ifndef SCANENGINE_IPC_IMPORT_POLICY_LAYOUT_H_
#define SCANENGINE_IPC_IMPORT_POLICY_LAYOUT_H_

#include <array>
#include <cstddef>
#include <cstdint>

/// The compiled form of the policy tables, shared by the builder and the view.
///
///     header | entries, table by table, each sorted by key | arena of texts
///
/// Native byte order: the bytes never leave the machine. No pointers: texts are
/// (offset, size) pairs into the arena, so the form can be mapped anywhere.
namespace scanengine::import_policy {

inline constexpr std::uint32_t kMagic = 0x504d4953;  // "SIMP"
inline constexpr std::uint32_t kVersion = 2;

/// Bounds on one entry of a policy text. The longest key bounds what a lookup
/// has to compare.
inline constexpr std::size_t kMaxKeyBytes = 512;
inline constexpr std::size_t kMaxKeyParts = 16;

/// Paths beyond these bounds are judged dangerous without a lookup. Real ones
/// stay far below: the longest in the vetted table has 89 bytes.
inline constexpr std::size_t kMaxPathBytes = 2048;
inline constexpr std::size_t kMaxPathParts = 64;

enum class Table : std::uint32_t {
  kExact = 0,   ///< Dangerous things; key "module.name".
  kWhole = 1,   ///< Dangerous modules with all below; key "module".
  kVetted = 2,  ///< Harmless things; key "module\tname", so the split counts.
  kAttribute = 3,  ///< Attributes that are dangerous on anything; key "name".
  kLibrary = 4,    ///< Model libraries; key "module".
};
inline constexpr std::size_t kTableCount = 5;

/// kWhole only: the name is so telling that it is dangerous wherever it occurs
/// in a path, also as a part of another module's name ("x.os.y").
inline constexpr std::uint32_t kAnywhere = 1;

struct Text {
  std::uint32_t offset = 0;  ///< In bytes from the start of the arena.
  std::uint32_t size = 0;    ///< In bytes.
};

struct Entry {
  Text key;
  Text category;
  Text reference;
  Text effect;
  std::uint32_t flags = 0;
};

struct Header {
  std::uint32_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::array<std::uint32_t, kTableCount> counts = {};  ///< Entries per table.
  std::uint32_t arena_size = 0;                        ///< In bytes.
  std::uint32_t strict = 0;                            ///< 1 or 0.
};

}  // namespace scanengine::import_policy

#endif  // SCANENGINE_IPC_IMPORT_POLICY_LAYOUT_H_
