#ifndef SCANENGINE_WORKER_PARSING_PICKLE_EXPANSION_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_EXPANSION_H_

#include <cstdint>
#include <vector>

#include "worker/parsing/pickle_value.h"

namespace scanengine {

// Objects of a pickle may refer to one object many times. A chain of sixty
// lists, each with the next one twice, is small in memory, but whoever walks it
// as a tree (prints, compares, hashes it, turns it into JSON) never comes to an
// end.

/// A graph of values seen as a tree.
struct PickleTree {
  std::uint64_t nodes = 0;  ///< Containers and calls there are.
  /// Leaves of the largest tree of built-in containers; may be very large.
  double leaves = 0;

  /// Walking the tree takes hours, for no good reason.
  bool IsBomb() const {
    return leaves >= 1e9 && leaves >= 1e4 * static_cast<double>(nodes);
  }
};

/// Measures what |root| leads to. An instance is walked, but counts as a leaf
/// to what holds it. A reference back to a container that is being walked
/// counts as a leaf, as it does when Python prints it. Linear in what the arena
/// keeps.
PickleTree MeasurePickleTree(const PickleArena& arena, PickleValue root);

/// What hashing the keys of dicts and the items of sets costs a loader: tuples
/// do not remember their hash, so that it walks them as trees. Used once for a
/// stream.
class PickleHashCost {
 public:
  /// Counts the hashing of |key|, put into a dict or set after |bytes| bytes of
  /// the stream. True, once, if all keys together cost far more than keys that
  /// share nothing could.
  bool Charge(const PickleArena& arena, PickleValue key, std::uint64_t bytes);

 private:
  std::uint64_t visits_ = 0;
  bool exceeded_ = false;
  std::vector<PickleValue> open_;  // Scratch.
};

/// True if hashing |value| walks further than its own items.
inline bool IsNestedKey(const PickleArena& arena, PickleValue value) {
  if (!value.Is(PickleKind::kNode)) return false;
  const PickleNode& node = arena.node(value);
  if (node.kind == PickleNodeKind::kFrozenSet) return true;
  if (node.kind != PickleNodeKind::kTuple) return false;
  if (node.kept > 3) return true;
  for (int i = 0; i < node.kept; ++i) {
    if (node.items[i].IsNode(PickleNodeKind::kTuple) ||
        node.items[i].IsNode(PickleNodeKind::kFrozenSet)) {
      return true;
    }
  }
  return false;
}

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_EXPANSION_H_
