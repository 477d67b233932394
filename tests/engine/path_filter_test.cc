#include "engine/path_filter.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <vector>

namespace scanengine {
namespace {

using Strings = std::vector<std::string>;

// Those of |texts| that |pattern| matches.
Strings Matching(const std::string& pattern, const Strings& texts) {
  const Glob glob(pattern);
  Strings matching;
  for (const std::string& text : texts) {
    if (glob.Matches(text)) matching.push_back(text);
  }
  return matching;
}

TEST_CASE("Glob: a plain text matches itself only") {
  CHECK(Matching("a.b", {"a.b", "axb", "a.bc", "xa.b", "", "A.B"}) ==
        Strings{"a.b"});
  CHECK(Matching("", {"", "a"}) == Strings{""});
}

TEST_CASE("Glob: a star takes anything but a slash") {
  CHECK(Matching("*", {"", "a", ".a", "a/b", "/"}) == Strings{"", "a", ".a"});
  CHECK(Matching("*.pkl", {"a.pkl", ".pkl", "a.pkl.gz", "d/a.pkl"}) ==
        Strings{"a.pkl", ".pkl"});
  CHECK(Matching("a*b*c", {"abc", "axxbyyc", "acb", "a/bc"}) ==
        Strings{"abc", "axxbyyc"});
  CHECK(Matching("*/b", {"a/b", "/b", "b", "a/a/b"}) == Strings{"a/b", "/b"});
}

TEST_CASE("Glob: two stars cross slashes") {
  CHECK(Matching("**", {"", "a", "a/b/c"}) == Strings{"", "a", "a/b/c"});
  CHECK(Matching("a/**", {"a", "a/", "a/b", "a/b/c", "b/a"}) ==
        Strings{"a/", "a/b", "a/b/c"});
  CHECK(Matching("a**c", {"ac", "a/b/c", "abc"}) ==
        Strings{"ac", "a/b/c", "abc"});
}

TEST_CASE("Glob: two stars as a whole name also take no name") {
  CHECK(Matching("**/b", {"b", "a/b", "x/a/b", "ab", "a/xb"}) ==
        Strings{"b", "a/b", "x/a/b"});
  CHECK(Matching("a/**/b", {"a/b", "a/x/b", "a/x/y/b", "ab", "a/xb"}) ==
        Strings{"a/b", "a/x/b", "a/x/y/b"});
  CHECK(Matching("{**/a,b}", {"a", "x/a", "b", "x/b"}) ==
        Strings{"a", "x/a", "b"});
}

TEST_CASE("Glob: a question mark takes one character but a slash") {
  CHECK(Matching("a?c", {"abc", "ac", "a/c", "abbc",
                         "a\xc3\xa9"
                         "c",
                         "a\xff"
                         "c"}) == Strings{"abc",
                                          "a\xc3\xa9"
                                          "c",
                                          "a\xff"
                                          "c"});
}

TEST_CASE("Glob: a set takes one of its members") {
  CHECK(Matching("[a-c]x", {"ax", "bx", "dx", "x", "-x"}) ==
        Strings{"ax", "bx"});
  CHECK(Matching("[!a-c]x", {"ax", "dx", "x", "/x"}) == Strings{"dx"});
  CHECK(Matching("[^a]", {"a", "b"}) == Strings{"b"});
  CHECK(Matching("[]a]", {"]", "a", "b"}) == Strings{"]", "a"});
  CHECK(Matching("[!]a]", {"]", "a", "b"}) == Strings{"b"});
  CHECK(Matching("[a-]", {"a", "-", "b"}) == Strings{"a", "-"});
  CHECK(Matching("[\\]\\-]", {"]", "-", "\\"}) == Strings{"]", "-"});
  CHECK(Matching("[\xc3\xa0-\xc3\xaf]", {"\xc3\xa9", "e", "\xc3\xbf"}) ==
        Strings{"\xc3\xa9"});
  CHECK(Matching("[/]", {"/", "a"}).empty());
}

TEST_CASE("Glob: braces take either of what they hold") {
  CHECK(Matching("*.{pkl,pt}", {"a.pkl", "a.pt", "a.p", "a.pklpt"}) ==
        Strings{"a.pkl", "a.pt"});
  CHECK(Matching("a{,b,c{d,e}}f", {"af", "abf", "acdf", "acef", "acf"}) ==
        Strings{"af", "abf", "acdf", "acef"});
  CHECK(Matching("{a}", {"a", "{a}"}) == Strings{"a"});
  CHECK(Matching("a,b", {"a,b", "a"}) == Strings{"a,b"});
  CHECK(Matching("{[,}],x}y", {",y", "}y", "xy"}) == Strings{",y", "}y", "xy"});
}

TEST_CASE("Glob: what is not closed stands for itself") {
  CHECK(Matching("[a", {"[a", "a"}) == Strings{"[a"});
  CHECK(Matching("{a,b", {"{a,b", "a", "b"}) == Strings{"{a,b"});
  CHECK(Matching("a}", {"a}", "a"}) == Strings{"a}"});
  CHECK(Matching("[]", {"[]"}) == Strings{"[]"});
  CHECK(Matching("a\\", {"a\\", "a"}) == Strings{"a\\"});
}

TEST_CASE("Glob: a backslash takes the meaning away") {
  CHECK(Matching("\\*\\?\\[\\{\\\\", {"*?[{\\", "x"}) == Strings{"*?[{\\"});
}

TEST_CASE("Glob: bytes that are no UTF-8 match themselves only") {
  CHECK(Matching("\xff*", {"\xff\xfe", "\xff", "\xfe", "\xc3\xbf"}) ==
        Strings{"\xff\xfe", "\xff"});
  // Overlong, a surrogate, too large, cut short.
  for (const char* text :
       {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    CHECK(Glob(text).Matches(text));
    CHECK_FALSE(Glob("?").Matches(text));
    CHECK(Glob("*").Matches(text));
  }
  CHECK_FALSE(
      Glob("a/b").Matches("a\xc0\xaf"
                          "b"));
}

TEST_CASE("Glob: many stars against a long text take linear time") {
  const std::string text(100'000, 'a');
  const auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(Glob("*a*a*a*a*a*a*a*a*b").Matches(text));
  CHECK_FALSE(Glob("**a**a**a**a**a**/b").Matches(text));
  CHECK_FALSE(Glob("{a,*}{a,*}{a,*}{a,*}{a,*}{a,*}b").Matches(text));
  CHECK(Glob("*a*a*a*a*a*a*a*a*").Matches(text));
  // Exponential matchers never end; this guards against hangs only.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("Glob: deep nesting of braces is no recursion") {
  const std::size_t depth = 100'000;
  const std::string pattern =
      std::string(depth, '{') + "a" + std::string(depth, '}');
  CHECK(Glob(pattern).Matches("a"));
  CHECK_FALSE(Glob(pattern).Matches("b"));
}

TEST_CASE("PathFilter: without globs everything is asked for") {
  const PathFilter filter({}, {});
  CHECK(filter.Includes("a/b"));
  CHECK_FALSE(filter.Excludes("a/b", false));
  CHECK(filter.Reaches("a/b", false));
}

TEST_CASE("PathFilter: a glob without a slash is for the name") {
  const PathFilter filter({"*.pkl"}, {"tmp*"});
  CHECK(filter.Includes("a/b.pkl"));
  CHECK_FALSE(filter.Includes("a.pkl/b"));
  CHECK(filter.Excludes("a/tmp1", true));
  CHECK_FALSE(filter.Excludes("tmp1/a", false));
}

TEST_CASE("PathFilter: a glob with a slash is for the path below the root") {
  const PathFilter filter({"a/*.pkl", "./b.pkl"}, {"/tmp", "x/**"});
  CHECK(filter.Includes("a/b.pkl"));
  CHECK_FALSE(filter.Includes("c/a/b.pkl"));
  CHECK(filter.Includes("b.pkl"));
  CHECK_FALSE(filter.Includes("c/b.pkl"));
  CHECK(filter.Excludes("tmp", true));
  CHECK_FALSE(filter.Excludes("a/tmp", true));
  CHECK(filter.Excludes("x/y/z", false));
  CHECK_FALSE(filter.Excludes("x", true));
}

TEST_CASE("PathFilter: a slash at the end is for folders") {
  const PathFilter exclude({}, {"cache/"});
  CHECK(exclude.Excludes("a/cache", true));
  CHECK_FALSE(exclude.Excludes("a/cache", false));
  const PathFilter include({"keep/"}, {});
  CHECK(include.Includes("a/keep/b/c"));
  CHECK(include.Includes("keep/c"));
  CHECK_FALSE(include.Includes("a/keep"));
  const PathFilter anchored({"/keep/"}, {});
  CHECK(anchored.Includes("keep/c"));
  CHECK_FALSE(anchored.Includes("a/keep/c"));
}

TEST_CASE("PathFilter: a path is not reached through an excluded folder") {
  const PathFilter filter({"*.pkl"}, {".git"});
  CHECK(filter.Reaches("a/b.pkl", false));
  CHECK_FALSE(filter.Reaches("a/.git/b.pkl", false));
  CHECK_FALSE(filter.Reaches(".git", true));
  CHECK_FALSE(filter.Reaches("a/b.txt", false));
  CHECK(filter.Reaches("a", true));
}

TEST_CASE("Glob: without regard to case a letter stands for both") {
  CHECK(Glob("*.PKL", true).Matches("a.pkl"));
  CHECK(Glob("model-[a-f].bin", true).Matches("MODEL-C.BIN"));
  CHECK_FALSE(Glob("model-[a-f].bin", true).Matches("MODEL-G.BIN"));
  CHECK_FALSE(Glob("[!a]", true).Matches("A"));
  CHECK(Glob("{A,b}", true).Matches("B"));
  CHECK_FALSE(Glob("a\xff", true).Matches("a\xdf"));
  CHECK_FALSE(Glob("*.PKL").Matches("a.pkl"));
}

}  // namespace
}  // namespace scanengine
