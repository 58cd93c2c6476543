// Reading a tensor's memory.
#pragma once

#include <ATen/core/Tensor.h>

namespace ct {

// The elements of a tensor of type T. libtorch's own template of this purpose is compiled into its library, under a name that
// depends on the compiler: builds of it by gcc (2.11) cannot be linked from clang.
template <typename T>
const T *constData(const at::Tensor &tensor) {
  TORCH_CHECK(tensor.scalar_type() == c10::CppTypeToScalarType<T>::value, "expected ", c10::CppTypeToScalarType<T>::value, ", got ", tensor.scalar_type());
  return static_cast<const T *>(tensor.const_data_ptr());
}

}  // namespace ct
