// JSON of strangers: parsed within bounds, read with types and ranges, refused in one sentence.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "error.hpp"

namespace zscr {

// Says what stands where in a text that is no such JSON; its caller knows which file that is.
struct JsonFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A value, and the way to it for messages.
class Json {
 public:
  struct Step {  // of the way to a value: `.text` or `[0]`, and what holds it
    std::shared_ptr<const Step> above;
    std::string name;
  };
  using List = std::vector<Json>;
  using Object = std::map<std::string, Json>;
  std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, List, Object>
      value;
  Step step;
  std::size_t place = 0;  // among the values of its text

  std::string where() const;  // `graphs.text.inputs[0].max_length`; of the whole `it`
  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value); }
  bool has(const std::string& name) const;        // and is not null
  const Json& at(const std::string& name) const;  // which must be there, and may be null
  const Object& object() const;
  // The members of an object in the order in which they are written.
  std::vector<std::pair<std::string, const Json*>> members() const;
  const List& list(std::size_t least = 0, std::size_t most = 1000000) const;
  const std::string& text(std::size_t longest = 10000) const;
  std::int64_t integer(std::int64_t low, std::int64_t high) const;
  double number() const;
  bool flag() const;
  [[noreturn]] void refuse(const std::string& wanted) const;
};

// Parses one text: UTF-8 without NaN, keys that are there twice, half characters, integers of over
// 40 digits, more than 64 levels or 4 million values. Throws a JsonFault.
Json parse_json(std::string_view text);

// The same, and the text that a manifest's checksum is taken of: without the outermost `checksum`,
// on one line, its numbers as they are written.
Json parse_json(std::string_view text, std::string& canonical);

}  // namespace zscr
