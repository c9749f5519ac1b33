#include "index.hpp"

#include <algorithm>
#include <set>

namespace zscr {
namespace {

constexpr int kSchema = 5;
constexpr std::int64_t kMost = std::int64_t(1) << 40, kNumbers = std::int64_t(1) << 53;

// Returns where a root lies: as seen from the index, if a folder of its name is there, else at its
// path, else as seen from the index under any name.
std::string root_path(const Json& row, const fs::path& folder) {
  const fs::path path = row.at("path").text();
  if (!path.is_absolute() || row.at("name").text().find('/') != std::string::npos)
    row.refuse("a root with an absolute path");
  std::error_code ignored;
  const fs::path beside = fs::canonical(folder, ignored) / row.at("relative").text();
  const bool named = beside.lexically_normal().filename() == path.filename();
  if (fs::is_directory(beside, ignored) && (named || !fs::is_directory(path, ignored)))
    return fs::canonical(beside, ignored).string();
  return path.string();
}

std::string stem_of(const std::string& name) { return name.substr(0, name.find('.')); }

}  // namespace

std::shared_ptr<const Index> Index::read(const fs::path& folder, const Index* before) {
  Manifest manifest = read_manifest(folder, "index", kSchema);
  while (true) {
    const std::string seen = manifest.sha256;
    try {
      return std::make_shared<const Index>(std::move(manifest), before);
    } catch (const Fault& fault) {
      if (fault.code != ZSCR_ARTEFACT) throw;
      // A writer may have committed and deleted these files while they were being read.
      manifest = read_manifest(folder, "index", kSchema);
      if (manifest.sha256 == seen) throw;
    }
  }
}

Index::Index(Manifest read, const Index* before) : manifest(std::move(read)) {
  reading(manifest, [&] { read_fields(before); });
}

void Index::read_fields(const Index* before) {
  const Json& body = manifest.body;
  space = body.at("space").text(200);
  bundle_name = body.at("bundle_name").text(255);
  dim = std::size_t(body.at("dim").integer(1, 1 << 16));
  generation = std::uint64_t(body.at("generation").integer(0, kNumbers));
  if (body.at("metric").text() != "cosine") body.at("metric").refuse("cosine");
  const std::string stored = body.at("stored").text(), how = body.at("search").text();
  if (stored != "float32" && stored != "float16") body.at("stored").refuse("float32 or float16");
  if (how != "exact" && how != "hnsw") body.at("search").refuse("exact or hnsw");
  if (body.has("ef")) ef_ = std::size_t(body.at("ef").integer(1, 1 << 20));

  std::vector<std::string> numbers;
  for (const Json& row : body.at("segments").list(1))
    numbers.push_back(std::to_string(row.at("number").integer(1, kNumbers)));
  check_names(numbers);
  std::map<std::string, std::shared_ptr<const Segment>> held;
  if (before)
    for (const auto& one : before->stack_->segments())
      held[one->sha256 + std::to_string(one->number)] = one;
  std::vector<std::shared_ptr<const Segment>> segments;
  for (const Json& row : body.at("segments").list(1)) {
    const std::string number = std::to_string(row.at("number").integer(1, kNumbers));
    auto& one = held[manifest.listed("segment." + number + ".safetensors").sha256 + number];
    if (!one || one->in_hnsw != row.at("in_hnsw").flag())
      one = std::make_shared<const Segment>(manifest, row, dim, stored == "float16");
    for (const std::int64_t label : one->labels())
      if (label >= body.at("next_label").integer(0, kMost))
        throw JsonFault("segment " + number + " has labels that are not given yet");
    segments.push_back(one);
  }
  stack_ = std::make_unique<const Stack>(std::move(segments));
  if (stack_->count() != std::size_t(body.at("count").integer(0, kMost)))
    throw JsonFault(std::to_string(stack_->count()) + " rows, not " +
                    std::to_string(body.at("count").integer(0, kMost)));

  for (const Json& row : body.at("roots").list(0, 10000)) {
    const std::string name = row.at("name").text(1000);
    roots_[name] = root_path(row, manifest.folder);
  }
  for (const Json& row : body.at("calibrations").list(0, 100)) {
    std::vector<double> scores;
    for (const Json& one : row.at("scores").list(1, 128)) scores.push_back(one.number());
    if (!std::is_sorted(scores.begin(), scores.end()))
      throw JsonFault("scores of a calibration that are not ascending");
    calibrations.emplace(row.at("graph").text(200), std::move(scores));  // the first of a graph
  }
  if (how == "hnsw") {
    std::error_code ignored;
    if (!fs::exists(manifest.folder / hnsw_name_, ignored))
      damaged(manifest.folder.string() + " lacks " + hnsw_name_ +
              "; copy the folder again or make it anew");
    hnsw_file_ = std::make_unique<Mapped>(manifest.folder / hnsw_name_);
  }
}

// Proves that a manifest's files are those of its segments and of the index as a whole.
void Index::check_names(const std::vector<std::string>& numbers) {
  std::set<std::string> needed;
  for (const std::string& number : numbers) {
    const std::string name = "segment." + number + ".safetensors";
    if (!needed.insert(name).second) throw JsonFault("segment " + number + " is there twice");
    if (manifest.listed(name).bytes > kBlock) needed.insert("blocks." + number + ".npy");
  }
  std::set<std::string> whole;
  for (const auto& [name, entry] : manifest.files) {
    if (needed.count(name)) continue;
    const std::string stem = stem_of(name);
    const bool known =
        stem == "hnsw" || stem == "queries" || stem == "unrelated" || stem == "errors";
    if (!known || !whole.insert(stem).second) throw JsonFault("it lists " + name);
    if (stem == "hnsw") hnsw_name_ = name;
  }
  for (const std::string& name : needed) manifest.listed(name);
  if (whole.count("hnsw") != (manifest.body.at("search").text() == "hnsw"))
    throw JsonFault("it is searched by " + manifest.body.at("search").text() +
                    ", and its files are for another way");
}

// Returns HNSW, which is read when it is first asked; null where its file holds something else.
const Hnsw* Index::hnsw() const {
  std::call_once(hnsw_once_, [&] {
    const Listed& entry = manifest.listed(hnsw_name_);
    // Our own, so that nobody changes it once it is proved.
    auto content = std::make_unique<const Pages>(hnsw_file_->bytes());
    if (content->size() != entry.bytes || sha256(content->bytes()) != entry.sha256)
      damaged((manifest.folder / hnsw_name_).string() + " is damaged; run 'zscr index repair " +
              manifest.folder.string() + "'");
    try {
      hnsw_ = std::make_unique<const Hnsw>(std::move(content), dim, *stack_);
    } catch (const JsonFault& fault) {
      hnsw_fault_ =
          "searched exactly: " + hnsw_name_ + " is no HNSW of these vectors (" + fault.what() + ")";
    }
  });
  return hnsw_.get();
}

Found Index::search(const float* query, std::size_t k, std::size_t ef, bool exact) const {
  k = std::min(k, count());
  const Hnsw* const near = exact || !has_hnsw() ? nullptr : hnsw();
  const std::string note = exact || !has_hnsw() || near ? "" : hnsw_fault_;
  if (!near) return {stack_->exact(query, dim, k, 0), note};
  const std::size_t wanted = std::min(k, near->count());
  std::vector<std::int64_t> rows;
  if (wanted) rows = near->nearest(query, wanted, ef ? ef : ef_ ? ef_ : k);
  if (rows.size() < wanted) return {stack_->exact(query, dim, k, 0), note};
  std::set<std::int64_t> joined(rows.begin(), rows.end());
  for (const Scored& late : stack_->exact(query, dim, k, stack_->tail())) joined.insert(late.row);
  if (joined.size() < k) return {stack_->exact(query, dim, k, 0), note};
  return {stack_->rank(query, dim, k, {joined.begin(), joined.end()}), note};
}

void Index::prove() const {
  for (const auto& one : stack_->segments()) one->prove_all();
  if (has_hnsw()) hnsw();
}

Entry read_entry(std::string_view line, const Roots& roots) {
  try {
    const Json read = parse_json(line);
    Entry made{read.at("id").text(1 << 20), read.at("sha256").text(1 << 20), {}, {}};
    if (made.id.empty()) throw JsonFault("an entry has an empty id");
    if (read.has("attributes") && read.at("attributes").has("class"))
      made.class_id = read.at("attributes").at("class").text(1 << 20);
    if (!read.has("image")) return made;
    const fs::path image = read.at("image").text(1 << 20);
    made.image = image.string();
    if (!read.has("root")) return made;
    const auto root = roots.find(read.at("root").text(1 << 20));
    const bool climbs = std::find(image.begin(), image.end(), "..") != image.end();
    if (root == roots.end() || image.is_absolute() || climbs || image.empty())
      throw JsonFault("an image that is not below its root");
    made.image = root->second + (root->second.back() == '/' ? "" : "/") + image.string();
    return made;
  } catch (const JsonFault& fault) {
    damaged("an entry of the index is '" + std::string(line.substr(0, 80)) + "', which is none (" +
            fault.what() + "); make it anew");
  }
}

}  // namespace zscr
