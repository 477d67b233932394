#ifndef SCANENGINE_CLI_SORTED_RECORDS_H_
#define SCANENGINE_CLI_SORTED_RECORDS_H_

#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/result.h"

namespace scanengine::cli {

/// Sorts any number of text records in bounded memory: what exceeds the bound
/// is set aside, sorted, in temporary files without a name, and merged at the
/// end. Not thread-safe.
class SortedRecords {
 public:
  static constexpr std::size_t kDefaultMemory = 64U << 20;

  explicit SortedRecords(std::size_t memory_bytes = kDefaultMemory);

  /// Failures to set records aside are kept and told by Drain().
  void Add(std::string key, std::string text);

  bool empty() const { return count_ == 0; }

  /// Gives every text to |take| in the order of the keys' bytes, equal keys in
  /// the order of their texts, so that the order of Add() never shows. Call
  /// once. Fails with kIo; what was given until then is part of the order.
  Status Drain(const std::function<void(std::string_view text)>& take);

 private:
  struct Record {
    std::string key;
    std::string text;
    auto operator<=>(const Record&) const = default;
  };
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using File = std::unique_ptr<std::FILE, CloseFile>;
  class Run;

  Status Spill();

  std::size_t memory_;
  std::size_t used_ = 0;
  std::size_t count_ = 0;
  std::vector<Record> records_;
  std::vector<File> runs_;
  Status status_ = OkStatus();
};

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_SORTED_RECORDS_H_
