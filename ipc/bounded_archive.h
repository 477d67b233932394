#ifndef SCANENGINE_IPC_BOUNDED_ARCHIVE_H_
#define SCANENGINE_IPC_BOUNDED_ARCHIVE_H_

#include <cereal/cereal.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/vector.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

// Only messages.cc includes this header.

namespace scanengine {

/// cereal archive that writes little-endian bytes to memory.
class BoundedOutputArchive
    : public cereal::OutputArchive<BoundedOutputArchive,
                                   cereal::AllowEmptyClassElision> {
 public:
  explicit BoundedOutputArchive(std::vector<std::byte>* out)
      : OutputArchive(this), out_(out) {}

  void SaveBytes(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    out_->insert(out_->end(), bytes, bytes + size);
  }

 private:
  std::vector<std::byte>* out_;
};

/// cereal archive that reads bytes of a peer that is not trusted.
///
/// The archives that come with cereal allocate what a count claims before they
/// read: eight hostile bytes cost gigabytes. Here a count must be backed by
/// bytes that are there. Throws cereal::Exception.
class BoundedInputArchive
    : public cereal::InputArchive<BoundedInputArchive,
                                  cereal::AllowEmptyClassElision> {
 public:
  explicit BoundedInputArchive(std::span<const std::byte> bytes)
      : InputArchive(this), rest_(bytes) {}

  void LoadBytes(void* data, std::size_t size) {
    if (size > rest_.size()) throw cereal::Exception("message is cut short");
    if (size != 0) std::memcpy(data, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }
  std::size_t remaining() const { return rest_.size(); }

  /// Least number of bytes that one element of a container takes on the wire,
  /// whatever its type: a count above remaining() / this is a lie. One byte is
  /// safe for strings; ReadElements() bounds the rest.
  std::uint32_t LoadCount() {
    std::uint32_t count = 0;
    LoadBytes(&count, sizeof(count));
    if (count > rest_.size()) {
      throw cereal::Exception("message claims more elements than it has bytes");
    }
    return count;
  }

 private:
  std::span<const std::byte> rest_;
};

template <typename T>
requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(BoundedOutputArchive& archive, const T& value) {
  archive.SaveBytes(&value, sizeof(value));
}
template <typename T>
requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(BoundedInputArchive& archive, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    std::uint8_t byte = 0;
    archive.LoadBytes(&byte, 1);
    if (byte > 1) throw cereal::Exception("message has a bad truth value");
    value = byte == 1;
  } else {
    archive.LoadBytes(&value, sizeof(value));
  }
}

template <typename T>
void CEREAL_SAVE_FUNCTION_NAME(BoundedOutputArchive& archive,
                               const cereal::SizeTag<T>& tag) {
  const auto count = static_cast<std::uint32_t>(tag.size);
  archive.SaveBytes(&count, sizeof(count));
}
template <typename T>
void CEREAL_LOAD_FUNCTION_NAME(BoundedInputArchive& archive,
                               cereal::SizeTag<T>& tag) {
  tag.size = archive.LoadCount();
}

template <typename T>
void CEREAL_SAVE_FUNCTION_NAME(BoundedOutputArchive& archive,
                               const cereal::BinaryData<T>& data) {
  archive.SaveBytes(data.data, static_cast<std::size_t>(data.size));
}
template <typename T>
void CEREAL_LOAD_FUNCTION_NAME(BoundedInputArchive& archive,
                               cereal::BinaryData<T>& data) {
  archive.LoadBytes(data.data, static_cast<std::size_t>(data.size));
}

template <typename Archive, typename T>
requires std::is_same_v<Archive, BoundedInputArchive> ||
    std::is_same_v<Archive, BoundedOutputArchive>
void CEREAL_SERIALIZE_FUNCTION_NAME(Archive& archive,
                                    cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}

}  // namespace scanengine

CEREAL_REGISTER_ARCHIVE(scanengine::BoundedOutputArchive)
CEREAL_REGISTER_ARCHIVE(scanengine::BoundedInputArchive)
CEREAL_SETUP_ARCHIVE_TRAITS(scanengine::BoundedInputArchive,
                            scanengine::BoundedOutputArchive)

#endif  // SCANENGINE_IPC_BOUNDED_ARCHIVE_H_
