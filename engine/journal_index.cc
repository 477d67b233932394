#include "engine/journal_index.h"

#include <algorithm>
#include <string>

namespace scanengine {
namespace {

constexpr std::size_t kFirstSlots = 1024;
constexpr std::uint64_t kMostTimes = 15;

SipHashKey KeyFrom(const RunId& run) {
  SipHashKey key;
  for (std::size_t i = 0; i < 8; ++i) {
    key.low |= std::uint64_t{run[i]} << (8 * i);
    key.high |= std::uint64_t{run[i + 8]} << (8 * i);
  }
  return key;
}

}  // namespace

JournalIndex::JournalIndex(JournalReader& reader)
    : hash_key_(KeyFrom(reader.header().run)),
      slots_(kFirstSlots),
      session_(reader.header()) {
  while (const auto record = reader.Next()) {
    if (!Apply(*record)) {
      reader.Reject(*record, "a record makes no sense");
      break;
    }
  }
  // It was at that file when it ended. If the end was torn off, what it had to
  // say of the file may have been in it: no kill or crash does that.
  const bool whole = reader.tail().kind == JournalTail::Kind::kWhole;
  if (in_process_ && whole) SlotOf(*in_process_).ended_program = 1;
  std::sort(drops_.begin(), drops_.end());
  for (const Entry& entry : slots_) with_outcome_ += entry.outcomes > 0 ? 1 : 0;
}

bool JournalIndex::Apply(const JournalRecord& record) {
  end_.reset();
  switch (record.type) {
    case JournalRecordType::kHeader:
      return false;
    case JournalRecordType::kListed:
      return DecodeListed(record.payload,
                          [this](std::string_view path) {
                            Entry& entry = Add(path);
                            if (entry.listed < kMostTimes) ++entry.listed;
                          })
          .ok();
    case JournalRecordType::kOutcome: {
      const Result<OutcomeHead> head = DecodeOutcomeHead(record.payload);
      if (!head.ok() || !IsFinal(head.value().status)) return false;
      Entry& entry = Add(head.value().path);
      if (entry.outcomes < kMostTimes) ++entry.outcomes;
      entry.place = record.place & 0xFFFFFFFFFFFF;
      if (in_process_ == entry.key) in_process_.reset();
      return true;
    }
    case JournalRecordType::kInProcessStart:
      // They come one after the other: the one before was done with.
      in_process_ = Add(DecodePath(record.payload)).key;
      return true;
    case JournalRecordType::kDropped: {
      Entry& entry = Add(DecodePath(record.payload));
      entry.listed = entry.outcomes = 0;
      entry.place = 0;
      drops_.emplace_back(entry.key, record.place);
      return true;
    }
    case JournalRecordType::kSession: {
      Result<JournalSession> session = DecodeSession(record.payload);
      if (!session.ok() || session.value().run != session_.run) return false;
      session_ = std::move(session).value();
      ++sessions_;
      if (in_process_) SlotOf(*in_process_).ended_program = 1;
      in_process_.reset();
      return true;
    }
    case JournalRecordType::kEnd: {
      const Result<JournalEnd> end = DecodeEnd(record.payload);
      if (!end.ok()) return false;
      end_ = end.value();
      in_process_.reset();
      return true;
    }
  }
  return false;
}

std::uint64_t JournalIndex::KeyOf(std::string_view path) const {
  return std::max<std::uint64_t>(SipHash(hash_key_, path), 1);
}

// The slot of |key|, or the empty one where it belongs.
JournalIndex::Entry& JournalIndex::SlotOf(std::uint64_t key) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = static_cast<std::size_t>(key) & mask;
  while (slots_[at].key != 0 && slots_[at].key != key) at = (at + 1) & mask;
  return slots_[at];
}

JournalIndex::Entry& JournalIndex::Add(std::string_view path) {
  if (used_ * 4 >= slots_.size() * 3) Grow();
  const std::uint64_t key = KeyOf(path);
  Entry& entry = SlotOf(key);
  if (entry.key == 0) {
    entry.key = key;
    ++used_;
  }
  return entry;
}

void JournalIndex::Grow() {
  std::vector<Entry> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Entry& entry : old) {
    if (entry.key != 0) SlotOf(entry.key) = entry;
  }
}

JournalIndex::Entry* JournalIndex::Find(std::string_view path) {
  Entry& entry = SlotOf(KeyOf(path));
  return entry.key == 0 ? nullptr : &entry;
}

bool JournalIndex::Counts(std::string_view path, std::uint64_t place) const {
  if (drops_.empty()) return true;
  const std::uint64_t key = KeyOf(path);
  const auto next =
      std::upper_bound(drops_.begin(), drops_.end(), std::pair(key, place));
  return next == drops_.end() || next->first != key;
}

void JournalIndex::ForEach(
    const std::function<void(const Entry&)>& take) const {
  for (const Entry& entry : slots_) {
    if (entry.key != 0) take(entry);
  }
}

}  // namespace scanengine
