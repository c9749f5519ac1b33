// ONNX graphs in onnxruntime, which is looked for and loaded when a bundle is opened.
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

// onnxruntime's library, once it is loaded; it stays until the process ends.
class Onnxruntime;

// How graphs are run.
struct Runtime {
  std::string onnxruntime;  // its library, or a folder that has one; see `load_onnxruntime`
  std::string provider;     // as Python calls it, such as `ort-cuda`; empty is `ort-cpu`
  int threads = 1;
  std::string precision;  // of the graphs that answer queries; empty: the bundle's own choice

  bool is_on_cpu() const { return provider.empty() || provider == "ort-cpu"; }
};

// Loads the library: `path`, or the one in the folder `path`; else what $ZSCR_ONNXRUNTIME names so;
// else the one that is loaded already, or that the system's linker finds. Throws a RUNTIME fault.
std::shared_ptr<const Onnxruntime> load_onnxruntime(const std::string& path);

struct Feed {
  std::variant<std::vector<std::int64_t>, std::vector<float>> numbers;
  std::vector<std::int64_t> shape;
};
using Feeds = std::map<std::string, Feed>;

// Runs one graph; any number of threads may.
class Runner {
 public:
  // Loads a graph from its bytes; `name` is for messages. Throws an ARTEFACT fault, or a CONFIG
  // fault where not all of it can run on what the runtime asks for.
  Runner(const Runtime& runtime, std::string_view graph, std::string name,
         const std::string& output, std::size_t dim);
  ~Runner();
  // Computes rows (B, dim) of a batch, one after the other.
  std::vector<float> run(const Feeds& feeds) const;
  const std::string& ran() const { return ran_; }

 private:
  struct Session;
  std::shared_ptr<const Onnxruntime> library_;
  std::unique_ptr<Session> session_;
  std::string name_, output_, ran_;
  std::size_t dim_;
};

int usable_cores();  // by the process's affinity and the quota of its container

// Refuses an ONNX file whose weights lie in other files: it could name any. Throws a fault.
void refuse_external_data(std::string_view graph, const std::string& name);

}  // namespace zscr
