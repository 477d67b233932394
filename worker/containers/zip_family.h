#ifndef SCANENGINE_WORKER_CONTAINERS_ZIP_FAMILY_H_
#define SCANENGINE_WORKER_CONTAINERS_ZIP_FAMILY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "worker/scanner.h"

namespace scanengine {

/// Which scanner an archive belongs to. Each archive has exactly one.
enum class ZipKind {
  kNone,     ///< No zip archive.
  kPyTorch,  ///< torch.save() or TorchScript.
  kNpz,      ///< numpy.savez(): every member is an array.
  kOther,
};

/// Guesses what an archive is from the names of its members. Only labels
/// depend on it: every member is scanned by its content in any case.
class ZipFamily {
 public:
  void Add(std::string_view name);

  ZipKind kind() const;
  /// Folder that a PyTorch archive keeps everything in; may be empty.
  const std::string& root() const { return root_; }
  bool torchscript() const { return constants_ || code_; }
  /// Model format that is made of a zip archive and has no scanner here
  /// ("keras", "skops", "torchserve-mar", ...); else empty.
  std::string_view unsupported() const;
  /// No more names can change kind().
  bool decided() const { return data_pickle_; }

 private:
  std::uint64_t names_ = 0;
  std::uint64_t arrays_ = 0;
  bool data_pickle_ = false;
  bool constants_ = false;
  bool code_ = false;
  bool storages_ = false;
  bool keras_config_ = false;
  bool keras_metadata_ = false;
  bool skops_schema_ = false;
  bool torchserve_ = false;
  bool mojo_ = false;
  std::string root_;
};

/// True if |head| begins like a zip archive. Else ClassifyZip(), which then
/// reads the end of the file, says kNone or kOther.
bool StartsAsZip(std::span<const std::byte> head);

/// Judges a file for the probes of all zip scanners: by its first bytes, by the
/// end record that zipfile.is_zipfile() also finds in a file that starts as
/// something else, and by up to 1 MiB of the central directory.
ZipKind ClassifyZip(const ProbeInput& input);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_CONTAINERS_ZIP_FAMILY_H_
