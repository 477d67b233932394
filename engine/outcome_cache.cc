#include "engine/outcome_cache.h"

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

#include "engine/journal_file.h"
#include "ipc/byte_reader.h"
#include "ipc/messages.h"

namespace scanengine {
namespace {

constexpr std::string_view kFormat = "scanengine result cache 1";

// Scans slower than this are worth hashing the file, and so are small ones.
constexpr std::uint64_t kHashedBytesPerMicrosecond = 400;
constexpr std::uint64_t kAlwaysHashedBytes = 256U << 10;
constexpr std::uint64_t kMostHashedBytes = 4ULL << 30;

// What may wait for the thread; outcomes beyond it are not kept.
constexpr std::size_t kMostPending = 16'384;
constexpr std::size_t kMostPendingBytes = 32U << 20;
// Sizes of files that are remembered.
constexpr std::size_t kMostSizes = 100'000;
// Stored in one go.
constexpr std::size_t kBatchBytes = 1U << 20;
constexpr std::size_t kBatchRows = 2'048;
// Rows that another run's lock may keep waiting.
constexpr std::size_t kMostWaitingBytes = 16U << 20;
constexpr std::chrono::milliseconds kBatchInterval{200};
// The end of a run does not wait longer for files to be hashed.
constexpr std::chrono::seconds kEndPatience{2};

void Append(std::uint64_t number, std::vector<std::byte>& out) {
  for (int i = 0; i < 8; ++i) {
    out.push_back(static_cast<std::byte>(number >> (8 * i)));
  }
}

std::vector<std::byte> StampedValue(const FileStamp& stamp,
                                    std::span<const std::byte> reply) {
  std::vector<std::byte> value;
  value.reserve(32 + reply.size());
  Append(stamp.size, value);
  Append(stamp.inode, value);
  Append(static_cast<std::uint64_t>(stamp.modified_ns), value);
  Append(static_cast<std::uint64_t>(stamp.changed_ns), value);
  value.insert(value.end(), reply.begin(), reply.end());
  return value;
}

FileStamp ReadStamp(ByteReader& reader) {
  FileStamp stamp;
  stamp.size = reader.U64();
  stamp.inode = reader.U64();
  stamp.modified_ns = static_cast<std::int64_t>(reader.U64());
  stamp.changed_ns = static_cast<std::int64_t>(reader.U64());
  return stamp;
}

std::string_view LeafName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0.
}

bool IsWorthHashing(std::uint64_t size, std::uint64_t duration_us) {
  if (size > kMostHashedBytes) return false;
  return size <= kAlwaysHashedBytes ||
         duration_us >= size / kHashedBytesPerMicrosecond;
}

std::int64_t SystemTime() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

OutcomeCache::OutcomeCache(std::unique_ptr<ResultCache> rows, CacheScope scope,
                           OutcomeCacheTimes times)
    : rows_(std::move(rows)),
      scope_(std::move(scope)),
      times_(std::move(times)),
      folder_(AbsolutePath(".") + '/') {
  if (!times_.now) times_.now = SystemTime;
  thread_ = std::thread([this] { Run(); });
}

OutcomeCache::~OutcomeCache() { End(); }

void OutcomeCache::Open() {
  Sha256Hasher hasher;
  hasher.Add(kFormat);
  hasher.Add(std::uint64_t{scope_.rules.size()});
  hasher.Add(scope_.rules);
  // Without it no worker can be started, and nothing will be kept.
  const Result<Sha256> worker = HashProgram(scope_.worker_path);
  if (worker.ok()) hasher.Add(std::as_bytes(std::span(worker.value())));
  base_ = hasher.Finish();
  rows_->Open();
}

CacheKey OutcomeCache::StampKey(const std::string& path) const {
  Sha256Hasher hasher;
  hasher.Add(std::as_bytes(std::span(base_)));
  hasher.Add("stamp");
  if (!path.starts_with('/')) hasher.Add(folder_);
  hasher.Add(path);
  return hasher.Finish();
}

CacheKey OutcomeCache::SizeKey(std::uint64_t size) const {
  Sha256Hasher hasher;
  hasher.Add(std::as_bytes(std::span(base_)));
  hasher.Add("size.");
  hasher.Add(size);
  return hasher.Finish();
}

CacheKey OutcomeCache::ContentKey(const std::string& path, std::uint64_t size,
                                  const Sha256& hash) const {
  Sha256Hasher hasher;
  hasher.Add(std::as_bytes(std::span(base_)));
  hasher.Add("bytes");
  hasher.Add(size);
  hasher.Add(std::as_bytes(std::span(hash)));
  hasher.Add(LeafName(path));
  return hasher.Finish();
}

bool OutcomeCache::IsOlder(const FileStamp& stamp,
                           std::chrono::nanoseconds age) const {
  const std::int64_t now = times_.now();
  const auto is_old = [&](std::int64_t time) {
    return time <= now - age.count();
  };
  // Anybody may set the time of modification to one that is far off.
  return is_old(stamp.changed_ns) &&
         (is_old(stamp.modified_ns) || stamp.modified_ns >= now + age.count());
}

bool OutcomeCache::Settle(Task& task, std::span<const std::byte> reply) {
  Result<std::vector<ScanReply>> replies = DecodeReplies(reply);
  if (!replies.ok() || replies.value().size() != 1 ||
      !IsDecidedByBytes(replies.value()[0].status)) {
    return false;
  }
  task.settled = std::move(replies.value()[0]);
  task.cached = true;
  return true;
}

void OutcomeCache::MarkUsed(const CacheKey& key, const CachedValue& found) {
  if (found.used >= Hour()) return;
  const std::lock_guard lock(mutex_);
  found_.used.push_back(key);
}

OutcomeCache::Answer OutcomeCache::Find(Task& task) {
  if (task.settled || task.ended_worker || !task.stamp ||
      task.inherited_fd >= 0 || task.kind != kScanTask) {
    return Answer::kUnknown;
  }
  Ticket ticket;
  ticket.by_stamp = StampKey(task.target);
  ticket.stamp = *task.stamp;
  // Judged before the file is handed out: what is written to it from now on
  // shows, if its times are old now.
  ticket.settled = IsOlder(ticket.stamp, times_.settled);
  if (const auto found = rows_->Find(ticket.by_stamp)) {
    ByteReader reader(found->value);
    const FileStamp stamp = ReadStamp(reader);
    if (reader.ok() && stamp == ticket.stamp &&
        Settle(task, reader.Bytes(reader.remaining()))) {
      MarkUsed(ticket.by_stamp, *found);
      return Answer::kSettled;
    }
  }
  if (ticket.settled || IsOlder(ticket.stamp, times_.tick)) {
    const std::lock_guard lock(mutex_);
    tickets_.insert_or_assign(task.id, ticket);
  }
  return WasHashed(ticket.stamp.size) ? Answer::kMaybe : Answer::kUnknown;
}

// In earlier runs: within one there are too few copies to read files for.
bool OutcomeCache::WasHashed(std::uint64_t size) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = hashed_.find(size);
    if (known != hashed_.end()) return known->second;
  }
  const CacheKey key = SizeKey(size);
  const auto found = rows_->Find(key);
  if (!found) return false;
  MarkUsed(key, *found);
  const std::lock_guard lock(mutex_);
  if (hashed_.size() < kMostSizes) hashed_.emplace(size, true);
  return true;
}

bool OutcomeCache::IsFirstHashed(std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (hashed_.contains(size)) return false;
  if (hashed_.size() < kMostSizes) hashed_.emplace(size, false);
  return true;
}

bool OutcomeCache::FindByContent(Task& task) {
  const FileStamp& stamp = *task.stamp;
  const Result<FileHash> hash = HashFile(task.target, stamp);
  if (!hash.ok()) return false;
  const CacheKey key = ContentKey(task.target, stamp.size, hash.value().hash);
  const auto found = rows_->Find(key);
  if (!found || !Settle(task, found->value)) return false;
  MarkUsed(key, *found);
  const std::lock_guard lock(mutex_);
  const auto ticket = tickets_.find(task.id);
  if (ticket == tickets_.end()) return true;
  if (ticket->second.settled) {
    found_.rows.push_back(
        {ticket->second.by_stamp, StampedValue(stamp, found->value)});
  }
  tickets_.erase(ticket);
  return true;
}

bool OutcomeCache::Keeps(const FileOutcome& outcome) {
  return IsDecidedByBytes(outcome.result.status) && outcome.attempts == 1 &&
         outcome.worker != 0 && outcome.ended.empty() && !outcome.in_process &&
         !outcome.resumed && !outcome.cached && outcome.stamp.has_value() &&
         outcome.result.bytes == outcome.stamp->size &&
         outcome.result.inspection.empty();
}

void OutcomeCache::Record(std::span<FileOutcome* const> outcomes) {
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    for (const FileOutcome* outcome : outcomes) {
      const auto ticket = tickets_.find(outcome->result.task);
      if (ticket == tickets_.end()) continue;
      const Ticket taken = ticket->second;
      tickets_.erase(ticket);
      if (!Keeps(*outcome) || outcome->stamp != taken.stamp ||
          pending_.size() >= kMostPending ||
          pending_bytes_ >= kMostPendingBytes) {
        continue;
      }
      ScanReply reply = outcome->result;
      reply.task = 0;
      reply.duration_us = 0;
      reply.peak_memory = 0;
      Pending pending{taken, outcome->path, outcome->result.duration_us,
                      Encode(std::span(&reply, 1))};
      pending_bytes_ += pending.reply.size() + pending.path.size();
      pending_.push_back(std::move(pending));
      news = true;
    }
  }
  if (news) changed_.notify_all();
}

void OutcomeCache::KeepByContent(const Pending& pending, Batch& batch) {
  const FileStamp& stamp = pending.ticket.stamp;
  if (!IsWorthHashing(stamp.size, pending.duration_us)) return;
  const Result<FileHash> hash = HashFile(pending.path, stamp);
  // With times that can be told apart less well, what was scanned may be
  // something else than what was hashed.
  if (!hash.ok() || !hash.value().stamps_are_exact) return;
  batch.rows.push_back(
      {ContentKey(pending.path, stamp.size, hash.value().hash), pending.reply});
  batch.bytes += pending.reply.size() + sizeof(CacheKey);
  if (IsFirstHashed(stamp.size)) {
    batch.rows.push_back({SizeKey(stamp.size), {}});
    batch.bytes += sizeof(CacheKey);
  }
}

void OutcomeCache::Keep(Pending pending, Batch& batch) {
  bool hurry = false;
  {
    const std::lock_guard lock(mutex_);
    hurry = ending_ && std::chrono::steady_clock::now() >= give_up_;
  }
  if (!hurry) KeepByContent(pending, batch);
  if (!pending.ticket.settled) return;
  batch.rows.push_back({pending.ticket.by_stamp,
                        StampedValue(pending.ticket.stamp, pending.reply)});
  batch.bytes += pending.reply.size() + sizeof(CacheKey);
}

// False: another run is busy with the file, and |batch| waits.
bool OutcomeCache::Flush(Batch& batch) {
  if (batch.rows.empty() && batch.used.empty()) return true;
  // Neighbours in the file one after the other.
  std::sort(batch.rows.begin(), batch.rows.end(),
            [](const CacheRow& a, const CacheRow& b) { return a.key < b.key; });
  const bool stored = rows_->Store(batch.rows, batch.used, Hour());
  if (stored || batch.bytes > kMostWaitingBytes) batch = {};
  return stored;
}

void OutcomeCache::Run() {
  Batch batch;
  std::unique_lock lock(mutex_);
  while (true) {
    const auto full = [this] { return ending_ || pending_.size() >= 512; };
    changed_.wait_for(lock, kBatchInterval, full);
    const bool ending = ending_;
    std::vector<Pending> pending = std::exchange(pending_, {});
    pending_bytes_ = 0;
    Batch found = std::exchange(found_, {});
    lock.unlock();
    std::move(found.rows.begin(), found.rows.end(),
              std::back_inserter(batch.rows));
    std::move(found.used.begin(), found.used.end(),
              std::back_inserter(batch.used));
    bool stored = true;
    for (Pending& each : pending) {
      Keep(std::move(each), batch);
      // While another run is busy, not for every file again.
      if (stored &&
          (batch.bytes >= kBatchBytes || batch.rows.size() >= kBatchRows)) {
        stored = Flush(batch);
      }
    }
    if (stored) Flush(batch);
    lock.lock();
    if (ending) return;
  }
}

void OutcomeCache::End() {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    ending_ = true;
    give_up_ = std::chrono::steady_clock::now() + kEndPatience;
  }
  changed_.notify_all();
  thread_.join();
  rows_->Close();
}

}  // namespace scanengine
