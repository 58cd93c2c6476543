// Tensor handles, generators, threads, memory and devices.
#include "boundary.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/version.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

void ct_free(void *memory) { std::free(memory); }

char *ct_copied(const char *text) { return ct::copied(text); }

const char *ct_version(void) { return TORCH_VERSION; }

char *ct_build_description(void) {
  return ct::copied(at::show_config() + "CPU capability: " + at::get_cpu_capability());
}

// MARK: Tensors

void ct_tensor_release(ct_tensor tensor) {
  c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim(ct::impl(tensor));
}

ct_tensor ct_tensor_retain(ct_tensor tensor) { return ct::owned(ct::borrowed(tensor)); }

int32_t ct_tensor_from_bytes(const void *data, size_t bytes, const int64_t *sizes, int32_t rank,
                             int32_t dtype, ct_tensor *result, char **message) {
  return ct::guarded(message, [&] {
    at::Tensor tensor = at::empty(c10::IntArrayRef(sizes, rank), at::TensorOptions(static_cast<at::ScalarType>(dtype)));
    TORCH_CHECK(tensor.nbytes() == bytes, "the shape needs ", tensor.nbytes(), " bytes, got ", bytes);
    if (bytes > 0) std::memcpy(tensor.mutable_data_ptr(), data, bytes);
    *result = ct::owned(std::move(tensor));
  });
}

int32_t ct_tensor_from_memory(void *data, const int64_t *sizes, int32_t rank, int32_t dtype, void *context,
                              void (*release)(void *), ct_tensor *result, char **message) {
  return ct::guarded(message, [&] {
    at::Tensor tensor = at::from_blob(data, c10::IntArrayRef(sizes, rank),
                                      [=](void *) { release(context); },
                                      at::TensorOptions(static_cast<at::ScalarType>(dtype)));
    *result = ct::owned(std::move(tensor));
  });
}

int32_t ct_tensor_rank(ct_tensor tensor) { return static_cast<int32_t>(ct::impl(tensor)->dim()); }

void ct_tensor_sizes(ct_tensor tensor, int64_t *sizes) {
  auto all = ct::impl(tensor)->sizes();
  std::copy(all.begin(), all.end(), sizes);
}

void ct_tensor_strides(ct_tensor tensor, int64_t *strides) {
  auto all = ct::impl(tensor)->strides();
  std::copy(all.begin(), all.end(), strides);
}

int64_t ct_tensor_element_count(ct_tensor tensor) { return ct::impl(tensor)->numel(); }

int32_t ct_tensor_dtype(ct_tensor tensor) {
  return static_cast<int32_t>(c10::typeMetaToScalarType(ct::impl(tensor)->dtype()));
}

int32_t ct_tensor_device(ct_tensor tensor) {
  c10::Device device = ct::impl(tensor)->device();
  return static_cast<int32_t>(device.type()) * 256 + (device.has_index() ? device.index() : 255);
}

bool ct_tensor_is_contiguous(ct_tensor tensor) { return ct::impl(tensor)->is_contiguous(); }

bool ct_tensor_is_defined(ct_tensor tensor) {
  return tensor != nullptr && ct::impl(tensor) != at::UndefinedTensorImpl::singleton();
}

void *ct_tensor_data(ct_tensor tensor, char **message) {
  void *data = nullptr;
  ct::guarded(message, [&] { data = ct::borrowed(tensor).mutable_data_ptr(); });
  return data;
}

int64_t ct_tensor_storage_bytes(ct_tensor tensor) {
  return ct::impl(tensor)->has_storage() ? static_cast<int64_t>(ct::impl(tensor)->storage().nbytes()) : 0;
}

// MARK: Random numbers

int32_t ct_generator_new(int32_t device, uint64_t seed, ct_generator *result, char **message) {
  return ct::guarded(message, [&] {
    c10::Device place = ct::device(device);
    at::Generator generator = place.is_cpu() ? at::detail::createCPUGenerator(seed)
                                             : at::globalContext().defaultGenerator(place).clone();
    generator.set_current_seed(seed);
    *result = reinterpret_cast<ct_generator>(generator.unsafeReleaseGeneratorImpl());
  });
}

void ct_generator_release(ct_generator generator) {
  c10::intrusive_ptr<c10::GeneratorImpl>::reclaim(reinterpret_cast<c10::GeneratorImpl *>(generator));
}

int32_t ct_generator_state(ct_generator generator, ct_tensor *result, char **message) {
  return ct::guarded(message, [&] { *result = ct::owned(ct::generator(generator).get_state()); });
}

int32_t ct_generator_set_state(ct_generator generator, ct_tensor state, char **message) {
  return ct::guarded(message, [&] { ct::generator(generator).set_state(ct::borrowed(state)); });
}

void ct_manual_seed(uint64_t seed) { at::manual_seed(seed); }

// MARK: Threads, memory and devices

void ct_set_thread_count(int32_t count) { at::set_num_threads(count); }

int32_t ct_thread_count(void) { return at::get_num_threads(); }

void ct_keep_freed_memory(int32_t bytes) {
#if defined(__GLIBC__)
  // Only what lies in the heap can stay: up to the largest size that the library allows there.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, bytes);
#endif
}

int32_t ct_cuda_device_count(void) {
  return at::hasCUDA() ? static_cast<int32_t>(at::detail::getCUDAHooks().deviceCount()) : 0;
}

bool ct_has_mps(void) { return at::hasMPS(); }

static thread_local void *threadSlot = nullptr;

void *ct_thread_slot(void) { return threadSlot; }

void ct_set_thread_slot(void *value) { threadSlot = value; }
