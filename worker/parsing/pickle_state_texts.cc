#include "worker/parsing/pickle_state_texts.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

namespace scanengine {
namespace {

// Sorted. What patsy and its users call in formulas.
constexpr std::array<std::string_view, 30> kTransformations = {
    "C",       "I",        "Poly",     "Q",       "Sum",         "Treatment",
    "abs",     "bs",       "cc",       "center",  "cr",          "np.abs",
    "np.cos",  "np.exp",   "np.expm1", "np.log",  "np.log10",    "np.log1p",
    "np.log2", "np.power", "np.sin",   "np.sqrt", "np.square",   "np.tan",
    "np.tanh", "pow",      "rescale",  "scale",   "standardize", "te"};

constexpr std::array kCodeMarks =
    std::to_array<std::string_view>({"__import__(",
                                     "os.system(",
                                     "os.popen(",
                                     "os.exec",
                                     "os.spawn",
                                     "subprocess.Popen(",
                                     "subprocess.run(",
                                     "subprocess.call(",
                                     "subprocess.check_",
                                     "subprocess.getoutput(",
                                     "pty.spawn(",
                                     "__subclasses__(",
                                     "builtins.eval(",
                                     "builtins.exec(",
                                     "| sh",
                                     "|sh",
                                     "| bash",
                                     "|bash",
                                     "/bin/sh",
                                     "/bin/bash",
                                     "powershell -"});

bool IsWordByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '_' || c == '.';
}

}  // namespace

bool IsScipyTemplate(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    if (line.empty()) continue;
    const bool defines = line.starts_with("def _parse_args");
    const bool rvs = line.starts_with("return self._argcheck_rvs(");
    if (!defines && !rvs && !line.starts_with("return (")) return false;
    if (std::count(line.begin(), line.end(), '(') != 1) return false;
    constexpr std::string_view kMarks = "_ ,=.():'-";
    for (const char c : line) {
      const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9');
      if (!word && kMarks.find(c) == std::string_view::npos) return false;
    }
    if (line.find("__") != std::string_view::npos) return false;
  }
  return true;
}

bool IsPlainFormula(std::string_view text) {
  constexpr std::string_view kMarks = " +-*/:~|()^,='\"[]<>";
  std::string_view callee;  // The last word, if only blanks follow it.
  char last = '(';          // The last byte that is no blank.
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && IsWordByte(text[end])) ++end;
    if (end != i) {
      callee = text.substr(i, end - i);
      if (callee.find("__") != std::string_view::npos) return false;
      last = text[end - 1];
      i = end;
      continue;
    }
    const char c = text[i++];
    if (kMarks.find(c) == std::string_view::npos) return false;
    if (c == ' ') continue;
    if (c == '(') {
      // What a call or an item gave is called.
      if (callee.empty() && (last == ')' || last == ']')) return false;
      if (!callee.empty() &&
          !std::binary_search(kTransformations.begin(), kTransformations.end(),
                              callee)) {
        return false;
      }
    }
    callee = {};
    last = c;
  }
  return true;
}

bool ReadsAsCode(std::string_view text) {
  return std::any_of(kCodeMarks.begin(), kCodeMarks.end(),
                     [&](std::string_view mark) {
                       return text.find(mark) != std::string_view::npos;
                     });
}

}  // namespace scanengine
