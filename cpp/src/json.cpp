#include "json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace zscr {
namespace {

constexpr std::size_t kDepth = 64, kValues = 4000000, kDigits = 40;

// Builds values, and the canonical text beside them, as the parser meets them.
class Builder : public nlohmann::json::json_sax_t {
 public:
  Json root;
  std::string canonical;

  bool null() override { return add(nullptr, "null"); }
  bool boolean(bool one) override { return add(one, one ? "true" : "false"); }
  bool number_integer(number_integer_t one) override { return add(one, std::to_string(one)); }
  bool number_unsigned(number_unsigned_t one) override { return add(one, std::to_string(one)); }
  bool number_float(number_float_t one, const string_t& written) override {
    const bool whole = written.find_first_of(".eE") == std::string::npos;
    if (whole && written.size() > kDigits + (written[0] == '-'))
      throw JsonFault("the number " + written.substr(0, 20) + "… has over 40 digits");
    return add(one, written);
  }
  bool string(string_t& one) override {
    const std::string quoted = nlohmann::json(one).dump();
    return add(std::move(one), quoted);
  }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return open(Json::Object(), "{"); }
  bool start_array(std::size_t) override { return open(Json::List(), "["); }
  bool end_object() override { return close("}"); }
  bool end_array() override { return close("]"); }

  bool key(string_t& name) override {
    auto& object = std::get<Json::Object>(open_.back().json->value);
    if (object.count(name)) throw JsonFault("the key '" + name.substr(0, 40) + "' is there twice");
    key_ = name;
    before_key_ = canonical.size();
    canonical += (first_ ? "" : ", ") + nlohmann::json(name).dump() + ": ";
    return true;
  }

  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::json::exception& error) override {
    throw JsonFault(error.what());
  }

 private:
  struct Open {
    Json* json;
    std::shared_ptr<const Json::Step> step;  // of its first value on, which all share
  };
  std::vector<Open> open_;
  std::string key_;
  std::size_t values_ = 0, before_key_ = 0;
  bool first_ = true;

  Json& place() {
    if (++values_ > kValues) throw JsonFault("it holds over 4000000 values");
    if (open_.empty()) return root;
    auto& [parent, step] = open_.back();
    if (!step) step = std::make_shared<const Json::Step>(parent->step);
    if (auto* list = std::get_if<Json::List>(&parent->value)) {
      if (!first_) canonical += ", ";
      list->push_back({{}, {step, "[" + std::to_string(list->size()) + "]"}, values_});
      return list->back();
    }
    const Json::Step where{step, "." + key_.substr(0, 40)};
    return std::get<Json::Object>(parent->value)[key_] = Json{{}, where, values_};
  }

  bool is_checksum() const {
    return open_.size() == 1 && key_ == "checksum" &&
           std::holds_alternative<Json::Object>(open_.back().json->value);
  }

  template <typename Value>
  bool add(Value one, const std::string& written) {
    place().value = std::move(one);
    canonical += written;
    if (is_checksum()) {
      canonical.resize(before_key_);
      return true;  // what comes first now still does
    }
    first_ = false;
    return true;
  }

  template <typename Value>
  bool open(Value empty, const char* sign) {
    if (open_.size() == kDepth) throw JsonFault("it is nested more than 64 deep");
    if (is_checksum()) throw JsonFault("its checksum is no text");
    Json& made = place();
    made.value = std::move(empty);
    open_.push_back({&made, nullptr});
    canonical += sign;
    first_ = true;
    return true;
  }

  bool close(const char* sign) {
    open_.pop_back();
    canonical += sign;
    first_ = false;
    return true;
  }
};

Json parsed(std::string_view text, Builder& builder) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") throw JsonFault("it begins with a byte order mark");
  try {
    nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  } catch (const nlohmann::json::exception& error) {
    throw JsonFault(error.what());
  }
  return std::move(builder.root);
}

std::string shown(const Json& one) {
  if (std::holds_alternative<Json::Object>(one.value)) return "an object";
  if (auto* list = std::get_if<Json::List>(&one.value))
    return "a list of " + std::to_string(list->size());
  if (auto* text = std::get_if<std::string>(&one.value)) return "'" + text->substr(0, 60) + "'";
  if (auto* flag = std::get_if<bool>(&one.value)) return *flag ? "true" : "false";
  if (auto* number = std::get_if<std::int64_t>(&one.value)) return std::to_string(*number);
  if (auto* number = std::get_if<std::uint64_t>(&one.value)) return std::to_string(*number);
  return one.is_null() ? "null" : nlohmann::json(one.number()).dump();
}

}  // namespace

Json parse_json(std::string_view text) {
  Builder builder;
  return parsed(text, builder);
}

Json parse_json(std::string_view text, std::string& canonical) {
  Builder builder;
  Json root = parsed(text, builder);
  canonical = std::move(builder.canonical);
  return root;
}

std::string Json::where() const {
  std::string made;
  for (const Step* one = &step; one; one = one->above.get()) made = one->name + made;
  return made.empty() ? "it" : made[0] == '.' ? made.substr(1) : made;
}

void Json::refuse(const std::string& wanted) const {
  throw JsonFault(where() + " is " + shown(*this) + ", not " + wanted);
}

bool Json::has(const std::string& name) const {
  const auto found = object().find(name);
  return found != object().end() && !found->second.is_null();
}

const Json& Json::at(const std::string& name) const {
  const auto found = object().find(name);
  if (found == object().end()) throw JsonFault(where() + " lacks '" + name + "'");
  return found->second;
}

const Json::Object& Json::object() const {
  if (auto* found = std::get_if<Object>(&value)) return *found;
  refuse("an object");
}

std::vector<std::pair<std::string, const Json*>> Json::members() const {
  std::vector<std::pair<std::string, const Json*>> made;
  for (const auto& [name, one] : object()) made.emplace_back(name, &one);
  std::sort(made.begin(), made.end(), [](const auto& first, const auto& second) {
    return first.second->place < second.second->place;
  });
  return made;
}

const Json::List& Json::list(std::size_t least, std::size_t most) const {
  auto* found = std::get_if<List>(&value);
  if (!found || found->size() < least || found->size() > most)
    refuse("a list of " + std::to_string(least) + " to " + std::to_string(most));
  return *found;
}

const std::string& Json::text(std::size_t longest) const {
  auto* found = std::get_if<std::string>(&value);
  if (!found || found->size() > 4 * longest)
    refuse("a text of at most " + std::to_string(longest) + " characters");
  return *found;
}

std::int64_t Json::integer(std::int64_t low, std::int64_t high) const {
  const std::string wanted =
      "an integer from " + std::to_string(low) + " to " + std::to_string(high);
  std::int64_t found = 0;
  if (auto* one = std::get_if<std::int64_t>(&value)) {
    found = *one;
  } else if (auto* natural = std::get_if<std::uint64_t>(&value);
             natural && *natural <= std::uint64_t(INT64_MAX)) {
    found = static_cast<std::int64_t>(*natural);
  } else {
    refuse(wanted);
  }
  if (found < low || found > high) refuse(wanted);
  return found;
}

double Json::number() const {
  if (auto* one = std::get_if<double>(&value)) return *one;
  if (auto* one = std::get_if<std::int64_t>(&value)) return static_cast<double>(*one);
  if (auto* one = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*one);
  refuse("a number");
}

bool Json::flag() const {
  if (auto* found = std::get_if<bool>(&value)) return *found;
  refuse("true or false");
}

}  // namespace zscr
