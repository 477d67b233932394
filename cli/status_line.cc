#include "cli/status_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "cli/display_width.h"
#include "ipc/text.h"

namespace scanengine::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLeastInterval{100};
constexpr milliseconds kLeastForRate{500};  // Before, rates jump about.
constexpr std::size_t kMostFiles = 3;
constexpr int kLeastFileColumns = 24;  // " | " and a path that still tells.
constexpr std::size_t kMaxPathBytes = 4096;

// "0:07", "12:34", "3:04:05".
std::string ClockText(milliseconds time) {
  const auto seconds = time.count() / 1000;
  if (seconds >= 3600) {
    return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60,
                       seconds % 60);
  }
  return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
}

// By bytes, since files differ by six orders of magnitude; by files where all
// are empty. Nothing while the total is not known.
std::optional<milliseconds> Remaining(const Progress& p) {
  if (p.discovering || p.elapsed < kLeastForRate) return std::nullopt;
  const bool by_bytes = p.bytes_found > 0;
  const double total = static_cast<double>(by_bytes ? p.bytes_found : p.found);
  const double done = static_cast<double>(by_bytes ? p.bytes_done : p.done);
  if (done <= 0 || done > total) return std::nullopt;
  const double factor = (total - done) / done;
  const double rest = static_cast<double>(p.elapsed.count()) * factor;
  constexpr double kMostMilliseconds = 359'999'000;  // 99:59:59.
  if (rest > kMostMilliseconds) return std::nullopt;
  return milliseconds(static_cast<std::int64_t>(rest));
}

std::vector<const WorkerView*> LongestRunning(const Progress& progress) {
  std::vector<const WorkerView*> busy;
  for (const WorkerView& worker : progress.workers) {
    if (!worker.path.empty()) busy.push_back(&worker);
  }
  std::stable_sort(busy.begin(), busy.end(),
                   [](const WorkerView* a, const WorkerView* b) {
                     return a->busy > b->busy;
                   });
  return busy;
}

std::string Figures(const Progress& p, std::size_t busy) {
  std::string out =
      fmt::format("[{}/{}{}]", p.done, p.found, p.discovering ? "+" : "");
  if (p.findings > 0) {
    out += fmt::format(" {} finding{}", p.findings, p.findings == 1 ? "" : "s");
  }
  if (p.elapsed >= kLeastForRate) {
    const double seconds = static_cast<double>(p.elapsed.count()) / 1000;
    const double bytes = static_cast<double>(p.bytes_done) / seconds;
    out += fmt::format(" {:.0f} files/s {}/s",
                       static_cast<double>(p.done) / seconds,
                       HumanSize(static_cast<unsigned long long>(bytes)));
  }
  if (const auto rest = Remaining(p)) out += " ETA " + ClockText(*rest);
  if (!p.workers.empty()) {
    out += fmt::format(" {}/{} workers", busy, p.workers.size());
  }
  return out;
}

}  // namespace

std::string FormatStatusLine(const Progress& progress, int width) {
  const std::vector<const WorkerView*> busy = LongestRunning(progress);
  std::string line = ElideMiddle(Figures(progress, busy.size()), width);
  int room = width - DisplayWidth(line);
  std::size_t files = std::min(
      {busy.size(), kMostFiles,
       static_cast<std::size_t>(std::max(0, room / kLeastFileColumns))});
  for (std::size_t i = 0; files > 0; ++i, --files) {
    const int share = room / static_cast<int>(files);
    const std::string end = fmt::format(" {}", ClockText(busy[i]->busy));
    const int columns = share - 3 - DisplayWidth(end);
    std::string text =
        " | " + ElideMiddle(Printable(busy[i]->path, kMaxPathBytes), columns);
    text += end;
    room -= DisplayWidth(text);
    line += text;
  }
  return line;
}

StatusLine::StatusLine(Hooks hooks) : hooks_(std::move(hooks)) {}

void StatusLine::Update(const Progress& progress) {
  const Clock::time_point now = hooks_.now();
  if (shown_ && now < next_) return;
  next_ = now + kLeastInterval;
  // A full last column would make some terminals begin a new line.
  const std::string line = FormatStatusLine(progress, hooks_.width() - 1);
  hooks_.write("\r" + line + "\x1b[K");
  shown_ = true;
}

void StatusLine::Clear() {
  if (!shown_) return;
  hooks_.write("\r\x1b[K");
  shown_ = false;
}

}  // namespace scanengine::cli
