// Which composition answers a query, and why none can, in one sentence.
#pragma once

#include "bundle.hpp"

namespace zscr {

// Returns the composition that a query names, else the bundle's first that can answer it; null for
// queries of a single field. Throws an INPUT fault.
const Composition* choose(const Bundle& bundle, const Query& query);

// Returns why a query's texts cannot be composed, such as a place that there is not; else nothing.
std::string text_fault(const Bundle& bundle, const Composition& composition, const Query& query);

// Returns whether a query of several fields has a place for the image in its text.
bool has_place(const Query& query);

}  // namespace zscr
