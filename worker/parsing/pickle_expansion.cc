#include "worker/parsing/pickle_expansion.h"

#include <algorithm>

namespace scanengine {
namespace {

// A tenth of a second of hashing, whatever the file.
constexpr std::uint64_t kFreeVisits = 4'000'000;
// Keys that share nothing take at least a byte for each of their items.
constexpr std::uint64_t kVisitsPerByte = 16;

constexpr double kUnseen = 0;
constexpr double kOpen = -1;

bool IsInner(PickleValue value) {
  return value.Is(PickleKind::kNode) && !value.IsTextNode();
}

// Python walks these by itself, but instances only if their class says so:
// graphs of objects are often woven as densely as a bomb.
bool IsContainer(PickleValue value) {
  return !value.IsNode(PickleNodeKind::kCall) &&
         !value.IsNode(PickleNodeKind::kAttribute);
}

// What a node leads to.
std::vector<PickleValue> Children(const PickleArena& arena, PickleValue value) {
  const PickleNode& node = arena.node(value);
  if (node.kind == PickleNodeKind::kCall) {
    return {node.items[1], node.items[2]};
  }
  if (node.kind == PickleNodeKind::kAttribute) return {node.items[0]};
  return arena.Items(value);
}

/// Leaves below each node, by its index.
class Leaves {
 public:
  double& operator[](PickleValue value) {
    const std::uint32_t index = value.index();
    if (index >= leaves_.size()) leaves_.resize(index + index / 2 + 64);
    return leaves_[index];
  }

 private:
  std::vector<double> leaves_;
};

// A node whose children are being walked.
struct Open {
  PickleValue value;
  std::vector<PickleValue> children;
  std::size_t next = 0;
  double leaves = 0;
};

Open Enter(const PickleArena& arena, PickleValue value) {
  Open open{value, Children(arena, value)};
  const PickleNode& node = arena.node(value);
  // Items that are not kept are leaves; an empty container is one, too.
  open.leaves = node.count > open.children.size()
                    ? static_cast<double>(node.count - open.children.size())
                    : 0;
  if (open.children.empty() && open.leaves == 0) open.leaves = 1;
  return open;
}

}  // namespace

PickleTree MeasurePickleTree(const PickleArena& arena, PickleValue root) {
  PickleTree tree;
  if (!IsInner(root)) {
    tree.leaves = 1;
    return tree;
  }
  Leaves leaves;
  std::vector<Open> path;
  path.push_back(Enter(arena, root));
  leaves[root] = kOpen;
  while (true) {
    Open& top = path.back();
    if (top.next == top.children.size()) {
      ++tree.nodes;
      tree.leaves = std::max(tree.leaves, top.leaves);
      const double sum = IsContainer(top.value) ? top.leaves : 1;
      leaves[top.value] = sum;
      path.pop_back();
      if (path.empty()) return tree;
      path.back().leaves += sum;
      continue;
    }
    const PickleValue child = top.children[top.next++];
    if (!IsInner(child)) {
      top.leaves += 1;
      continue;
    }
    const double known = leaves[child];
    if (known == kUnseen) {
      leaves[child] = kOpen;
      path.push_back(Enter(arena, child));
    } else {
      top.leaves += known == kOpen ? 1 : known;
    }
  }
}

bool PickleHashCost::Charge(const PickleArena& arena, PickleValue key,
                            std::uint64_t bytes) {
  if (exceeded_ || !IsNestedKey(arena, key)) return false;
  const std::uint64_t most = kFreeVisits + bytes * kVisitsPerByte;
  open_.assign(1, key);
  while (!open_.empty()) {
    const PickleValue value = open_.back();
    open_.pop_back();
    if (++visits_ > most) {
      exceeded_ = true;
      return true;
    }
    if (!value.IsNode(PickleNodeKind::kTuple) &&
        !value.IsNode(PickleNodeKind::kFrozenSet)) {
      continue;
    }
    for (const PickleValue item : arena.Items(value)) open_.push_back(item);
  }
  return false;
}

}  // namespace scanengine
