// Python pickles, protocols 0 to 5: files of one or more streams.
//
// Looks for everything that unpickling would import and call, judged by the
// import policy; for broken streams; for data around the streams; for pickles
// inside strings. Specification: CPython 3.11 Lib/pickletools.py and
// Modules/_pickle.c. The machine is in worker/parsing/pickle_machine.h; its
// limits are there. Legacy PyTorch files and joblib files are pickles too and
// have scanners of their own.

#include <string_view>
#include <utility>
#include <vector>

#include "worker/parsing/pickle_file.h"
#include "worker/scanner.h"

namespace scanengine::pickle {
namespace {

bool HasExtension(std::string_view name, std::string_view extension) {
  if (name.size() < extension.size()) return false;
  name.remove_prefix(name.size() - extension.size());
  for (std::size_t i = 0; i < name.size(); ++i) {
    if ((name[i] | 0x20) != (extension[i] | 0x20)) return false;
  }
  return true;
}

bool IsPickleName(std::string_view name) {
  for (const std::string_view extension :
       {".pkl", ".pickle", ".dill", ".joblib", ".pck", ".pcl"}) {
    if (HasExtension(name, extension)) return true;
  }
  return false;
}

bool IsModelName(std::string_view name) {
  for (const std::string_view extension :
       {".pt", ".pth", ".bin", ".ckpt", ".p"}) {
    if (HasExtension(name, extension)) return true;
  }
  return false;
}

Match Probe(const ProbeInput& input) {
  if (IsLegacyTorch(input.head) || IsJoblibPickle(input.head, input.name)) {
    return Match::kNo;
  }
  if (LooksLikePickle(input.head)) return Match::kCertain;
  const bool named = IsPickleName(input.name);
  if (named || IsModelName(input.name)) {
    if (LooksLikePickle(input.head, PickleDoubt::kLoose)) {
      return Match::kLikely;
    }
  }
  if (FindPickleStart(input.head,
                      named ? PickleDoubt::kLoose : PickleDoubt::kStrict)) {
    return Match::kLikely;
  }
  return named ? Match::kHint : Match::kNo;
}

void Scan(ScanContext& context) {
  const PickleFileEnd end = ScanPickleFile(context, context.source());
  context.AddAsset("pickle", {{"streams", std::to_string(end.streams)}});
}

}  // namespace

extern const Scanner kScanner;
const Scanner kScanner{"pickle",
                       ".pkl .pickle .dill .pck .pcl",
                       "Python pickle, protocols 0 to 5",
                       Probe,
                       Scan,
                       kPickleRules};

}  // namespace scanengine::pickle
