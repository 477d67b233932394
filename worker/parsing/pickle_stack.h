#ifndef SCANENGINE_WORKER_PARSING_PICKLE_STACK_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_STACK_H_

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "worker/parsing/pickle_value.h"

namespace scanengine {

/// The stack of the pickle machine: a vector whose end can be taken out, moved
/// as a plain pointer by a loop that is hot, and put back. Not thread-safe.
class PickleStack {
 public:
  explicit PickleStack(std::size_t room) : values_(room) {}

  std::size_t size() const { return size_; }
  PickleValue* data() { return values_.data(); }
  PickleValue& back() { return values_[size_ - 1]; }
  const PickleValue& operator[](std::size_t i) const { return values_[i]; }
  std::span<const PickleValue> all() const { return {values_.data(), size_}; }

  void push_back(PickleValue value) {
    if (size_ == values_.size()) [[unlikely]]
      Reserve(1);
    values_[size_++] = value;
  }
  void pop_back() { --size_; }
  /// REQUIRES: size <= size().
  void Shrink(std::size_t size) { size_ = size; }

  /// Makes room for |more| values, to be written through end().
  void Reserve(std::size_t more) {
    if (values_.size() - size_ < more) {
      values_.resize(std::max(2 * values_.size(), size_ + more));
    }
  }
  /// Where the next value goes. Valid until the next push_back() or Reserve().
  PickleValue* end() { return values_.data() + size_; }
  /// Takes over what was written up to |end|.
  void SetEnd(const PickleValue* end) {
    size_ = static_cast<std::size_t>(end - values_.data());
  }

 private:
  std::vector<PickleValue> values_;
  std::size_t size_ = 0;
};

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_STACK_H_
