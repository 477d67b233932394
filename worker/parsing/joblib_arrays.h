#ifndef SCANENGINE_WORKER_PARSING_JOBLIB_ARRAYS_H_
#define SCANENGINE_WORKER_PARSING_JOBLIB_ARRAYS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "worker/parsing/pickle_machine.h"
#include "worker/scan_context.h"

namespace scanengine {

/// Passes over the raw arrays that joblib writes between the opcodes of a
/// pickle.
///
/// joblib.dump() replaces each numpy array by a NumpyArrayWrapper; after the
/// BUILD of one its data follow in the stream: for object arrays a pickle of
/// their own, else (joblib 1.2 and later, where the wrapper has
/// numpy_array_alignment_bytes) one byte with the length of the padding, the
/// padding, then shape x itemsize bytes.
/// Format: joblib/numpy_pickle.py, NumpyArrayWrapper.read_array().
class JoblibArrays {
 public:
  JoblibArrays(ScanContext& context, ByteSource& source)
      : context_(context), source_(source) {}

  /// To be called after every BUILD, as PickleObserver::OnBuilt().
  std::uint64_t PassOver(const PickleMachine& machine, PickleValue object,
                         std::uint64_t next);

  std::uint64_t count() const { return count_; }

 private:
  struct Shape {
    std::uint64_t elements = 0;
    std::uint64_t item_bytes = 0;
    bool objects = false;
    bool aligned = false;
  };
  std::optional<Shape> ShapeOf(const PickleMachine& machine,
                               PickleValue state) const;
  void SearchRaw(std::uint64_t offset, std::uint64_t size);

  ScanContext& context_;
  ByteSource& source_;
  std::uint64_t count_ = 0;
  std::uint32_t depth_ = 0;
};

/// Bytes of one element of the numpy dtype that |value| stands for (a call of
/// numpy.dtype); nothing if it cannot be told. |objects| is set if elements
/// are references to objects.
std::optional<std::uint64_t> NumpyItemBytes(const PickleMachine& machine,
                                            PickleValue value, bool* objects);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_JOBLIB_ARRAYS_H_
