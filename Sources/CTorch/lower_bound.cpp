// A maximum with a constant that lets values below it come back.
//
//   lower_bound  max(x, b); the gradient passes where x ≥ b, and elsewhere where it would make x larger
//
// The plain maximum stops at the bound for ever: nothing below it has a gradient. CompressAI calls this LowerBound.
#include <ATen/core/Tensor.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor lowerBound(const Tensor &input, const Tensor &bound) {
  TORCH_CHECK(bound.numel() == 1, "the bound must be one number, found ", bound.sizes());
  return at::maximum(input, bound.reshape({}));
}

struct LowerBound : public torch::autograd::Function<LowerBound> {
  static Tensor forward(AutogradContext *context, const Tensor &input, const Tensor &bound) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({input, bound});
    return lowerBound(input, bound);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor passes = saved[0].ge(saved[1].reshape({})).logical_or_(gradients[0].lt(0));
    return {at::where(passes, gradients[0], at::zeros_like(gradients[0])), Tensor()};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) { library.def("lower_bound(Tensor input, Tensor bound) -> Tensor"); }

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) { library.impl("lower_bound", lowerBound); }

TORCH_LIBRARY_IMPL(condense, Autograd, library) {
  library.impl("lower_bound", [](const Tensor &input, const Tensor &bound) { return LowerBound::apply(input, bound); });
}
