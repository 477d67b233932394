#include "worker/recognised_formats.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "tests/support/byte_builder.h"
#include "tests/support/scan_bytes.h"
#include "worker/byte_source.h"
#include "worker/containers/decoder.h"

namespace scanengine {
namespace {

using std::string_literals::operator""s;

ProbeInput InputOf(std::string_view bytes, std::string_view name,
                   ByteSource& source) {
  const auto all = std::as_bytes(std::span(bytes));
  return {all.first(std::min(all.size(), kProbeHeadBytes)), name, source};
}

std::string_view Recognise(std::string_view bytes, std::string_view name) {
  MemorySource source(std::as_bytes(std::span(bytes)));
  return RecogniseUnsupported(InputOf(bytes, name, source));
}

bool NotAModel(std::string_view bytes, std::string_view name) {
  MemorySource source(std::as_bytes(std::span(bytes)));
  return IsNotAModel(InputOf(bytes, name, source));
}

struct Sample {
  std::string_view format;
  std::string name;
  std::string bytes;
};

std::string At(std::size_t offset, std::string_view bytes) {
  return ByteBuilder().Fill(offset).Text(bytes).Fill(16).bytes();
}

// One for each row of the tables, with a name that says nothing where the
// bytes are enough.
const Sample kByContent[] = {
    {"hdf5", "x", "\x89HDF\r\n\x1a\n\0\0"s},
    {"hdf5", "x", At(512, "\x89HDF\r\n\x1a\n")},
    {"hdf5", "x", At(1024, "\x89HDF\r\n\x1a\n")},
    {"hdf5", "x", At(2048, "\x89HDF\r\n\x1a\n")},
    {"r-serialized", "x", "RDX2\nX\n\0\0"s},
    {"r-serialized", "x", "RDX3\nX\n\0\0"s},
    {"r-serialized", "x", "RDA3\nA\n3\n"},
    {"r-serialized", "x", "X\n\0\0\0\x03"s},
    {"r-serialized", "x", "A\n3\n262657\n"},
    {"r-serialized", "m.rds", "\x1f\x8b\x08\0\0"s},
    {"r-serialized", "m.RData", "\x1f\x8b\x08\0\0"s},
    {"r-serialized", "m.rda", "BZh91AY&SY\0"s},
    {"r-serialized", "m.rds", "\xfd\x37zXZ\0\0"s},
    {"tflite", "x", "\x1c\0\0\0TFL3"s},
    {"executorch", "x", "\x1c\0\0\0ET12"s},
    {"onnxruntime", "x", "\x1c\0\0\0ORTM"s},
    {"catboost", "x", "CBM1\x10\0\0\0"s},
    {"rknn", "x", "RKNN\0\0\0\0"s},
    {"torch7", "x", "T7\0\0\x01"s},
    {"torch7", "x", "4\n1\n3\nV 1\n13\nnn.Sequential\ntorch.FloatTensor\n"},
    {"lua-bytecode", "x", "\x1bLuaQ\0"s},
    {"lua-bytecode", "x", "\x1bLJ\x02\0"s},
    {"mxnet", "x", "\x12\x01\0\0\0\0\0\0\0\0"s},
    {"mxnet", "x", R"({ "nodes": [ { "op": "null", "name": "data" })"},
    {"tensorrt", "x", "ftrt\0\0\0\x01"s},
    {"tensorrt", "x", "ptrt\0\0\0\x01"s},
    {"xgboost", "x", "binf\0\0\0\x01"s},
    {"xgboost", "x", "{L\0\0\0\0\0\0\0\x07learner"s},
    {"xgboost", "x", R"({"learner":{"attributes":{},"feature_names":[]})"},
    {"xgboost", "x", R"({"version":[1,7,5],"learner":{})"},
    {"xgboost", "x", "{\"learner\":{\"gradient_booster\":{}}}"},
    {"cntk", "x", "B\0C\0N\0\0\0B\0V\0"s},
    {"cntk", "x", "\x0a\x07version\x12\x01"s},
    {"cntk", "x", "\x0a\x03uid\x12\x01"s},
    {"fasttext", "x", "\xba\x16\x4f\x2f\x0c\0\0\0"s},
    {"sentencepiece", "tokenizer.model", "\x0a\x0e\x0a\x05<unk>\x15\0\0"s},
    {"ggml", "x", "lmgg\x01\0"s},
    {"ggml", "x", "fmgg\x01\0"s},
    {"ggml", "x", "tjgg\x03\0"s},
    {"ggml", "x", "algg\x01\0"s},
    {"ggml", "x", "GGML\x01\0"s},
    {"ggml", "x", "GGJT\x01\0"s},
    {"orbax", "manifest", "\x0c\xdb\x3a\x2a\0"s},
    {"java-serialized", "x", "\xac\xed\0\x05sr"s},
    {"matlab", "x", "MATLAB 5.0 MAT-file, Platform"},
    {"arrow", "x", "ARROW1\0\0\xff"s},
    {"arrow", "x", "FEA1\0\0"s},
    {"parquet", "x", "PAR1\x15\0"s},
    {"llamafile", "m.llamafile",
     "\x7f"
     "ELF\x02\x01"s},
    {"llamafile", "m.llamafile", "MZqFpD='\n"},
    {"python-bytecode", "m.pyc", "\xa7\x0d\r\n\x05\0\0\0\xe3"s},
    {"python-bytecode", "x", "\xa7\x0d\r\n\0\0\0\0\xe3"s},
    {"7z", "x", "7z\xbc\xaf\x27\x1c\0\x04"s},
    {"rar", "x", "Rar!\x1a\x07\x01\0"s},
    {"cab", "x", "MSCF\0\0\0\0x"s},
    {"ar", "x", "!<arch>\n/  "},
    {"cpio", "x", "070701\0"s},
    {"squashfs", "x", "hsqs\x01\0"s},
    {"gzip", "x", "\x1f\x8b\x08\0\0"s},
    {"bzip2", "x", "BZh91AY&SY\0"s},
    {"bzip2", "x", "BZh9\x17\x72\x45\x38\x50\x90\0"s},
    {"xz", "x", "\xfd\x37zXZ\0\0\x04"s},
    {"lzma", "m.lzma", "\x5d\0\0\x80\0"s},
    {"lz4", "x", "\x04\x22\x4d\x18\x64"s},
    {"lz4-legacy", "x", "\x02\x21\x4c\x18\x64"s},
    {"zstd", "x", "\x28\xb5\x2f\xfd\x24"s},
    {"lzip", "x", "LZIP\x01\x0c"s},
    {"compress", "x", "\x1f\x9d\x90\0"s},
    {"zlib", "x", "\x78\x01\x01\0"s},
    {"zlib", "x", "\x78\x9c\x01\0"s},
    {"zlib", "x", "\x78\xda\x01\0"s},
    {"git-lfs-pointer", "model.safetensors",
     "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n"},
    {"tfjs", "model.json", R"({"format": "layers", "modelTopology": {}})"},
    {"keras-config", "config.json",
     R"({"class_name": "Functional", "keras_version": "3.0"})"},
    {"catboost", "model.json", R"({"features_info":{},"oblivious_trees":[]})"},
    {"lightgbm", "model.txt", "tree\nversion=v3\nnum_class=1\n"},
    {"lightgbm", "m.json", R"({"max_feature_idx": 3, "tree_info": []})"},
    {"openvino", "m.xml",
     "<?xml version=\"1.0\"?>\n<net name=\"a\" version=\"11\"><layers><layer "},
    {"pmml", "m.xml", "<?xml version=\"1.0\"?>\n<PMML version=\"4.4\">"},
    {"pmml", "m.xml", "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<PMML>"},
    {"ncnn", "m.param", "7767517\n3 3\nInput data 0 1 data\n"},
    {"onnx", "m.txt", "ir_version: 8\ngraph { name: \"g\" }\n"},
    {"yaml-python", "c.yaml", "a: !!python/object/apply:os.system [id]\n"},
    {"onnx", "x", "\x08\x08\x12\x07pytorch\x1a\x03"s},
    {"tensorflow", "x", "\x08\x01\x12\xff\x01\x0a\x10"s},
};

// The bytes say nothing.
const Sample kByName[] = {
    {"onnx", "m.onnx", "\xff\xff\xff\xff"},
    {"onnx", "m.onnx_data", "\xff\xff\xff\xff"},
    {"tensorflow", "saved_model.pb", "\x0a\x02\xff\xff"},
    {"tensorflow", "graph.pbtxt", "node { name: \"a\" }"},
    {"tensorflow", "m.ckpt.meta", "\xff\xff"},
    {"tensorflow", "m.ckpt.index", "\xff\xff"},
    {"tensorflow", "m.ckpt.data-00000-of-00002", "\xff\xff"},
    {"tflite", "m.tflite", "\xff\xff"},
    {"hdf5", "m.h5", "\xff\xff"},
    {"coreml", "m.mlmodel", "\xff\xff"},
    {"openvino", "m.blob", "\xff\xff"},
    {"paddle", "m.pdmodel", "\xff\xff"},
    {"paddle", "m.PDIPARAMS", "\xff\xff"},
    {"mxnet", "m-0000.params", "\xff\xff"},
    {"caffe", "m.caffemodel", "\xff\xff"},
    {"caffe", "deploy.prototxt", "layer { name: \"a\" }"},
    {"darknet", "yolo.weights", "\xff\xff"},
    {"mnn", "m.mnn", "\xff\xff"},
    {"ncnn", "m.param", "\xff\xff"},
    {"tensorrt", "m.engine", "\xff\xff"},
    {"tensorrt", "m.plan", "\xff\xff"},
    {"executorch", "m.pte", "\xff\xff"},
    {"rknn", "m.rknn", "\xff\xff"},
    {"torch7", "m.t7", "\xff\xff"},
    {"catboost", "m.cbm", "\xff\xff"},
    {"lightgbm", "m.lgb", "\xff\xff"},
    {"xgboost", "m.ubj", "\xff\xff"},
    {"xgboost", "m.bst", "\xff\xff"},
    {"msgpack", "flax_model.msgpack", "\x81\xa6params"},
    {"orbax", "m.orbax", "\xff\xff"},
    {"pmml", "m.pmml", "<x/>"},
    {"r-serialized", "m.rds", "\xff\xff"},
    {"cntk", "m.dnn", "\xff\xff"},
    {"llamafile", "m.llamafile", "\xff\xff"},
    {"ggml", "m.ggml", "\xff\xff"},
    {"faiss", "m.faiss", "\xff\xff"},
    {"fasttext", "m.ftz", "\xff\xff"},
    {"arrow", "m.feather", "\xff\xff"},
    {"matlab", "m.mat", "\xff\xff"},
    {"java-serialized", "m.ser", "\xff\xff"},
    {"python-bytecode", "m.pyc", "\xff\xff"},
    {"lzma", "m.lzma", "\xff\xff"},
    {"rar", "m.rar", "\xff\xff"},
    {"iso9660", "m.iso", "\xff\xff"},
};

}  // namespace

TEST_CASE("RecogniseUnsupported: content names the format") {
  for (const Sample& sample : kByContent) {
    CAPTURE(sample.name, sample.bytes);
    CHECK(Recognise(sample.bytes, sample.name) == sample.format);
  }
}

TEST_CASE("RecogniseUnsupported: name decides when content says nothing") {
  for (const Sample& sample : kByName) {
    CAPTURE(sample.name);
    CHECK(Recognise(sample.bytes, sample.name) == sample.format);
  }
}

TEST_CASE("RecogniseUnsupported: content speaks louder than the name") {
  CHECK(Recognise("\x89HDF\r\n\x1a\n", "m.onnx") == "hdf5");
  CHECK(Recognise("7z\xbc\xaf\x27\x1c", "m.pb") == "7z");
}

TEST_CASE("RecognisedFormatNames: sorted, unique, each covered by a sample") {
  const auto names = RecognisedFormatNames();
  CHECK(std::is_sorted(names.begin(), names.end()));
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  std::set<std::string_view> covered;
  for (const Sample& sample : kByContent) covered.insert(sample.format);
  for (const Sample& sample : kByName) covered.insert(sample.format);
  std::erase_if(covered, IsUnpacked);
  CHECK(std::set<std::string_view>(names.begin(), names.end()) == covered);
}

TEST_CASE("RecogniseUnsupported: formats that scanners cover are not claimed") {
  const Sample supported[] = {
      {"zip", "m.pt", "PK\x03\x04\x14\0\0\0\0\0"s},
      {"zip, empty", "m.zip", "PK\x05\x06\0\0\0\0"s},
      {"pickle 2", "m.pkl", "\x80\x02}q\0."s},
      {"pickle 4", "m.pkl", "\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94."s},
      {"pickle 5", "m.bin", "\x80\x05\x95\x10\0\0\0\0\0\0\0}\x94."s},
      {"pickle 0", "m.pkl", "(dp0\nS'a'\np1\nI1\ns."},
      {"numpy", "m.npy", "\x93NUMPY\x01\0v\0{'descr'"s},
      {"gguf", "m.gguf", "GGUF\x03\0\0\0\0\0\0\0"s},
      {"safetensors", "m.safetensors", "\x08\0\0\0\0\0\0\0{\"a\":{}}"s},
      {"legacy torch", "m.pt", "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9"s},
  };
  for (const Sample& sample : supported) {
    CAPTURE(sample.format);
    CHECK(Recognise(sample.bytes, sample.name) == "");
    CHECK_FALSE(NotAModel(sample.bytes, sample.name));
  }
}

TEST_CASE("RecogniseUnsupported: words that are magic numbers stay text") {
  const std::string_view texts[] = {"x^2 + y^2 = z^2\n",
                                    "RIFF is a file format\n",
                                    "GGML is a library\n",
                                    "PAR1 was my score\n",
                                    "MZ stands for Mark\n",
                                    "BZh is odd\n",
                                    "OggS\n",
                                    "hsqs\n",
                                    "PACK your things\n"};
  for (const std::string_view text : texts) {
    CAPTURE(text);
    CHECK(Recognise(text, "notes") == "");
    CHECK(NotAModel(text, "notes"));
  }
}

TEST_CASE("RecogniseUnsupported: empty and tiny input is nothing") {
  CHECK(Recognise("", "m.onnx") == "");
  CHECK(Recognise("\x1f", "x") == "");
  CHECK(Recognise("\x08", "x") == "");
  CHECK(Recognise("\x08\x08", "x") == "");
}

TEST_CASE("IsNotAModel: text, media, programs and databases are none") {
  const Sample samples[] = {
      {"text", "README.md", "# A model\n\nCaf\xc3\xa9\n"},
      {"text without name", "LICENSE", "Apache License\n"},
      {"json", "config.json", "{\"model_type\": \"llama\"}"},
      {"index", "model.safetensors.index.json",
       "{\"metadata\": {}, \"weight_map\": {}}"},
      {"python", "modeling.py", "import torch\n"},
      {"template", "chat_template.jinja", "{% for m in messages %}"},
      {"git", ".gitattributes", "*.bin filter=lfs\n"},
      {"latin-1", "notes.txt", "Caf\xe9\n"},
      {"utf-16", "notes", "\xff\xfeh\0i\0"s},
      {"colours", "log", "\x1b[31mred\x1b[0m\n"},
      {"png", "x", "\x89PNG\r\n\x1a\n\0"s},
      {"jpeg", "x", "\xff\xd8\xff\xe0\0\x10JFIF"s},
      {"gif", "x", "GIF89a\x01\0"s},
      {"webp", "x", "RIFF\x10\0\0\0WEBP"s},
      {"mp4", "x",
       "\0\0\0\x20"
       "ftypisom"s},
      {"flac", "x", "fLaC\0\0"s},
      {"pdf", "x", "%PDF-1.7\n\xff"},
      {"font", "x", "wOF2\0\x01"s},
      {"elf", "lib.so",
       "\x7f"
       "ELF\x02\x01\x01\0"s},
      {"pe", "setup.exe", "MZ\x90\0\x03"s},
      {"mach-o", "x", "\xcf\xfa\xed\xfe\x07"},
      {"wasm", "x", "\0asm\x01\0"s},
      {"sqlite", "x", "SQLite format 3\0\x10"s},
      {"git pack", "x", "PACK\0\0\0\x02"s},
      {"event log", "events.out.tfevents.1700000000.host", "\x18\0\0\0"s},
      {"empty", "x", ""},
      {"empty model", "m.pt", ""},
  };
  for (const Sample& sample : samples) {
    CAPTURE(sample.format);
    CHECK(Recognise(sample.bytes, sample.name) == "");
    CHECK(NotAModel(sample.bytes, sample.name));
  }
}

TEST_CASE("IsNotAModel: unknown binary is not called harmless") {
  CHECK_FALSE(NotAModel("\xff\xfa\0\x01\x02"s, "data"));
  CHECK_FALSE(NotAModel("\0\0\0\0"s, "x.dat"));
  CHECK_FALSE(NotAModel("text\0more"s, "notes"));
}

TEST_CASE("IsNotAModel: a name that claims a model is never harmless") {
  for (const std::string_view name :
       {"m.pt", "m.PTH", "pytorch_model.bin", "m.ckpt", "m.pkl", "m.h5",
        "m.onnx", "m.safetensors", "m.gguf", "m.npy", "m.joblib"}) {
    CAPTURE(name);
    CHECK(NameClaimsModel(name));
    CHECK_FALSE(NotAModel("just some text\n", name));
    CHECK_FALSE(NotAModel("\x89PNG\r\n\x1a\n\0"s, name));
  }
  for (const std::string_view name : {"README.md", "pt", ".pt.txt", "", "."}) {
    CAPTURE(name);
    CHECK_FALSE(NameClaimsModel(name));
  }
}

TEST_CASE("IsNotAModel: a character cut by the end of the head is text") {
  std::string text(kProbeHeadBytes - 1, 'a');
  text += "\xc3\xa9 more";
  CHECK(NotAModel(text, "notes"));
  // In a whole file it is a broken character.
  CHECK_FALSE(NotAModel("abc\xc3", "notes"));
}

TEST_CASE("FileScan: recognised format is unsupported, never clean") {
  const ScanReply reply = ScanBytes("\x89HDF\r\n\x1a\n", "m.h5");
  CHECK(reply.status == OutcomeStatus::kUnsupported);
  CHECK(reply.format == "hdf5");
  CHECK(reply.detail == "hdf5 is not supported yet");
}

TEST_CASE("FileScan: content of no known format is unsupported") {
  const ScanReply reply = ScanBytes("\xff\xfa\0\x01\x02"s, "x.bin");
  CHECK(reply.status == OutcomeStatus::kUnsupported);
  CHECK(reply.detail == "content is of no known format");
}

TEST_CASE("FileScan: empty file is reported if its name claims a model") {
  const ScanReply model = ScanBytes("", "m.safetensors");
  CHECK(model.status == OutcomeStatus::kNotAModel);
  CHECK(RuleIds(model) == std::vector<std::string>{"empty-file"});
  CHECK(WorstSeverity(model) == Severity::kMedium);

  const ScanReply other = ScanBytes("", "__init__.py");
  CHECK(other.status == OutcomeStatus::kNotAModel);
  CHECK(other.findings.empty());
}

}  // namespace scanengine
