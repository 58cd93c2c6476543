// What every entry point shares: turning exceptions into a status, and handles into tensors.
#pragma once

#include "ctorch.h"

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

namespace ct {

inline char *copied(const std::string &text) {
  char *copy = static_cast<char *>(std::malloc(text.size() + 1));
  if (copy != nullptr) std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

// The C++ back trace helps nobody but us: it is kept behind an environment variable.
inline std::string described(const c10::Error &error) {
  static const bool full = std::getenv("CONDENSE_TORCH_BACKTRACE") != nullptr;
  return full ? error.what() : error.what_without_backtrace();
}

// Runs `body`; nothing it throws passes the boundary.
template <typename Body>
int32_t guarded(char **message, Body &&body) noexcept {
  try {
    body();
    return ct_ok;
  } catch (const c10::OutOfMemoryError &error) {
    *message = copied(described(error));
    return ct_out_of_memory;
  } catch (const c10::Error &error) {
    std::string text = described(error);
    *message = copied(text);
    // The CPU allocator reports exhaustion as a plain c10::Error.
    const bool exhausted = text.find("DefaultCPUAllocator") != std::string::npos;
    return exhausted ? ct_out_of_memory : ct_torch_error;
  } catch (const std::bad_alloc &error) {
    *message = copied("out of memory");
    return ct_out_of_memory;
  } catch (const std::exception &error) {
    *message = copied(error.what());
    return ct_other_error;
  } catch (...) {
    *message = copied("an exception of unknown type");
    return ct_unknown_error;
  }
}

inline at::TensorImpl *impl(ct_tensor handle) { return reinterpret_cast<at::TensorImpl *>(handle); }

// A counted reference to a borrowed handle; NULL is the undefined tensor.
inline at::Tensor borrowed(ct_tensor handle) {
  if (handle == nullptr) return at::Tensor();
  return at::Tensor(c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim_copy(impl(handle)));
}

// Hands the reference over to the caller.
inline ct_tensor owned(at::Tensor tensor) {
  return reinterpret_cast<ct_tensor>(tensor.unsafeReleaseTensorImpl());
}

inline c10::Device device(int64_t packed) {
  int64_t index = packed & 255;
  return c10::Device(static_cast<c10::DeviceType>(packed >> 8),
                     index == 255 ? -1 : static_cast<c10::DeviceIndex>(index));
}

inline at::Generator generator(const void *handle) {
  return at::Generator(c10::intrusive_ptr<c10::GeneratorImpl>::reclaim_copy(
      static_cast<c10::GeneratorImpl *>(const_cast<void *>(handle))));
}

}  // namespace ct
