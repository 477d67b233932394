#include "cli/status_line.h"

#include <catch2/catch.hpp>
#include <string>

#include "cli/display_width.h"

namespace scanengine::cli {
namespace {

using std::chrono::milliseconds;

Progress Sample() {
  Progress p;
  p.found = 120;
  p.done = 30;
  p.findings = 4;
  p.bytes_found = 4ULL << 30;
  p.bytes_done = 1ULL << 30;
  p.discovering = false;
  p.elapsed = milliseconds(10'000);
  p.workers = {
      {1, "models/bert/pytorch_model.bin", "pickle", milliseconds(900)},
      {2, "", "", milliseconds(0)},
      {3, "models/llama/very/deep/folder/consolidated.00.pth", "zip",
       milliseconds(65'000)}};
  return p;
}

TEST_CASE("FormatStatusLine: snapshots at several widths") {
  const Progress p = Sample();
  CHECK(FormatStatusLine(p, 200) ==
        "[30/120] 4 findings 3 files/s 102.4 MiB/s ETA 0:30 2/3 workers"
        " | models/llama/very/deep/folder/consolidated.00.pth 1:05"
        " | models/bert/pytorch_model.bin 0:00");
  CHECK(FormatStatusLine(p, 120) ==
        "[30/120] 4 findings 3 files/s 102.4 MiB/s ETA 0:30 2/3 workers"
        " | models/ll...ed.00.pth 1:05 | models/be...model.bin 0:00");
  CHECK(FormatStatusLine(p, 90) ==
        "[30/120] 4 findings 3 files/s 102.4 MiB/s ETA 0:30 2/3 workers"
        " | models/l...ed.00.pth 1:05");
  CHECK(FormatStatusLine(p, 70) ==
        "[30/120] 4 findings 3 files/s 102.4 MiB/s ETA 0:30 2/3 workers");
  CHECK(FormatStatusLine(p, 30) == "[30/120] 4 fi...30 2/3 workers");
  CHECK(FormatStatusLine(p, 0).empty());
}

TEST_CASE("FormatStatusLine: never wider than asked, whatever the names") {
  Progress p = Sample();
  p.workers[0].path = "evil\n\x1b[2J\xff\xe2\x80\xae" + std::string(9000, 'x');
  p.workers[1].path =
      "\xe6\xa8\xa1\xe5\x9e\x8b/\xe6\xa8\xa1\xe5\x9e\x8b\xe6\xa8\xa1.bin";
  p.workers[1].busy = milliseconds(70'000);
  for (int width = 0; width < 260; ++width) {
    CAPTURE(width);
    const std::string line = FormatStatusLine(p, width);
    CHECK(DisplayWidth(line) <= width);
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.find('\x1b') == std::string::npos);
    CHECK(line.find('\xff') == std::string::npos);
  }
}

TEST_CASE("FormatStatusLine: what is not known yet is not shown") {
  Progress p;
  p.found = 7;
  CHECK(FormatStatusLine(p, 80) == "[0/7+]");
  p.elapsed = milliseconds(1000);
  p.bytes_found = 100;
  p.bytes_done = 50;
  p.done = 3;
  p.findings = 1;
  CHECK(FormatStatusLine(p, 80) == "[3/7+] 1 finding 3 files/s 50 B/s");
}

TEST_CASE("FormatStatusLine: the remaining time survives odd figures") {
  Progress p;
  p.discovering = false;
  p.elapsed = milliseconds(1000);
  p.found = 10;
  p.done = 5;
  CHECK(FormatStatusLine(p, 80) == "[5/10] 5 files/s 0 B/s ETA 0:01");
  p.bytes_found = 100;
  p.bytes_done = 200;  // A file grew.
  CHECK(FormatStatusLine(p, 80) == "[5/10] 5 files/s 200 B/s");
  p.bytes_found = ~0ULL;
  p.bytes_done = 1;
  CHECK(FormatStatusLine(p, 80) == "[5/10] 5 files/s 1 B/s");
  p.bytes_found = 7300;
  p.bytes_done = 1;
  CHECK(FormatStatusLine(p, 80) == "[5/10] 5 files/s 1 B/s ETA 2:01:39");
}

TEST_CASE("ElideMiddle: cuts between characters and keeps both ends") {
  CHECK(ElideMiddle("abcdefghij", 10) == "abcdefghij");
  CHECK(ElideMiddle("abcdefghij", 9) == "abc...hij");
  CHECK(ElideMiddle("abcdefghij", 8) == "ab...hij");
  CHECK(ElideMiddle("abcdefghij", 3) == "abc");
  CHECK(ElideMiddle("abcdefghij", 0).empty());
  // Two columns each: an odd width leaves one unused.
  const std::string wide = "\xe6\xa8\xa1\xe5\x9e\x8b\xe6\xa8\xa1\xe5\x9e\x8b";
  CHECK(DisplayWidth(wide) == 8);
  CHECK(ElideMiddle(wide, 7) == "\xe6\xa8\xa1...\xe5\x9e\x8b");
  CHECK(ElideMiddle(wide, 1).empty());
}

struct Screen {
  std::string written;
  int width = 80;
  StatusLine::Clock::time_point now{};

  StatusLine Line() {
    return StatusLine({[this](std::string_view text) { written += text; },
                       [this] { return width; }, [this] { return now; }});
  }
};

TEST_CASE("StatusLine: is written over at most ten times a second") {
  Screen screen;
  StatusLine line = screen.Line();
  Progress p;
  for (int i = 0; i < 1000; ++i) {
    p.done = static_cast<std::uint64_t>(i);
    line.Update(p);
    screen.now += milliseconds(1);
  }
  std::size_t updates = 0;
  for (const char c : screen.written) updates += c == '\r' ? 1 : 0;
  CHECK(updates == 10);
}

TEST_CASE("StatusLine: goes away on Clear and comes back at once") {
  Screen screen;
  StatusLine line = screen.Line();
  line.Clear();
  CHECK(screen.written.empty());
  line.Update(Progress());
  line.Clear();
  line.Clear();
  line.Update(Progress());
  CHECK(screen.written == "\r[0/0+]\x1b[K\r\x1b[K\r[0/0+]\x1b[K");
}

TEST_CASE("StatusLine: leaves the last column free and follows a resize") {
  Screen screen;
  StatusLine line = screen.Line();
  screen.width = 6;
  line.Update(Progress());
  screen.now += milliseconds(100);
  screen.width = 7;
  line.Update(Progress());
  CHECK(screen.written == "\r[...]\x1b[K\r[0/0+]\x1b[K");
}

}  // namespace
}  // namespace scanengine::cli
