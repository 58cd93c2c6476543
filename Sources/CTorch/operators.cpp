// The boxed gate: any operator of the dispatcher, found once by name, called with tagged values.
#include "boundary.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <chrono>
#include <vector>

using c10::IValue;

// An operator, with what is needed to convert arguments settled once.
struct ct_operator_s {
  enum class Kind : uint8_t { other, real, optionalTensors };
  c10::OperatorHandle handle;
  std::vector<Kind> kinds;
  std::vector<std::optional<IValue>> defaults;
  size_t resultCount;
  // Past the dispatcher to the form of the operator that runs on any device.
  bool isComposite;

  ct_operator_s(const c10::OperatorHandle &found, bool isComposite) : handle(found), isComposite(isComposite) {
    const auto &schema = handle.schema();
    resultCount = schema.returns().size();
    for (const auto &argument : schema.arguments()) {
      c10::TypePtr type = argument.type();
      if (auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
      Kind kind = Kind::other;
      if (type->kind() == c10::TypeKind::FloatType) kind = Kind::real;
      if (auto list = type->cast<c10::ListType>())
        if (list->getElementType()->kind() == c10::TypeKind::OptionalType) kind = Kind::optionalTensors;
      kinds.push_back(kind);
      defaults.push_back(argument.default_value());
    }
  }
};

namespace {

IValue tensorList(const ct_value &value, bool optional) {
  auto handles = static_cast<const ct_tensor *>(value.payload.pointer);
  if (optional) {
    c10::List<std::optional<at::Tensor>> list;
    list.reserve(value.count);
    for (int32_t i = 0; i < value.count; ++i)
      list.push_back(handles[i] ? std::optional<at::Tensor>(ct::borrowed(handles[i])) : std::nullopt);
    return list;
  }
  c10::List<at::Tensor> list;
  list.reserve(value.count);
  for (int32_t i = 0; i < value.count; ++i) list.push_back(ct::borrowed(handles[i]));
  return list;
}

IValue unpacked(const ct_value &value, ct_operator_s::Kind kind) {
  switch (value.tag) {
    case ct_tag_tensor: return ct::borrowed((ct_tensor)value.payload.pointer);
    case ct_tag_int:
      if (kind == ct_operator_s::Kind::real) return static_cast<double>(value.payload.integer);
      return value.payload.integer;
    case ct_tag_double: return value.payload.real;
    case ct_tag_bool: return value.payload.integer != 0;
    case ct_tag_string: return std::string(static_cast<const char *>(value.payload.pointer), value.count);
    case ct_tag_ints: {
      auto values = static_cast<const int64_t *>(value.payload.pointer);
      return c10::IntArrayRef(values, value.count);
    }
    case ct_tag_doubles: {
      auto values = static_cast<const double *>(value.payload.pointer);
      return std::vector<double>(values, values + value.count);
    }
    case ct_tag_bools: {
      auto values = static_cast<const int64_t *>(value.payload.pointer);
      c10::List<bool> list;
      for (int32_t i = 0; i < value.count; ++i) list.push_back(values[i] != 0);
      return list;
    }
    case ct_tag_tensors: return tensorList(value, kind == ct_operator_s::Kind::optionalTensors);
    case ct_tag_device: return ct::device(value.payload.integer);
    case ct_tag_generator: return ct::generator(value.payload.pointer);
    default: return IValue();
  }
}

ct_value packed(IValue &&value) {
  ct_value result{};
  if (value.isTensor()) {
    result.tag = ct_tag_tensor;
    result.payload.pointer = ct::owned(std::move(value).toTensor());
  } else if (value.isTensorList()) {
    auto list = std::move(value).toTensorVector();
    auto handles = static_cast<ct_tensor *>(std::malloc(sizeof(ct_tensor) * (list.size() + 1)));
    if (handles == nullptr) throw std::bad_alloc();
    for (size_t i = 0; i < list.size(); ++i) handles[i] = ct::owned(std::move(list[i]));
    result.tag = ct_tag_tensors;
    result.count = static_cast<int32_t>(list.size());
    result.payload.pointer = handles;
  } else if (value.isInt()) {
    result.tag = ct_tag_int;
    result.payload.integer = value.toInt();
  } else if (value.isDouble()) {
    result.tag = ct_tag_double;
    result.payload.real = value.toDouble();
  } else if (value.isBool()) {
    result.tag = ct_tag_bool;
    result.payload.integer = value.toBool();
  } else {
    TORCH_CHECK(value.isNone(), "a result of type ", value.tagKind(), " cannot pass the gate");
  }
  return result;
}

}  // namespace

int32_t ct_find_operator(const char *name, const char *overload, int32_t composite, ct_operator *result, char **message) {
  return ct::guarded(message, [&] {
    *result = new ct_operator_s(c10::Dispatcher::singleton().findSchemaOrThrow(name, overload), composite != 0);
  });
}

int32_t ct_call(ct_operator op, const ct_value *arguments, int32_t argumentCount, ct_value *results,
                int32_t capacity, int32_t *resultCount, char **message) {
  return ct::guarded(message, [&] {
    const size_t expected = op->kinds.size();
    TORCH_CHECK(static_cast<size_t>(argumentCount) <= expected, "takes ", expected, " arguments, got ", argumentCount);
    TORCH_CHECK(op->resultCount <= static_cast<size_t>(capacity), "has ", op->resultCount, " results, asked for ", capacity);
    torch::jit::Stack stack;
    stack.reserve(std::max(expected, op->resultCount));
    for (int32_t i = 0; i < argumentCount; ++i) stack.push_back(unpacked(arguments[i], op->kinds[i]));
    for (size_t i = argumentCount; i < expected; ++i) {
      TORCH_CHECK(op->defaults[i].has_value(), "argument '", op->handle.schema().arguments()[i].name(), "' is missing");
      stack.push_back(*op->defaults[i]);
    }
    if (op->isComposite) op->handle.callBoxedForDispatchKey(c10::DispatchKey::CompositeExplicitAutograd, stack);
    else op->handle.callBoxed(stack);
    *resultCount = static_cast<int32_t>(stack.size());
    for (size_t i = 0; i < stack.size(); ++i) results[i] = packed(std::move(stack[i]));
  });
}

double ct_measure_direct_add(ct_tensor self, ct_tensor other, int64_t count) {
  at::Tensor a = ct::borrowed(self), b = ct::borrowed(other);
  auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < count; ++i) a.add(b);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
