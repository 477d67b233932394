#include "cli/output_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>
#include <string>

#include "cli/report_writer.h"
#include "tests/cli/scratch_folder.h"

namespace scanengine::cli {
namespace {

using testing::ScratchFolder;
using Names = std::set<std::string>;

ReportWriter OpenWriter(const std::string& path) {
  Result<std::unique_ptr<ByteSink>> sink = OpenOutputFile(path);
  if (!sink.ok()) FAIL(sink.error().detail);
  return ReportWriter(std::move(sink).value());
}

TEST_CASE("OutputFile: appears at Commit and not before") {
  const ScratchFolder folder;
  ReportWriter writer = OpenWriter(folder.File("r.json"));
  writer.Write("hello ");
  writer.Write(std::string(200'000, 'x'));
  CHECK(folder.Names() == Names{});
  REQUIRE(writer.Commit().ok());
  CHECK(folder.Names() == Names{"r.json"});
  CHECK(folder.Read("r.json") == "hello " + std::string(200'000, 'x'));
}

TEST_CASE("OutputFile: an earlier file stays until Commit and keeps its mode") {
  const ScratchFolder folder;
  const std::string path = folder.Write("r.json", "old");
  std::filesystem::permissions(path, std::filesystem::perms(0604));
  {
    ReportWriter writer = OpenWriter(path);
    writer.Write("new");
    CHECK(folder.Read("r.json") == "old");
  }  // Never committed.
  CHECK(folder.Read("r.json") == "old");
  CHECK(folder.Names() == Names{"r.json"});

  ReportWriter writer = OpenWriter(path);
  writer.Write("new");
  REQUIRE(writer.Commit().ok());
  CHECK(folder.Read("r.json") == "new");
  CHECK(folder.Names() == Names{"r.json"});
  CHECK(std::filesystem::status(path).permissions() ==
        std::filesystem::perms(0604));
}

TEST_CASE("OutputFile: a new file has the mode that the mask leaves") {
  const ScratchFolder folder;
  const mode_t mask = ::umask(027);
  ReportWriter writer = OpenWriter(folder.File("r"));
  REQUIRE(writer.Commit().ok());
  ::umask(mask);
  CHECK(std::filesystem::status(folder.File("r")).permissions() ==
        std::filesystem::perms(0640));
}

TEST_CASE("OutputFile: a link is followed and stays one") {
  const ScratchFolder folder;
  folder.Write("real", "old");
  std::filesystem::create_symlink("real", folder.File("link"));
  ReportWriter writer = OpenWriter(folder.File("link"));
  writer.Write("new");
  REQUIRE(writer.Commit().ok());
  CHECK(folder.Read("real") == "new");
  CHECK(std::filesystem::is_symlink(folder.File("link")));
}

TEST_CASE("OutputFile: what cannot be written is refused at once") {
  const ScratchFolder folder;
  const auto reason = [](const std::string& path) {
    const auto sink = OpenOutputFile(path);
    return sink.ok() ? "accepted" : sink.error().detail;
  };
  CHECK(reason(folder.File("missing/r")) == "No such file or directory");
  CHECK(reason(folder.path()) == "Is a directory");
  folder.Write("file", "");
  CHECK(reason(folder.File("file/r")) == "Not a directory");
}

TEST_CASE("OutputFile: a folder without rights is refused") {
  if (::geteuid() == 0) return;  // Root may write everywhere.
  const ScratchFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0500));
  const auto sink = OpenOutputFile(folder.File("r"));
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0700));
  REQUIRE_FALSE(sink.ok());
  CHECK(sink.error().code == ErrorCode::kPermission);
}

TEST_CASE("OutputFile: a target that turns into a folder leaves no trace") {
  const ScratchFolder folder;
  const std::string path = folder.File("r");
  {
    ReportWriter writer = OpenWriter(path);
    writer.Write("x");
    std::filesystem::create_directories(path + "/sub");
    const Status status = writer.Commit();
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().detail == "Is a directory");
  }
  CHECK(folder.Names() == Names{"r"});
}

TEST_CASE("OutputFile: a full disk is told and remembered") {
  ReportWriter writer = OpenWriter("/dev/full");
  writer.Write("x");
  const Status first = writer.Commit();
  REQUIRE_FALSE(first.ok());
  CHECK(first.error().detail == "No space left on device");
  CHECK(writer.failed());
  CHECK_FALSE(writer.reader_gone());
  CHECK_FALSE(writer.Commit().ok());
}

// Fails where it is told to.
class FaultySink : public ByteSink {
 public:
  FaultySink(bool write_fails, bool commit_fails, int* writes)
      : write_fails_(write_fails),
        commit_fails_(commit_fails),
        writes_(writes) {}
  Status Write(std::string_view) override {
    ++*writes_;
    if (write_fails_) return Error{ErrorCode::kIo, "write failed"};
    return OkStatus();
  }
  Status Commit() override {
    if (commit_fails_) return Error{ErrorCode::kIo, "commit failed"};
    return OkStatus();
  }

 private:
  bool write_fails_;
  bool commit_fails_;
  int* writes_;
};

TEST_CASE("ReportWriter: the first failure ends all writing and is kept") {
  int writes = 0;
  ReportWriter writer(std::make_unique<FaultySink>(true, true, &writes));
  writer.Write("a");
  CHECK_FALSE(writer.failed());
  writer.Flush();
  CHECK(writer.failed());
  writer.Write("b");
  writer.Flush();
  CHECK(writes == 1);
  CHECK(writer.Commit().error().detail == "write failed");
}

TEST_CASE("ReportWriter: a failed commit is a failure") {
  int writes = 0;
  ReportWriter writer(std::make_unique<FaultySink>(false, true, &writes));
  writer.Write("a");
  CHECK(writer.Commit().error().detail == "commit failed");
  CHECK(writer.failed());
}

}  // namespace
}  // namespace scanengine::cli
