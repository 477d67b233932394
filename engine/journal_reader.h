#ifndef SCANENGINE_ENGINE_JOURNAL_READER_H_
#define SCANENGINE_ENGINE_JOURNAL_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/journal_file.h"
#include "engine/journal_format.h"
#include "ipc/result.h"

namespace scanengine {

/// A record whose checksum is right. The payload lives until the next call to
/// the reader.
struct JournalRecord {
  JournalRecordType type = JournalRecordType::kHeader;
  std::uint64_t place = 0;
  std::span<const std::byte> payload;
};

/// Where and why the reading of a journal ended.
struct JournalTail {
  enum class Kind {
    kWhole,    ///< Behind the last record.
    kTorn,     ///< A last record was not written to its end, as by a power cut.
    kDamaged,  ///< Bytes are not what was written, or cannot be read.
  };
  Kind kind = Kind::kWhole;
  std::uint64_t place = 0;    ///< First byte that does not count.
  std::uint64_t dropped = 0;  ///< Bytes from there to the end of the file.
  std::string why;            ///< Empty for kWhole.
};

/// Reads the records of a journal one after the other, in memory for one of
/// them. Nothing of the file is believed before its checksum; the first record
/// that is not right ends it: all behind it is as good as not there, since
/// nothing tells where another record begins.
class JournalReader {
 public:
  /// |file| outlives this. Fails with kMalformed if it does not begin like a
  /// journal, kUnsupported if it is one of another format, kIo.
  static Result<JournalReader> Open(JournalFile& file);

  /// What the journal begins with.
  const JournalSession& header() const { return header_; }

  /// The next record behind the header; nothing at the end, see tail().
  std::optional<JournalRecord> Next();
  /// The payload of the record that Next() gave makes no sense: the journal
  /// ends before it.
  void Reject(const JournalRecord& record, std::string why);

  /// Set once Next() has given nothing.
  const JournalTail& tail() const { return tail_; }

 private:
  explicit JournalReader(JournalFile& file) : file_(&file) {}

  bool Fill(std::size_t wanted);
  std::optional<JournalRecord> End(JournalTail::Kind kind, std::string why);
  bool OnlyZerosLeft();

  JournalFile* file_;
  JournalSession header_;
  std::uint64_t place_ = 0;  ///< Of the next record.
  std::uint64_t size_ = 0;
  std::vector<std::byte> buffer_;  ///< From buffer_place_ on.
  std::uint64_t buffer_place_ = 0;
  std::optional<Error> error_;
  bool ended_ = false;
  JournalTail tail_;
};

/// The outcome whose record is at |place|; fails with kMalformed if there is
/// none that is right.
Result<FileOutcome> ReadOutcome(JournalFile& file, const RunId& run,
                                std::uint64_t place);
/// The same from bytes that begin with the record.
Result<FileOutcome> ParseOutcome(std::span<const std::byte> bytes,
                                 const RunId& run, std::uint64_t place);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_JOURNAL_READER_H_
