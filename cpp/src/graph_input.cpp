#include "graph_input.hpp"

#include <algorithm>

#include "unicode.hpp"

namespace zscr {

GraphInput::GraphInput(const Manifest& bundle, const Json& spec, const std::string& graph)
    : field_(spec.at("field").text(40)) {
  const std::string& kind = spec.at("kind").text();
  const std::size_t most = kind == "prompt" ? 3 : 2;
  for (const Json& name : spec.at("names").list(most - 1, most)) names_.push_back(name.text(200));
  if (kind == "vector") {
    vector_size_ = std::size_t(spec.at("shape").list(2, 2)[1].integer(1, 1 << 16));
    return;
  }
  if (kind == "image") {
    image_ = std::make_unique<const ImageReader>(spec.at("preprocess"));
    return;
  }
  if (kind != "text" && kind != "prompt" && kind != "characters")
    throw Fault(ZSCR_MISSING, "the graph '" + graph + "' is fed by the kind '" +
                                  kind.substr(0, 40) +
                                  "', which is not in this version of libzscr");
  max_length_ = std::size_t(spec.at("max_length").integer(1, 1 << 20));
  unit_ = spec.has("unit") ? spec.at("unit").text(40) : "tokens";
  if (kind == "characters") {
    characters_ =
        std::make_unique<const CharacterReader>(decoded(spec.at("alphabet").text()), max_length_);
    return;
  }
  make_text(bundle, spec, kind == "prompt");
}

void GraphInput::make_text(const Manifest& bundle, const Json& spec, bool prompt) {
  if (spec.has("pad_to")) pad_to_ = std::size_t(spec.at("pad_to").integer(1, 1 << 16));
  std::optional<std::int64_t> unknown;
  if (spec.has("unknown_id")) unknown = spec.at("unknown_id").integer(0, std::int64_t(1) << 32);
  const std::string file = spec.at("tokenizer").text(255);
  if (file.find('/') != file.npos) spec.at("tokenizer").refuse("a file of the bundle's own folder");
  const Json tokenizer = parse_json(bundle.verified(file));
  if (!prompt) {
    text_ = std::make_unique<const TextReader>(tokenizer, max_length_, unknown);
    pad_id_ = text_->pad_id();
    pads_left_ = text_->pads_left();
    return;
  }
  const std::size_t words = spec.has("words") ? std::size_t(spec.at("words").integer(1, 64)) : 1;
  const std::size_t room = pad_to_ ? std::min(pad_to_, max_length_) : max_length_;
  try {
    prompt_ = std::make_unique<const PromptReader>(
        tokenizer, decoded(spec.at("template").text(1000)), room, words, unknown);
  } catch (const Fault& fault) {  // of the template
    if (fault.code != ZSCR_INPUT) throw;
    throw JsonFault(spec.where() + ": " + fault.what());
  }
  pad_id_ = prompt_->pad_id();
  pads_left_ = prompt_->pads_left();
}

bool GraphInput::has_mask() const { return text_ && names_.size() == 2 && !pad_to_ && !pads_left_; }

ReadField GraphInput::read(const Query& query, const std::u32string& text) const {
  ReadField made;
  if (text_) made.text = text_->read(text);
  if (prompt_) made.text = prompt_->read(text);
  if (characters_) made.text = characters_->read(text);
  if (image_) {
    ReadImage seen = image_->read(field_ == "image" ? *query.image : *query.sketch);
    made.numbers = std::move(seen.pixels);
    made.told = std::move(seen.told);
  }
  if (!vector_size_) return made;
  made.numbers = *query.vector;
  if (made.numbers.size() != vector_size_)
    unusable("input '" + names_[0] + "' takes float vectors of " + std::to_string(vector_size_) +
             " numbers, this one has " + std::to_string(made.numbers.size()) +
             "; give vectors of the model's own kind");
  return made;
}

void GraphInput::feed(const std::vector<const ReadField*>& rows, Feeds& made) const {
  if (is_text()) return feed_texts(rows, made);
  std::vector<float> numbers;
  for (const ReadField* one : rows)
    numbers.insert(numbers.end(), one->numbers.begin(), one->numbers.end());
  std::vector<std::int64_t> shape{std::int64_t(rows.size()), std::int64_t(vector_size_)};
  if (image_) shape = {std::int64_t(rows.size()), 3, image_->side(), image_->side()};
  made[names_[0]] = {std::move(numbers), std::move(shape)};
}

void GraphInput::feed_texts(const std::vector<const ReadField*>& rows, Feeds& made) const {
  std::size_t length = std::max<std::size_t>(1, pad_to_);
  for (const ReadField* one : rows) length = std::max(length, one->text.ids.size());
  std::vector<std::int64_t> ids(rows.size() * length, pad_id_), mask(ids.size(), 0), slots;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const auto& own = rows[n]->text.ids;
    const std::size_t padding = pads_left_ ? length - own.size() : 0, begin = n * length + padding;
    std::copy(own.begin(), own.end(), ids.begin() + std::ptrdiff_t(begin));
    std::fill_n(mask.begin() + std::ptrdiff_t(begin), own.size(), 1);
    slots.push_back(std::int64_t(padding) + rows[n]->text.slot);
  }
  const std::vector<std::int64_t> shape{std::int64_t(rows.size()), std::int64_t(length)};
  made[names_[0]] = {std::move(ids), shape};
  const std::size_t masks = names_.size() - (prompt_ ? 2 : 1);
  if (masks) made[names_[1]] = {std::move(mask), shape};
  if (prompt_) made[names_.back()] = {std::move(slots), {std::int64_t(rows.size())}};
}

}  // namespace zscr
