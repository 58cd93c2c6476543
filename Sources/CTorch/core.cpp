#include "ctorch.h"
#include <ATen/core/Tensor.h>
#include <torch/version.h>
extern "C" void dispatch_apply_f(size_t, void *, void *, void (*)(void *, size_t));
const char *ct_version(void) { dispatch_apply_f(2, nullptr, nullptr, [](void*, size_t){}); return TORCH_VERSION; }
