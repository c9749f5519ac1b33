#include "provider.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <functional>

namespace zscr {
namespace {

using Settings = std::vector<std::pair<const char*, std::string>>;

// Returns how a provider is called here: `CUDAExecutionProvider`, `ort-cuda` and `cuda` are one.
std::string brief(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char one) { return one >= 'A' && one <= 'Z' ? char(one + 32) : one; });
  const std::size_t tail = name.rfind("executionprovider");
  if (tail != name.npos && tail) name.resize(tail);
  return name.rfind("ort-", 0) == 0 ? name.substr(4) : name;
}

std::vector<std::string> available(const Onnxruntime& library) {
  char** names = nullptr;
  int count = 0;
  library.check(library.api->GetAvailableProviders(&names, &count), ZSCR_RUNTIME,
                "onnxruntime " + library.version + " names no providers");
  const std::vector<std::string> made(names, names + count);
  library.check(library.api->ReleaseAvailableProviders(names, count), ZSCR_RUNTIME,
                "onnxruntime " + library.version + " cannot free what it named");
  return made;
}

// Returns onnxruntime's own name of a provider.
std::string named(const Onnxruntime& library, const std::string& asked) {
  std::string known;
  for (const std::string& one : available(library)) {
    if (brief(one) == brief(asked)) return one;
    known += (known.empty() ? "" : ", ") + ("ort-" + brief(one));
  }
  throw Fault(ZSCR_CONFIG, "provider '" + asked.substr(0, 40) + "' cannot run here: onnxruntime " +
                               library.version + " (" + library.path + ") has " + known +
                               "; use one of these, or the onnxruntime of a package that has it");
}

// Returns the name of the first CUDA device; throws where there is no driver, or no device.
std::string cuda_device() {
  const auto lacks = [](const std::string& what) {
    throw Fault(ZSCR_CONFIG, "provider 'ort-cuda' cannot run here: " + what +
                                 "; install NVIDIA's driver, show this process a GPU, or use "
                                 "ort-cpu");
  };
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver) lacks("libcuda.so.1 cannot be loaded");
  const auto call = [&](const char* name, auto... arguments) {
    const auto found = reinterpret_cast<int (*)(decltype(arguments)...)>(dlsym(driver, name));
    return found ? found(arguments...) : -1;
  };
  int device = 0;
  char name[256] = "";
  int code = call("cuInit", 0U);
  if (!code) code = call("cuDeviceGet", &device, 0);
  if (!code) code = call("cuDeviceGetName", static_cast<char*>(name), int(sizeof name), device);
  if (code) lacks("there is no CUDA device (the driver gives error " + std::to_string(code) + ")");
  return name;
}

using Append = std::function<OrtStatus*(const char* const*, const char* const*, std::size_t)>;

OrtStatus* append_with(const Settings& settings, const Append& append) {
  std::vector<const char*> keys, values;
  for (const auto& [key, value] : settings) {
    keys.push_back(key);
    values.push_back(value.c_str());
  }
  return append(keys.data(), values.data(), keys.size());
}

// As Python sets it: products in full fp32, and no minutes of trying algorithms.
OrtStatus* append_cuda(const OrtApi& api, OrtSessionOptions* options) {
  OrtCUDAProviderOptionsV2* made = nullptr;
  if (OrtStatus* const status = api.CreateCUDAProviderOptions(&made)) return status;
  const std::unique_ptr<OrtCUDAProviderOptionsV2, void (*)(OrtCUDAProviderOptionsV2*)> held(
      made, api.ReleaseCUDAProviderOptions);
  const Settings settings{{"device_id", "0"},
                          {"use_tf32", "0"},
                          {"cudnn_conv_algo_search", "HEURISTIC"},
                          {"arena_extend_strategy", "kSameAsRequested"}};
  OrtStatus* const status = append_with(settings, [&](auto keys, auto values, std::size_t count) {
    return api.UpdateCUDAProviderOptions(made, keys, values, count);
  });
  return status ? status : api.SessionOptionsAppendExecutionProvider_CUDA_V2(options, made);
}

OrtStatus* append(const OrtApi& api, OrtSessionOptions* options, const std::string& name,
                  int threads) {
  if (brief(name) == "cuda") return append_cuda(api, options);
  Settings settings;
  if (brief(name) == "openvino")  // which would round to bfloat16 where a processor has it
    settings = {
        {"device_type", "CPU"}, {"precision", "FP32"}, {"num_of_threads", std::to_string(threads)}};
  return append_with(settings, [&](auto keys, auto values, std::size_t count) {
    return api.SessionOptionsAppendExecutionProvider(options, name.c_str(), keys, values, count);
  });
}

}  // namespace

void require_provider(const Onnxruntime& library, const std::string& asked) {
  if (!asked.empty()) named(library, asked);
}

std::string use_provider(const Onnxruntime& library, OrtSessionOptions* options,
                         const Runtime& runtime) {
  const std::string threads = ", " + std::to_string(runtime.threads) + " threads";
  const std::string name = runtime.provider.empty() ? "cpu" : named(library, runtime.provider);
  const std::string spoken = brief(name);
  if (spoken == "cpu") return spoken + threads;
  const std::string device = spoken == "cuda" ? cuda_device() : "";
  const std::string what = "provider 'ort-" + spoken + "' cannot run here";
  const std::string fix = "install what it needs or use ort-cpu";
  const OrtApi& api = *library.api;
  library.check(append(api, options, name, runtime.threads), ZSCR_CONFIG, what, fix);
  library.check(api.AddSessionConfigEntry(options, "session.disable_cpu_ep_fallback", "1"),
                ZSCR_CONFIG, what, fix);
  return spoken + (device.empty() ? threads : " (" + device + "), without CUDA graphs");
}

bool is_fallback(const std::string& words) {
  return words.find("fallback to CPU EP has been explicitly disabled") != words.npos;
}

}  // namespace zscr
