#include <fmt/format.h>
#include <sqlite3.h>

#include <atomic>
#include <cstdio>
#include <utility>

#include "engine/cache_folder.h"
#include "engine/crc32c.h"
#include "engine/result_cache.h"
#include "ipc/text.h"

namespace scanengine {
namespace {

constexpr char kFileName[] = "/scanengine-results.sqlite3";
constexpr std::size_t kShownPathBytes = 300;
// Of the file: SQLite lets programs mark their own.
constexpr int kApplicationId = 0x53456363;  // "SEcc"
constexpr int kSchemaVersion = 1;
// Larger values are not worth their place.
constexpr std::size_t kMaxValueBytes = 1U << 20;

constexpr char kCreate[] =
    "CREATE TABLE rows("
    "key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL, "
    "checksum INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID";

enum class Trouble {
  kNone,
  kBusy,     ///< Another run holds a lock; may pass.
  kDamaged,  ///< The file is not what was written.
  kFailed,   ///< The disk is full, the file cannot be opened, ...
};

Trouble TroubleOf(int code) {
  switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return Trouble::kNone;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return Trouble::kBusy;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:     // No such table.
    case SQLITE_MISMATCH:  // A column of another type.
      return Trouble::kDamaged;
    default:
      return Trouble::kFailed;
  }
}

std::uint32_t ChecksumOf(const CacheKey& key,
                         std::span<const std::byte> value) {
  return Crc32c(Crc32c(0, std::as_bytes(std::span(key))), value);
}

// One use of a statement: bound values and locks end with it.
class Use {
 public:
  explicit Use(sqlite3_stmt* statement) : statement_(statement) {}
  ~Use() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  void Bind(int index, std::int64_t number) {
    sqlite3_bind_int64(statement_, index, number);
  }
  void Bind(int index, std::span<const std::byte> bytes) {
    // No bytes at all must not become NULL.
    sqlite3_bind_blob64(
        statement_, index,
        bytes.empty() ? "" : static_cast<const void*>(bytes.data()),
        bytes.size(), SQLITE_STATIC);
  }
  void Bind(int index, const CacheKey& key) {
    Bind(index, std::as_bytes(std::span(key)));
  }
  int Step() { return sqlite3_step(statement_); }
  std::int64_t Number(int column) {
    return sqlite3_column_int64(statement_, column);
  }
  std::span<const std::byte> Bytes(int column) {
    const auto* bytes =
        static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
    const int size = sqlite3_column_bytes(statement_, column);
    return {bytes, bytes == nullptr ? 0 : static_cast<std::size_t>(size)};
  }

 private:
  sqlite3_stmt* statement_;
};

// A connection to the file, for one thread.
class Connection {
 public:
  Connection() = default;
  ~Connection() { Close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool is_open() const { return db_ != nullptr; }
  const std::string& why() const { return why_; }

  void Close() {
    for (sqlite3_stmt** statement : {&find_, &insert_, &mark_, &evict_}) {
      sqlite3_finalize(*statement);
      *statement = nullptr;
    }
    sqlite3_close(db_);
    db_ = nullptr;
  }

  // With the rows' table in place; closed again if it fails.
  Trouble Open(const std::string& path, std::chrono::milliseconds patience) {
    int code = Connect(
        path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW,
        patience);
    if (code == SQLITE_OK) code = SetUp();
    if (code == SQLITE_OK) code = Prepare(/*to_write=*/true);
    return Judge(code);
  }

  // A file that nobody can write to, without locks.
  Trouble OpenUnlocked(const std::string& path) {
    std::string uri = "file:";
    for (const char each : path) {
      const auto byte = static_cast<unsigned char>(each);
      const bool plain = (byte >= 'a' && byte <= 'z') ||
                         (byte >= 'A' && byte <= 'Z') ||
                         (byte >= '0' && byte <= '9') || each == '/';
      uri += plain ? std::string(1, each) : fmt::format("%{:02X}", byte);
    }
    int code =
        Connect(uri + "?immutable=1", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
                std::chrono::milliseconds(0));
    std::int64_t state = 0;
    if (code == SQLITE_OK) code = ReadVersion(state);
    if (code == SQLITE_OK && state != kOurs) code = Foreign();
    if (code == SQLITE_OK) code = Prepare(/*to_write=*/false);
    return Judge(code);
  }

  // Empties the file whatever is in it, under SQLite's own locks.
  Trouble Reset(const std::string& path, std::chrono::milliseconds patience) {
    int code =
        Connect(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, patience);
    if (code == SQLITE_OK) {
      sqlite3_db_config(db_, SQLITE_DBCONFIG_RESET_DATABASE, 1, nullptr);
      code = Execute("VACUUM");
      sqlite3_db_config(db_, SQLITE_DBCONFIG_RESET_DATABASE, 0, nullptr);
    }
    const Trouble trouble = Judge(code);
    Close();
    return trouble;
  }

  int Execute(const char* sql) {
    return Keep(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr));
  }

  // A number that SQLite knows of its file.
  std::int64_t Pragma(const char* sql) {
    std::int64_t number = 0;
    Ask(sql, number);
    return number;
  }

  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
  void RollBack() {
    if (in_transaction()) Execute("ROLLBACK");
  }

  Use find() { return Use(find_); }
  Use insert() { return Use(insert_); }
  Use mark() { return Use(mark_); }
  Use evict() { return Use(evict_); }

  // Remembers the words that go with a failure.
  int Keep(int code) {
    if (TroubleOf(code) != Trouble::kNone) {
      why_ = db_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db_);
    }
    return code;
  }

 private:
  static constexpr std::int64_t kNew = 0;
  static constexpr std::int64_t kOurs = 1;
  static constexpr std::int64_t kOther = 2;

  Trouble Judge(int code) {
    const Trouble trouble = TroubleOf(code);
    if (trouble != Trouble::kNone) Close();
    return trouble;
  }

  int Connect(const std::string& name, int flags,
              std::chrono::milliseconds patience) {
    Close();
    const int code = Keep(sqlite3_open_v2(
        name.c_str(), &db_, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
        nullptr));
    if (code != SQLITE_OK) return code;
    sqlite3_busy_timeout(db_, static_cast<int>(patience.count()));
    // Nothing that a file could bring along is ever run.
    sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
    return SQLITE_OK;
  }

  int SetUp() {
    // Writers do not block readers; a kill at any time leaves a good file.
    int code = Execute(
        "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; "
        "PRAGMA synchronous=NORMAL; PRAGMA cell_size_check=ON; "
        "PRAGMA journal_size_limit=4194304; PRAGMA temp_store=MEMORY; "
        "PRAGMA cache_size=-4096");
    std::int64_t state = kOther;
    if (code == SQLITE_OK) code = ReadVersion(state);
    if (code != SQLITE_OK || state == kOurs) return code;
    if (state == kOther) return Foreign();
    code = Execute("BEGIN IMMEDIATE");
    if (code == SQLITE_OK) code = ReadVersion(state);
    if (code == SQLITE_OK && state == kNew) {
      code = Execute(fmt::format("{}; PRAGMA application_id={}; "
                                 "PRAGMA user_version={}",
                                 kCreate, kApplicationId, kSchemaVersion)
                         .c_str());
    }
    if (code == SQLITE_OK) code = Execute("COMMIT");
    if (code != SQLITE_OK) RollBack();
    return code;
  }

  int Foreign() {
    why_ = "it is of another version";
    return SQLITE_NOTADB;
  }

  int Ask(const char* sql, std::int64_t& number) {
    sqlite3_stmt* statement = nullptr;
    int code = Keep(sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr));
    if (code == SQLITE_OK) {
      code = Keep(sqlite3_step(statement));
      if (code == SQLITE_ROW) {
        number = sqlite3_column_int64(statement, 0);
        code = SQLITE_OK;
      }
    }
    sqlite3_finalize(statement);
    return code;
  }

  int ReadVersion(std::int64_t& state) {
    std::int64_t application = 0;
    std::int64_t version = 0;
    std::int64_t tables = 0;
    int code = Ask("PRAGMA application_id", application);
    if (code == SQLITE_OK) code = Ask("PRAGMA user_version", version);
    if (code == SQLITE_OK) {
      code = Ask("SELECT count(*) FROM sqlite_schema", tables);
    }
    const bool fresh = application == 0 && version == 0 && tables == 0;
    const bool ours = application == kApplicationId &&
                      version == kSchemaVersion && tables == 1;
    state = fresh ? kNew : ours ? kOurs : kOther;
    return code;
  }

  int Prepare(bool to_write) {
    const auto prepare = [this](const char* sql, sqlite3_stmt** statement) {
      return Keep(sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                     statement, nullptr));
    };
    int code = prepare("SELECT value, checksum, used FROM rows WHERE key = ?1",
                       &find_);
    if (code != SQLITE_OK || !to_write) return code;
    code = prepare(
        "INSERT OR REPLACE INTO rows(key, value, checksum, used) "
        "VALUES(?1, ?2, ?3, ?4)",
        &insert_);
    if (code != SQLITE_OK) return code;
    code = prepare("UPDATE rows SET used = ?2 WHERE key = ?1 AND used < ?2",
                   &mark_);
    if (code != SQLITE_OK) return code;
    return prepare(
        "DELETE FROM rows WHERE key IN "
        "(SELECT key FROM rows ORDER BY used LIMIT "
        "(SELECT count(*) / 8 + 1 FROM rows))",
        &evict_);
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* find_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* mark_ = nullptr;
  sqlite3_stmt* evict_ = nullptr;
  std::string why_;
};

class SqliteCache final : public ResultCache {
 public:
  explicit SqliteCache(ResultCacheOptions options)
      : options_(std::move(options)), path_(options_.folder + kFileName) {}
  ~SqliteCache() override { Close(); }

  void Open() override;
  void BeginFinding() override;
  std::optional<CachedValue> Find(const CacheKey& key) override;
  void EndFinding() override;
  bool Store(std::span<const CacheRow> rows, std::span<const CacheKey> used,
             std::int64_t now) override;
  void Close() override;

 private:
  void Tell(const std::string& text);
  bool OpenReader();
  bool FilesAreOurs();
  bool Rebuild(const std::string& why);
  void OnDamage(const std::string& why);
  int MakeRoom(std::uint64_t bytes);
  int Insert(std::span<const CacheRow> rows, std::span<const CacheKey> used,
             std::int64_t now);

  const ResultCacheOptions options_;
  const std::string path_;
  Connection reader_;
  Connection writer_;
  bool finding_ = false;
  // Of the rest of the run.
  std::atomic<bool> off_{false};
  std::atomic<bool> read_only_{false};
  std::atomic<bool> damaged_{false};
  std::string damage_;  // Of whoever set damaged_; read when all has ended.
};

void SqliteCache::Tell(const std::string& text) {
  if (options_.tell) {
    options_.tell("the result cache " +
                  Printable(options_.folder, kShownPathBytes) + ' ' + text);
  }
}

bool SqliteCache::FilesAreOurs() {
  for (const char* const suffix : {"", "-wal", "-shm", "-journal"}) {
    const Status checked = CheckCacheFile(path_ + suffix);
    if (!checked.ok()) {
      off_ = true;
      Tell("is not used: " + checked.error().detail);
      return false;
    }
  }
  return true;
}

void SqliteCache::Open() {
  if (!FilesAreOurs()) return;
  Trouble trouble = reader_.Open(path_, options_.patience);
  if (trouble == Trouble::kDamaged && Rebuild(reader_.why())) {
    trouble = reader_.Open(path_, options_.patience);
  }
  if (trouble == Trouble::kNone || off_) return;
  const std::string why = reader_.why();
  if (trouble == Trouble::kFailed &&
      reader_.OpenUnlocked(path_) == Trouble::kNone) {
    read_only_ = true;
    Tell(fmt::format("cannot be written to and is only read: {}", why));
    return;
  }
  off_ = true;
  Tell(fmt::format("is not used: {}", trouble == Trouble::kBusy
                                          ? "another run is busy with it"
                                          : why));
}

// Only while nobody else in this process uses the file.
bool SqliteCache::Rebuild(const std::string& why) {
  Connection fresh;
  Trouble trouble = fresh.Reset(path_, options_.patience);
  if (trouble == Trouble::kDamaged || trouble == Trouble::kFailed) {
    for (const char* const suffix : {"", "-wal", "-shm", "-journal"}) {
      std::remove((path_ + suffix).c_str());
    }
    trouble = Trouble::kNone;
  }
  const bool done = trouble == Trouble::kNone &&
                    fresh.Open(path_, options_.patience) == Trouble::kNone;
  if (done) {
    Tell(
        fmt::format("was damaged ({}) and is begun anew; nothing of it was "
                    "believed",
                    why));
  } else {
    off_ = true;
    Tell(
        fmt::format("is damaged ({}) and not used; it cannot be begun anew: "
                    "{}",
                    why, fresh.why()));
  }
  return done;
}

void SqliteCache::OnDamage(const std::string& why) {
  if (damaged_.exchange(true)) return;
  damage_ = why;
  off_ = true;
}

void SqliteCache::BeginFinding() {
  if (off_ || !reader_.is_open()) return;
  finding_ = reader_.Execute("BEGIN") == SQLITE_OK;
}

void SqliteCache::EndFinding() {
  if (finding_) reader_.RollBack();
  finding_ = false;
}

std::optional<CachedValue> SqliteCache::Find(const CacheKey& key) {
  if (off_ || !reader_.is_open()) return std::nullopt;
  Use use = reader_.find();
  use.Bind(1, key);
  const int code = reader_.Keep(use.Step());
  if (code != SQLITE_ROW) {
    const Trouble trouble = TroubleOf(code);
    if (trouble == Trouble::kDamaged) OnDamage(reader_.why());
    if (trouble == Trouble::kFailed) {
      off_ = true;
      Tell("is not used any more: " + reader_.why());
    }
    return std::nullopt;
  }
  const std::span<const std::byte> value = use.Bytes(0);
  if (use.Number(1) != ChecksumOf(key, value)) {
    OnDamage("a checksum is wrong");
    return std::nullopt;
  }
  return CachedValue{{value.begin(), value.end()}, use.Number(2)};
}

// In the transaction that needs the room.
int SqliteCache::MakeRoom(std::uint64_t bytes) {
  const auto page =
      static_cast<std::uint64_t>(writer_.Pragma("PRAGMA page_size"));
  // Half-filled pages are the rule.
  const std::uint64_t wanted = bytes * 2;
  // Each round takes away an eighth of the rows.
  for (int round = 0; round < 200; ++round) {
    const auto pages =
        static_cast<std::uint64_t>(writer_.Pragma("PRAGMA page_count"));
    const auto free =
        static_cast<std::uint64_t>(writer_.Pragma("PRAGMA freelist_count"));
    if ((pages - free) * page + wanted <= options_.max_bytes) {
      if (pages * page + wanted <= options_.max_bytes) return SQLITE_OK;
      return writer_.Execute("PRAGMA incremental_vacuum");
    }
    Use evict = writer_.evict();
    const int code = writer_.Keep(evict.Step());
    if (code != SQLITE_DONE) return code;
  }
  return SQLITE_OK;
}

int SqliteCache::Insert(std::span<const CacheRow> rows,
                        std::span<const CacheKey> used, std::int64_t now) {
  int code = writer_.Execute("BEGIN IMMEDIATE");
  if (code != SQLITE_OK) return code;
  std::uint64_t bytes = 0;
  for (const CacheRow& row : rows) bytes += row.value.size() + 64;
  code = MakeRoom(bytes);
  if (code != SQLITE_OK) return code;
  for (const CacheRow& row : rows) {
    if (row.value.size() > kMaxValueBytes) continue;
    Use insert = writer_.insert();
    insert.Bind(1, row.key);
    insert.Bind(2, std::span<const std::byte>(row.value));
    insert.Bind(3, std::int64_t{ChecksumOf(row.key, row.value)});
    insert.Bind(4, now);
    code = writer_.Keep(insert.Step());
    if (code != SQLITE_DONE) return code;
  }
  for (const CacheKey& key : used) {
    Use mark = writer_.mark();
    mark.Bind(1, key);
    mark.Bind(2, now);
    code = writer_.Keep(mark.Step());
    if (code != SQLITE_DONE) return code;
  }
  return writer_.Execute("COMMIT");
}

bool SqliteCache::Store(std::span<const CacheRow> rows,
                        std::span<const CacheKey> used, std::int64_t now) {
  if (off_ || read_only_) return true;
  Trouble trouble = Trouble::kNone;
  if (!writer_.is_open()) trouble = writer_.Open(path_, options_.patience);
  if (trouble == Trouble::kNone) {
    trouble = TroubleOf(Insert(rows, used, now));
    // A full disk fails the rollback's words, too: keep the first.
    const std::string why = writer_.why();
    writer_.RollBack();
    if (trouble == Trouble::kFailed) {
      read_only_ = true;
      Tell("cannot be written to any more: " + why);
      return true;
    }
    if (trouble == Trouble::kDamaged) OnDamage(why);
    return trouble != Trouble::kBusy;
  }
  if (trouble == Trouble::kBusy) return false;
  if (trouble == Trouble::kDamaged) {
    OnDamage(writer_.why());
  } else {
    read_only_ = true;
    Tell("cannot be written to: " + writer_.why());
  }
  return true;
}

void SqliteCache::Close() {
  EndFinding();
  reader_.Close();
  writer_.Close();
  if (damaged_.exchange(false)) Rebuild(damage_);
}

}  // namespace

std::unique_ptr<ResultCache> MakeResultCache(ResultCacheOptions options) {
  return std::make_unique<SqliteCache>(std::move(options));
}

std::string_view ResultCacheVersion() { return "SQLite " SQLITE_VERSION; }

}  // namespace scanengine
