"""Golden values for Tests/TorchNNTests, from PyTorch itself.

    python Tools/goldens/torchnn.py

Made with torch 2.13.0+cpu and safetensors, seed 20240607. Writes small safetensors files into
Tests/TorchNNTests/Fixtures. Names inside a file are `<case>/<what>`, where <what> is
`input`, `output`, `cotangent` (the gradient fed into the output), `weights/<key>`, `gradients/input`,
`gradients/<key>`, and, where they exist, `buffers/<key>` (after one training step) and `evaluation`
(the output in evaluation mode after that step).
"""

from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file
from torch.optim import lr_scheduler, swa_utils

VERSION = "2.13.0+cpu"
SEED = 20240607
INITIAL_SEED = 7
FIXTURES = Path(__file__).resolve().parents[2] / "Tests" / "TorchNNTests" / "Fixtures"


def save(name, tensors):
    tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    save_file(tensors, FIXTURES / f"{name}.safetensors", metadata={"made with": f"torch {torch.__version__}, seed {SEED}"})
    print(f"{name}: {len(tensors)} tensors, {sum(t.numel() * t.element_size() for t in tensors.values())} bytes")


def randomize(module):
    """Weights away from their initial values, so that ones and zeros hide nothing."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4 + (0.5 if "norm" in name else 0.1))


def record(out, case, module, *inputs, call=None):
    randomize(module)
    weights = {key: value.clone() for key, value in module.state_dict().items()}
    inputs = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    result = (call or module)(*inputs)
    cotangent = torch.randn_like(result)
    result.backward(cotangent)
    for index, x in enumerate(inputs):
        name = "input" if index == 0 else f"input{index}"
        out[f"{case}/{name}"] = x
        if x.grad is not None:
            out[f"{case}/gradients/{name}"] = x.grad
    out[f"{case}/output"] = result
    out[f"{case}/cotangent"] = cotangent
    for key, value in weights.items():
        out[f"{case}/weights/{key}"] = value
    for key, value in module.named_parameters():
        out[f"{case}/gradients/{key}"] = value.grad
    for key, value in module.named_buffers():
        out[f"{case}/buffers/{key}"] = value
    if any(True for _ in module.buffers()):
        module.eval()
        out[f"{case}/evaluation"] = (call or module)(*inputs)


def layers():
    out = {}
    r = torch.randn
    record(out, "linear", nn.Linear(5, 4), r(2, 3, 5))
    record(out, "linear_no_bias", nn.Linear(5, 4, bias=False), r(3, 5))
    record(out, "embedding", nn.Embedding(7, 3), torch.tensor([[0, 2, 2], [6, 1, 3]]))
    record(out, "embedding_padding", nn.Embedding(7, 3, padding_idx=2), torch.tensor([[0, 2, 2], [6, 1, 3]]))
    record(out, "layer_norm", nn.LayerNorm([3, 5]), r(2, 3, 5))
    record(out, "layer_norm_no_bias", nn.LayerNorm(5, eps=1e-3, bias=False), r(2, 3, 5))
    record(out, "layer_norm_plain", nn.LayerNorm(5, elementwise_affine=False), r(2, 3, 5))
    record(out, "rms_norm", nn.RMSNorm(5, eps=1e-5), r(2, 3, 5))
    record(out, "group_norm", nn.GroupNorm(2, 6), r(2, 6, 3, 4))
    record(out, "batch_norm1d", nn.BatchNorm1d(4), r(6, 4))
    record(out, "batch_norm1d_sequence", nn.BatchNorm1d(4, momentum=0.3), r(3, 4, 5))
    record(out, "batch_norm2d", nn.BatchNorm2d(3, momentum=None, eps=1e-3), r(2, 3, 4, 5))
    record(out, "batch_norm3d", nn.BatchNorm3d(3, affine=False), r(2, 3, 2, 3, 4))
    record(out, "batch_norm2d_untracked", nn.BatchNorm2d(3, track_running_stats=False), r(2, 3, 4, 5))
    return out


def convolutions():
    out = {}
    r = torch.randn
    record(out, "conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), r(2, 4, 11))
    record(out, "conv1d_circular", nn.Conv1d(2, 3, 3, padding=2, padding_mode="circular"), r(2, 2, 7))
    record(out, "conv1d_same", nn.Conv1d(2, 3, 4, padding="same"), r(2, 2, 7))
    record(out, "conv1d_same_reflect", nn.Conv1d(2, 3, 4, padding="same", padding_mode="reflect"), r(2, 2, 7))
    record(out, "conv2d", nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2), r(2, 4, 7, 6))
    record(out, "conv2d_no_bias", nn.Conv2d(2, 3, 3, bias=False), r(2, 2, 5, 5))
    record(out, "conv2d_reflect", nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode="reflect"), r(2, 2, 5, 6))
    record(out, "conv2d_replicate", nn.Conv2d(2, 3, 3, padding=(1, 2), stride=2, padding_mode="replicate"), r(2, 2, 5, 6))
    record(out, "conv2d_circular", nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode="circular"), r(2, 2, 5, 6))
    record(out, "conv3d", nn.Conv3d(2, 2, (2, 3, 1), stride=(1, 2, 1), padding=(1, 1, 0)), r(1, 2, 3, 5, 2))
    record(out, "conv3d_replicate", nn.Conv3d(1, 2, 2, padding=1, padding_mode="replicate"), r(1, 1, 3, 4, 3))
    record(out, "conv_transpose1d",
           nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2), r(2, 4, 5))
    record(out, "conv_transpose2d", nn.ConvTranspose2d(2, 3, (3, 2), stride=2, padding=(1, 0), output_padding=(1, 0)), r(2, 2, 4, 3))
    record(out, "conv_transpose3d", nn.ConvTranspose3d(2, 2, 2, stride=(1, 2, 2), bias=False), r(1, 2, 2, 3, 2))
    return out


def attention():
    out = {}
    r = torch.randn
    self_attention = nn.MultiheadAttention(8, 2, batch_first=True)
    record(out, "self", self_attention, r(2, 5, 8), call=lambda x: self_attention(x, x, x, need_weights=False)[0])
    causal = nn.MultiheadAttention(8, 4, bias=False, batch_first=True)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    record(out, "causal", causal, r(2, 5, 8),
           call=lambda x: causal(x, x, x, need_weights=False, attn_mask=mask, is_causal=True)[0])
    cross = nn.MultiheadAttention(8, 2, kdim=6, vdim=4, batch_first=True)
    padded = torch.tensor([[False, False, False, True], [False, False, True, True]])
    record(out, "cross", cross, r(2, 3, 8), r(2, 4, 6), r(2, 4, 4),
           call=lambda q, k, v: cross(q, k, v, need_weights=False, key_padding_mask=padded)[0])
    out["cross/padded"] = padded
    added = nn.MultiheadAttention(8, 2, batch_first=True)
    bias = r(5, 5)
    record(out, "additive", added, r(2, 5, 8), call=lambda x: added(x, x, x, need_weights=False, attn_mask=bias)[0])
    out["additive/mask"] = bias
    out["additive/probabilities"] = added(*[out["additive/input"]] * 3, attn_mask=bias, average_attn_weights=False)[1]
    return out


def elementwise():
    """Activations, pooling and rearrangements: no weights."""
    out = {}
    x = torch.randn(3, 7) * 3
    activations = {
        "relu": nn.ReLU(), "relu6": nn.ReLU6(), "leakyReLU": nn.LeakyReLU(0.2), "elu": nn.ELU(0.7), "selu": nn.SELU(),
        "celu": nn.CELU(0.6), "gelu": nn.GELU(), "geluTanh": nn.GELU("tanh"), "silu": nn.SiLU(), "mish": nn.Mish(),
        "sigmoid": nn.Sigmoid(), "logSigmoid": nn.LogSigmoid(), "tanh": nn.Tanh(), "softplus": nn.Softplus(1.5, 10),
        "softsign": nn.Softsign(), "hardswish": nn.Hardswish(), "hardsigmoid": nn.Hardsigmoid(), "hardtanh": nn.Hardtanh(-0.5, 2),
        "softshrink": nn.Softshrink(0.3), "hardshrink": nn.Hardshrink(0.3), "tanhshrink": nn.Tanhshrink(),
        "threshold": nn.Threshold(0.5, -1.0),
    }
    for name, module in activations.items():
        record(out, name, module, x)
    record(out, "prelu", nn.PReLU(3), torch.randn(2, 3, 4))
    record(out, "max_pool1d", nn.MaxPool1d(3, stride=2, padding=1), torch.randn(2, 3, 9))
    record(out, "max_pool2d", nn.MaxPool2d((2, 3), dilation=(2, 1), ceil_mode=True), torch.randn(2, 2, 6, 8))
    record(out, "max_pool3d", nn.MaxPool3d(2), torch.randn(1, 2, 4, 4, 4))
    record(out, "avg_pool1d", nn.AvgPool1d(3, stride=2, padding=1, count_include_pad=False), torch.randn(2, 3, 9))
    record(out, "avg_pool2d", nn.AvgPool2d((2, 3), padding=1, ceil_mode=True), torch.randn(2, 2, 6, 8))
    record(out, "avg_pool3d", nn.AvgPool3d(2, stride=1), torch.randn(1, 2, 3, 3, 3))
    record(out, "adaptive_avg_pool1d", nn.AdaptiveAvgPool1d(4), torch.randn(2, 3, 9))
    record(out, "adaptive_avg_pool2d", nn.AdaptiveAvgPool2d((1, 3)), torch.randn(2, 2, 6, 8))
    record(out, "adaptive_avg_pool3d", nn.AdaptiveAvgPool3d(2), torch.randn(1, 2, 3, 4, 5))
    record(out, "adaptive_max_pool1d", nn.AdaptiveMaxPool1d(4), torch.randn(2, 3, 9))
    record(out, "adaptive_max_pool2d", nn.AdaptiveMaxPool2d((1, 3)), torch.randn(2, 2, 6, 8))
    record(out, "pixel_shuffle", nn.PixelShuffle(2), torch.randn(2, 8, 2, 3))
    record(out, "pixel_unshuffle", nn.PixelUnshuffle(2), torch.randn(2, 2, 4, 6))
    record(out, "upsample_nearest", nn.Upsample(scale_factor=2), torch.randn(1, 2, 3, 4))
    record(out, "upsample_bilinear", nn.Upsample(scale_factor=2, mode="bilinear"), torch.randn(1, 2, 3, 4))
    record(out, "flatten", nn.Flatten(), torch.randn(2, 2, 3))
    return out


def initial():
    """Default initial weights of each layer, and each initialiser, from a generator seeded INITIAL_SEED."""
    out = {}
    makers = {
        "linear": lambda: nn.Linear(19, 7),
        "embedding": lambda: nn.Embedding(9, 5, padding_idx=3),
        "layer_norm": lambda: nn.LayerNorm(5),
        "batch_norm2d": lambda: nn.BatchNorm2d(5),
        "conv1d": lambda: nn.Conv1d(4, 6, 3, groups=2),
        "conv2d": lambda: nn.Conv2d(3, 4, (3, 2)),
        "conv_transpose2d": lambda: nn.ConvTranspose2d(4, 6, (3, 2), groups=2),
        "attention": lambda: nn.MultiheadAttention(8, 2),
        "attention_cross": lambda: nn.MultiheadAttention(8, 2, kdim=6, vdim=4),
        "prelu": lambda: nn.PReLU(3),
    }
    for name, make in makers.items():
        torch.manual_seed(INITIAL_SEED)
        for key, value in make().state_dict().items():
            out[f"{name}/{key}"] = value
    i = nn.init
    initialisers = {
        "uniform": lambda t, g: i.uniform_(t, -0.3, 0.7, generator=g),
        "normal": lambda t, g: i.normal_(t, 0.1, 0.3, generator=g),
        "truncated_normal": lambda t, g: i.trunc_normal_(t, 0.2, 0.5, -0.4, 0.9, generator=g),
        "truncated_normal_tail": lambda t, g: i.trunc_normal_(t, 0.0, 1.0, 1.5, 2.5, generator=g),
        "xavier_uniform": lambda t, g: i.xavier_uniform_(t, 1.3, generator=g),
        "xavier_normal": lambda t, g: i.xavier_normal_(t, i.calculate_gain("tanh"), generator=g),
        "kaiming_uniform": lambda t, g: i.kaiming_uniform_(t, 0.2, "fan_in", "leaky_relu", generator=g),
        "kaiming_normal": lambda t, g: i.kaiming_normal_(t, 0, "fan_out", "relu", generator=g),
        "orthogonal": lambda t, g: i.orthogonal_(t, 1.1, generator=g),
    }
    for name, fill in initialisers.items():
        out[f"init/{name}"] = fill(torch.empty(5, 4, 3), torch.Generator().manual_seed(INITIAL_SEED))
    out["init/orthogonal_tall"] = i.orthogonal_(torch.empty(6, 4), generator=torch.Generator().manual_seed(INITIAL_SEED))
    return out


def losses():
    out = {}
    r = torch.randn
    logits, classes = r(6, 5), torch.tensor([0, 4, -100, 2, 2, 1])
    probabilities = torch.softmax(r(6, 5), 1)
    maps, map_classes = r(2, 3, 2, 2), torch.randint(0, 3, (2, 2, 2))
    class_weights, positive_weights = torch.rand(5) + 0.5, torch.rand(5) * 3
    binary = (torch.rand(6, 5) > 0.5).float()
    similar = torch.tensor([1.0, -1, 1, 1, -1, -1])
    log_target = torch.log_softmax(r(6, 5), 1)
    cases = {
        "mse": (r(4, 5), r(4, 5), lambda x, t, m: F.mse_loss(x, t, reduction=m)),
        "l1": (r(4, 5), r(4, 5), lambda x, t, m: F.l1_loss(x, t, reduction=m)),
        "smooth_l1": (r(4, 5), r(4, 5), lambda x, t, m: F.smooth_l1_loss(x, t, reduction=m, beta=0.7)),
        "huber": (r(4, 5), r(4, 5), lambda x, t, m: F.huber_loss(x, t, reduction=m, delta=0.7)),
        "cross_entropy": (logits, classes, lambda x, t, m: F.cross_entropy(x, t, reduction=m)),
        "cross_entropy_smoothed": (logits, classes, lambda x, t, m: F.cross_entropy(
            x, t, weight=class_weights, label_smoothing=0.1, reduction=m)),
        "cross_entropy_ignoring": (logits, classes.clamp_min(0), lambda x, t, m: F.cross_entropy(
            x, t, ignore_index=2, reduction=m)),
        "cross_entropy_probabilities": (logits, probabilities, lambda x, t, m: F.cross_entropy(x, t, reduction=m)),
        "cross_entropy_map": (maps, map_classes, lambda x, t, m: F.cross_entropy(x, t, reduction=m)),
        "nll": (torch.log_softmax(logits, 1), classes, lambda x, t, m: F.nll_loss(x, t, weight=class_weights, reduction=m)),
        "bce": (r(6, 5), binary, lambda x, t, m: F.binary_cross_entropy_with_logits(
            x, t, pos_weight=positive_weights, reduction=m)),
        "kl": (torch.log_softmax(logits, 1), probabilities, lambda x, t, m: F.kl_div(x, t, reduction=m)),
        "kl_log_target": (torch.log_softmax(logits, 1), log_target, lambda x, t, m: F.kl_div(
            x, t, reduction=m, log_target=True)),
        "cosine": (r(6, 5), r(6, 5), lambda x, t, m: F.cosine_embedding_loss(x, t, similar, margin=0.1, reduction=m)),
    }
    out["class_weights"], out["positive_weights"], out["similar"] = class_weights, positive_weights, similar
    for name, (x, target, loss) in cases.items():
        x = x.clone().requires_grad_(True)
        out[f"{name}/input"], out[f"{name}/target"] = x, target
        for mode in ("none", "mean", "sum"):
            value = loss(x, target, mode)
            cotangent = torch.randn_like(value)
            out[f"{name}/{mode}/output"], out[f"{name}/{mode}/cotangent"] = value, cotangent
            out[f"{name}/{mode}/gradient"] = torch.autograd.grad(value, x, cotangent)[0]
    x = logits.clone().requires_grad_(True)
    value = F.kl_div(torch.log_softmax(x, 1), probabilities, reduction="batchmean")
    out["kl_batch_mean/input"], out["kl_batch_mean/target"], out["kl_batch_mean/output"] = x, probabilities, value
    out["kl_batch_mean/gradient"] = torch.autograd.grad(value, x)[0]
    return out


STEPS = 20


def optimizers():
    """Twenty steps on two tensors with given gradients; the second tensor is in a second group with its own rate."""
    out = {"start/a": torch.randn(4, 3), "start/b": torch.randn(5)}
    out["gradients/a"], out["gradients/b"] = torch.randn(STEPS, 4, 3), torch.randn(STEPS, 5) * 0.3
    o = torch.optim
    configurations = {
        "sgd": lambda groups: o.SGD(groups, lr=0.1),
        "sgd_momentum": lambda groups: o.SGD(groups, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.05),
        "sgd_nesterov": lambda groups: o.SGD(groups, lr=0.1, momentum=0.8, nesterov=True),
        "adam": lambda groups: o.Adam(groups, lr=0.02),
        "adam_amsgrad": lambda groups: o.Adam(groups, lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, amsgrad=True),
        "adamw": lambda groups: o.AdamW(groups, lr=0.02, weight_decay=0.1),
        "adamw_amsgrad": lambda groups: o.AdamW(groups, lr=0.02, betas=(0.5, 0.9), weight_decay=0.3, amsgrad=True),
    }
    for name, make in configurations.items():
        a, b = out["start/a"].clone().requires_grad_(True), out["start/b"].clone().requires_grad_(True)
        optimizer = make([{"params": [a]}, {"params": [b], "lr": 0.05}])
        path = ([], [])
        for step in range(STEPS):
            a.grad, b.grad = out["gradients/a"][step].clone(), out["gradients/b"][step].clone()
            optimizer.step()
            path[0].append(a.detach().clone())
            path[1].append(b.detach().clone())
        out[f"{name}/a"], out[f"{name}/b"] = torch.stack(path[0]), torch.stack(path[1])

    for name, clip in {
        "clip_norm2": lambda ps: nn.utils.clip_grad_norm_(ps, 1.5),
        "clip_norm1": lambda ps: nn.utils.clip_grad_norm_(ps, 4.0, norm_type=1),
        "clip_norm_infinity": lambda ps: nn.utils.clip_grad_norm_(ps, 0.7, norm_type=float("inf")),
        "clip_loose": lambda ps: nn.utils.clip_grad_norm_(ps, 1e4),
        "clip_value": lambda ps: nn.utils.clip_grad_value_(ps, 0.25),
    }.items():
        parameters = [torch.zeros(4, 3), torch.zeros(5)]
        for parameter, key in zip(parameters, "ab"):
            parameter.grad = out[f"gradients/{key}"][0].clone()
        norm = clip(parameters)
        for parameter, key in zip(parameters, "ab"):
            out[f"{name}/{key}"] = parameter.grad
        if norm is not None:
            out[f"{name}/norm"] = norm

    average = {"ema": swa_utils.get_ema_multi_avg_fn(0.9), "swa": None}
    for name, function in average.items():
        module = nn.Linear(3, 2)
        with torch.no_grad():
            module.weight.copy_(out["start/a"][:2]), module.bias.zero_()
        averaged = swa_utils.AveragedModel(module, multi_avg_fn=function)
        for step in range(STEPS):
            with torch.no_grad():
                module.weight.add_(out["gradients/a"][step][:2], alpha=-0.1)
            averaged.update_parameters(module)
        out[f"{name}/weight"] = averaged.module.weight
    return out


def schedules():
    out = {}
    s = lr_scheduler

    def rates(make, steps=60):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        scheduler = make(optimizer)
        values = []
        for _ in range(steps):
            values.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return torch.tensor(values, dtype=torch.float64)

    out["constant"] = rates(lambda o: s.ConstantLR(o, factor=1.0))
    out["linear"] = rates(lambda o: s.LinearLR(o, start_factor=0.25, end_factor=1.0, total_iters=20))
    out["linear_decay"] = rates(lambda o: s.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=40))
    out["cosine"] = rates(lambda o: s.CosineAnnealingLR(o, T_max=59, eta_min=0.05))
    out["step"] = rates(lambda o: s.StepLR(o, step_size=15, gamma=0.3))
    out["multi_step"] = rates(lambda o: s.MultiStepLR(o, milestones=[10, 35], gamma=0.2))
    out["exponential"] = rates(lambda o: s.ExponentialLR(o, gamma=0.95))
    out["polynomial"] = rates(lambda o: s.PolynomialLR(o, total_iters=50, power=2.0))
    out["one_cycle"] = rates(lambda o: s.OneCycleLR(
        o, max_lr=0.5, total_steps=60, pct_start=0.3, div_factor=25, final_div_factor=1e4, cycle_momentum=False), steps=59)
    out["warmup_then_cosine"] = rates(lambda o: s.SequentialLR(o, [
        s.LinearLR(o, start_factor=0.1, end_factor=1.0, total_iters=10), s.CosineAnnealingLR(o, T_max=50)], milestones=[10]))
    return out


def main():
    assert torch.__version__ == VERSION, f"these goldens are of torch {VERSION}, this is {torch.__version__}"
    torch.set_num_threads(1)
    FIXTURES.mkdir(parents=True, exist_ok=True)
    for make in (layers, convolutions, attention, elementwise, initial, losses, optimizers, schedules):
        torch.manual_seed(SEED)
        save(make.__name__, make())


if __name__ == "__main__":
    main()
