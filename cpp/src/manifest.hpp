// Folders with a manifest: what it says is proved before any file that it names is used.
#pragma once

#include <map>
#include <string>

#include "file.hpp"
#include "json.hpp"

namespace zscr {

struct Listed {
  std::string sha256;
  std::size_t bytes;
};

struct Manifest {
  fs::path folder;
  std::string kind;
  std::map<std::string, Listed> files;
  Json body;
  std::string sha256;  // of the manifest's own file

  // Returns the entry of a file; throws an ARTEFACT fault where there is none.
  const Listed& listed(const std::string& name) const;
  // Returns a file's bytes, which have the size and the sha256 that the manifest says.
  std::string verified(const std::string& name) const;
};

// Reads and proves `folder/manifest.json`; an ARTEFACT fault says what is wrong with it.
Manifest read_manifest(const fs::path& folder, const std::string& kind, int schema);

// Lets a fault in a field of a manifest be told with the folder that it is of.
template <typename Work>
decltype(auto) reading(const Manifest& manifest, Work work) {
  try {
    return work();
  } catch (const JsonFault& fault) {
    damaged(manifest.folder.string() + " contradicts its manifest (" + fault.what() +
            "); make the " + manifest.kind + " again");
  }
}

}  // namespace zscr
