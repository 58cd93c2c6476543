"""Golden values for Tests/EntropyCodingTests and the layers GDN, GDN1 of Tests/TorchNNTests, from CompressAI.

    python Tools/goldens/entropy_coding.py

Made with compressai 1.2.8, torch 2.13.0+cpu, numpy 2.4.6 and safetensors, seed 20240823. Writes small safetensors files.
Streams are uint8 tensors; tables are `values`, `lengths`, `offsets`. Integers outside of a row stay below 2^27: the
reference's encoder does not come back from 2^27 on.
"""

from pathlib import Path

import torch

# torchvision from PyPI is built for CUDA and asks for operators that a CPU build of PyTorch lacks.
if not torch.cuda.is_available():
    _library = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _library.define(_name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import compressai  # noqa: E402
from compressai._CXX import pmf_to_quantized_cdf  # noqa: E402
from compressai.ans import RansDecoder, RansEncoder  # noqa: E402
from compressai.entropy_models import EntropyBottleneck, GaussianConditional  # noqa: E402
from compressai.layers import GDN, GDN1  # noqa: E402
from compressai.models.google import get_scale_table  # noqa: E402
from compressai.ops import LowerBound, NonNegativeParametrizer  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

SEED = 20240823
NOISE_SEED = 11
TESTS = Path(__file__).resolve().parents[2] / "Tests"


def save(target, name, tensors):
    tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    made = f"compressai {compressai.__version__}, torch {torch.__version__}, seed {SEED}"
    save_file(tensors, TESTS / target / "Fixtures" / f"{name}.safetensors", metadata={"made with": made})
    print(f"{name}: {len(tensors)} tensors, {sum(t.numel() * t.element_size() for t in tensors.values())} bytes")


def stream(data):
    return torch.tensor(list(data), dtype=torch.uint8)


def integers(values):
    return torch.tensor(values, dtype=torch.int32)


# Integer distributions and streams


def probabilities(count, kind):
    if kind == "flat":
        return torch.rand(count) + 0.1
    if kind == "steep":
        return torch.exp(-torch.rand(count) * 25)
    return torch.exp(-((torch.arange(count) - count / 2) ** 2) / (2 * (count / 9) ** 2))


def distributions():
    out = {}
    for index, (count, kind) in enumerate(
        [(2, "flat"), (5, "steep"), (17, "bell"), (40, "steep"), (257, "bell"), (600, "steep"), (1501, "bell"), (3000, "flat")]
    ):
        p = probabilities(count, kind)
        p = (p / p.sum()).float()
        out[f"{index}/probabilities"] = p
        out[f"{index}/cumulative"] = integers(pmf_to_quantized_cdf(p.tolist(), 16))
    return out


def tables(lengths):
    rows = []
    for length in lengths:
        p = probabilities(length - 1, "steep" if length % 2 else "bell")
        rows.append(pmf_to_quantized_cdf((p / p.sum()).tolist(), 16))
    width = max(lengths)
    offsets = [-(length // 2) + index for index, length in enumerate(lengths)]
    return [row + [0] * (width - len(row)) for row in rows], lengths, offsets


def coded(out, case, symbols, rows, table):
    values, lengths, offsets = table
    data = RansEncoder().encode_with_indexes(symbols, rows, values, lengths, offsets)
    assert RansDecoder().decode_with_indexes(data, rows, values, lengths, offsets) == symbols
    for name, value in (("symbols", symbols), ("rows", rows), ("values", values), ("lengths", lengths), ("offsets", offsets)):
        out[f"{case}/{name}"] = integers(value)
    out[f"{case}/stream"] = stream(data)


def streams():
    out = {}
    table = tables([3, 4, 9, 30, 101, 400])
    rows = torch.randint(0, 6, (3000,)).tolist()
    lengths, offsets = torch.tensor(table[1])[rows], torch.tensor(table[2])[rows]
    inside = (torch.rand(3000) * (lengths - 2)).long() + offsets
    coded(out, "inside", inside.tolist(), rows, table)
    far = (torch.randn(3000) * 2.0 ** (torch.rand(3000) * 23)).long()
    outside = torch.where(torch.rand(3000) < 0.1, far, inside)
    outside[:8] = torch.tensor([2**27 - 1000, -(2**27) + 1000, 1, -1, 1 << 20, -(1 << 20), 15, -16])
    coded(out, "outside", outside.tolist(), rows, table)
    common = [0, 1, 65535, 65536]
    coded(out, "certain", [0] * 500, [0] * 500, ([common], [4], [-1]))
    coded(out, "few", [3, -2], [2, 3], table)
    return out


# Layers


def randomize(module, scale=0.3):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * scale)


def record(out, case, module, x, call=None):
    """Weights, input, output, and the gradients for a random gradient of the output."""
    for key, value in module.state_dict().items():
        out[f"{case}/weights/{key}"] = value
    x = x.clone().requires_grad_(True)
    result = (call or module)(x)
    cotangent = torch.randn_like(result)
    result.backward(cotangent)
    out[f"{case}/input"] = x
    out[f"{case}/output"] = result
    out[f"{case}/cotangent"] = cotangent
    out[f"{case}/gradients/input"] = x.grad
    for key, value in module.named_parameters():
        out[f"{case}/gradients/{key}"] = value.grad
    for key, value in module.named_buffers():
        out[f"{case}/buffers/{key}"] = value


def layers():
    out = {}
    for name, kind in (("gdn", GDN), ("gdn1", GDN1)):
        for inverse in (False, True):
            module = kind(6, inverse=inverse)
            randomize(module, 0.1)
            record(out, f"{name}_inverse" if inverse else name, module, torch.randn(2, 6, 5, 4))
    record(out, "lower_bound", LowerBound(0.11), torch.randn(3, 7) * 0.3)
    record(out, "non_negative", NonNegativeParametrizer(0.05), torch.randn(3, 7) * 0.4)
    out["non_negative_initial/input"] = torch.rand(9)
    out["non_negative_initial/output"] = NonNegativeParametrizer(0.05).init(out["non_negative_initial/input"])
    return out


# Entropy models


def likelihoods(out, case, module, inputs):
    """Training with known noise, with gradients, and evaluation."""
    module.train()
    inputs = [x.clone().requires_grad_(True) for x in inputs]
    torch.manual_seed(NOISE_SEED)
    output, likelihood = module(*inputs)
    cotangents = torch.randn_like(output), torch.rand_like(likelihood)
    torch.autograd.backward([output, likelihood], cotangents)
    for index, x in enumerate(inputs):
        out[f"{case}/input{index}"] = x
        out[f"{case}/gradients/input{index}"] = x.grad
    out[f"{case}/output"], out[f"{case}/likelihood"] = output, likelihood
    out[f"{case}/cotangent/output"], out[f"{case}/cotangent/likelihood"] = cotangents
    for key, value in module.named_parameters():
        if value.grad is not None:
            out[f"{case}/gradients/{key}"] = value.grad
    module.eval()
    out[f"{case}/evaluation/output"], out[f"{case}/evaluation/likelihood"] = module(*inputs)


def bottleneck():
    out = {}
    module = EntropyBottleneck(4)
    randomize(module)
    with torch.no_grad():
        module.quantiles.copy_(torch.tensor([[-6.3, 0.2, 5.1], [-9.0, -1.4, 3.7], [-2.5, 0.6, 2.6], [-30.2, 1.5, 41.0]]).unsqueeze(1))
    module.update()
    for key, value in module.state_dict().items():
        out[f"weights/{key}"] = value.clone()
    x = torch.randn(2, 4, 5, 3) * 4
    x[0, 0, 0, 0], x[1, 2, 4, 2] = 90.0, -700.0
    likelihoods(out, "likelihoods", module, [x])
    auxiliary = module.loss()
    module.zero_grad()
    auxiliary.backward()
    out["auxiliary/loss"], out["auxiliary/gradients/quantiles"] = auxiliary, module.quantiles.grad
    assert all(p.grad is None for name, p in module.named_parameters() if name != "quantiles")
    strings = module.compress(x)
    for index, string in enumerate(strings):
        out[f"coded/{index}"] = stream(string)
    out["coded/symbols"] = module.decompress(strings, x.shape[2:])
    module.update(force=True, update_quantiles=True)
    out["searched/quantiles"] = module.quantiles.clone()
    for key in ("_offset", "_quantized_cdf", "_cdf_length"):
        out[f"searched/{key}"] = module.state_dict()[key]
    torch.manual_seed(NOISE_SEED)
    for key, value in EntropyBottleneck(3).state_dict().items():
        out[f"initial/{key}"] = value
    return out


def gaussian():
    out = {}
    table = get_scale_table().tolist()
    full = GaussianConditional(table)
    full.update()
    out["table/scale_table"] = full.scale_table
    out["table/lengths"], out["table/offsets"] = full.cdf_length, full.offset
    # Without filling, and without the 65536 at the end, which 16 bits do not hold: as differences.
    rows = [row[:length].diff() for row, length in zip(full.quantized_cdf, full.cdf_length)]
    out["table/widths"] = torch.cat(rows).to(torch.uint16).view(torch.int16)
    module = GaussianConditional(table[:40])
    module.update()
    for key, value in module.state_dict().items():
        if key != "_quantized_cdf":
            out[f"weights/{key}"] = value.clone()
    y = torch.randn(2, 5, 4, 3) * 6
    scales = torch.exp(torch.rand(2, 5, 4, 3) * 7 - 3.5)
    means = torch.randn(2, 5, 4, 3) * 3
    y[0, 0, 0, 0], y[1, 4, 3, 2] = 4000.0, -100000.0
    likelihoods(out, "with_means", module, [y, scales, means])
    likelihoods(out, "without_means", module, [y, scales])
    rows = module.build_indexes(scales)
    out["coded/rows"] = rows
    for case, arguments in (("with_means", [means]), ("without_means", [])):
        strings = module.compress(y, rows, *arguments)
        for index, string in enumerate(strings):
            out[f"coded/{case}/{index}"] = stream(string)
        out[f"coded/{case}/output"] = module.decompress(strings, rows, torch.float, *arguments)
    edges = torch.tensor(table[:40] + [1e-9, 0.1099, 0.11, 0.1101, 1e6, -3.0])
    out["edges/scales"], out["edges/rows"] = edges, module.build_indexes(edges)
    return out


if __name__ == "__main__":
    torch.set_num_threads(1)
    for target, name, make in (
        ("EntropyCodingTests", "distributions", distributions),
        ("EntropyCodingTests", "streams", streams),
        ("TorchNNTests", "divisive_normalization", layers),
        ("EntropyCodingTests", "bottleneck", bottleneck),
        ("EntropyCodingTests", "gaussian", gaussian),
    ):
        torch.manual_seed(SEED)
        save(target, name, make())
