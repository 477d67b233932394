#include "worker/scanners/safetensors/safetensors_header.h"

#include <array>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "worker/parsing/checked_math.h"

namespace scanengine::safetensors {
namespace {

constexpr std::size_t kMaxNesting = 64;
constexpr std::string_view kMetadataKey = "__metadata__";

/// Feeds the header to the parser byte by byte. Ends early where a token grows
/// past its limit, since the parser keeps a whole token in memory.
class HeaderBytes {
 public:
  HeaderBytes(ByteStream& stream, std::uint64_t length, HeaderSink& sink)
      : stream_(stream), sink_(sink), left_(length) {
    Refill();
  }

  bool AtEnd() const { return at_ == end_; }
  char Byte() const { return static_cast<char>(*at_); }
  void Next() {
    if (++at_ == end_) Refill();
  }

  std::uint64_t place() const {
    return stream_.offset() + static_cast<std::uint64_t>(at_ - begin_);
  }
  bool truncated() const { return truncated_; }
  bool too_long() const { return too_long_; }
  bool stopped() const { return stopped_; }
  bool has_nul() const { return has_nul_; }

 private:
  void Refill() {
    const auto taken = static_cast<std::size_t>(end_ - begin_);
    stream_.Consume(taken);
    left_ -= taken;
    begin_ = at_ = end_ = nullptr;
    if (left_ == 0 || too_long_ || has_nul_) return;
    if (!sink_.OnProgress(stream_.offset())) {
      stopped_ = true;
      return;
    }
    auto window = stream_.Window();
    if (window.empty()) {
      (stream_.status().ok() ? truncated_ : stopped_) = true;
      return;
    }
    if (window.size() > left_) {
      window = window.first(static_cast<std::size_t>(left_));
    }
    begin_ = at_ = window.data();
    end_ = begin_ + MeasureTokens(window);
    // Nothing that may be fed is left: the parser meets the end of its input.
    if (begin_ == end_) begin_ = at_ = end_ = nullptr;
  }

  /// How much of |window| can be fed before a token is too long.
  std::size_t MeasureTokens(std::span<const std::byte> window) {
    for (std::size_t i = 0; i < window.size(); ++i) {
      const char c = static_cast<char>(window[i]);
      // To the parser it is the end of its input, and what follows is hidden.
      if (c == '\0') {
        has_nul_ = true;
        return i;
      }
      if (in_string_) {
        if (escaped_) {
          escaped_ = false;
        } else if (c == '\\') {
          escaped_ = true;
        } else if (c == '"') {
          in_string_ = false;
          token_ = 0;
          continue;
        }
      } else if (c == '"') {
        in_string_ = true;
        token_ = 0;
        continue;
      } else if (c == ',' || c == ':' || c == '[' || c == ']' || c == '{' ||
                 c == '}' || c == ' ') {
        token_ = 0;
        continue;
      }
      if (++token_ > kMaxTokenBytes) {
        too_long_ = true;
        return i;
      }
    }
    return window.size();
  }

  ByteStream& stream_;
  HeaderSink& sink_;
  std::uint64_t left_;  // From begin_ on.
  const std::byte* begin_ = nullptr;
  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
  std::uint64_t token_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  bool truncated_ = false;
  bool too_long_ = false;
  bool stopped_ = false;
  bool has_nul_ = false;
};

/// What the JSON library wants of its input: one pass, copies that share state.
class HeaderIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  explicit HeaderIterator(HeaderBytes* bytes) : bytes_(bytes) {}
  char operator*() const { return bytes_->Byte(); }
  HeaderIterator& operator++() {
    bytes_->Next();
    return *this;
  }
  HeaderIterator operator++(int) {
    const HeaderIterator before = *this;
    bytes_->Next();
    return before;
  }
  bool operator==(const HeaderIterator& other) const {
    return done() == other.done();
  }
  bool operator!=(const HeaderIterator& other) const {
    return !(*this == other);
  }

 private:
  bool done() const { return bytes_ == nullptr || bytes_->AtEnd(); }

  HeaderBytes* bytes_;  // Null: the end.
};

/// Turns JSON events into entries. The shape of a header is fixed, so that a
/// stack of places is all the state there is.
class HeaderHandler {
 public:
  using Json = nlohmann::json;

  HeaderHandler(HeaderBytes& bytes, HeaderSink& sink)
      : bytes_(bytes), sink_(sink) {}

  bool null() { return Scalar("null"); }
  bool boolean(bool) { return Scalar("a boolean"); }
  bool number_integer(Json::number_integer_t) {
    return Scalar("a negative number");
  }
  bool number_float(Json::number_float_t, const Json::string_t&) {
    return Scalar("a number that is no 64-bit integer");
  }
  bool binary(Json::binary_t&) { return false; }  // Never in text.

  bool number_unsigned(Json::number_unsigned_t value) {
    if (Here() == Place::kShape) {
      if (dimensions_ < kMaxShape) shape_[dimensions_++] = value;
      const auto product = CheckedMultiply(entry_.elements, value);
      entry_.elements = product.value_or(0);
      entry_.overflow |= !product.has_value();
      has_zero_ |= value == 0;
      return true;
    }
    if (Here() == Place::kOffsets) {
      if (offsets_ == 0) entry_.begin = value;
      if (offsets_ == 1) entry_.end = value;
      ++offsets_;
      return true;
    }
    return Scalar("a number");
  }

  bool string(Json::string_t& value) {
    if (Here() == Place::kMetadata) {
      return sink_.OnMetadata(key_, value, bytes_.place());
    }
    if (Here() == Place::kTensor && key_ == "dtype") {
      dtype_ = std::move(value);
      return true;
    }
    return Scalar("a string");
  }

  bool key(Json::string_t& name) {
    key_ = std::move(name);
    if (Here() == Place::kRoot) {
      name_ = key_;
      entry_ = {};
      entry_.place = bytes_.place();
      return true;
    }
    if (Here() != Place::kTensor) return true;
    const unsigned bit = key_ == "dtype"          ? kHasDtype
                         : key_ == "shape"        ? kHasShape
                         : key_ == "data_offsets" ? kHasOffsets
                                                  : 0;
    if (bit == 0)
      return Defect("has the unknown field \"" + Short(key_) + "\"");
    if ((fields_ & bit) != 0) {
      return Defect("has \"" + key_ + "\" twice");
    }
    fields_ |= bit;
    return true;
  }

  bool start_object(std::size_t) {
    switch (Here()) {
      case Place::kOutside:
        return Enter(Place::kRoot);
      case Place::kRoot:
        if (name_ == kMetadataKey) {
          const bool again = std::exchange(has_metadata_, true);
          return (!again || Defect("occurs twice")) && Enter(Place::kMetadata);
        }
        fields_ = 0;
        offsets_ = 0;
        has_zero_ = false;
        dtype_.clear();
        entry_.elements = 1;
        dimensions_ = 0;
        return Enter(Place::kTensor);
      default:
        return Foreign("an object");
    }
  }
  bool start_array(std::size_t) {
    if (Here() == Place::kTensor) {
      if (key_ == "shape") return Enter(Place::kShape);
      if (key_ == "data_offsets") return Enter(Place::kOffsets);
    }
    return Foreign("an array");
  }
  bool end_object() {
    const bool tensor = Here() == Place::kTensor;
    places_.pop_back();
    return !tensor || FinishTensor();
  }
  bool end_array() {
    places_.pop_back();
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception&) {
    invalid_ = true;
    return false;
  }

  /// False also after an end that the sink asked for.
  bool invalid() const { return invalid_; }

 private:
  enum class Place : std::uint8_t {
    kOutside,
    kRoot,
    kMetadata,
    kTensor,
    kShape,
    kOffsets,
    kForeign,  ///< Inside something that should not be there.
  };
  static constexpr unsigned kHasDtype = 1;
  static constexpr unsigned kHasShape = 2;
  static constexpr unsigned kHasOffsets = 4;

  Place Here() const {
    return places_.empty() ? Place::kOutside : places_.back();
  }
  bool Enter(Place place) {
    if (places_.size() >= kMaxNesting) {
      sink_.OnDefect(
          "the header is nested deeper than " + std::to_string(kMaxNesting),
          bytes_.place());
      return false;
    }
    places_.push_back(place);
    return true;
  }
  bool Foreign(std::string_view what) {
    return Scalar(what) && Enter(Place::kForeign);
  }

  /// |what| stands where nothing of its kind may.
  bool Scalar(std::string_view what) {
    switch (Here()) {
      case Place::kForeign:
        return true;  // What is around it has been reported.
      case Place::kOutside:
        return sink_.OnDefect(
            "the header is " + std::string(what) + " instead of an object",
            bytes_.place());
      case Place::kShape:
      case Place::kOffsets:
        return Defect(
            std::string(Here() == Place::kShape ? "shape" : "data_offsets") +
            " holds " + std::string(what));
      case Place::kMetadata:
        return sink_.OnDefect("metadata \"" + Short(key_) + "\" is " +
                                  std::string(what) + " instead of a string",
                              bytes_.place());
      case Place::kTensor:
        return Defect("field \"" + Short(key_) + "\" is " + std::string(what));
      case Place::kRoot:
        return Defect("is " + std::string(what) + " instead of an object");
    }
    return false;
  }

  bool Defect(const std::string& what) {
    return sink_.OnDefect("entry \"" + Short(name_) + "\" " + what,
                          bytes_.place());
  }

  bool FinishTensor() {
    if ((fields_ & kHasDtype) == 0) return Defect("has no dtype");
    if ((fields_ & kHasShape) == 0) return Defect("has no shape");
    if ((fields_ & kHasOffsets) == 0) return Defect("has no data_offsets");
    if (offsets_ != 2) {
      return Defect("has " + std::to_string(offsets_) +
                    " data_offsets instead of two");
    }
    if (has_zero_) {
      entry_.elements = 0;
      entry_.overflow = false;
    }
    entry_.name = name_;
    entry_.dtype = dtype_;
    entry_.shape = std::span(shape_).first(dimensions_);
    return sink_.OnTensor(entry_);
  }

  static std::string Short(std::string_view text) {
    constexpr std::size_t kMost = 100;
    if (text.size() <= kMost) return std::string(text);
    return std::string(text.substr(0, kMost)) + "...";
  }

  HeaderBytes& bytes_;
  HeaderSink& sink_;
  std::vector<Place> places_;
  std::string name_;  // Of the entry of the root that is being read.
  std::string key_;
  std::string dtype_;
  TensorEntry entry_;
  std::array<std::uint64_t, kMaxShape> shape_{};
  std::size_t dimensions_ = 0;
  unsigned fields_ = 0;
  std::uint64_t offsets_ = 0;
  bool has_zero_ = false;
  bool has_metadata_ = false;
  bool invalid_ = false;
};

}  // namespace

HeaderEnd ParseHeader(ByteStream& stream, std::uint64_t length,
                      HeaderSink& sink) {
  HeaderBytes bytes(stream, length, sink);
  HeaderHandler handler(bytes, sink);
  const bool valid = nlohmann::json::sax_parse(
      HeaderIterator(&bytes), HeaderIterator(nullptr), &handler);
  if (bytes.stopped()) return HeaderEnd::kStopped;
  if (bytes.too_long()) return HeaderEnd::kTooLong;
  if (bytes.truncated()) return HeaderEnd::kTruncated;
  if (bytes.has_nul()) return HeaderEnd::kInvalidJson;
  if (valid) return HeaderEnd::kComplete;
  return handler.invalid() ? HeaderEnd::kInvalidJson : HeaderEnd::kStopped;
}

}  // namespace scanengine::safetensors
