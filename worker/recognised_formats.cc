#include "worker/recognised_formats.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ipc/text.h"
#include "worker/byte_text.h"
#include "worker/containers/decoder.h"

namespace scanengine {
namespace {

using std::string_view_literals::operator""sv;

/// What the head of a file must be for a row to apply: many magic numbers are
/// also words.
enum class Content { kAny, kText, kBinary };

/// Bytes at a fixed place.
struct Magic {
  std::string_view format;
  std::size_t offset;
  std::string_view bytes;
  Content content = Content::kAny;
  std::string_view extensions = {};  ///< Only under these names; empty: all.
};

/// Words that the head of a text must hold, all of them.
struct TextMark {
  std::string_view format;
  std::string_view
      start;  ///< First characters after white space; may be empty.
  std::string_view first;  ///< Somewhere in the head.
  std::string_view second = {};
  /// Only under these names; empty: all.
  std::string_view extensions = {};
};

/// What a name says when the bytes say nothing.
struct NamedFormat {
  std::string_view format;
  std::string_view extensions;  ///< Blank-separated, with dots, lower case.
  Content content = Content::kAny;
};

// Specific rows first: the first match names the format.
constexpr Magic kMagics[] = {
    // HDF5 may start behind a user block of 512 bytes times a power of two.
    {"hdf5", 0, "\x89HDF\r\n\x1a\n"sv},
    {"hdf5", 512, "\x89HDF\r\n\x1a\n"sv},
    {"hdf5", 1024, "\x89HDF\r\n\x1a\n"sv},
    {"hdf5", 2048, "\x89HDF\r\n\x1a\n"sv},
    {"r-serialized", 0, "RDX2\n"sv},
    {"r-serialized", 0, "RDX3\n"sv},
    {"r-serialized", 0, "RDA2\n"sv},
    {"r-serialized", 0, "RDA3\n"sv},
    {"r-serialized", 0, "X\n\0\0\0"sv},
    {"r-serialized", 0, "\x1f\x8b"sv, Content::kBinary, ".rds .rda .rdata"},
    {"r-serialized", 0, "BZh"sv, Content::kBinary, ".rds .rda .rdata"},
    {"r-serialized", 0, "\xfd\x37zXZ\0"sv, Content::kBinary,
     ".rds .rda .rdata"},
    {"tflite", 4, "TFL3"sv},
    {"executorch", 4, "ET12"sv},
    {"onnxruntime", 4, "ORTM"sv},
    {"catboost", 0, "CBM1"sv, Content::kBinary},
    {"rknn", 0, "RKNN"sv, Content::kBinary},
    {"torch7", 0, "T7\0\0"sv},
    {"lua-bytecode", 0, "\x1bLua"sv},
    {"lua-bytecode", 0, "\x1bLJ"sv},
    {"mxnet", 0, "\x12\x01\0\0\0\0\0\0"sv},
    {"tensorrt", 0, "ftrt"sv, Content::kBinary},
    {"tensorrt", 0, "ptrt"sv, Content::kBinary},
    {"xgboost", 0, "binf"sv, Content::kBinary},
    {"xgboost", 0, "{L\0\0\0\0\0\0\0\x07learner"sv},
    {"cntk", 0, "B\0C\0N\0\0\0"sv},
    {"cntk", 0, "\x0a\x07version"sv},
    {"cntk", 0, "\x0a\x03uid"sv},
    {"fasttext", 0, "\xba\x16\x4f\x2f"sv},
    {"sentencepiece", 2, "\x0a\x05<unk>"sv},
    {"ggml", 0, "lmgg"sv, Content::kBinary},
    {"ggml", 0, "fmgg"sv, Content::kBinary},
    {"ggml", 0, "tjgg"sv, Content::kBinary},
    {"ggml", 0, "algg"sv, Content::kBinary},
    {"ggml", 0, "GGML"sv, Content::kBinary},
    {"ggml", 0, "GGMF"sv, Content::kBinary},
    {"ggml", 0, "GGJT"sv, Content::kBinary},
    {"ggml", 0, "GGLA"sv, Content::kBinary},
    {"ggml", 0, "GGSA"sv, Content::kBinary},
    {"orbax", 0, "\x0c\xdb\x3a\x2a"sv},
    {"java-serialized", 0, "\xac\xed\0\x05"sv},
    {"matlab", 0, "MATLAB 5.0 MAT-file"sv},
    {"arrow", 0, "ARROW1\0\0"sv},
    {"arrow", 0, "FEA1"sv, Content::kBinary},
    {"parquet", 0, "PAR1"sv, Content::kBinary},
    {"llamafile", 0,
     "\x7f"
     "ELF"sv,
     Content::kAny, ".llamafile"},
    {"llamafile", 0, "MZ"sv, Content::kAny, ".llamafile"},
    // A zip by its end is a zip scanner's; this is the runnable front.
    {"llamafile", 0, "\xcf\xfa\xed\xfe"sv, Content::kAny, ".llamafile"},
    // CPython: two bytes of version, CR LF, flags of which few are in use.
    {"python-bytecode", 2, "\r\n"sv, Content::kBinary, ".pyc .pyo"},
    {"python-bytecode", 2, "\r\n\0\0\0\0"sv, Content::kBinary},
    {"python-bytecode", 2, "\r\n\x01\0\0\0"sv, Content::kBinary},
    {"python-bytecode", 2, "\r\n\x03\0\0\0"sv, Content::kBinary},
    {"7z", 0, "7z\xbc\xaf\x27\x1c"sv},
    {"rar", 0, "Rar!\x1a\x07"sv},
    {"cab", 0, "MSCF\0\0\0\0"sv},
    {"ar", 0, "!<arch>\n"sv},
    {"cpio", 0, "070701"sv, Content::kBinary},
    {"cpio", 0, "\xc7\x71"sv, Content::kBinary},
    {"squashfs", 0, "hsqs"sv, Content::kBinary},
    {"gzip", 0, "\x1f\x8b\x08"sv},
    {"bzip2", 4, "1AY&SY"sv, Content::kBinary},
    {"bzip2", 0, "BZh9\x17\x72\x45\x38\x50\x90"sv},
    {"xz", 0, "\xfd\x37zXZ\0"sv},
    {"lzma", 0, "\x5d\0\0"sv, Content::kBinary, ".lzma .joblib .pkl"},
    {"lz4", 0, "\x04\x22\x4d\x18"sv},
    {"lz4-legacy", 0, "\x02\x21\x4c\x18"sv},
    {"zstd", 0, "\x28\xb5\x2f\xfd"sv},
    {"lzip", 0, "LZIP\x01"sv},
    {"compress", 0, "\x1f\x9d"sv, Content::kBinary},
    {"zlib", 0, "\x78\x01"sv, Content::kBinary},
    {"zlib", 0, "\x78\x5e"sv, Content::kBinary},
    {"zlib", 0, "\x78\x9c"sv, Content::kBinary},
    {"zlib", 0, "\x78\xda"sv, Content::kBinary},
};

constexpr TextMark kTextMarks[] = {
    {"git-lfs-pointer", "version https://git-lfs.github.com/spec/",
     "oid sha256:"},
    {"xgboost", "{", "\"learner\"", "\"gradient_booster\""},
    {"xgboost", "{", "\"learner\"", "\"learner_model_param\""},
    {"xgboost", "{", "\"learner\"", "\"feature_names\""},
    {"xgboost", "{", "\"learner\"", "\"version\""},
    {"xgboost", "bs64", "\t"},
    {"mxnet", "{", "\"nodes\"", "\"op\""},
    {"tfjs", "{", "\"modelTopology\""},
    {"tfjs", "{", "\"weightsManifest\""},
    {"keras-config", "{", "\"class_name\"", "\"keras_version\""},
    {"keras-config", "{", "\"class_name\"", "\"build_config\""},
    {"keras-config", "{", "\"class_name\": \"Sequential\"", "\"layers\""},
    {"keras-config", "{", "\"class_name\": \"Functional\"", "\"layers\""},
    {"catboost", "{", "\"oblivious_trees\""},
    {"catboost", "{", "\"model_info\"", "\"catboost"},
    {"lightgbm", "tree\n", "version=v"},
    {"lightgbm", "tree\n", "num_class="},
    {"lightgbm", "{", "\"tree_info\"", "\"max_feature_idx\""},
    {"openvino", "<", "<net ", "<layer"},
    {"pmml", "<", "<PMML"},
    {"ncnn", "7767517\n", "\n"},
    {"onnx", "ir_version:", "opset_import"},
    {"onnx", "ir_version:", "graph {"},
    {"torch7", "4\n", "torch.", "nn."},
    {"r-serialized", "A\n", "\n"},
    {"r-serialized", "RDA2\nA\n", "\n"},
    {"r-serialized", "RDA3\nA\n", "\n"},
    // Unsafe loaders of YAML build any Python object from these tags.
    {"yaml-python", "", "!!python/", "", ".yaml .yml"},
    {"yaml-python", "", "tag:yaml.org,2002:python/", "", ".yaml .yml"},
};

constexpr NamedFormat kNamedFormats[] = {
    {"onnx", ".onnx .onnx_data .onnxtxt"},
    {"onnxruntime", ".ort", Content::kBinary},
    {"tensorflow", ".pb", Content::kBinary},
    {"tensorflow", ".pbtxt"},
    {"tensorflow", ".meta .index", Content::kBinary},
    {"tflite", ".tflite .lite"},
    {"hdf5", ".h5 .hdf5 .hdf", Content::kBinary},
    {"coreml", ".mlmodel", Content::kBinary},
    {"openvino", ".blob", Content::kBinary},
    {"paddle", ".pdmodel .pdiparams", Content::kBinary},
    {"mxnet", ".params", Content::kBinary},
    {"caffe", ".caffemodel", Content::kBinary},
    {"caffe", ".prototxt", Content::kText},
    {"darknet", ".weights", Content::kBinary},
    {"mnn", ".mnn", Content::kBinary},
    {"ncnn", ".param", Content::kBinary},
    {"tensorrt", ".engine .plan .trt", Content::kBinary},
    {"executorch", ".pte", Content::kBinary},
    {"rknn", ".rknn", Content::kBinary},
    {"torch7", ".t7 .th", Content::kBinary},
    {"catboost", ".cbm", Content::kBinary},
    {"lightgbm", ".lgb .lightgbm"},
    {"xgboost", ".ubj .bst .xgb"},
    {"msgpack", ".msgpack .flax .jax", Content::kBinary},
    {"orbax", ".orbax .orbax-checkpoint"},
    {"pmml", ".pmml"},
    {"r-serialized", ".rds .rda .rdata", Content::kBinary},
    {"cntk", ".dnn .cmf", Content::kBinary},
    {"llamafile", ".llamafile"},
    {"ggml", ".ggml .ggmf .ggjt .ggla", Content::kBinary},
    {"faiss", ".faiss", Content::kBinary},
    {"fasttext", ".ftz", Content::kBinary},
    {"arrow", ".arrow .feather", Content::kBinary},
    {"matlab", ".mat", Content::kBinary},
    {"java-serialized", ".ser", Content::kBinary},
    {"python-bytecode", ".pyc .pyo", Content::kBinary},
    {"lzma", ".lzma", Content::kBinary},
    {"rar", ".rar", Content::kBinary},
    {"iso9660", ".iso", Content::kBinary},
};

// Written by several frameworks; only the fields' order tells them apart.
// ONNX and SavedModel: field 1 is a small version number, then fields that
// either may have next.
struct ProtobufHead {
  std::string_view format;
  std::uint8_t min_version;
  std::uint8_t max_version;
  std::string_view next_tags;  ///< Any of these bytes at offset 2.
};
constexpr ProtobufHead kProtobufHeads[] = {
    {"tensorflow", 1, 1, "\x12"sv},
    {"onnx", 2, 31, "\x12\x1a\x22\x28\x32\x3a\x42"sv},
};

// Pictures, sound, film, documents, fonts, programs, databases: no loader of
// models reads them. The name of a row is for people who read this table.
constexpr Magic kOtherContent[] = {
    {"png", 0, "\x89PNG\r\n\x1a\n"sv},
    {"jpeg", 0, "\xff\xd8\xff"sv},
    {"gif", 0, "GIF8"sv},
    {"bmp", 0, "BM"sv, Content::kBinary, ".bmp"},
    {"ico", 0, "\0\0\x01\0"sv, Content::kBinary, ".ico"},
    {"tiff", 0, "II*\0"sv},
    {"tiff", 0, "MM\0*"sv},
    {"psd", 0, "8BPS\0"sv},
    {"riff", 0, "RIFF"sv, Content::kBinary},
    {"iso-media", 4, "ftyp"sv, Content::kBinary},
    {"jpeg-xl", 0, "\0\0\0\x0cJXL "sv},
    {"jpeg-2000", 0, "\0\0\0\x0cjP  "sv},
    {"matroska", 0, "\x1a\x45\xdf\xa3"sv},
    {"ogg", 0, "OggS"sv, Content::kBinary},
    {"flac", 0, "fLaC"sv, Content::kBinary},
    {"mp3", 0, "ID3"sv, Content::kBinary},
    {"mp3", 0, "\xff\xfb"sv, Content::kBinary, ".mp3"},
    {"pdf", 0, "%PDF-"sv},
    {"postscript", 0, "%!PS-"sv},
    {"woff", 0, "wOFF"sv, Content::kBinary},
    {"woff2", 0, "wOF2"sv, Content::kBinary},
    {"truetype", 0, "\0\x01\0\0"sv, Content::kBinary, ".ttf"},
    {"opentype", 0, "OTTO\0"sv},
    {"elf", 0,
     "\x7f"
     "ELF"sv},
    {"pe", 0, "MZ"sv, Content::kBinary, ".exe .dll .sys .pyd .scr"},
    {"mach-o", 0, "\xce\xfa\xed\xfe"sv},
    {"mach-o", 0, "\xcf\xfa\xed\xfe"sv},
    {"mach-o", 0, "\xca\xfe\xba\xbe"sv},
    {"wasm", 0, "\0asm"sv},
    {"sqlite", 0, "SQLite format 3\0"sv},
    {"git-pack", 0, "PACK\0\0\0"sv},
    {"git-pack-index", 0, "\xfftOc"sv},
    {"git-index", 0, "DIRC\0\0\0"sv},
};

// Read as text or by no loader whatever the bytes are.
constexpr std::string_view kOtherExtensions =
    ".txt .md .markdown .rst .json .jsonl .yaml .yml .toml .ini .cfg .csv .tsv "
    ".py .pyi .ipynb .sh .c .cc .cpp .h .hpp .cu .js .ts .html .htm .css .tex "
    ".log .gitattributes .gitignore .gitmodules .lock .tfevents .png .jpg "
    ".jpeg .gif .webp .svg .mp3 .mp4 .wav .ogg .webm .pdf .ttf .otf .woff "
    ".woff2";

constexpr std::string_view kModelExtensions =
    ".pt .pth .ptl .pte .bin .ckpt .pkl .pickle .p .dill .joblib .h5 .hdf5 "
    ".keras .onnx .ort .safetensors .gguf .ggml .npy .npz .pb .tflite .mlmodel "
    ".mlpackage .msgpack .flax .t7 .cbm .rknn .engine .plan .pdmodel "
    ".pdiparams .pdparams .nemo .mar .skops .torchscript .caffemodel "
    ".llamafile "
    ".ubj .bst .mnn .cmf .dnn .rds .rda .rdata .orbax .pmml .weights .pyc";

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// True if |name| ends in one of |list|, letter case aside.
bool HasExtension(std::string_view name, std::string_view list) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  std::string wanted;
  for (const char c : name.substr(dot)) wanted += Lower(c);
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(' '), list.size());
    if (list.substr(0, end) == wanted) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

bool IsTextByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 ? byte != 0x7f
                      : (c == '\n' || c == '\r' || c == '\t' || c == '\f' ||
                         c == '\x1b' || c == '\b');
}

/// UTF-8 without control characters. The last character may be cut, since the
/// head of a long file ends anywhere.
bool IsText(std::string_view head) {
  if (!std::all_of(head.begin(), head.end(), IsTextByte)) return false;
  for (std::size_t cut = 0; cut < 4 && cut <= head.size(); ++cut) {
    if (cut != 0 && head.size() < kProbeHeadBytes) return false;
    if (IsUtf8(head.substr(0, head.size() - cut))) return true;
  }
  return false;
}

bool IsUtf16Text(std::string_view head) {
  return head.size() % 2 == 0 && head.size() >= 4 &&
         (head.starts_with("\xff\xfe"sv) || head.starts_with("\xfe\xff"sv)) &&
         !head.starts_with("\xff\xfe\0\0"sv);
}

bool Applies(Content wanted, bool text) {
  return wanted == Content::kAny || (wanted == Content::kText) == text;
}

bool Matches(const Magic& magic, std::string_view head, std::string_view name,
             bool text) {
  return head.size() >= magic.offset &&
         head.substr(magic.offset).starts_with(magic.bytes) &&
         Applies(magic.content, text) &&
         (magic.extensions.empty() || HasExtension(name, magic.extensions));
}

bool Matches(const TextMark& mark, std::string_view head,
             std::string_view name) {
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);
  const std::size_t start = head.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return false;
  head.remove_prefix(start);
  return head.starts_with(mark.start) &&
         head.find(mark.first) != std::string_view::npos &&
         head.find(mark.second) != std::string_view::npos &&
         (mark.extensions.empty() || HasExtension(name, mark.extensions));
}

std::string_view RecogniseProtobuf(std::string_view head) {
  if (head.size() < 4 || head[0] != '\x08') return {};
  const auto version = static_cast<std::uint8_t>(head[1]);
  for (const ProtobufHead& row : kProtobufHeads) {
    if (version >= row.min_version && version <= row.max_version &&
        row.next_tags.find(head[2]) != std::string_view::npos) {
      return row.format;
    }
  }
  return {};
}

/// Shards of a TensorFlow checkpoint: "model.ckpt.data-00000-of-00002".
bool IsCheckpointShard(std::string_view name) {
  const std::size_t at = name.rfind(".data-");
  return at != std::string_view::npos &&
         name.find("-of-", at) != std::string_view::npos;
}

/// Logs that training leaves beside its checkpoints.
bool IsEventLog(std::string_view name) {
  return name.starts_with("events.out.tfevents.");
}

std::vector<std::string_view> CollectNames() {
  std::vector<std::string_view> names;
  for (const Magic& row : kMagics) names.push_back(row.format);
  for (const TextMark& row : kTextMarks) names.push_back(row.format);
  for (const NamedFormat& row : kNamedFormats) names.push_back(row.format);
  for (const ProtobufHead& row : kProtobufHeads) names.push_back(row.format);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  // Their rows are for builds that leave the library out.
  std::erase_if(names, IsUnpacked);
  return names;
}

}  // namespace

std::string_view RecogniseUnsupported(const ProbeInput& input) {
  const std::string_view head = TextOf(input.head);
  if (head.empty()) return {};
  const bool text = IsText(head);
  for (const Magic& row : kMagics) {
    if (Matches(row, head, input.name, text)) return row.format;
  }
  if (text) {
    for (const TextMark& row : kTextMarks) {
      if (Matches(row, head, input.name)) return row.format;
    }
  }
  for (const NamedFormat& row : kNamedFormats) {
    if (Applies(row.content, text) &&
        HasExtension(input.name, row.extensions)) {
      return row.format;
    }
  }
  if (text) return {};
  if (IsCheckpointShard(input.name)) return "tensorflow";
  return RecogniseProtobuf(head);
}

bool NameClaimsModel(std::string_view name) {
  return HasExtension(name, kModelExtensions);
}

bool IsNotAModel(const ProbeInput& input) {
  const std::string_view head = TextOf(input.head);
  if (head.empty()) return true;
  if (NameClaimsModel(input.name)) return false;
  const bool text = IsText(head);
  if (text || IsUtf16Text(head)) return true;
  for (const Magic& row : kOtherContent) {
    if (Matches(row, head, input.name, text)) return true;
  }
  return HasExtension(input.name, kOtherExtensions) || IsEventLog(input.name);
}

std::span<const std::string_view> RecognisedFormatNames() {
  static const std::vector<std::string_view> names = CollectNames();
  return names;
}

}  // namespace scanengine
