#ifndef SCANENGINE_ENGINE_PATH_FILTER_H_
#define SCANENGINE_ENGINE_PATH_FILTER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace scanengine {

/// A glob, compiled once and matched in time proportional to the length of the
/// text times the length of the glob, whatever both hold.
///
///   *        any characters but /
///   **       any characters; as a whole folder name ("a/**/b") also none
///   ?        one character but /
///   [a-z]    one of these; [!a-z] and [^a-z] one character but these and /
///   {a,b}    either; may be nested
///   \x       x itself
///
/// Characters are code points where the bytes are UTF-8, else single bytes. A
/// leading dot is nothing special. What is not closed ("[a", "{a") stands for
/// itself, so that every string is a glob. Thread-safe.
class Glob {
 public:
  /// |ignore_case|: a symbol stands for itself in either case.
  explicit Glob(std::string_view pattern, bool ignore_case = false);

  /// True if the whole of |text| matches.
  bool Matches(std::string_view text) const;

 private:
  friend class GlobCompiler;

  enum class Op : std::uint8_t {
    kSymbol,    ///< One symbol, |first|.
    kAny,       ///< One symbol but '/'.
    kAnything,  ///< One symbol.
    kSet,       ///< One symbol of sets_[first].
    kSplit,     ///< Goes on at |first| and at |second|.
    kJump,      ///< Goes on at |first|.
    kMatch,
  };
  struct Step {
    Op op;
    std::uint32_t first = 0;
    std::uint32_t second = 0;
  };
  struct Range {
    char32_t low;
    char32_t high;
  };
  struct Set {
    bool negated = false;
    std::vector<Range> ranges;
  };
  class Threads;

  bool Takes(const Step& step, char32_t symbol) const;
  bool IsMember(const Set& set, char32_t symbol) const;
  void Follow(std::uint32_t start, Threads& threads) const;

  std::vector<Step> steps_;
  std::vector<Set> sets_;
  bool ignore_case_;
};

/// Decides which files below a root are looked at. Thread-safe.
///
/// A glob without a slash is matched against the name, one with a slash against
/// the path below the root ("/a" is "a" in the root itself). A slash at its end
/// restricts an exclude glob to folders, and lets an include glob take all that
/// is below such a folder. On systems whose names differ in more than case,
/// globs ignore it, and a backslash in a glob separates folders
/// (path_syntax.h).
class PathFilter {
 public:
  PathFilter(const std::vector<std::string>& include,
             const std::vector<std::string>& exclude);

  /// True if |path|, relative to the root, is left out, and for a folder all
  /// that is in it. Says nothing of the folders above |path|.
  bool Excludes(std::string_view path, bool is_folder) const;

  /// True if the file |path| is asked for; always if there is no include glob.
  bool Includes(std::string_view path) const;

  /// True if a walk gives |path|: it is asked for, and neither it nor a folder
  /// above it is left out.
  bool Reaches(std::string_view path, bool is_folder) const;

 private:
  struct Rule {
    Glob glob;
    bool whole_path = false;
    bool folders_only = false;
  };
  static Rule MakeRule(std::string_view pattern, bool for_include);
  static bool MatchesRule(const Rule& rule, std::string_view path);

  std::vector<Rule> include_;
  std::vector<Rule> exclude_;
};

}  // namespace scanengine

#endif  // SCANENGINE_ENGINE_PATH_FILTER_H_
