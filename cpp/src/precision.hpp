// Which precision of a bundle's query graphs runs on this machine.
#pragma once

#include <set>
#include <string>

#include "json.hpp"
#include "runner.hpp"

namespace zscr {

// Returns the precision that the runtime asks for, or without one ("") the one that queries are
// answered in: the fastest of those that kept the retrieval, on a processor that has the
// instructions with which it was measured; on any other, and on a GPU, the bundle's default. Throws
// a CONFIG fault where a query graph is not there in it, or was kept for another backend, a
// JsonFault where the manifest's `body` is none of a bundle.
std::string chosen_precision(const Json& body, const Runtime& runtime);

// Returns the processor's instruction sets as Linux calls them; none where it does not tell.
std::set<std::string> processor_flags();

}  // namespace zscr
