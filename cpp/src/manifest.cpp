#include "manifest.hpp"

#include <algorithm>

namespace zscr {
namespace {

constexpr std::size_t kManifest = 256 << 20, kLargest = std::size_t(1) << 40;

bool is_device(std::string part) {
  part = part.substr(0, part.find('.'));
  std::transform(part.begin(), part.end(), part.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  if (part == "con" || part == "prn" || part == "aux" || part == "nul") return true;
  const std::string stem = part.substr(0, 3),
                    rest = part.substr(std::min<std::size_t>(3, part.size()));
  const bool numbered = (rest.size() == 1 && rest[0] >= '0' && rest[0] <= '9') || rest == "¹" ||
                        rest == "²" || rest == "³";
  return (stem == "com" || stem == "lpt") && numbered;
}

// Refuses a name that leads out of its folder, here or on another system.
void require_name(const std::string& name) {
  bool sound = !name.empty() && name.size() <= 1024 && name.find('\\') == name.npos &&
               name.find('\0') == name.npos && !(name.size() > 1 && name[1] == ':');
  std::size_t start = 0;
  for (int parts = 0; sound && start <= name.size(); ++parts) {
    const std::size_t stop = std::min(name.find('/', start), name.size());
    const std::string part = name.substr(start, stop - start);
    sound = !part.empty() && part != "." && part != ".." && part.size() <= 255 && parts < 32 &&
            !is_device(part);
    start = stop + 1;
  }
  if (!sound) throw JsonFault("the file name '" + name.substr(0, 80) + "' leads out of its folder");
}

std::string remade(const std::string& kind) {
  return kind == "index" ? "'zscr index add'" : "'zscr export'";
}

void require_schema(const fs::path& folder, const Json& body, const std::string& kind, int schema) {
  const Json& found = body.at("schema");
  const std::int64_t* number = std::get_if<std::int64_t>(&found.value);
  const std::uint64_t* natural = std::get_if<std::uint64_t>(&found.value);
  if (natural && *natural == std::uint64_t(schema)) return;
  const bool older = number || (natural && *natural < std::uint64_t(schema));
  damaged(folder.string() + " has schema " +
          (natural ? std::to_string(*natural) : std::string("of another kind")) +
          ", this zscr reads " + std::to_string(schema) + "; " +
          (older ? "remove it, then run " + remade(kind) : "upgrade zscr"));
}

}  // namespace

Manifest read_manifest(const fs::path& folder, const std::string& kind, int schema) {
  const fs::path path = folder / "manifest.json";
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored))
    damaged(folder.string() + " is no " + kind + ": it has no manifest.json");
  const std::string raw = read_file(path, kManifest);
  const std::string again = "; make the " + kind + " again";
  Manifest made{folder, kind, {}, {}, sha256(raw)};
  std::string canonical;
  try {
    made.body = parse_json(raw, canonical);
    const std::string found = made.body.at("kind").text();
    if (found != kind)
      damaged(folder.string() + " is of kind " + found.substr(0, 40) + ", and no " + kind);
    require_schema(folder, made.body, kind, schema);
    if (made.body.at("checksum").text() != sha256(canonical))
      damaged(path.string() + " is damaged: its checksum is wrong" + again);
    for (const auto& [name, entry] : made.body.at("files").object()) {
      require_name(name);
      const std::string hash = entry.at("sha256").text();
      from_hex(hash);
      made.files[name] = {hash, std::size_t(entry.at("bytes").integer(0, std::int64_t(1) << 60))};
    }
  } catch (const JsonFault& fault) {
    damaged(path.string() + " is damaged (" + fault.what() + ")" + again);
  }
  return made;
}

const Listed& Manifest::listed(const std::string& name) const {
  const auto found = files.find(name);
  if (found == files.end())
    damaged((folder / "manifest.json").string() + " does not list " + name + "; make it again");
  return found->second;
}

std::string Manifest::verified(const std::string& name) const {
  const Listed& entry = listed(name);
  const fs::path path = folder / name;
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    damaged(folder.string() + " lacks " + name + "; copy the folder again or make it anew");
  const bool alike = fs::file_size(path, ignored) == entry.bytes;  // before memory is taken for it
  std::string content = alike ? read_file(path, kLargest) : "";
  if (content.size() != entry.bytes || zscr::sha256(content) != entry.sha256)
    damaged(path.string() +
            " is damaged: its sha256 is not the one in manifest.json; copy the folder again or "
            "make the " +
            kind + " anew");
  return content;
}

}  // namespace zscr
