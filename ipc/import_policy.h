#ifndef SCANENGINE_IPC_IMPORT_POLICY_H_
#define SCANENGINE_IPC_IMPORT_POLICY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/result.h"

namespace scanengine {

/// What is known of one importable Python name.
enum class ImportVerdict : std::uint8_t {
  kUnvetted = 0,      ///< In no table.
  kVetted = 1,        ///< A known constructor of real models; exact name.
  kDangerous = 2,     ///< Runs code, touches files, network, ... when called.
  kKnownLibrary = 3,  ///< Unvetted class of a known model library.
};

/// Answer of the policy tables. The views live as long as the policy's bytes.
struct ImportJudgement {
  ImportVerdict verdict = ImportVerdict::kUnvetted;
  std::string_view category;   ///< "process", "code", ...; dangerous only.
  std::string_view reference;  ///< Advisory ids; may be empty.
  std::string_view effect;     ///< What it does, for people; may be empty.
};

/// Read-only view of compiled policy tables, normally in the shared cache.
/// Cheap to copy; does not own the bytes. Thread-safe.
class ImportPolicy {
 public:
  /// Knows nothing: every name is kUnvetted.
  ImportPolicy() = default;

  /// Checks the layout of |compiled| once, so that Judge() can trust it.
  static Result<ImportPolicy> FromBytes(std::span<const std::byte> compiled);

  /// Judges `module.name` as an unpickler would look it up. |name| may be
  /// dotted (protocol 4). Dangerous wins over vetted.
  ImportJudgement Judge(std::string_view module, std::string_view name) const;

 private:
  std::span<const std::byte> bytes_;
};

/// One policy file: the tables in data files of the project, or a user's.
struct PolicyText {
  std::string_view source;  ///< For error messages: a file name.
  std::string_view text;
};

/// The tables that come with the program.
std::span<const PolicyText> BuiltInPolicy();

/// Compiles |texts| into the bytes that ImportPolicy reads; later texts extend
/// and override earlier ones. Fails with kMalformed and source:line of the
/// first mistake.
Result<std::vector<std::byte>> CompileImportPolicy(
    std::span<const PolicyText> texts);

}  // namespace scanengine

#endif  // SCANENGINE_IPC_IMPORT_POLICY_H_
