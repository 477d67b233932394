#ifndef SCANENGINE_IPC_INSPECTION_H_
#define SCANENGINE_IPC_INSPECTION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/finding.h"

/// What a task of kind "inspect" tells besides the reply to a scan: a file
/// taken apart for people. Every text is bounded and printable where it is
/// made; readers bound and escape it again, since the worker is not trusted.
namespace scanengine {

/// What a worker is asked to do with a file, as TaskRequest::kind has it.
inline constexpr std::string_view kScanTask = "scan";
inline constexpr std::string_view kInspectTask = "inspect";

/// Bounds on one inspection.
inline constexpr std::size_t kMaxInspectionBytes = 8U << 20;
inline constexpr std::size_t kMaxInspectionSections = 2'000;

/// What is to be shown. Meaningless for other kinds of task.
struct InspectOptions {
  /// Glob on the chain of members, or on its last name if the glob has neither
  /// '/' nor '!'; '*' matches any bytes, '?' any one. Empty: all.
  std::string member;
  bool opcodes = false;  ///< Also list every opcode.

  bool operator==(const InspectOptions&) const = default;
};

/// What the import policy says of a name. Values go over the wire.
enum class NameVerdict : std::uint8_t {
  kNone = 0,  ///< Not a name: nothing is said.
  kVetted = 1,
  kKnownLibrary = 2,
  kUnvetted = 3,
  kDangerous = 4,
  kUnresolved = 5,  ///< Nobody can tell which name it is.
};
inline constexpr std::uint8_t kNameVerdictCount = 6;
/// "vetted", "known-library", "unvetted", "dangerous", "unresolved" or "".
std::string_view NameVerdictText(NameVerdict verdict);

/// One name that a pickle imports.
struct InspectedImport {
  std::string name;     ///< "os.system".
  std::string written;  ///< As the file has it if that differs; or empty.
  NameVerdict verdict = NameVerdict::kNone;
  std::string category;              ///< Of a dangerous one: "process".
  std::string effect;                ///< What it does, for people.
  std::string reference;             ///< Advisories.
  std::uint64_t offset = kNoOffset;  ///< Of the first opcode that asks for it.
  std::uint32_t imports = 0;         ///< Times it is asked for.
  std::uint32_t calls = 0;
  bool by_attribute = false;  ///< Reached by getattr or the like.

  bool operator==(const InspectedImport&) const = default;
};

/// What a step does. Values go over the wire.
enum class StepAction : std::uint8_t {
  kCall = 0,
  kState = 1,       ///< BUILD gives an object its state.
  kItems = 2,       ///< Items go into an object of a class of its own.
  kModify = 3,      ///< An import itself is written to.
  kPersistent = 4,  ///< The loader is asked for an object by an id.
  kProblem = 5,     ///< The stream is wrong here.
};
inline constexpr std::uint8_t kStepActionCount = 6;
/// "call", "state", "items", "modify", "persistent", "problem".
std::string_view StepActionText(StepAction action);

/// One thing that an unpickler does, in the order in which it does them.
struct InspectedStep {
  std::uint64_t offset = kNoOffset;  ///< Of the opcode.
  StepAction action = StepAction::kCall;
  NameVerdict verdict = NameVerdict::kNone;  ///< Of what is called or written.
  std::uint32_t value = 0;   ///< Names its result: v1, v2, ...; 0: none.
  std::uint32_t within = 0;  ///< The call (its value) that makes this one.
  std::string text;          ///< "os.system('id')", without the result.
  std::string outcome;       ///< What is known of the result; or empty.
  /// Values that this one was made from, those of its makers included, oldest
  /// first: the chain that led here.
  std::vector<std::uint32_t> chain;

  bool operator==(const InspectedStep&) const = default;
};

/// A line of an outline: of a value, of a table of tensors, of members.
struct InspectedLine {
  std::uint16_t depth = 0;
  std::string text;

  bool operator==(const InspectedLine&) const = default;
};

/// An opcode of a listing.
struct InspectedOpcode {
  std::uint64_t offset = 0;
  std::string name;
  std::string operand;

  bool operator==(const InspectedOpcode&) const = default;
};

/// One pickle stream, or one table of another format.
struct InspectionSection {
  std::string member;  ///< Chain inside containers; empty: the file itself.
  std::string kind;    ///< "pickle", "safetensors", ...
  std::uint32_t number = 0;  ///< Of several of a kind in one member, from 1.
  /// For a pickle in a string: the section that holds it, from 1, and where
  /// the string is. Offsets count from the start of the string.
  std::uint32_t parent = 0;
  std::uint64_t parent_offset = kNoOffset;
  std::uint64_t begin = 0;  ///< First byte, in the member.
  std::uint64_t end = 0;    ///< First byte after it.
  std::vector<std::pair<std::string, std::string>> facts;
  std::vector<InspectedImport> imports;
  std::vector<InspectedStep> steps;
  std::vector<InspectedLine> outline;
  std::vector<InspectedOpcode> opcodes;
  std::uint64_t dropped = 0;  ///< Records that did not fit.

  bool operator==(const InspectionSection&) const = default;
};

/// The whole of it. Parents come before what they hold.
struct Inspection {
  std::vector<InspectionSection> sections;
  bool truncated = false;  ///< Sections or records are missing.

  bool empty() const { return sections.empty() && !truncated; }
  bool operator==(const Inspection&) const = default;
};

// Bytes that a record takes in a message, or a little more.
std::size_t WireSize(const InspectedImport& import);
std::size_t WireSize(const InspectedStep& step);
std::size_t WireSize(const InspectedLine& line);
std::size_t WireSize(const InspectedOpcode& opcode);
/// Without its records.
std::size_t WireSizeOfHead(const InspectionSection& section);

/// With its records.
std::size_t WireSize(const InspectionSection& section);
std::size_t WireSize(const Inspection& inspection);

/// True if |text| matches |glob|: '*' any bytes, '?' any one. Linear in the
/// product of their sizes.
bool MatchesGlob(std::string_view glob, std::string_view text);
/// True if InspectOptions::member is |glob| and wants the chain |member|.
bool WantsMember(std::string_view glob, std::string_view member);

}  // namespace scanengine

#endif  // SCANENGINE_IPC_INSPECTION_H_
