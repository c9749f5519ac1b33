// Feeds bytes to each reader of strangers' files, behind the hashes that would refuse them.
//
// By clang it becomes a libFuzzer target, see scripts/fuzz-cpp; by others a program that reads
// files. $ZSCR_LOADER names the reader, $ZSCR_SAMPLE a folder with a sound bundle `b`, the index
// `b.index` and `tokenizers`. What is no fault in one sentence ends the program.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>

#include "../src/bundle.hpp"
#include "../src/index.hpp"
#include "../src/orientation.hpp"
#include "../src/sketch.hpp"
#include "../src/unicode.hpp"

namespace {

using namespace zscr;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "zscr-fuzz: it is not true that %s\n", what);
  std::abort();
}

// Lets bytes be refused, in one sentence.
template <typename Work>
void tried(Work work) {
  try {
    work();
  } catch (const Fault& fault) {
    require(printable(fault.what()) == fault.what(), "a fault is one line of UTF-8");
    require(fault.code != ZSCR_INTERNAL, "no fault is the library's");
  } catch (const JsonFault&) {
  }
}

fs::path sample() { return std::getenv("ZSCR_SAMPLE"); }

// A copy of the sample, in which a manifest may be written over.
const fs::path& copy() {
  static const fs::path kMade = [] {
    std::string name = (fs::temp_directory_path() / "zscr-fuzz-XXXXXX").string();
    require(mkdtemp(name.data()), "a folder can be made");
    fs::copy(sample(), name, fs::copy_options::recursive);
    std::atexit([] { fs::remove_all(copy()); });
    return fs::path(name);
  }();
  return kMade;
}

void write(const fs::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary).write(content.data(), std::streamsize(content.size()));
}

Json read_json(const fs::path& path) { return parse_json(read_file(path, 1 << 28)); }

// Gives a text the checksum that its fields have.
std::string with_checksum(std::string_view text) {
  std::string canonical;
  parse_json(text, canonical);
  if (canonical.empty() || canonical.back() != '}') return std::string(text);
  const std::string fields = canonical.substr(0, canonical.size() - 1);
  return fields + (fields.size() > 1 ? ", " : "") + "\"checksum\": \"" + sha256(canonical) + "\"}";
}

// Fails to read every value as what it is not: their messages name the way to it.
void refuse_all(const Json& one) {
  try {
    one.refuse("that");
  } catch (const JsonFault&) {
  }
  if (auto* list = std::get_if<Json::List>(&one.value))
    for (const Json& each : *list) refuse_all(each);
  if (auto* object = std::get_if<Json::Object>(&one.value))
    for (const auto& [name, each] : *object) refuse_all(each);
}

void load_json(std::string_view bytes) {
  std::string canonical, again;
  const Json found = parse_json(bytes, canonical);
  refuse_all(found);
  tried([&] { parse_json(canonical, again); });
  require(canonical == again, "the canonical text of a canonical text is itself");
}

void load_manifest(std::string_view bytes) {
  static const fs::path kFolder = copy() / "manifest";
  fs::create_directory(kFolder);
  write(kFolder / "manifest.json", with_checksum(bytes));
  for (const auto& [kind, schema] : {std::make_pair("bundle", 4), std::make_pair("index", 5)})
    tried([kind = kind, schema = schema] {
      const Manifest found = read_manifest(kFolder, kind, schema);
      for (const auto& [name, entry] : found.files) found.verified(name);
    });
}

void load_bundle(std::string_view bytes) {
  write(copy() / "b" / "manifest.json", with_checksum(bytes));
  const Bundle bundle(copy() / "b", {});
  Query text, image;
  text.text = "a red bird";
  image.image = ImageFile{(sample() / "image.png").string(), ""};
  for (const Query& query : {text, image}) bundle.route(query.fields()).embed({query});
}

void load_index(std::string_view bytes) {
  write(copy() / "b.index" / "manifest.json", with_checksum(bytes));
  const auto index = Index::read(copy() / "b.index");
  std::vector<float> query(index->dim);
  query[0] = 1;
  for (const bool exact : {true, false})
    for (const Scored& one : index->search(query.data(), 5, 0, exact).rows)
      index->entry(std::size_t(one.row));
  index->prove();
}

// The segments of the sample.
const Stack& stack() {
  static const Stack kMade = [] {
    const Manifest index = read_manifest(sample() / "b.index", "index", 5);
    const auto dim = std::size_t(index.body.at("dim").integer(1, 1 << 16));
    std::vector<std::shared_ptr<const Segment>> segments;
    for (const Json& about : index.body.at("segments").list())
      segments.push_back(std::make_shared<const Segment>(index, about, dim, false));
    return Stack(std::move(segments));
  }();
  return kMade;
}

std::size_t dim() {
  static const auto kDim =
      std::size_t(read_json(sample() / "b.index" / "manifest.json").at("dim").integer(1, 1 << 16));
  return kDim;
}

// The vectors are put right: that they are the index's own is proved before any link is.
void load_hnsw(std::string_view bytes) {
  constexpr std::size_t kHeader = 96, kVector = 4 + 8 * 16;
  const std::size_t node = kVector + 4 * dim() + 8;
  std::string content(bytes);
  std::vector<float> scratch(dim()), query(dim());
  for (std::size_t at = kHeader; at + node <= content.size(); at += node) {
    std::int64_t label;
    std::memcpy(&label, content.data() + at + node - 8, 8);
    if (const std::int64_t row = stack().row_of(label); row >= 0)
      std::memcpy(content.data() + at + kVector, stack().row(std::size_t(row), scratch.data()),
                  4 * dim());
  }
  const Hnsw hnsw(content, dim(), stack());
  query[0] = 1;
  for (const std::size_t k : {std::size_t(1), std::size_t(7), stack().count()})
    for (const std::int64_t row : hnsw.nearest(query.data(), k, 3))
      require(row >= 0 && std::size_t(row) < stack().count(), "what is found is there");
}

// A line of JSON, as a manifest says it of a segment, and the segment's file.
void load_segment(std::string_view bytes) {
  const std::size_t line = std::min(bytes.find('\n'), bytes.size());
  const Json about = parse_json(bytes.substr(0, line));
  const std::string_view content = bytes.substr(std::min(line + 1, bytes.size()));
  const std::string name =
      "segment." + std::to_string(about.at("number").integer(1, 9)) + ".safetensors";
  Manifest index;
  index.folder = copy();
  index.files[name] = {sha256(content), content.size()};
  write(copy() / name, content);
  const auto made = std::make_shared<const Segment>(index, about, dim(), about.has("half"));
  made->prove_all();
  const Stack whole({stack().segments()[0], made, made});
  std::vector<float> query(dim());
  query[0] = 1;
  for (const Scored& one : whole.exact(query.data(), dim(), 9, 0)) whole.line(std::size_t(one.row));
  for (const std::int64_t label : made->labels()) whole.row_of(label);
}

// The hashes of a segment's blocks, which is one byte larger than a block.
void load_blocks(std::string_view bytes) {
  Manifest index;
  index.folder = copy();
  index.files["segment.7.safetensors"] = {"", kBlock + 1};
  index.files["blocks.7.npy"] = {sha256(bytes), bytes.size()};
  write(copy() / "blocks.7.npy", bytes);
  std::ofstream(copy() / "segment.7.safetensors").put('\0');
  fs::resize_file(copy() / "segment.7.safetensors", kBlock + 1);
  Segment(index, parse_json(R"({"number": 7, "in_hnsw": false})"), dim(), false);
}

void load_entry(std::string_view bytes) {
  const Entry found = read_entry(bytes, {{"photos", "/photos"}, {"", "/"}});
  require(!found.id.empty(), "an entry has an id");
}

void load_tokenizer(std::string_view bytes) {
  const TextReader reader(parse_json(bytes), 16, {});
  for (const char32_t* text : {U"a small bird's red crown; 3 na\u00efve CAF\u00c9s", U"",
                               U"\u65e5\u672c <|endoftext|>[MASK] \u0e01\u0e33\U0001F415  x"})
    require(reader.read(text).ids.size() <= 16, "a text has 16 tokens at most");
}

void load_text(std::string_view bytes) {
  static const auto kReaders = [] {
    std::vector<std::unique_ptr<const TextReader>> made;
    for (const auto& file : fs::directory_iterator(sample() / "tokenizers"))
      made.push_back(std::make_unique<const TextReader>(read_json(file.path()), 16, std::nullopt));
    return made;
  }();
  decoded(printable(bytes));
  const std::u32string text = nfc(decoded(bytes));
  require(nfc(text) == text, "normal form C of itself is itself");
  require(decoded(encoded(text)) == text, "UTF-8 is read as it was written");
  for (const auto& reader : kReaders)
    require(reader->read(text).ids.size() <= 16, "a text has 16 tokens at most");
  CharacterReader(U"abc \u00e4", 40).read(text);
}

void load_graph(std::string_view bytes) { refuse_external_data(bytes, "graph.onnx"); }

void load_image(std::string_view bytes) {
  static const auto reader = [](const char* more) {
    return ImageReader(parse_json(std::string(R"({"image_size": 8, "resample": "bicubic",
        "rescale": 0.1, "mean": [0, 0, 0], "std": [1, 1, 1], )") +
                                  more + "}"));
  };
  static const ImageReader kPhotos =
      reader(R"("resize_shorter_side": 9, "decode_shorter_side": 9)");
  static const ImageReader kSketches = reader(R"("strokes": true)");
  const ImageFile file{"", std::string(bytes)};
  for (const ImageReader* one : {&kPhotos, &kSketches})
    tried([&] {
      require(one->read(file).pixels.size() == 3 * 8 * 8, "an image has the pixels of its square");
    });
}

void load_orientation(std::string_view bytes) {
  const int found = orientation(bytes, bytes);
  require(found >= 1 && found <= 8, "an orientation is one of eight");
}

// Sizes in the first bytes, and pixels in the others.
void load_pixels(std::string_view bytes) {
  if (bytes.size() < 5) return;
  const auto size = [&](std::size_t at) { return 1 + std::uint8_t(bytes[at]) % 96; };
  Image layer(size(0), size(1), 4);
  for (std::size_t n = 0; n < layer.pixels.size(); ++n)
    layer.pixels[n] = std::uint8_t(bytes[4 + n % (bytes.size() - 4)]);
  const Image image = laid_over(layer, shade_under(layer));
  const Box box{0.5F, 0, float(image.width), float(image.height)};
  for (const char* filter : {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"})
    resized(image, box, size(2), size(3), filter);
  drawing(image, "drawing");
}

using Loader = void (*)(std::string_view);
const std::map<std::string, Loader> kLoaders{
    {"json", load_json},     {"manifest", load_manifest},
    {"bundle", load_bundle}, {"index", load_index},
    {"hnsw", load_hnsw},     {"segment", load_segment},
    {"blocks", load_blocks}, {"entry", load_entry},
    {"text", load_text},     {"tokenizer", load_tokenizer},
    {"graph", load_graph},   {"jpeg", load_image},
    {"png", load_image},     {"webp", load_image},
    {"pixels", load_pixels}, {"orientation", load_orientation},
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const Loader kLoad = kLoaders.at(std::getenv("ZSCR_LOADER"));
  tried([&] { kLoad({reinterpret_cast<const char*>(bytes), size}); });
  return 0;
}

#ifdef ZSCR_REPLAY
int main(int count, char** files) {
  for (int n = 1; n < count; ++n) {
    std::cout << files[n] << std::endl;  // the last one is at fault
    std::ifstream file(files[n], std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) std::cout << line << '\n';  // the most memory that it had
}
#endif
