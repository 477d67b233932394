#ifndef SCANENGINE_WORKER_SCANNERS_NUMPY_NPY_HEADER_H_
#define SCANENGINE_WORKER_SCANNERS_NUMPY_NPY_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace scanengine::numpy {

/// Size of something that a header describes; |fits| is false if the number
/// does not fit 64 bits, and |value| then means nothing.
struct Size {
  std::uint64_t value = 0;
  bool fits = true;

  bool operator==(const Size&) const = default;
};

/// What the header of an .npy file says of the data behind it.
struct NpyHeader {
  /// False if the text is not the literal that NumPy writes: then nothing else
  /// is meant, except for `defects`.
  bool parsed = false;
  /// Ways in which the header differs from what NumPy writes; bounded in
  /// number.
  std::vector<std::string> defects;

  std::string_view descr;   ///< As written. The text must outlive it.
  bool has_object = false;  ///< The data is a pickle.
  Size item_size;           ///< Bytes of one element.
  Size elements;            ///< Product of the shape.
  std::size_t dimensions = 0;
  bool fortran_order = false;
};

/// Parses the dictionary of numpy.lib.format: {'descr': ..., 'fortran_order':
/// ..., 'shape': ...}. Only literals are understood, as ast.literal_eval() does
/// it; nothing is evaluated. Nesting is bounded, memory does not grow with the
/// text.
NpyHeader ParseNpyHeader(std::string_view text);

}  // namespace scanengine::numpy

#endif  // SCANENGINE_WORKER_SCANNERS_NUMPY_NPY_HEADER_H_
