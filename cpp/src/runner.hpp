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
  // Loads a graph from its bytes; `name` is for messages. Throws an ARTEFACT fault.
  Runner(std::shared_ptr<const Onnxruntime> library, std::string_view graph, int threads,
         std::string name, const std::string& output, std::size_t dim);
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

// How graphs are run.
struct Runtime {
  std::string onnxruntime;  // see `load_onnxruntime`
  int threads = 0;          // 0: every core that the process may use
  std::string precision;    // of the graphs that answer queries; empty: the bundle's own choice

  int thread_count() const { return threads ? threads : usable_cores(); }
};

// Refuses an ONNX file whose weights lie in other files: it could name any. Throws a fault.
void refuse_external_data(std::string_view graph, const std::string& name);

}  // namespace zscr
