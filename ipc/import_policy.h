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
  /// The same for bytes that another process of this program made by
  /// CompileImportPolicy() and that nobody could write to since: only their
  /// header is looked at, so that a process that starts need not read them all.
  static Result<ImportPolicy> FromChecked(std::span<const std::byte> compiled);

  /// True if what nobody has vetted is to be taken as seriously as an alarm.
  bool strict() const { return strict_; }

  /// Judges `module.name` as an unpickler would look it up. |name| may be
  /// dotted (protocol 4). In this order:
  ///   1. vetted, if that very module and name are; also a member in capitals
  ///      of a vetted class, as enumerations have ("HTTPStatus.OK");
  ///   2. dangerous, if a dangerous thing lies on the dotted path: in front, or
  ///      reached through other modules ("random", "_os.popen"), or an
  ///      attribute that is dangerous on anything ("f.__globals__");
  ///   3. a class of a known library; only names that read as classes;
  ///   4. unvetted.
  /// A path of more than 64 parts or 2 KiB is dangerous: what hides there is
  /// not looked for. Does not allocate; O(log n) for each part.
  ///
  /// The category "attribute" means that the callable alone does nothing: what
  /// it reaches depends on its arguments (builtins.getattr).
  ImportJudgement Judge(std::string_view module, std::string_view name) const;

  /// Judges the class `module.name` when it is called with arguments: dangerous
  /// if a table lists its "__init__" by that very name, else unvetted. Such
  /// classes are harmless while a pickler makes them empty and sets a state.
  ImportJudgement JudgeConstructor(std::string_view module,
                                   std::string_view name) const;

 private:
  std::span<const std::byte> bytes_;
  bool strict_ = false;
};

/// One policy file: the tables in data files of the project, or a user's.
///
/// UTF-8 lines; empty ones and those that start with # are skipped. Up to six
/// columns between tabs, "-" for an empty one:
///
///     verdict    module  name  category  reference  effect or source
///     dangerous  os      **    process   -          runs programs
///     vetted     my.pkg  Net   -         -          my.pkg 2.1
///     attribute  *       __globals__  introspection  -  reaches names
///     library    my      *     -         -          my own library
///
/// - dangerous: |name| is exact and covers what lies below it ("Profile" also
///   "Profile.run"; "Net.__init__" is a class made with arguments); or * for
///   the module with everything below; or ** for a module that also counts
///   wherever its name occurs in a path.
/// - vetted: |module| and |name| exactly as the pickle has them.
/// - attribute: a name that is dangerous as an attribute of anything.
/// - library: a module whose unvetted classes are taken lightly.
/// category is one of attribute, code, debugger, deserialise, file, import,
/// introspection, native, network, package-manager, process; for dangerous
/// and attribute only, where it is needed. The last two columns may be left
/// out.
///
/// A vetted name within a dangerous module is vetted. A later text wins over
/// earlier ones: vetting a name lifts "dangerous" from that name alone, and a
/// module made dangerous takes back what earlier texts vetted in it.
struct PolicyText {
  std::string_view source;  ///< For error messages: a file name.
  std::string_view text;
};

/// The tables that come with the program.
std::span<const PolicyText> BuiltInPolicy();
/// The same, compiled when the program was built.
std::span<const std::byte> BuiltInPolicyBytes();

/// Compiles |texts| into the bytes that ImportPolicy reads; later texts extend
/// and override earlier ones. Fails with kMalformed and "source:line: what" of
/// the first mistake (also a repeated line, or one that contradicts another of
/// its text), with kLimitExceeded beyond 1 GiB of text. The bytes are in the
/// machine's own byte order and may be mapped at any address. |strict| is kept
/// with them, for ImportPolicy::strict().
Result<std::vector<std::byte>> CompileImportPolicy(
    std::span<const PolicyText> texts, bool strict = false);

}  // namespace scanengine

#endif  // SCANENGINE_IPC_IMPORT_POLICY_H_
