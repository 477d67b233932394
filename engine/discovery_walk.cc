#include "engine/discovery_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>

#include "ipc/text.h"

namespace scanengine {
namespace {

// Files given through links are remembered up to this number, to give none of
// them twice. Beyond it a file may be scanned once more under another name.
constexpr std::size_t kMaxTakenThroughLinks = 100'000;

constexpr std::size_t kMaxShownPathBytes = 300;

std::string Shown(std::string_view path) {
  return Printable(path, kMaxShownPathBytes);
}

std::string_view KindName(EntryKind kind) {
  switch (kind) {
    case EntryKind::kFile:
      return "a file";
    case EntryKind::kFolder:
      return "a folder";
    case EntryKind::kLink:
      return "a link";
    case EntryKind::kFifo:
      return "a FIFO";
    case EntryKind::kSocket:
      return "a socket";
    case EntryKind::kCharacterDevice:
      return "a character device";
    case EntryKind::kBlockDevice:
      return "a block device";
    case EntryKind::kOther:
      break;
  }
  return "neither a file nor a folder";
}

// "a//" is "a" and "//" is "/", so that a name can be put behind.
std::string WithoutTrailingSlashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::string ParentOf(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, std::max<std::size_t>(slash, 1)));
}

std::string_view NameOf(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool IsBelow(std::string_view path, std::string_view folder) {
  return !folder.empty() && path.size() > folder.size() &&
         path.starts_with(folder) && path[folder.size()] == '/';
}

bool IsModelCacheName(std::string_view name) {
  static constexpr std::array<std::string_view, 3> kPrefixes{
      "models--", "datasets--", "spaces--"};
  return std::any_of(
      kPrefixes.begin(), kPrefixes.end(),
      [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// For each string whether an equal one comes before it.
std::vector<bool> Repeated(const std::vector<std::string>& strings) {
  std::vector<std::size_t> order(strings.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(
      order.begin(), order.end(),
      [&](std::size_t a, std::size_t b) { return strings[a] < strings[b]; });
  std::vector<bool> repeated(strings.size());
  for (std::size_t i = 1; i < order.size(); ++i) {
    repeated[order[i]] = strings[order[i]] == strings[order[i - 1]];
  }
  return repeated;
}

}  // namespace

std::string ModelCacheBlobs(const std::string& real_path) {
  std::string folder = real_path;
  while (folder.size() > 1) {
    if (IsModelCacheName(NameOf(folder))) {
      std::string blobs = folder + "/blobs";
      const Result<FileFacts> facts = LookAtPath(blobs);
      if (facts.ok() && facts.value().kind == EntryKind::kFolder) return blobs;
    }
    folder = ParentOf(folder);
  }
  return {};
}

DiscoveryWalk::DiscoveryWalk(const DiscoveryOptions& options,
                             DiscoverySink& sink, LinkListener listener)
    : options_(options),
      sink_(sink),
      listener_(std::move(listener)),
      filter_(options.include, options.exclude) {}

void DiscoveryWalk::Run() {
  // All folders that will be walked are known before anything is given, so that
  // nothing is given that a walk reaches too.
  AddFolderRoots();
  const std::vector<bool> repeated_paths = Repeated(options_.paths);
  for (std::size_t i = 0; i < options_.paths.size() && !stopped_; ++i) {
    if (!repeated_paths[i]) GiveNamed(options_.paths[i], true);
  }
  const std::vector<bool> repeated_files = Repeated(options_.files);
  for (std::size_t i = 0; i < options_.files.size() && !stopped_; ++i) {
    if (!repeated_files[i]) GiveNamed(options_.files[i], false);
  }
  for (std::size_t i = 0; i < tops_.size() && !stopped_; ++i) Walk(tops_[i]);
}

void DiscoveryWalk::AddFolderRoots() {
  for (const std::string& path : options_.paths) {
    const Result<FileFacts> facts = LookAtPath(path);
    if (!facts.ok() || facts.value().kind != EntryKind::kFolder) continue;
    Result<ResolvedPath> resolved = ResolvePath(path);
    if (!resolved.ok()) continue;  // GiveNamed() meets it again.
    std::string top = WithoutTrailingSlashes(path);
    const std::size_t relative_at = top.size() + (top == "/" ? 0 : 1);
    AddTop(std::move(top), relative_at, std::move(resolved).value(), false);
  }
}

bool DiscoveryWalk::AddTop(std::string path, std::size_t relative_at,
                           ResolvedPath folder, bool through_link) {
  if (!top_ids_.insert(folder.facts.id).second) return false;
  std::string blobs = ModelCacheBlobs(folder.real_path);
  tops_.push_back({std::move(path), relative_at, folder.facts.id,
                   std::move(folder.real_path), std::move(blobs),
                   through_link});
  const Top& top = tops_.back();
  if (!top.real_path.empty()) tops_by_real_path_.emplace(top.real_path, &top);
  return true;
}

void DiscoveryWalk::GiveNamed(const std::string& path, bool is_root) {
  const Result<FileFacts> facts = LookAtPath(path);
  if (!facts.ok()) {
    Give(path, OutcomeStatus::kUnreadable, facts.error().detail);
    return;
  }
  if (facts.value().kind != EntryKind::kFolder && !TakeNamed(path)) return;
  switch (facts.value().kind) {
    case EntryKind::kFile:
      GiveFile(path, facts.value().size, facts.value().stamp);
      break;
    case EntryKind::kLink:
      GiveNamedLink(path, is_root);
      break;
    case EntryKind::kFolder:
      if (!is_root) {
        Give(path, OutcomeStatus::kSkipped, "is a folder");
      } else if (!top_ids_.contains(facts.value().id)) {
        // It was no folder a moment ago.
        Give(path, OutcomeStatus::kChanged, "changed during the scan");
      }
      break;
    default:
      Give(path, OutcomeStatus::kSkipped,
           fmt::format("is {}", KindName(facts.value().kind)));
  }
}

// A named link is followed: whoever named it wants what it leads to.
void DiscoveryWalk::GiveNamedLink(const std::string& path, bool is_root) {
  Result<ResolvedPath> resolved = ResolvePath(path);
  if (!resolved.ok()) {
    Give(path, OutcomeStatus::kUnreadable,
         resolved.error().code == ErrorCode::kNotFound
             ? "link leads nowhere"
             : resolved.error().detail);
    return;
  }
  const ResolvedPath& target = resolved.value();
  const bool is_folder = target.facts.kind == EntryKind::kFolder;
  if (is_folder && !is_root) {
    Give(path, OutcomeStatus::kSkipped, "link to a folder");
    return;
  }
  if (!is_folder && target.facts.kind != EntryKind::kFile) {
    Give(path, OutcomeStatus::kSkipped,
         fmt::format("link to {}", KindName(target.facts.kind)));
    return;
  }
  const Reach reach = ReachOf(target.real_path, is_folder);
  if (reach == Reach::kWalked || reach == Reach::kThroughLink) {
    GiveReached(path, target, reach);
  } else if (is_folder) {
    std::string top = WithoutTrailingSlashes(path);
    const std::size_t relative_at = top.size() + 1;
    AddTop(std::move(top), relative_at, std::move(resolved).value(), true);
  } else {
    GiveThroughLink(path, target);
  }
}

void DiscoveryWalk::Walk(const Top& top) {
  const Result<std::unique_ptr<DirectoryWalker>> opened =
      DirectoryWalker::Open(top.path);
  if (!opened.ok()) {
    GiveFolderFault(top.path, opened.error());
    return;
  }
  DirectoryWalker& walker = *opened.value();
  if (walker.id() != top.id) {
    Give(top.path, OutcomeStatus::kChanged,
         "another folder took its place during the scan");
    return;
  }
  ReadFolder(top, walker);
  while (!stopped_) {
    switch (walker.Next()) {
      case DirectoryWalker::Move::kDone:
        return;
      case DirectoryWalker::Move::kFailed:
        GiveFolderFault(walker.path(), walker.error());
        break;
      case DirectoryWalker::Move::kEntered:
        if (top_ids_.contains(walker.id())) break;  // Is walked on its own.
        if (!walker.pseudo_file_system().empty()) {
          Give(walker.path(), OutcomeStatus::kSkipped,
               fmt::format("is a {} file system, which holds no files",
                           walker.pseudo_file_system()));
          break;
        }
        ReadFolder(top, walker);
    }
  }
}

void DiscoveryWalk::ReadFolder(const Top& top, DirectoryWalker& walker) {
  DirectoryEntry entry;
  while (!stopped_) {
    const Result<bool> read = walker.Read(entry);
    if (!read.ok()) {
      GiveFolderFault(walker.path(), read.error());
      return;
    }
    if (!read.value()) return;
    OnEntry(top, walker, entry);
  }
}

void DiscoveryWalk::OnEntry(const Top& top, DirectoryWalker& walker,
                            const DirectoryEntry& entry) {
  const std::string& path = walker.path();
  const std::string_view relative =
      std::string_view(path).substr(top.relative_at);
  if (entry.kind == EntryKind::kFolder) {
    if (!filter_.Excludes(relative, true)) walker.Remember(entry);
    return;
  }
  if (filter_.Excludes(relative, false)) return;
  if (entry.kind == EntryKind::kLink) {
    OnLink(top, walker, entry);
    return;
  }
  if (!filter_.Includes(relative)) return;
  if (!taken_.empty() &&
      taken_.contains(EntryKeyView{walker.id(), entry.name})) {
    return;
  }
  if (entry.fault) {
    Give(path, OutcomeStatus::kUnreadable, entry.fault->detail);
  } else if (entry.kind == EntryKind::kFile) {
    GiveFile(path, entry.size, entry.stamp);
  } else {
    Give(path, OutcomeStatus::kSkipped,
         fmt::format("is {}", KindName(entry.kind)));
  }
}

// Filters apply to the link's own name; include globs, as ever, to files only.
void DiscoveryWalk::OnLink(const Top& top, const DirectoryWalker& walker,
                           const DirectoryEntry& entry) {
  const std::string& path = walker.path();
  const std::string_view relative =
      std::string_view(path).substr(top.relative_at);
  if (!taken_.empty() &&
      taken_.contains(EntryKeyView{walker.id(), entry.name})) {
    return;
  }
  const Result<ResolvedPath> resolved = walker.Resolve(entry);
  const bool is_folder =
      resolved.ok() && resolved.value().facts.kind == EntryKind::kFolder;
  if (is_folder ? filter_.Excludes(relative, true)
                : !filter_.Includes(relative)) {
    return;
  }
  if (!resolved.ok()) {
    const Error& error = resolved.error();
    if (error.code == ErrorCode::kNotFound) {
      Give(path, OutcomeStatus::kSkipped, "link leads nowhere");
    } else if (error.code == ErrorCode::kLimitExceeded) {
      Give(path, OutcomeStatus::kSkipped, error.detail);
    } else {
      // It may lead to a file that nothing else leads to.
      Give(path, OutcomeStatus::kUnreadable,
           fmt::format("cannot follow link: {}", error.detail));
    }
    return;
  }
  const ResolvedPath& target = resolved.value();
  if (!is_folder && target.facts.kind != EntryKind::kFile) {
    Give(path, OutcomeStatus::kSkipped,
         fmt::format("link to {}", KindName(target.facts.kind)));
  } else if (target.real_path.empty()) {
    Give(path, OutcomeStatus::kUnreadable,
         "cannot tell where the link leads: the path is too long");
  } else {
    FollowLink(top, path, target, ReachOf(target.real_path, is_folder));
  }
}

void DiscoveryWalk::FollowLink(const Top& top, const std::string& path,
                               const ResolvedPath& target, Reach reach) {
  const bool is_folder = target.facts.kind == EntryKind::kFolder;
  if (reach == Reach::kWalked || reach == Reach::kThroughLink) {
    GiveReached(path, target, reach);
    return;
  }
  // A file may be left out under its own name and asked for under the link's:
  // with --include '*.bin', all of a model cache.
  const bool inside =
      reach == Reach::kLeftOut || IsBelow(target.real_path, top.blobs);
  if (!options_.follow_symlinks && !(inside && !is_folder)) {
    Give(path, OutcomeStatus::kSkipped,
         reach == Reach::kLeftOut
             ? fmt::format("link to {}, which the filters leave out",
                           Shown(target.real_path))
             : "link leads out of the scanned folder; --follow-symlinks scans "
               "it");
    return;
  }
  if (!target.pseudo_file_system.empty()) {
    Give(path, OutcomeStatus::kSkipped,
         fmt::format("link leads to a {} file system, which holds no files",
                     target.pseudo_file_system));
    return;
  }
  if (!is_folder) {
    GiveThroughLink(path, target);
    return;
  }
  if (AddTop(path, top.relative_at, target, true)) {
    if (listener_) listener_(target.real_path, true);
  } else {
    GiveReached(path, target, Reach::kThroughLink);
  }
}

void DiscoveryWalk::GiveThroughLink(const std::string& path,
                                    const ResolvedPath& target) {
  if (!target.real_path.empty()) {
    if (!TakeByRealPath(target.real_path)) {
      GiveReached(path, target, Reach::kThroughLink);
      return;
    }
    if (listener_) listener_(target.real_path, false);
  }
  GiveFile(path, target.facts.size, target.facts.stamp);
}

// The innermost folder counts that is walked on its own: those around it leave
// it out.
DiscoveryWalk::Reach DiscoveryWalk::ReachOf(const std::string& real_path,
                                            bool is_folder) const {
  std::string_view above = real_path;
  while (!above.empty()) {
    const auto found = tops_by_real_path_.find(above);
    if (found != tops_by_real_path_.end()) {
      const Top& top = *found->second;
      // As a walk of |top| would spell it.
      std::string path = top.path;
      std::string_view rest = std::string_view(real_path).substr(above.size());
      while (rest.starts_with('/')) rest.remove_prefix(1);
      if (!path.ends_with('/')) path += '/';
      path += rest;
      const std::string_view relative =
          std::string_view(path).substr(top.relative_at);
      if (!rest.empty() && !filter_.Reaches(relative, is_folder)) {
        return Reach::kLeftOut;
      }
      return top.through_link ? Reach::kThroughLink : Reach::kWalked;
    }
    const std::size_t slash = above.rfind('/');
    // Behind the last comes "/", or nothing behind "C:".
    if (above == "/" || slash == std::string_view::npos) break;
    above = above.substr(0, std::max<std::size_t>(slash, 1));
  }
  return Reach::kOutside;
}

bool DiscoveryWalk::Take(FileId folder, std::string_view name) {
  if (taken_.contains(EntryKeyView{folder, name})) return false;
  taken_.insert(EntryKey{folder, std::string(name)});
  return true;
}

bool DiscoveryWalk::TakeByRealPath(const std::string& real_path) {
  const Result<FileFacts> folder = LookAtPath(ParentOf(real_path));
  if (!folder.ok()) return true;
  const FileId id = folder.value().id;
  if (taken_through_links_ >= kMaxTakenThroughLinks) {
    return !taken_.contains(EntryKeyView{id, NameOf(real_path)});
  }
  if (!Take(id, NameOf(real_path))) return false;
  ++taken_through_links_;
  return true;
}

// Lists of files mostly name one folder many times in a row.
bool DiscoveryWalk::TakeNamed(const std::string& path) {
  std::string folder = ParentOf(path);
  if (folder != last_folder_of_named_.first) {
    const Result<ResolvedPath> resolved = ResolvePath(folder);
    // Rather twice than never.
    if (!resolved.ok()) return true;
    last_folder_of_named_ = {std::move(folder), resolved.value().facts.id};
  }
  return Take(last_folder_of_named_.second, NameOf(path));
}

void DiscoveryWalk::GiveFile(const std::string& path, std::uint64_t size,
                             const std::optional<FileStamp>& stamp) {
  if (options_.max_file_size == 0 || size <= options_.max_file_size) {
    Give(path, OutcomeStatus::kScanned, {}, size, stamp);
    return;
  }
  std::string found = HumanSize(size);
  std::string allowed = HumanSize(options_.max_file_size);
  if (found == allowed) {  // Differ by too little to be seen.
    found = fmt::format("{} B", size);
    allowed = fmt::format("{} B", options_.max_file_size);
  }
  Give(path, OutcomeStatus::kLimit,
       fmt::format("is larger than --max-file-size ({} > {})", found, allowed),
       size);
}

void DiscoveryWalk::GiveReached(const std::string& path,
                                const ResolvedPath& target, Reach reach) {
  Give(path, OutcomeStatus::kSkipped,
       fmt::format("link to {}, which is scanned under {} name",
                   Shown(target.real_path),
                   reach == Reach::kWalked ? "its own" : "another"));
}

void DiscoveryWalk::GiveFolderFault(const std::string& path,
                                    const Error& error) {
  if (error.code == ErrorCode::kChanged) {
    Give(path, OutcomeStatus::kChanged, error.detail);
  } else {
    Give(path, OutcomeStatus::kUnreadable,
         fmt::format("cannot read folder: {}", error.detail));
  }
}

void DiscoveryWalk::Give(const std::string& path, OutcomeStatus status,
                         std::string detail, std::uint64_t size,
                         const std::optional<FileStamp>& stamp) {
  if (stopped_) return;
  if (!sink_.OnFile({path, size, status, std::move(detail), stamp})) {
    stopped_ = true;
  }
}

}  // namespace scanengine
