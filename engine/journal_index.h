#ifndef SCANENGINE_ENGINE_JOURNAL_INDEX_H_
#define SCANENGINE_ENGINE_JOURNAL_INDEX_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/journal_reader.h"
#include "engine/siphash.h"

namespace scanengine {

/// What a journal says of each path, in about 24 bytes a path: paths are told
/// apart by a keyed hash of 64 bits. Whoever uses an outcome compares its path.
class JournalIndex {
 public:
  struct Entry {
    std::uint64_t key = 0;         ///< 0: no entry.
    std::uint64_t place : 48 = 0;  ///< Of the latest outcome that counts.
    std::uint64_t listed : 4 = 0;  ///< Times; stays at the most it can hold.
    std::uint64_t outcomes : 4 = 0;
    /// It was being scanned in-process when the program ended, once.
    std::uint64_t ended_program : 1 = 0;
    std::uint64_t seen : 1 = 0;  ///< For whoever goes through the files.
  };

  /// Reads all that is left in |reader|, whose tail() then tells how it ended.
  explicit JournalIndex(JournalReader& reader);

  Entry* Find(std::string_view path);
  /// True if the record of |path| at |place| counts: nothing behind it says
  /// that it does not.
  bool Counts(std::string_view path, std::uint64_t place) const;

  /// How the last session was called.
  const JournalSession& session() const { return session_; }
  int sessions() const { return sessions_; }
  /// Set if the journal ends with one.
  const std::optional<JournalEnd>& end() const { return end_; }
  std::uint64_t with_outcome() const { return with_outcome_; }

  void ForEach(const std::function<void(const Entry&)>& take) const;

 private:
  bool Apply(const JournalRecord& record);
  std::uint64_t KeyOf(std::string_view path) const;
  Entry& Add(std::string_view path);
  Entry& SlotOf(std::uint64_t key);
  void Grow();

  SipHashKey hash_key_;
  std::vector<Entry> slots_;  ///< Open addressing; a power of two.
  std::size_t used_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> drops_;  ///< Key, place.
  std::optional<std::uint64_t> in_process_;  ///< Key; not known to be done.
  JournalSession session_;
  int sessions_ = 1;
  std::optional<JournalEnd> end_;
  std::uint64_t with_outcome_ = 0;
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_JOURNAL_INDEX_H_
