// What onnxruntime computes on: one of its execution providers, never another in its place.
#pragma once

#include "onnxruntime.hpp"

namespace zscr {

// Throws a CONFIG fault where a library has not the provider that is asked for.
void require_provider(const Onnxruntime& library, const std::string& asked);

// Lets a session compute by a provider, and by no other -> how, in words: "cpu, 2 threads".
// Throws a CONFIG fault where this machine lacks what it needs.
std::string use_provider(const Onnxruntime& library, OrtSessionOptions* options,
                         const Runtime& runtime);

// Says whether a session could not be made because a part of its graph would run on the CPU.
bool is_fallback(const std::string& words);

}  // namespace zscr
