#include "choice.hpp"

#include <algorithm>

#include "sentence.hpp"
#include "unicode.hpp"

namespace zscr {
namespace {

void require_plain(const Query& query) {
  const char* const name = query.compose ? "compose" : query.instead_of ? "instead_of" : nullptr;
  if (name)
    unusable("it has " + std::string(name) +
             " without a text beside an image or a sketch; give both, or leave it out");
}

template <typename Takes>
std::string names(const Ways& ways, const char* between, Takes takes) {
  std::string made;
  for (const Composition& one : ways)
    if (takes(one)) made += (made.empty() ? "" : between) + one.name;
  return made;
}

// Returns what is wrong with what a query says its text replaces, or with its saying nothing.
std::string instead_fault(const Composition& one, const Query& query, const Ways& ways) {
  if (query.instead_of && !one.takes_instead()) {
    const std::string others =
        names(ways, " or ", [](const Composition& other) { return other.takes_instead(); });
    return "it has instead_of, which '" + one.name + "' does not use; leave it out or compose by " +
           (others.empty() ? "none" : others);
  }
  if (!query.instead_of && one.needs_instead())
    return "'" + one.name +
           "' subtracts what the text replaces, and the bundle holds no mean of texts that stands "
           "for it; say it: instead_of";
  return "";
}

const Composition* named(const Bundle& bundle, const Ways& ways, const Query& query) {
  const auto found = std::find_if(
      ways.begin(), ways.end(), [&](const Composition& one) { return one.name == *query.compose; });
  if (found == ways.end())
    unusable("'" + bundle.name + "' composes " + spoken(query.fields()) + " by " +
             names(ways, ", ", [](const Composition&) { return true; }) + ", not by '" +
             query.compose->substr(0, 40) + "'");
  const std::string fault = instead_fault(*found, query, ways);
  if (!fault.empty()) unusable(fault);
  return &*found;
}

// Returns why a text cannot be read whatever reads it, or nothing.
std::string fault_in(const Query& query, const char* name, const std::optional<std::string>& text) {
  if (!text) return "";
  try {
    const std::u32string read = decoded(*text);
    if (!std::all_of(read.begin(), read.end(), [](char32_t one) { return is(Kind::blank, one); }))
      return "";
  } catch (const Fault& fault) {
    return "query " + query.id + " cannot be read: it " + fault.what();
  }
  return "query " + query.id + " has an empty " + name + "; give it words or leave it out";
}

}  // namespace

bool has_place(const Query& query) {
  return query.fields().size() > 1 && query.text && query.text->find(kPlace) != std::string::npos;
}

const Composition* choose(const Bundle& bundle, const Query& query) {
  if (query.fields().size() < 2) {
    require_plain(query);
    return nullptr;
  }
  const Ways& ways = bundle.composed(query.fields());
  if (query.compose) return named(bundle, ways, query);
  const Composition* first = nullptr;
  std::string fault;
  for (const Composition& one : ways) {
    const std::string own = instead_fault(one, query, ways);
    if (fault.empty()) fault = own;
    if (!own.empty()) continue;
    if (has_place(query) && bundle.has_place(one)) return &one;
    if (!first) first = &one;
  }
  if (!first) unusable(fault);
  return first;
}

std::string text_fault(const Bundle& bundle, const Composition& composition, const Query& query) {
  const std::pair<const char*, const std::optional<std::string>&> texts[] = {
      {"text", query.text}, {"instead_of", query.instead_of}};
  for (const auto& [name, text] : texts)
    if (const std::string fault = fault_in(query, name, text); !fault.empty()) return fault;
  if (bundle.has_place(composition)) return "";
  std::string fix = "leave it out";
  for (const Composition& one : bundle.composed(query.fields()))
    if (bundle.has_place(one)) fix += " or compose by " + one.name;
  for (const auto& [name, text] : texts)
    if (text && text->find(kPlace) != std::string::npos)
      return printable("query " + query.id + " has a " + kPlace + " in its " + name +
                       ", where an image would stand, but '" + composition.name +
                       "' puts none into a text; " + fix);
  return "";
}

}  // namespace zscr
