// For libFuzzer: mutates JSON by its structure half of the time, and else, as other files, bytes.
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t size, std::size_t most);

namespace {

using Json = nlohmann::ordered_json;
using Lot = std::minstd_rand;

const Json& strange(Lot& lot) {
  static const std::vector<Json> kValues{nullptr,
                                         true,
                                         false,
                                         0,
                                         -1,
                                         1,
                                         std::int64_t(1) << 31,
                                         std::numeric_limits<std::int64_t>::max(),
                                         std::numeric_limits<std::int64_t>::min(),
                                         std::numeric_limits<std::uint64_t>::max(),
                                         0.5,
                                         1e308,
                                         "",
                                         "x",
                                         "../x",
                                         std::string(300, 'x'),
                                         Json::array(),
                                         Json::object(),
                                         Json::parse(R"([1, "x", {"x": []}])")};
  return kValues[lot() % kValues.size()];
}

// Returns a value that is as likely as its neighbours, however many lie below each.
Json& any_below(Json& whole, Lot& lot) {
  Json* now = &whole;
  while (now->is_structured() && !now->empty() && (now == &whole || lot() % 5)) {
    auto next = now->begin();
    std::advance(next, lot() % now->size());
    now = &*next;
  }
  return *now;
}

void mutate(Json& whole, Lot& lot) {
  Json& one = any_below(whole, lot);
  switch (lot() % 5) {
    case 0:
      one = Json(any_below(whole, lot));
      return;
    case 1:
      if (one.is_structured() && !one.empty()) {
        auto gone = one.begin();
        std::advance(gone, lot() % one.size());
        one.erase(gone);
        return;
      }
      break;
    case 2:
      if (one.is_array() && !one.empty()) {
        const Json again = one[lot() % one.size()];
        for (unsigned n = 1U << lot() % 8; n; --n) one.push_back(again);
        return;
      }
      break;
    default:
      break;
  }
  one = strange(lot);
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size,
                                               std::size_t most, unsigned seed) {
  Lot lot(seed);
  Json whole = Json::parse(bytes, bytes + size, nullptr, false);
  if (lot() % 2 || !whole.is_structured()) return LLVMFuzzerMutate(bytes, size, most);
  mutate(whole, lot);
  const std::string text = whole.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > most) return LLVMFuzzerMutate(bytes, size, most);
  std::copy(text.begin(), text.end(), bytes);
  return text.size();
}
