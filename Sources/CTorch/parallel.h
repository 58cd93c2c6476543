// Loops over chunks on several threads, and loops the compiler vectorises for the machine it runs on.
#pragma once

#include <ATen/Parallel.h>

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

// Declared here because the header is not on the include path of a plain C++ target everywhere;
// every Swift program links the library.
extern "C" void dispatch_apply_f(size_t iterations, void *queue, void *context, void (*work)(void *, size_t));

namespace ct {

// Calls `work(context)` on some threads at once: on libtorch's own where it has those of GNU's OpenMP. They wait for more work at full speed
// for a while, and threads of libdispatch would have to share the cores with them. This compiler knows no OpenMP, so its library is looked up.
inline void onThreads(int64_t count, void *context, void (*work)(void *)) {
  using Region = void (*)(void (*)(void *), void *, unsigned, unsigned);
  static const Region region = reinterpret_cast<Region>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  if (region) return region(work, context, static_cast<unsigned>(count), 0);
  struct Call {
    void *context;
    void (*work)(void *);
  } call{context, work};
  dispatch_apply_f(static_cast<size_t>(count), nullptr, &call, [](void *raw, size_t) { static_cast<Call *>(raw)->work(static_cast<Call *>(raw)->context); });
}

// Calls `body(begin, end)` for chunks of `chunk` indices. Chunks follow from the problem alone, so
// results do not depend on the number of threads; libtorch's own loops would be serial here, since
// this compiler has no OpenMP. `body` must not throw.
template <typename Body>
void parallelChunks(int64_t count, int64_t chunk, const Body &body) {
  const int64_t chunks = (count + chunk - 1) / chunk;
  auto run = [&](int64_t index) { body(index * chunk, std::min(count, (index + 1) * chunk)); };
  const int64_t workers = std::min<int64_t>(at::get_num_threads(), chunks);
  if (workers <= 1) {
    for (int64_t i = 0; i < chunks; ++i) run(i);
    return;
  }
  struct Context {
    decltype(run) &run;
    std::atomic<int64_t> next;
    int64_t chunks;
  } context{run, {0}, chunks};
  onThreads(workers, &context, [](void *raw) {
    auto &shared = *static_cast<Context *>(raw);
    for (int64_t i; (i = shared.next.fetch_add(1)) < shared.chunks;) shared.run(i);
  });
}

}  // namespace ct

// Compiled once per instruction set; the right one is bound when the program is loaded. On other
// platforms the baseline (NEON on arm64) has the vectors.
#if defined(__x86_64__) && defined(__linux__)
#define CT_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CT_VECTORIZED
#endif
