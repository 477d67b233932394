#include "engine/journal_writer.h"

#include <utility>

#include "engine/journal_reader.h"
#include "ipc/check.h"

namespace scanengine {
namespace {

// Listed files may wait for the next outcome, up to this.
constexpr std::size_t kMostWaitingBytes = 256U << 10;

}  // namespace

JournalWriter::JournalWriter(const JournalSession& header, MakeFile make,
                             JournalWriterOptions options, Events events)
    : options_(options),
      events_(std::move(events)),
      run_(header.run),
      make_(std::move(make)),
      buffer_(header) {}

JournalWriter::JournalWriter(const JournalSession& session,
                             std::unique_ptr<JournalFile> file,
                             JournalWriterOptions options, Events events)
    : options_(options),
      events_(std::move(events)),
      run_(session.run),
      state_(State::kOpen),
      file_(std::move(file)),
      buffer_(session.run, file_->size()) {
  buffer_.AddSession(session);
  thread_ = std::thread([this] { SyncLoop(); });
}

JournalWriter::~JournalWriter() { Close(); }

void JournalWriter::Close() {
  {
    const std::lock_guard lock(mutex_);
    Write();
    ending_ = true;
    told_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  if (state_ == State::kOpen) state_ = State::kFailed;
}

Status JournalWriter::Begin() {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kWaiting) Open();
    if (state_ == State::kOpen) Write();
    if (error_) return *error_;
  }
  return OkStatus();
}

void JournalWriter::Open() {
  Result<std::unique_ptr<JournalFile>> file = make_();
  if (!file.ok()) {
    state_ = State::kNone;
    error_ = file.error();
    return;
  }
  file_ = std::move(file).value();
  const Status written = file_->Append(buffer_.bytes());
  if (!written.ok()) {
    // Nobody was promised anything yet.
    file_.reset();
    state_ = State::kNone;
    error_ = written.error();
    return;
  }
  state_ = State::kOpen;
  unsynced_ = buffer_.records();
  buffer_.Clear();
  thread_ = std::thread([this] { SyncLoop(); });
}

void JournalWriter::BeginIfDue() {
  if (state_ == State::kWaiting &&
      (listed_ > options_.begin_after ||
       buffer_.bytes().size() > options_.begin_after_bytes)) {
    Open();
  }
}

void JournalWriter::Write() {
  if (state_ != State::kOpen || buffer_.bytes().empty()) return;
  const Status written = file_->Append(buffer_.bytes());
  if (!written.ok()) {
    Fail(written.error());
    return;
  }
  unsynced_ += buffer_.records();
  buffer_.Clear();
}

// The thread looks by itself once it counts the time.
void JournalWriter::WakeIfDue() {
  if (idle_ || unsynced_ >= options_.sync_records) changed_.notify_all();
}

void JournalWriter::Fail(const Error& error) {
  if (state_ == State::kFailed) return;
  state_ = State::kFailed;
  error_ = error;
  changed_.notify_all();
}

// Without the mutex: who is told may come back to us.
void JournalWriter::Tell() {
  State state = State::kOpen;
  Error error{ErrorCode::kIo, ""};
  {
    const std::lock_guard lock(mutex_);
    if (told_ || !error_) return;
    told_ = true;
    state = state_;
    error = *error_;
  }
  if (state == State::kFailed && events_.on_failure) events_.on_failure();
  if (state == State::kNone && events_.on_no_journal) {
    events_.on_no_journal(error);
  }
}

void JournalWriter::List(std::span<const std::string> paths) {
  {
    const std::lock_guard lock(mutex_);
    if (!Keeps()) return;
    buffer_.AddListed(paths);
    listed_ += paths.size();
    BeginIfDue();
    if (buffer_.bytes().size() > kMostWaitingBytes) Write();
    WakeIfDue();
  }
  Tell();
}

void JournalWriter::Drop(std::string_view path) {
  {
    const std::lock_guard lock(mutex_);
    if (!Keeps()) return;
    buffer_.AddDropped(path);
    if (buffer_.bytes().size() > kMostWaitingBytes) Write();
    WakeIfDue();
  }
  Tell();
}

void JournalWriter::Record(std::span<FileOutcome* const> outcomes) {
  {
    const std::lock_guard lock(mutex_);
    if (!Keeps()) return;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      FileOutcome& outcome = *outcomes[i];
      if (outcome.place != 0 || !IsFinal(outcome.result.status)) continue;
      outcome.place = buffer_.AddOutcome(outcome).value_or(0);
      // Many with a thousand findings each need not be in memory at once.
      if (buffer_.bytes().size() < options_.begin_after_bytes) continue;
      BeginIfDue();
      Write();
      if (state_ != State::kOpen) break;
      begin = i + 1;
    }
    BeginIfDue();
    Write();
    if (!Keeps()) {
      // What is in memory can be read back, what was to be in a file cannot.
      const bool kept = state_ == State::kNone;
      for (std::size_t i = begin; i < outcomes.size() && !kept; ++i) {
        FileOutcome& outcome = *outcomes[i];
        if (outcome.place >= buffer_.base()) outcome.place = 0;
      }
    }
    WakeIfDue();
  }
  Tell();
}

void JournalWriter::BeginInProcess(std::string_view path) {
  {
    const std::lock_guard lock(mutex_);
    if (!Keeps()) return;
    buffer_.AddInProcessStart(path);
    Write();
    WakeIfDue();
  }
  Tell();
}

void JournalWriter::End(const JournalEnd& end) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kOpen) return;
    buffer_.AddEnd(end);
    Write();
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
  Tell();
  const std::lock_guard lock(mutex_);
  if (state_ == State::kOpen) state_ = State::kFailed;
}

Result<FileOutcome> JournalWriter::ReadBack(std::uint64_t place) {
  const std::lock_guard lock(mutex_);
  if (place >= buffer_.base()) {
    const std::uint64_t at = place - buffer_.base();
    if (at >= buffer_.bytes().size()) {
      return Error{ErrorCode::kMalformed, "has no outcome there"};
    }
    return ParseOutcome(buffer_.bytes().subspan(static_cast<std::size_t>(at)),
                        run_, place);
  }
  SCANENGINE_CHECK(file_ != nullptr);
  return ReadOutcome(*file_, run_, place);
}

std::optional<Error> JournalWriter::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

bool JournalWriter::begun() const {
  const std::lock_guard lock(mutex_);
  return file_ != nullptr;
}

void JournalWriter::SyncLoop() {
  std::unique_lock lock(mutex_);
  while (state_ == State::kOpen) {
    const auto work = [this] {
      return unsynced_ > 0 || !buffer_.bytes().empty();
    };
    idle_ = true;
    changed_.wait(lock,
                  [&] { return ending_ || state_ != State::kOpen || work(); });
    idle_ = false;
    if (state_ != State::kOpen || (ending_ && !work())) break;
    changed_.wait_for(lock, options_.sync_interval, [this] {
      return ending_ || state_ != State::kOpen ||
             unsynced_ >= options_.sync_records;
    });
    Write();
    if (state_ != State::kOpen) break;
    unsynced_ = 0;
    lock.unlock();
    const Status synced = file_->Sync();
    lock.lock();
    if (!synced.ok()) Fail(synced.error());
  }
  lock.unlock();
  Tell();
}

}  // namespace scanengine
