// Walks an ONNX file, which is a protocol buffer, for weights that lie in other files.
#include <map>

#include "runner.hpp"

namespace zscr {
namespace {

struct Range {
  std::size_t at, stop;
};

class Message {
 public:
  Message(std::string_view raw, Range range, const std::string& name)
      : raw_(raw), at_(range.at), stop_(range.stop), name_(name) {}

  // Moves to the next field: its number, and where its content lies. A number that is 0 has none.
  bool next(std::uint64_t& number, Range& content) {
    if (at_ >= stop_) return false;
    const std::uint64_t tag = varint();
    number = tag >> 3;
    std::size_t size = 0;
    switch (tag & 7) {
      case 0: {
        content.at = at_;
        const bool filled = varint() != 0;
        content = {filled ? content.at : at_, at_};
        return true;
      }
      case 1:
        size = 8;
        break;
      case 2:
        size = varint();
        break;
      case 5:
        size = 4;
        break;
      default:
        refuse("it is no ONNX file");
    }
    if (size > stop_ - at_) refuse("it ends too early");
    content = {at_, at_ + size};
    at_ += size;
    return true;
  }

  [[noreturn]] void refuse(const std::string& why) const {
    damaged(name_ + " cannot be loaded (" + why + "); make it again");
  }

 private:
  std::string_view raw_;
  std::size_t at_, stop_;
  const std::string& name_;

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_ >= stop_) refuse("it ends too early");
      const auto byte = static_cast<unsigned char>(raw_[at_++]);
      if (shift < 64) value |= std::uint64_t(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    refuse("it is no ONNX file");
  }
};

// message -> its field's number -> the message of that field; all on the way to a tensor.
using Below = std::map<std::string, std::map<std::uint64_t, std::string>>;
const Below& below() {
  static const Below kBelow = {
      {"model", {{7, "graph"}, {20, "training"}, {25, "function"}}},
      {"training", {{1, "graph"}, {2, "graph"}}},
      {"graph", {{1, "node"}, {5, "tensor"}, {15, "sparse"}}},
      {"function", {{7, "node"}, {11, "attribute"}}},
      {"node", {{5, "attribute"}}},
      {"attribute",
       {{5, "tensor"},
        {6, "graph"},
        {10, "tensor"},
        {11, "graph"},
        {22, "sparse"},
        {23, "sparse"}}},
      {"sparse", {{1, "tensor"}, {2, "tensor"}}},
      {"tensor", {{13, "location"}, {14, "location"}}},  // external_data, data_location
  };
  return kBelow;
}

}  // namespace

void refuse_external_data(std::string_view graph, const std::string& name) {
  std::vector<std::pair<std::string, Range>> waiting{{"model", {0, graph.size()}}};
  if (graph.empty()) damaged(name + " cannot be loaded (it is empty); make it again");
  while (!waiting.empty()) {
    const auto [message, range] = waiting.back();
    waiting.pop_back();
    Message walk(graph, range, name);
    std::uint64_t number = 0;
    Range content{};
    while (walk.next(number, content)) {
      const auto& kinds = below().at(message);
      const auto found = kinds.find(number);
      if (found == kinds.end()) continue;
      if (found->second != "location") {
        waiting.emplace_back(found->second, content);
      } else if (number == 13 || content.stop > content.at) {
        walk.refuse("it keeps weights in other files; save it as one file");
      }
    }
  }
}

}  // namespace zscr
