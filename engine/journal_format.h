#ifndef SCANENGINE_ENGINE_JOURNAL_FORMAT_H_
#define SCANENGINE_ENGINE_JOURNAL_FORMAT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/scan_engine.h"
#include "ipc/result.h"

/// The bytes of a journal (ARCHITECTURE.md, "Journal").

namespace scanengine {

/// Raise it with every change of what follows; another one is refused.
inline constexpr std::uint32_t kJournalFormat = 2;
inline constexpr std::array<std::uint8_t, 8> kJournalMagic{
    0x89, 'S', 'E', 'J', '\r', '\n', 0x1A, '\n'};
inline constexpr std::size_t kRecordHeaderBytes = 12;
/// Of a record's payload. Above what a worker may send for one file (16 MiB)
/// and a long path.
inline constexpr std::uint32_t kMaxRecordBytes = 64U << 20;

/// Values are in files; append only.
enum class JournalRecordType : std::uint8_t {
  kHeader = 1,   ///< A JournalSession; the first record and no other.
  kListed = 2,   ///< Paths of files that were found and will be dealt with.
  kOutcome = 3,  ///< What became of one of them, for good.
  kInProcessStart = 4,  ///< A path that is about to be scanned unprotected.
  kDropped = 5,  ///< A path of which nothing that was said counts any more.
  kSession = 6,  ///< A JournalSession: the run goes on after it had ended.
  kEnd = 7,      ///< A JournalEnd: the session ended in good order.
};
inline constexpr std::uint8_t kLastRecordType = 7;

/// Random: a record of another run never passes for one of this.
using RunId = std::array<std::uint8_t, 16>;
std::string RunIdText(const RunId& id);

/// One choice that outcomes depend on.
struct JournalSetting {
  /// What a difference means for outcomes that are there. In files.
  enum class Kind : std::uint8_t {
    kRules = 0,      ///< None holds any more.
    kEffort = 1,     ///< Those hold that a file's bytes alone decide.
    kSelection = 2,  ///< Those of files that are still asked for hold.
  };
  Kind kind = Kind::kRules;
  std::string name;   ///< For people, too: "--timeout".
  std::string value;  ///< As text; a digest if it is long.

  bool operator==(const JournalSetting&) const = default;
};

/// How a session was called.
struct JournalSession {
  std::uint32_t format = kJournalFormat;
  RunId run{};
  std::string started;             ///< "2026-01-31T12:34:56Z".
  std::vector<std::string> roots;  ///< Absolute; the first few, for people.
  std::string roots_digest;        ///< Of all of them.
  std::vector<JournalSetting> settings;

  bool operator==(const JournalSession&) const = default;
};

/// Totals that a session ended with.
struct JournalEnd {
  bool complete = false;  ///< Every file has its final outcome.
  std::uint64_t files = 0;
  std::array<std::uint64_t, kOutcomeStatusCount> by_status{};
  std::array<std::uint64_t, 5> findings_by_severity{};
  std::uint64_t bytes = 0;

  bool operator==(const JournalEnd&) const = default;
};

/// True if a file with this outcome is done with. Else it counts as listed only
/// and is scanned when the run goes on.
bool IsFinal(OutcomeStatus status);

/// Makes records for the end of a journal.
class JournalBuffer {
 public:
  /// A new journal: begins with the magic and |header|.
  explicit JournalBuffer(const JournalSession& header);
  /// Records of |run| that follow the first |end| bytes.
  JournalBuffer(const RunId& run, std::uint64_t end) : run_(run), base_(end) {}

  void AddListed(std::span<const std::string> paths);
  /// Returns the record's place: its offset in the journal. Nothing if it is
  /// too large for one.
  std::optional<std::uint64_t> AddOutcome(const FileOutcome& outcome);
  void AddInProcessStart(std::string_view path);
  void AddDropped(std::string_view path);
  void AddSession(const JournalSession& session);
  void AddEnd(const JournalEnd& end);

  std::span<const std::byte> bytes() const { return bytes_; }
  std::uint64_t base() const { return base_; }        ///< Place of bytes().
  std::uint64_t records() const { return records_; }  ///< In bytes().
  /// bytes() are in the file now.
  void Clear();

 private:
  std::size_t Begin(JournalRecordType type);
  bool Finish(std::size_t begin);
  void AddPath(JournalRecordType type, std::string_view path);

  RunId run_;
  std::uint64_t base_ = 0;
  std::uint64_t records_ = 0;
  std::vector<std::byte> bytes_;
};

/// The header of a record, before it is known whether to believe it.
struct RecordHeader {
  std::uint32_t length = 0;  ///< Of the payload.
  std::uint8_t type = 0;
  bool sane = false;  ///< As written: type and length have their own check.
  std::uint32_t checksum = 0;
};
/// Three bytes of the header itself, so that a damaged length is not taken for
/// a record that was cut off.
std::uint32_t HeaderCheck(std::uint32_t length, std::uint8_t type);
RecordHeader ParseRecordHeader(
    std::span<const std::byte, kRecordHeaderBytes> bytes);
/// Checksum of the record at |place| in the journal of |run|. The place is part
/// of it, so that no record counts anywhere but where it was written.
std::uint32_t RecordChecksum(const RunId& run, std::uint64_t place,
                             const RecordHeader& header,
                             std::span<const std::byte> payload);

/// Payloads of records whose checksum is right; fail with kMalformed even so if
/// they make no sense.
Result<JournalSession> DecodeSession(std::span<const std::byte> payload);
Result<JournalEnd> DecodeEnd(std::span<const std::byte> payload);
Status DecodeListed(std::span<const std::byte> payload,
                    const std::function<void(std::string_view path)>& take);
/// For kInProcessStart and kDropped: all of it.
std::string_view DecodePath(std::span<const std::byte> payload);
/// |place| is not set.
Result<FileOutcome> DecodeOutcome(std::span<const std::byte> payload);

/// What can be had of an outcome without decoding the whole of it.
struct OutcomeHead {
  std::string_view path;
  OutcomeStatus status = OutcomeStatus::kScanned;
};
Result<OutcomeHead> DecodeOutcomeHead(std::span<const std::byte> payload);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_JOURNAL_FORMAT_H_
