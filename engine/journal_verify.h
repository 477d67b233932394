#ifndef SCANENGINE_ENGINE_JOURNAL_VERIFY_H_
#define SCANENGINE_ENGINE_JOURNAL_VERIFY_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/journal_file.h"
#include "engine/journal_format.h"
#include "engine/journal_reader.h"
#include "ipc/result.h"

namespace scanengine {

/// Paths of one kind: how many, and the first of them in the journal's order.
struct JournalPaths {
  static constexpr std::size_t kMostShown = 1'000;
  std::uint64_t count = 0;
  std::vector<std::string> shown;
};

/// What a journal holds, and whether it is all that it should.
struct JournalCheck {
  enum class Verdict {
    kFine,        ///< Every listed file has exactly one final outcome.
    kIncomplete,  ///< Some have none yet, or the run did not come to its end.
    kWrong,       ///< What is there contradicts itself, or is damaged.
  };

  JournalSession session;  ///< The last one.
  int sessions = 0;
  std::uint64_t listed = 0;
  JournalEnd found;  ///< Added up from the outcomes. |complete| means nothing.
  JournalPaths without_outcome;
  JournalPaths with_several;
  JournalPaths not_listed;  ///< That have an outcome all the same.
  JournalTail tail;
  std::optional<JournalEnd> end;  ///< As written; nothing: there is none.
  /// "files: 10 written, 9 found"; empty if the totals add up.
  std::vector<std::string> differences;

  Verdict verdict() const;
};

/// Reads the whole of |file| twice. Memory: some 30 bytes for each path. Fails
/// like JournalReader::Open().
Result<JournalCheck> CheckJournal(JournalFile& file);

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_JOURNAL_VERIFY_H_
