#include "runner.hpp"

#include <dlfcn.h>
#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "graph_memory.hpp"
#include "provider.hpp"

namespace zscr {

namespace {

namespace fs = std::filesystem;
constexpr char kSought[] =
    "name its library by the option onnxruntime or $ZSCR_ONNXRUNTIME, such as "
    "…/site-packages/onnxruntime/capi";

// Returns the library that a path names: itself, or the one in it.
std::string library_in(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("libonnxruntime.so", 0) == 0) return entry.path().string();
  }
  throw Fault(ZSCR_RUNTIME, "there is no libonnxruntime.so in " + path + "; " + kSought);
}

struct Found {
  void* handle;
  std::string path;
};

Found open_library(const std::string& asked) {
  const char* const told = std::getenv("ZSCR_ONNXRUNTIME");
  std::vector<std::string> paths{"libonnxruntime.so.1", "libonnxruntime.so.1.21",
                                 "libonnxruntime.so"};
  if (!asked.empty()) {
    paths = {library_in(asked)};
  } else if (told && *told) {
    paths = {library_in(told)};
  }
  std::string why;
  for (const std::string& path : paths) {
    if (void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return {handle, path};
    const char* const error = dlerror();
    if (why.empty() && error) why = error;
  }
  throw Fault(ZSCR_RUNTIME, "onnxruntime cannot be loaded (" + why + "); " + kSought);
}

std::shared_ptr<const Onnxruntime> made(const std::string& asked) {
  // Since 1.31 it would keep a device id below the home folder and report to its maker.
  const char* const told = std::getenv("ORT_DISABLE_TELEMETRY");
  if (!told || !*told) setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  const Found found = open_library(asked);
  const auto base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(found.handle, "OrtGetApiBase"));
  if (!base) throw Fault(ZSCR_RUNTIME, found.path + " is no onnxruntime; " + kSought);
  auto library = std::make_shared<Onnxruntime>();
  library->version = base()->GetVersionString();
  library->path = found.path;
  library->api = base()->GetApi(ORT_API_VERSION);
  if (!library->api)
    throw Fault(ZSCR_RUNTIME, "onnxruntime " + library->version + " (" + found.path +
                                  ") lacks the API of version 1." +
                                  std::to_string(ORT_API_VERSION) + "; use that or a later one");
  const std::string what = "onnxruntime " + library->version + " cannot be started";
  const OrtApi& api = *library->api;
  library->check(api.CreateEnv(ORT_LOGGING_LEVEL_FATAL, "zscr", &library->env), ZSCR_RUNTIME, what);
  library->check(api.CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &library->memory),
                 ZSCR_RUNTIME, what);
  OrtMemoryInfo* info = nullptr;
  library->check(api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &info),
                 ZSCR_RUNTIME, what);
  auto graphs = std::make_unique<GraphMemory>(info);
  if (OrtStatus* const refused = api.RegisterAllocator(library->env, graphs.get())) {
    api.ReleaseStatus(refused);  // the program has registered one: sessions have their own then
  } else {
    library->graphs = graphs.release();
  }
  return library;
}

}  // namespace

std::shared_ptr<const Onnxruntime> load_onnxruntime(const std::string& path) {
  static std::mutex lock;
  static auto& loaded = *new std::map<std::string, std::shared_ptr<const Onnxruntime>>;  // stays
  const std::lock_guard<std::mutex> held(lock);
  auto& library = loaded[path];
  if (!library) library = made(path);
  return library;
}

struct Runner::Session {
  const Onnxruntime& library;
  OrtSession* session = nullptr;
  ~Session() {
    if (session) library.api->ReleaseSession(session);
    if (library.graphs) library.graphs->trim();
  }
};

Runner::Runner(const Runtime& runtime, std::string_view graph, std::string name,
               const std::string& output, std::size_t dim)
    : library_(load_onnxruntime(runtime.onnxruntime)),
      session_(new Session{*library_}),
      name_(std::move(name)),
      output_(output),
      dim_(dim) {
  refuse_external_data(graph, name_);
  const OrtApi& api = *library_->api;
  const std::string what = name_ + " cannot be loaded by onnxruntime";
  const auto check = [&](OrtStatus* status) { library_->check(status, ZSCR_ARTEFACT, what); };
  OrtSessionOptions* made = nullptr;
  check(api.CreateSessionOptions(&made));
  const std::unique_ptr<OrtSessionOptions, void (*)(OrtSessionOptions*)> options(
      made, api.ReleaseSessionOptions);
  check(api.SetIntraOpNumThreads(made, runtime.threads));
  // Spinning workers would take the cores from other threads and processes.
  check(api.AddSessionConfigEntry(made, "session.intra_op.allow_spinning", "0"));
  if (library_->graphs) check(api.AddSessionConfigEntry(made, "session.use_env_allocators", "1"));
  check(api.SetSessionLogSeverityLevel(made, 4));  // what fails is returned as well
  ran_ = "onnxruntime " + library_->version + ", " + use_provider(*library_, made, runtime);
  OrtStatus* const status = api.CreateSessionFromArray(library_->env, graph.data(), graph.size(),
                                                       made, &session_->session);
  if (status && is_fallback(api.GetErrorMessage(status)))
    library_->check(status, ZSCR_CONFIG, name_ + " would run in part on the CPU", "use ort-cpu");
  check(status);
  if (library_->graphs) library_->graphs->trim();
}

Runner::~Runner() = default;

std::vector<float> Runner::run(const Feeds& feeds) const {
  const OrtApi& api = *library_->api;
  const std::string what = name_ + " cannot be run";
  const auto check = [&](OrtStatus* status) { library_->check(status, ZSCR_ARTEFACT, what); };
  using Value = std::unique_ptr<OrtValue, void (*)(OrtValue*)>;
  std::vector<Value> held;
  std::vector<const OrtValue*> values;
  std::vector<const char*> names;
  for (const auto& one : feeds) {
    const Feed& feed = one.second;
    OrtValue* made = nullptr;
    std::visit(
        [&](const auto& numbers) {
          using Number = typename std::decay_t<decltype(numbers)>::value_type;
          constexpr auto type = std::is_same_v<Number, float> ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
                                                              : ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
          check(api.CreateTensorWithDataAsOrtValue(
              library_->memory, const_cast<Number*>(numbers.data()),
              numbers.size() * sizeof(Number), feed.shape.data(), feed.shape.size(), type, &made));
        },
        feed.numbers);
    held.emplace_back(made, api.ReleaseValue);
    values.push_back(made);
    names.push_back(one.first.c_str());
  }
  const char* const outputs[] = {output_.c_str()};
  OrtValue* found = nullptr;
  check(api.Run(session_->session, nullptr, names.data(), values.data(), values.size(), outputs, 1,
                &found));
  const Value result(found, api.ReleaseValue);
  OrtTensorTypeAndShapeInfo* shape = nullptr;
  check(api.GetTensorTypeAndShape(found, &shape));
  const std::unique_ptr<OrtTensorTypeAndShapeInfo, void (*)(OrtTensorTypeAndShapeInfo*)> kept(
      shape, api.ReleaseTensorTypeAndShapeInfo);
  ONNXTensorElementDataType type{};
  std::size_t ranks = 0;
  check(api.GetTensorElementType(shape, &type));
  check(api.GetDimensionsCount(shape, &ranks));
  std::vector<std::int64_t> sizes(ranks);
  check(api.GetDimensions(shape, sizes.data(), ranks));
  const std::vector<std::int64_t> wanted{feeds.begin()->second.shape.at(0), std::int64_t(dim_)};
  if (type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT || sizes != wanted)
    damaged(name_ + " gives something else than float32 of shape (" + std::to_string(wanted[0]) +
            ", " + std::to_string(dim_) + "); make it again");
  void* rows = nullptr;
  check(api.GetTensorMutableData(found, &rows));
  const auto* const begin = static_cast<const float*>(rows);
  return {begin, begin + std::size_t(wanted[0]) * dim_};
}

int usable_cores() {
  cpu_set_t cores;
  int count = sched_getaffinity(0, sizeof cores, &cores) ? 1 : CPU_COUNT(&cores);
  const auto limit = [&](double quota, double period) {
    if (quota > 0 && period > 0)
      count = std::min(count, std::max(1, int((quota + period - 1) / period)));
  };
  std::string quota, period;
  if (std::ifstream told("/sys/fs/cgroup/cpu.max"); told >> quota >> period && quota != "max")
    limit(std::atof(quota.c_str()), std::atof(period.c_str()));
  double us = 0, of = 0;
  std::ifstream first("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
      second("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (first >> us && second >> of) limit(us, of);
  return count;
}

}  // namespace zscr
