#include "worker/parsing/pickle_render.h"

#include <algorithm>

#include "ipc/text.h"

namespace scanengine {
namespace {

constexpr std::uint32_t kMaxDepth = 6;
constexpr std::size_t kMaxItems = 12;
constexpr std::size_t kMaxString = 160;

std::string Quoted(std::string_view text, bool bytes) {
  std::string out = bytes ? "b'" : "'";
  for (const char c : text.substr(0, kMaxString)) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  out += '\'';
  if (text.size() > kMaxString) out += "...";
  return out;
}

}  // namespace

std::string PickleRenderer::Finish() { return Printable(out_, max_bytes_); }

void PickleRenderer::WriteItems(PickleValue value, std::uint32_t depth,
                                bool pairs) {
  const auto items = machine_.arena().Items(value, kMaxItems);
  for (std::size_t i = 0; i < items.size() && !full(); ++i) {
    if (i != 0) out_ += pairs && i % 2 == 1 ? ": " : ", ";
    Write(items[i], depth + 1);
  }
  if (machine_.arena().node(value).count > items.size()) out_ += ", ...";
}

void PickleRenderer::WriteArguments(PickleValue arguments, std::uint32_t depth,
                                    PickleValue keywords) {
  out_ += '(';
  if (arguments.IsNode(PickleNodeKind::kTuple)) {
    WriteItems(arguments, depth, false);
  } else if (!arguments.Is(PickleKind::kEmptyTuple)) {
    out_ += '*';
    Write(arguments, depth + 1);
  }
  if (!keywords.Is(PickleKind::kNone)) {
    out_ += arguments.Is(PickleKind::kEmptyTuple) ? "**" : ", **";
    Write(keywords, depth + 1);
  }
  out_ += ')';
}

void PickleRenderer::WriteNode(PickleValue value, std::uint32_t depth) {
  const PickleArena& arena = machine_.arena();
  const PickleNode& node = arena.node(value);
  switch (node.kind) {
    case PickleNodeKind::kText:
      out_ += Quoted(arena.text(value), false);
      return;
    case PickleNodeKind::kBytes:
      out_ += Quoted(arena.text(value), true);
      return;
    case PickleNodeKind::kTuple:
      out_ += '(';
      WriteItems(value, depth, false);
      out_ += node.count == 1 ? ",)" : ")";
      return;
    case PickleNodeKind::kList:
      out_ += '[';
      WriteItems(value, depth, false);
      out_ += ']';
      return;
    case PickleNodeKind::kDict:
    case PickleNodeKind::kSet:
    case PickleNodeKind::kFrozenSet:
      out_ += '{';
      WriteItems(value, depth, node.kind == PickleNodeKind::kDict);
      out_ += '}';
      return;
    case PickleNodeKind::kCall:
      if (name_of_) {
        if (const std::string name = name_of_(value); !name.empty()) {
          out_ += name;
          return;
        }
      }
      Write(node.items[0], depth + 1);
      WriteArguments(node.items[1], depth + 1);
      return;
    case PickleNodeKind::kAttribute:
    case PickleNodeKind::kMore:
    case PickleNodeKind::kFree:
      out_ += "...";
      return;
  }
}

void PickleRenderer::Write(PickleValue value, std::uint32_t depth) {
  if (depth > kMaxDepth || full()) {
    out_ += "...";
    return;
  }
  switch (value.kind()) {
    case PickleKind::kNone:
      out_ += "None";
      return;
    case PickleKind::kBool:
      out_ += value.content() != 0 ? "True" : "False";
      return;
    case PickleKind::kInt:
      out_ += std::to_string(value.integer());
      return;
    case PickleKind::kBigInt:
      out_ += "<int>";
      return;
    case PickleKind::kFloat:
      out_ += "<float>";
      return;
    case PickleKind::kEmptyTuple:
      out_ += "()";
      return;
    case PickleKind::kFarText:
    case PickleKind::kFarBytes:
      out_ += "<" + std::to_string(value.far_size()) + " bytes>";
      return;
    case PickleKind::kData:
      out_ += "<data>";
      return;
    case PickleKind::kGlobal:
      out_ += machine_.global(value.index()).Path();
      return;
    case PickleKind::kInstance:
      out_ += machine_.global(value.index()).Path() + "(...)";
      return;
    case PickleKind::kUnknown:
      out_ += "<";
      out_ += MysteryText(static_cast<PickleMystery>(value.content()));
      out_ += ">";
      return;
    case PickleKind::kNode:
      WriteNode(value, depth);
      return;
  }
}

std::string PickleMachine::Render(PickleValue value,
                                  std::size_t max_bytes) const {
  PickleRenderer renderer(*this, max_bytes);
  renderer.Write(value, 0);
  return renderer.Finish();
}

std::string PickleMachine::RenderCall(const PickleCall& call,
                                      std::size_t max_bytes) const {
  PickleRenderer renderer(*this, max_bytes);
  renderer.Write(call.callee, 0);
  renderer.WriteArguments(call.arguments, 0);
  return renderer.Finish();
}

}  // namespace scanengine
