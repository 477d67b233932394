#include "ipc/inspection.h"

#include <catch2/catch.hpp>

#include "ipc/messages.h"

namespace scanengine {
namespace {

TEST_CASE("Glob: stars match anything, question marks one byte") {
  struct Case {
    const char* glob;
    const char* text;
    bool matches;
  };
  const Case cases[] = {
      {"", "", true},
      {"", "a", false},
      {"a", "a", true},
      {"a", "ab", false},
      {"*", "", true},
      {"*", "a/b!c", true},
      {"*.pkl", "a/data.pkl", true},
      {"*.pkl", "data.pklx", false},
      {"a*c*e", "abcde", true},
      {"a*c*e", "abcdef", false},
      {"??", "ab", true},
      {"??", "a", false},
      {"a?", "a", false},
      {"**a**", "bab", true},
      {"[a]", "a", false},
      {"[a]", "[a]", true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.glob, c.text);
    CHECK(MatchesGlob(c.glob, c.text) == c.matches);
  }
}

TEST_CASE("Glob: a hostile pattern takes no more than its square") {
  std::string glob;
  for (int i = 0; i < 1'000; ++i) glob += "*a";
  CHECK_FALSE(MatchesGlob(glob + "b", std::string(2'000, 'a')));
}

TEST_CASE("Members: a plain glob is tried on the last name, too") {
  CHECK(WantsMember("", ""));
  CHECK(WantsMember("", "a/b"));
  CHECK(WantsMember("data.pkl", "archive/data.pkl"));
  CHECK(WantsMember("*.pkl", "in.zip!x.pkl"));
  CHECK(WantsMember("in.zip!*", "in.zip!x.pkl"));
  CHECK_FALSE(WantsMember("in.zip!x", "out.zip!in.zip!x"));
  CHECK_FALSE(WantsMember("archive", "archive/data.pkl"));
  CHECK_FALSE(WantsMember("*.pkl", ""));
}

TEST_CASE("Wire sizes: never less than what a message takes") {
  ScanReply plain;
  ScanReply reply;
  InspectionSection section;
  section.member = "m";
  section.kind = "pickle";
  section.facts = {{"protocol", "4"}};
  for (int i = 0; i < 50; ++i) {
    section.imports.push_back({});
    section.steps.push_back({});
    section.steps.back().chain = {1, 2, 3};
    section.outline.push_back({1, "x"});
    section.opcodes.push_back({2, "POP", ""});
  }
  reply.inspection.sections = {section, InspectionSection()};
  const std::size_t taken =
      Encode(std::span(&reply, 1)).size() - Encode(std::span(&plain, 1)).size();
  CHECK(WireSize(reply.inspection) >= taken);
  CHECK(WireSize(reply) >= Encode(std::span(&reply, 1)).size());
  CHECK(WireSize(reply.inspection) <= 4 * taken);
}

}  // namespace
}  // namespace scanengine
