// Gradients: backward, grad, hooks, functions whose gradient is a callback, and the modes.
#include "boundary.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include <vector>

using torch::autograd::Node;
using torch::autograd::variable_list;

namespace {

// Owns a Swift closure, whichever thread lets go of it last.
struct Callback {
  void *context;
  void (*release)(void *);
  Callback(void *context, void (*release)(void *)) : context(context), release(release) {}
  Callback(const Callback &) = delete;
  ~Callback() { release(context); }
};

variable_list borrowedList(const ct_tensor *handles, int32_t count) {
  variable_list list;
  list.reserve(count);
  for (int32_t i = 0; i < count; ++i) list.push_back(handles == nullptr ? at::Tensor() : ct::borrowed(handles[i]));
  return list;
}

struct CallbackNode : public Node {
  using Function = char *(*)(void *, const ct_tensor *, int32_t, ct_tensor *, int32_t);
  Function function;
  std::shared_ptr<Callback> callback;
  int32_t inputCount;

  CallbackNode(Function function, std::shared_ptr<Callback> callback, int32_t inputCount)
      : function(function), callback(std::move(callback)), inputCount(inputCount) {}

  std::string name() const override { return "CondenseCallback"; }

  variable_list apply(variable_list &&gradients) override {
    std::vector<ct_tensor> handles;
    for (size_t i = 0; i < gradients.size(); ++i) {
      // An output nobody used has no gradient: zeros spare every formula the case.
      if (!gradients[i].defined()) gradients[i] = input_metadata(i).zeros_like();
      handles.push_back(reinterpret_cast<ct_tensor>(gradients[i].unsafeGetTensorImpl()));
    }
    std::vector<ct_tensor> results(inputCount, nullptr);
    char *failure = function(callback->context, handles.data(), static_cast<int32_t>(handles.size()), results.data(), inputCount);
    variable_list list;
    for (ct_tensor result : results)
      list.push_back(result == nullptr ? at::Tensor() : at::Tensor(c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim(ct::impl(result))));
    if (failure != nullptr) {
      std::string text = failure;
      std::free(failure);
      TORCH_CHECK(false, text);
    }
    return list;
  }
};

// Graph nodes are counted by a shared pointer up to libtorch 2.12 and intrusively after.
template <typename Pointer, typename... Arguments>
Pointer counted(Arguments &&...arguments) {
  auto *node = new CallbackNode(std::forward<Arguments>(arguments)...);
  if constexpr (std::is_same_v<Pointer, std::shared_ptr<Node>>) {
    return Pointer(node, [](auto *unused) { deleteNode(unused); });
  } else {
    return Pointer(c10::intrusive_ptr<CallbackNode>::unsafe_steal_from_new(node));
  }
}

}  // namespace

bool ct_tensor_requires_grad(ct_tensor tensor) { return ct::borrowed(tensor).requires_grad(); }

bool ct_tensor_is_leaf(ct_tensor tensor) { return ct::borrowed(tensor).is_leaf(); }

int32_t ct_tensor_set_requires_grad(ct_tensor tensor, bool value, char **message) {
  return ct::guarded(message, [&] { ct::borrowed(tensor).set_requires_grad(value); });
}

ct_tensor ct_tensor_grad(ct_tensor tensor) {
  at::Tensor grad = ct::borrowed(tensor).grad();
  return grad.defined() ? ct::owned(std::move(grad)) : nullptr;
}

int32_t ct_tensor_set_grad(ct_tensor tensor, ct_tensor grad, char **message) {
  return ct::guarded(message, [&] { ct::borrowed(tensor).mutable_grad() = ct::borrowed(grad); });
}

int32_t ct_backward(const ct_tensor *roots, const ct_tensor *gradients, int32_t count, bool retainGraph,
                    bool createGraph, char **message) {
  return ct::guarded(message, [&] {
    torch::autograd::backward(borrowedList(roots, count), borrowedList(gradients, count), retainGraph, createGraph);
  });
}

int32_t ct_grad(const ct_tensor *outputs, const ct_tensor *gradients, int32_t outputCount,
                const ct_tensor *inputs, int32_t inputCount, bool retainGraph, bool createGraph,
                bool allowUnused, ct_tensor *results, char **message) {
  return ct::guarded(message, [&] {
    auto list = torch::autograd::grad(borrowedList(outputs, outputCount), borrowedList(inputs, inputCount),
                                      borrowedList(gradients, outputCount), retainGraph, createGraph, allowUnused);
    for (int32_t i = 0; i < inputCount; ++i)
      results[i] = list[i].defined() ? ct::owned(std::move(list[i])) : nullptr;
  });
}

int32_t ct_tensor_register_hook(ct_tensor tensor, ct_tensor (*function)(void *, ct_tensor), void *context,
                                void (*release)(void *), char **message) {
  auto callback = std::make_shared<Callback>(context, release);
  return ct::guarded(message, [&] {
    ct::borrowed(tensor).register_hook([function, callback](const at::Tensor &gradient) {
      ct_tensor result = function(callback->context, reinterpret_cast<ct_tensor>(gradient.unsafeGetTensorImpl()));
      if (result == nullptr) return at::Tensor();
      return at::Tensor(c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim(ct::impl(result)));
    });
  });
}

int32_t ct_attach_gradient(const ct_tensor *outputs, int32_t outputCount, const ct_tensor *inputs,
                           int32_t inputCount, CallbackNode::Function function, void *context,
                           void (*release)(void *), char **message) {
  auto callback = std::make_shared<Callback>(context, release);
  return ct::guarded(message, [&] {
    variable_list sources = borrowedList(inputs, inputCount);
    if (!torch::autograd::compute_requires_grad(sources)) return;
    auto node = counted<decltype(torch::autograd::Edge::function)>(function, callback, inputCount);
    node->set_next_edges(torch::autograd::collect_next_edges(sources));
    for (int32_t i = 0; i < outputCount; ++i) {
      at::Tensor output = ct::borrowed(outputs[i]);
      TORCH_CHECK(!output.requires_grad(), "an output already has a graph of its own: compute it without gradients");
      torch::autograd::set_history(output, node);
    }
  });
}

bool ct_grad_mode_enabled(void) { return at::GradMode::is_enabled(); }

void ct_set_grad_mode(bool enabled) { at::GradMode::set_enabled(enabled); }

void *ct_inference_mode_begin(bool enabled) { return new c10::InferenceMode(enabled); }

void ct_inference_mode_end(void *guard) { delete static_cast<c10::InferenceMode *>(guard); }
