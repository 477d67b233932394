#include "worker/scanners/gguf/gguf_metadata.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>

#include "ipc/text.h"
#include "worker/parsing/checked_math.h"
#include "worker/parsing/jinja_template.h"
#include "worker/scanners/gguf/gguf_types.h"

namespace scanengine::gguf {
namespace {

constexpr std::uint32_t kMaxArrayNesting = 4;  // ggml reads none at all.
// Real templates have up to some 50 KB.
constexpr std::uint64_t kMaxTemplateBytes = 1 << 20;
constexpr std::size_t kMaxFacts = 8;         // A broken file may repeat keys.
constexpr std::uint32_t kCheckEvery = 1024;  // Elements of an array.

// A number as the file means it.
std::string Shown(std::uint64_t value, std::uint32_t type) {
  switch (type) {
    case kInt8:
      return std::to_string(static_cast<std::int8_t>(value));
    case kInt16:
      return std::to_string(static_cast<std::int16_t>(value));
    case kInt32:
      return std::to_string(static_cast<std::int32_t>(value));
    case kInt64:
      return std::to_string(static_cast<std::int64_t>(value));
    case kFloat32:
      return std::to_string(
          std::bit_cast<float>(static_cast<std::uint32_t>(value)));
    case kFloat64:
      return std::to_string(std::bit_cast<double>(value));
    default:
      return std::to_string(value);
  }
}

}  // namespace

void Metadata::Read(std::uint64_t count) {
  session_.context.SetPhase("gguf metadata");
  for (std::uint64_t i = 0; i < count && session_.whole; ++i) {
    if (!session_.WithinEntries(i, "metadata keys")) return;
    if (!session_.context.Checkpoint(session_.reader.offset())) return;
    ReadPair();
    session_.whole = session_.whole && session_.reader.ok();
  }
  session_.ReportDuplicates(keys_, "metadata keys");
}

// A line of an inspection.
void Metadata::Tell(const std::string& key, std::string_view value) {
  if (session_.context.inspection() == nullptr || !session_.reader.ok()) return;
  session_.context.Tell("metadata " + Printable(key, 100) + ": " +
                        Printable(value.substr(0, 400), 400));
}

void Metadata::ReadPair() {
  const std::string key = session_.ReadName("key");
  const std::uint32_t type = session_.reader.U32();
  if (!session_.reader.ok()) return;
  keys_.push_back(std::hash<std::string>{}(key));
  ReadValue(key, type);
}

void Metadata::ReadValue(const std::string& key, std::uint32_t type) {
  if (type == kString) {
    ReadString(key);
  } else if (type == kArray) {
    ReadArray(key, 1);
  } else if (WidthOf(type) != 0) {
    ReadScalar(key, type);
  } else {
    // Its width is unknown, so nothing after it can be read.
    session_.malformed.Report({.message = "key \"" + Printable(key, 100) +
                                          "\" is of the unknown type " +
                                          std::to_string(type),
                               .offset = session_.reader.offset()});
    session_.whole = false;
  }
}

void Metadata::ReadScalar(const std::string& key, std::uint32_t type) {
  const std::uint64_t place = session_.reader.offset();
  if (type == kUint32) {
    const std::uint32_t value = session_.reader.U32();
    Tell(key, std::to_string(value));
    if (key == "general.alignment") SetAlignment(value);
    if (key == "general.file_type") AddFact("file type", std::to_string(value));
    return;
  }
  if (key == "general.alignment") {
    session_.malformed.Report(
        {.message = "general.alignment is no 32-bit number", .offset = place});
  }
  if (type == kBool) {
    const std::uint8_t value = session_.reader.U8();
    Tell(key, value == 0 ? "false" : "true");
    if (value > 1) {
      session_.malformed.Report({.message = "key \"" + Printable(key, 100) +
                                            "\" is neither true nor false",
                                 .offset = place});
    }
    return;
  }
  const std::uint64_t value = session_.reader.Number(WidthOf(type));
  if (session_.context.inspection() != nullptr) Tell(key, Shown(value, type));
}

void Metadata::SetAlignment(std::uint64_t value) {
  if (!session_.reader.ok()) return;
  if (value == 0 || (value & (value - 1)) != 0) {
    session_.malformed.Report(
        {.message =
             "the alignment " + std::to_string(value) + " is no power of two"});
    return;
  }
  alignment_ = value;
}

void Metadata::ReadString(const std::string& key) {
  const std::uint64_t length = session_.reader.Length();
  const std::uint64_t place = session_.reader.offset();
  if (length > session_.reader.Remaining()) {
    session_.counts.Report({.message = "a string of " + HumanSize(length) +
                                       " in \"" + Printable(key, 100) + "\"",
                            .offset = place});
  }
  if (length <= kMaxTemplateBytes) {
    const std::string text =
        session_.reader.Text(static_cast<std::size_t>(length));
    Tell(key, text);
    InspectText(key, text, place);
    return;
  }
  // Nothing but templates is run by anyone; long vocabularies are skipped.
  if (key.find("template") != std::string::npos) {
    const std::string message =
        "the template \"" + Printable(key, 100) + "\" has " + HumanSize(length);
    session_.context.Report(kLimit, {.message = message, .offset = place});
    session_.context.MarkIncomplete(OutcomeStatus::kLimit, message);
  }
  Tell(key, "a text of " + HumanSize(length));
  session_.reader.Skip(length);
}

void Metadata::InspectText(const std::string& key, std::string_view text,
                           std::uint64_t offset) {
  if (key == "general.architecture" || key == "general.name") {
    AddFact(key.substr(8), std::string(text.substr(0, 200)));
  }
  const std::vector<TemplateSighting> sightings = InspectTemplate(text);
  if (sightings.empty()) return;
  const auto worst = std::max_element(
      sightings.begin(), sightings.end(),
      [](const TemplateSighting& a, const TemplateSighting& b) {
        return a.severity < b.severity;
      });
  std::string uses;
  for (const TemplateSighting& sighting : sightings) {
    if (uses.find(sighting.what) != std::string::npos) continue;
    uses += (uses.empty() ? "" : ", ") + sighting.what;
  }
  const std::size_t from =
      worst->offset - std::min<std::size_t>(worst->offset, 60);
  session_.context.Report(
      kTemplate, worst->severity,
      {.message = "\"" + Printable(key, 100) + "\" uses " + uses,
       .offset = offset + worst->offset,
       .evidence = std::string(text.substr(from, 200))});
}

void Metadata::AddFact(std::string name, std::string value) {
  if (session_.reader.ok() && facts_.size() < kMaxFacts) {
    facts_.emplace_back(std::move(name), std::move(value));
  }
}

void Metadata::ReadArray(const std::string& key, std::uint32_t nesting) {
  const std::uint64_t place = session_.reader.offset();
  const std::uint32_t type = session_.reader.U32();
  const std::uint64_t count = session_.reader.Length();
  if (!session_.reader.ok()) return;
  const std::string label = "array \"" + Printable(key, 100) + "\"";
  std::uint64_t smallest = WidthOf(type);
  if (type == kString) smallest = session_.reader.length_width();
  if (type == kArray) smallest = 4 + session_.reader.length_width();
  if (smallest == 0 || (type == kArray && nesting >= kMaxArrayNesting)) {
    session_.malformed.Report(
        {.message = label + (smallest == 0 ? " has elements of the "
                                             "unknown type " +
                                                 std::to_string(type)
                                           : " is nested too deep"),
         .offset = place});
    session_.whole = false;
    return;
  }
  if (count > session_.reader.Remaining() / smallest) {
    session_.counts.Report(
        {.message = label + " has " + std::to_string(count) + " elements",
         .offset = place});
    session_.whole = false;
    return;
  }
  if (nesting == 1) {
    Tell(key, "an array of " + std::to_string(count) + " elements");
  }
  if (WidthOf(type) != 0) {
    session_.reader.Skip(
        CheckedMultiply(count, smallest)
            .value_or(std::numeric_limits<std::uint64_t>::max()));
    return;
  }
  const bool templates = key.find("template") != std::string::npos;
  for (std::uint64_t i = 0; i < count && session_.whole && session_.reader.ok();
       ++i) {
    if (i % kCheckEvery == 0 &&
        !session_.context.Checkpoint(session_.reader.offset()))
      return;
    if (type == kArray) {
      ReadArray(key, nesting + 1);
    } else if (templates) {
      ReadString(key);
    } else {
      session_.reader.Skip(session_.reader.Length());
    }
  }
}

}  // namespace scanengine::gguf
