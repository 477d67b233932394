#include "cli/sorted_records.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

namespace scanengine::cli {
namespace {

std::vector<std::string> DrainAll(SortedRecords& records) {
  std::vector<std::string> out;
  const Status status =
      records.Drain([&out](std::string_view text) { out.emplace_back(text); });
  CHECK(status.ok());
  return out;
}

TEST_CASE("SortedRecords: nothing in, nothing out") {
  SortedRecords records;
  CHECK(records.empty());
  CHECK(DrainAll(records).empty());
}

TEST_CASE("SortedRecords: sorts by the bytes of keys, then by texts") {
  SortedRecords records;
  records.Add("b", "2");
  records.Add("\xff", "4");
  records.Add("a/b", "1");
  records.Add("b", "3");
  records.Add("a", "0");
  CHECK(DrainAll(records) == std::vector<std::string>{"0", "1", "2", "3", "4"});
}

TEST_CASE("SortedRecords: order and content do not depend on the memory") {
  std::mt19937 random(7);
  std::vector<std::pair<std::string, std::string>> input;
  for (int i = 0; i < 2000; ++i) {
    std::string key = std::to_string(random() % 500);
    std::string text(random() % 40, static_cast<char>(random() % 256));
    text += std::to_string(i);
    input.emplace_back(std::move(key), std::move(text));
  }
  for (const std::size_t memory : {0U, 1U, 10'000U, 1U << 20U}) {
    CAPTURE(memory);
    // As little as a record a file: not with all of them.
    const std::size_t count = memory < 10'000 ? 200 : input.size();
    std::vector<std::pair<std::string, std::string>> some(
        input.begin(), input.begin() + static_cast<std::ptrdiff_t>(count));
    SortedRecords records(memory);
    for (const auto& [key, text] : some) records.Add(key, text);
    std::sort(some.begin(), some.end());
    std::vector<std::string> want;
    for (const auto& record : some) want.push_back(record.second);
    CHECK(DrainAll(records) == want);
  }
}

}  // namespace
}  // namespace scanengine::cli
