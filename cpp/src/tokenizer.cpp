#include "tokenizer.hpp"

#include <algorithm>
#include <cstring>

#include "model.hpp"
#include "split.hpp"
#include "unicode.hpp"

namespace zscr {
namespace {

constexpr char kClip[] = R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";
constexpr std::int64_t kMost = 1 << 30;
// A text is normalised step by step, each of which may lengthen it; published ones take 5 at most,
// and two tokens around a text.
constexpr std::size_t kSteps = 32, kAround = 4096;

[[noreturn]] void missing(const std::string& what) {
  throw Fault(ZSCR_MISSING, "tokenizers with " + what.substr(0, 80) + " are not in this version");
}

bool says(const Json& one, const char* name, bool wanted) {
  return one.has(name) ? one.at(name).flag() == wanted : false;
}

}  // namespace

Tokenizer::~Tokenizer() = default;

Tokenizer::Tokenizer(const Json& file) {
  if (file.has("normalizer")) read_normalizer(file.at("normalizer"));
  if (!file.has("pre_tokenizer")) missing("no pre_tokenizer");
  read_split(file.at("pre_tokenizer"));
  if (file.has("post_processor")) read_template(file.at("post_processor"));
  const Json& model = file.at("model");
  model_ = make_model(model);
  spells_bytes = model.at("type").text() == "BPE";
  if (model.has("unk_token")) {
    const auto& vocabulary = model.at("vocab").object();
    const auto found = vocabulary.find(model.at("unk_token").text());
    if (found != vocabulary.end()) unknown_id = found->second.integer(0, kMost);
  }
  read_added(file.at("added_tokens"));
  if (file.has("truncation") && file.at("truncation").has("direction"))
    cuts_left = file.at("truncation").at("direction").text() == "Left";
  if (file.has("padding")) {
    pad_id = file.at("padding").at("pad_id").integer(0, kMost);
    pads_left = file.at("padding").at("direction").text() == "Left";
  }
}

void Tokenizer::read_normalizer(const Json& one) {
  const std::string& type = one.at("type").text();
  if (type == "Sequence") {
    for (const Json& inner : one.at("normalizers").list()) read_normalizer(inner);
  } else if (type == "BertNormalizer") {
    const bool plain = says(one, "clean_text", true) && says(one, "handle_chinese_chars", true) &&
                       says(one, "lowercase", true) && !says(one, "strip_accents", false);
    if (!plain) missing("a BERT that is not uncased");
    steps_.push_back(Step::bert);
  } else if (type == "Lowercase") {
    steps_.push_back(Step::lower);
  } else if (type == "Replace" && one.at("pattern").has("Regex") &&
             one.at("pattern").at("Regex").text() == "\\s+" && one.at("content").text() == " ") {
    steps_.push_back(Step::spaces);
  } else if (type != "NFC" || !steps_.empty()) {  // a text comes in normal form C
    missing("the normalizer " + type);
  }
  if (steps_.size() > kSteps) missing("over " + std::to_string(kSteps) + " normalizers");
}

void Tokenizer::read_split(const Json& one) {
  const std::string& type = one.at("type").text();
  if (type == "BertPreTokenizer") {
    split_ = Split::bert;
  } else if (type == "ByteLevel") {
    split_ = Split::bytes;
    read_bytes(one);
    if (!regular_) missing("bytes that are not split");
  } else if (type == "Split") {
    const std::string pattern = one.at("pattern").at("Regex").text();
    const bool found = one.at("invert").flag() && one.at("behavior").text() == "Removed";
    if (found && pattern == "\\w\\w+") {
      split_ = Split::words;
      return;
    }
    const std::size_t tail = std::strlen(kClip);
    if (!found || pattern.size() < tail || pattern.substr(pattern.size() - tail) != kClip)
      missing("the pattern " + pattern);
    split_ = Split::clip;
    std::string literal;
    for (std::size_t at = 0; at < pattern.size() - tail; ++at) {  // such as <\|endoftext\|>
      if (pattern[at] == '|') {
        literals_.push_back(decoded(literal));
        literal.clear();
      } else if (std::strchr("[](){}.*+?^$", pattern[at])) {
        missing("the pattern " + pattern);
      } else {
        literal += pattern[at] == '\\' ? pattern[++at] : pattern[at];
      }
    }
  } else if (type == "Sequence") {
    const auto& both = one.at("pretokenizers").list(2, 2);
    read_split(both[0]);
    if (split_ != Split::clip || both[1].at("type").text() != "ByteLevel")
      missing("such a sequence of pre_tokenizers");
    read_bytes(both[1]);
    if (prefix_space_) missing("a space before each word");
  } else {
    missing("the pre_tokenizer " + type);
  }
}

void Tokenizer::read_bytes(const Json& one) {
  prefix_space_ = one.at("add_prefix_space").flag();
  regular_ = !one.has("use_regex") || one.at("use_regex").flag();
}

void Tokenizer::read_template(const Json& one) {
  const std::string& type = one.at("type").text();
  if (type == "Sequence") {
    for (const Json& inner : one.at("processors").list()) read_template(inner);
  } else if (type == "RobertaProcessing" || type == "BertProcessing") {
    before = {one.at("cls").list(2, 2)[1].integer(0, kMost)};
    behind = {one.at("sep").list(2, 2)[1].integer(0, kMost)};
  } else if (type == "TemplateProcessing") {
    bool seen = false;
    for (const Json& part : one.at("single").list()) {
      if (part.has("Sequence")) {
        seen = true;
        continue;
      }
      const std::string& name = part.at("SpecialToken").at("id").text();
      for (const Json& id : one.at("special_tokens").at(name).at("ids").list())
        (seen ? behind : before).push_back(id.integer(0, kMost));
      if (before.size() + behind.size() > kAround)
        missing("over " + std::to_string(kAround) + " tokens around a text");
    }
    if (!seen) missing("a template without the text");
  } else if (type != "ByteLevel") {  // which moves offsets alone
    missing("the post_processor " + type);
  }
}

void Tokenizer::read_added(const Json& list) {
  for (const Json& one : list.list()) {
    const std::u32string text = decoded(one.at("content").text());
    if (text.empty()) continue;  // as the `tokenizers` library does: it would be found everywhere
    for (const char* name : {"single_word", "lstrip", "rstrip"})
      if (says(one, name, true)) missing(std::string("added tokens that are ") + name);
    const std::int64_t id = one.at("id").integer(0, kMost);
    if (!says(one, "normalized", true)) {
      raw_.push_back({text, id});
      continue;
    }
    Chars chars;
    for (const char32_t sign : text) chars.push_back({sign, 0, 0});
    std::u32string made;
    for (const Char& sign : normalised(chars)) made += sign.one;
    if (!made.empty()) normal_.push_back({made, id});
  }
}

Chars Tokenizer::normalised(const Chars& text) const {
  Chars now = text;
  for (const Step step : steps_) {
    Chars made;
    made.reserve(now.size());
    for (const Char& each : now) {
      const auto put = [&](char32_t one) { made.push_back({one, each.start, each.stop}); };
      if (step == Step::lower) {
        for (const char32_t one : lowered(each.one)) put(one);
      } else if (step == Step::spaces) {
        const bool space = is(Kind::space, each.one),
                   runs = space && &each != now.data() && is(Kind::space, (&each - 1)->one);
        if (!runs) put(space ? U' ' : each.one);
      } else if (each.one < 0x80 && each.one > ' ' && each.one != 0x7F) {
        put(each.one >= 'A' && each.one <= 'Z' ? each.one + 32 : each.one);
      } else if (is(Kind::bert_space, each.one)) {
        put(U' ');
      } else if (!is(Kind::bert_deleted, each.one)) {
        const bool alone = is(Kind::bert_alone, each.one);
        if (alone) put(U' ');
        for (const char32_t one : bert_mapped(each.one)) put(one);
        if (alone) put(U' ');
      }
    }
    now = std::move(made);
  }
  return now;
}

std::vector<Chars> Tokenizer::words(Chars text) const {
  if (split_ == Split::bert) return split_bert(text);
  if (split_ == Split::words) return split_words(text);
  std::vector<Chars> made;
  if (prefix_space_ && !text.empty() && text.front().one != U' ')
    text.insert(text.begin(), {U' ', text.front().start, text.front().start});
  std::vector<Chars> pieces;
  if (split_ == Split::clip) {
    pieces = split_clip(text, literals_);
  } else if (!text.empty()) {
    pieces.push_back(std::move(text));
  }
  for (const Chars& piece : pieces) {
    if (!regular_) {
      made.push_back(in_bytes(piece));
      continue;
    }
    for (const Chars& word : split_bytes(piece)) made.push_back(in_bytes(word));
  }
  return made;
}

std::vector<Token> Tokenizer::tokens(const std::u32string& text) const {
  Chars chars;
  chars.reserve(text.size());
  for (const char32_t one : text) chars.push_back({one, chars.size(), chars.size() + 1});
  std::vector<Token> made;
  add_raw(chars, made);
  return made;
}

namespace {

// Splits a text at the longest of some tokens, from left to right.
template <typename Added, typename Between>
void split_at(const Chars& text, const std::vector<Added>& added, std::vector<Token>& made,
              Between between) {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Added* found = nullptr;
    for (const Added& one : added)
      if (starts_with(text, at, one.text) && (!found || one.text.size() > found->text.size()))
        found = &one;
    if (!found) {
      ++at;
      continue;
    }
    between(part(text, begin, at));
    begin = at + found->text.size();
    made.push_back({found->id, text[at].start, text[begin - 1].stop});
    at = begin;
  }
  between(part(text, begin, text.size()));
}

}  // namespace

void Tokenizer::add_raw(const Chars& text, std::vector<Token>& made) const {
  split_at(text, raw_, made, [&](const Chars& piece) {
    if (!piece.empty()) add_normal(normalised(piece), made);
  });
}

void Tokenizer::add_normal(const Chars& text, std::vector<Token>& made) const {
  split_at(text, normal_, made, [&](const Chars& piece) {
    for (const Chars& word : words(piece)) model_->add(word, made);
  });
}

}  // namespace zscr
