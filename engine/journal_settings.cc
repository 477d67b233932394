#include "engine/journal_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "engine/journal_file.h"
#include "engine/siphash.h"
#include "ipc/text.h"

namespace scanengine {
namespace {

using Kind = JournalSetting::Kind;

constexpr std::size_t kMostRoots = 16;
constexpr std::size_t kLongestValue = 200;
constexpr std::size_t kMostShownChanges = 3;
constexpr std::size_t kShownValueBytes = 80;

// Tells texts apart that nobody makes in order to confuse us: they are the
// user's own.
std::string Digest(std::string_view text) {
  return fmt::format("{:016x}{:016x}", SipHash({1, 2}, text),
                     SipHash({3, 4}, text));
}

// Unambiguous whatever bytes the items hold.
std::string Joined(const std::vector<std::string>& items) {
  std::string all;
  for (const std::string& item : items) {
    all += fmt::format("{}:", item.size());
    all += item;
  }
  return all;
}

std::string Shown(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) {
    if (!text.empty()) text += ' ';
    text += item;
    if (text.size() > kLongestValue) break;
  }
  // Two lists may read the same.
  const bool plain =
      items.empty() || (items.size() == 1 && text.size() <= kLongestValue);
  if (plain) return text;
  return fmt::format("{} ({} in all, digest {})", text.substr(0, kLongestValue),
                     items.size(), Digest(Joined(items)).substr(0, 16));
}

std::string Bytes(std::uint64_t size) {
  return size == 0 ? "0" : fmt::format("{} bytes", size);
}

void AddRules(const ScanOptions& options,
              std::span<const std::byte> import_policy,
              const std::vector<FormatInfo>& formats, JournalSession& session) {
  const auto add = [&](std::string name, std::string value) {
    session.settings.push_back(
        {Kind::kRules, std::move(name), std::move(value)});
  };
  add("the version", std::string(BuildId()));
  std::vector<std::string> scanners;
  scanners.reserve(formats.size());
  for (const FormatInfo& format : formats) {
    scanners.push_back(format.name + (format.supported ? "" : " (no)"));
  }
  std::sort(scanners.begin(), scanners.end());
  add("the set of scanners", Digest(Joined(scanners)).substr(0, 16));
  add("the import policy",
      Digest({reinterpret_cast<const char*>(import_policy.data()),
              import_policy.size()})
          .substr(0, 16));
  const ScanLimits& limits = options.limits;
  add("limits",
      fmt::format("depth {}, members {}, unpacked {}, ratio {}, findings {}",
                  limits.max_depth, limits.max_members, limits.max_unpacked,
                  limits.max_ratio, limits.max_findings));
  add("--isolation", std::string(IsolationModeName(options.isolation)));
  add("the sandbox", options.sandbox ? "on" : "off");
}

}  // namespace

JournalSession DescribeRun(const ScanOptions& options,
                           std::span<const std::byte> import_policy,
                           const std::vector<FormatInfo>& formats) {
  JournalSession session;
  std::vector<std::string> roots;
  roots.reserve(options.paths.size());
  for (const std::string& path : options.paths) {
    roots.push_back(AbsolutePath(path));
  }
  std::sort(roots.begin(), roots.end());
  const std::string folder = AbsolutePath(".");
  session.roots_digest = Digest(Joined(roots) + '|' + Joined(options.files) +
                                (options.files.empty() ? "" : folder));
  session.roots = std::move(roots);
  if (session.roots.size() > kMostRoots) session.roots.resize(kMostRoots);

  AddRules(options, import_policy, formats, session);
  const auto add = [&](Kind kind, std::string name, std::string value) {
    session.settings.push_back({kind, std::move(name), std::move(value)});
  };
  add(Kind::kEffort, "--timeout",
      fmt::format("{} ms", options.timeout.count()));
  add(Kind::kEffort, "--retries", std::to_string(options.retries));
  add(Kind::kEffort, "--memory-limit", Bytes(options.memory_limit));
  add(Kind::kEffort, "--worker-memory", Bytes(options.worker_memory));
  add(Kind::kSelection, "the current folder", folder);
  add(Kind::kSelection, "PATH", Shown(options.paths));
  add(Kind::kSelection, "--files-from", Shown(options.files));
  add(Kind::kSelection, "--include", Shown(options.include));
  add(Kind::kSelection, "--exclude", Shown(options.exclude));
  add(Kind::kSelection, "--follow-symlinks",
      options.follow_symlinks ? "on" : "off");
  add(Kind::kSelection, "--max-file-size", Bytes(options.max_file_size));
  return session;
}

SettingsChange CompareSettings(const JournalSession& before,
                               const JournalSession& now) {
  SettingsChange change;
  std::size_t shown = 0;
  const auto note = [&](Kind kind, const std::string& text) {
    (kind == Kind::kRules    ? change.rules
     : kind == Kind::kEffort ? change.effort
                             : change.selection) = true;
    ++shown;
    if (shown > kMostShownChanges) return;
    change.text += (change.text.empty() ? "" : "; ") + text;
  };
  const auto value_in = [](const JournalSession& session,
                           const JournalSetting& like) {
    const auto at = std::find_if(
        session.settings.begin(), session.settings.end(),
        [&](const JournalSetting& each) { return each.name == like.name; });
    return at == session.settings.end() ? nullptr : &at->value;
  };
  const auto quoted = [](const std::string& value) {
    return value.empty() ? std::string("empty")
                         : Printable(value, kShownValueBytes);
  };
  for (const JournalSetting& setting : now.settings) {
    const std::string* const old = value_in(before, setting);
    if (old != nullptr && *old == setting.value) continue;
    note(setting.kind,
         fmt::format("{} was {} and is {}", setting.name,
                     old == nullptr ? "not recorded" : quoted(*old),
                     quoted(setting.value)));
  }
  for (const JournalSetting& setting : before.settings) {
    if (value_in(now, setting) != nullptr) continue;
    note(setting.kind, fmt::format("{} was {} and is no setting any more",
                                   Printable(setting.name, kShownValueBytes),
                                   quoted(setting.value)));
  }
  if (shown > kMostShownChanges) {
    change.text += fmt::format("; and {} more", shown - kMostShownChanges);
  }
  return change;
}

}  // namespace scanengine
