"""Golden values for Tests/CodecsTests: the image codecs of CompressAI with few channels and random weights.

    python Tools/goldens/codecs.py

Made with compressai 1.2.8, pytorch-msssim 1.0.0, torch 2.13.0+cpu, numpy and safetensors, seed 20240823. Writes small safetensors files. The last layers
of g_a and h_a are enlarged, so that latents are not all 0, and the Gaussian tables have few scales, so that they are small.
"""

from pathlib import Path

import torch

# torchvision from PyPI is built for CUDA and asks for operators that a CPU build of PyTorch lacks.
if not torch.cuda.is_available():
    _library = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _library.define(_name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import compressai  # noqa: E402
from compressai import models  # noqa: E402
from pytorch_msssim import ms_ssim, ssim  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

SEED = 20240823
NOISE_SEED = 11
FIXTURES = Path(__file__).resolve().parents[2] / "Tests" / "CodecsTests" / "Fixtures"

CODECS = {
    "bmshj2018-factorized": lambda: models.FactorizedPrior(4, 6),
    "bmshj2018-hyperprior": lambda: models.ScaleHyperprior(4, 6),
    "mbt2018-mean": lambda: models.MeanScaleHyperprior(4, 6),
    "mbt2018": lambda: models.JointAutoregressiveHierarchicalPriors(4, 6),
    "cheng2020-anchor": lambda: models.Cheng2020Anchor(4),
    "cheng2020-attn": lambda: models.Cheng2020Attention(4),
}


def enlarge(model):
    """Makes latents of a few integers either side of 0, scales and means that differ."""
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for network, wanted in [("g_a", 4.0), ("h_a", 3.0)]:
            if not hasattr(model, network):
                continue
            last = [layer for layer in getattr(model, network).children() if isinstance(layer, torch.nn.Conv2d)][-1]
            y = model.g_a(image)
            found = y if network == "g_a" else model.h_a(y.abs() if type(model) is models.ScaleHyperprior else y)
            last.weight.mul_(wanted / found.std())
            last.bias.mul_(wanted / found.std())
        if hasattr(model, "h_s"):
            for layer in model.h_s.modules():
                if isinstance(layer, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
                    layer.weight.mul_(2.0)


def main():
    for name, make in CODECS.items():
        torch.manual_seed(SEED)
        model = make()
        enlarge(model)
        pixels = (torch.rand(1, 3, 64, 64) * 255).round()
        image = pixels / 255
        values = {"image": pixels.to(torch.uint8)}
        torch.manual_seed(NOISE_SEED)
        out = model(image)
        values["training/reconstruction"] = out["x_hat"]
        for latent, likelihoods in out["likelihoods"].items():
            values[f"training/likelihoods/{latent}"] = likelihoods
        loss = ((out["x_hat"] - image) ** 2).mean() + sum(-torch.log2(v).mean() for v in out["likelihoods"].values())
        loss.backward()
        for key, parameter in model.named_parameters():
            if parameter.grad is not None:
                values[f"training/gradients/{key}"] = parameter.grad

        model.eval()
        if hasattr(model, "gaussian_conditional"):
            scales = torch.exp(torch.linspace(torch.log(torch.tensor(0.11)), torch.log(torch.tensor(4.0)), 12))
            model.update(scale_table=scales, force=True)
        else:
            model.update(force=True)
        with torch.no_grad():
            out = model(image)
            for latent, likelihoods in out["likelihoods"].items():
                values[f"evaluation/likelihoods/{latent}"] = likelihoods
            coded = model.compress(image)
            for place, strings in enumerate(coded["strings"]):
                values[f"streams/{place}"] = torch.tensor(list(strings[0]), dtype=torch.uint8)
            values["decoded"] = model.decompress(coded["strings"], coded["shape"])["x_hat"]
        for key, value in model.state_dict().items():
            values[f"weights/{key}"] = value
        values = {key: value.detach().clone().contiguous() for key, value in values.items()}
        made = f"compressai {compressai.__version__}, torch {torch.__version__}, seed {SEED}"
        save_file(values, FIXTURES / f"{name}.safetensors", metadata={"made with": made})
        y = model.g_a(image)
        lengths = [len(values[k]) for k in values if k.startswith("streams")]
        size = sum(v.numel() * v.element_size() for v in values.values())
        print(f"{name}: {size} bytes, |y| {y.abs().mean():.2f}, streams {lengths}")


def quality():
    """Images and noisy copies: two grey ones with odd sides, one in colour, too small for five scales."""
    torch.manual_seed(SEED)
    values = {}
    for name, shape in [("grey", (2, 1, 165, 163)), ("colour", (1, 3, 20, 23))]:
        smooth = torch.nn.functional.interpolate(torch.rand(shape[0], shape[1], 9, 9), size=shape[2:], mode="bilinear")
        noise = torch.randn(shape) * torch.linspace(0.02, 0.1, shape[0]).reshape(-1, 1, 1, 1)
        pair = [(x.clamp(0, 1) * 255).round() for x in (smooth, smooth + noise)]
        for side, x in zip("ab", pair):
            values[f"{name}/{side}"] = x.to(torch.uint8)
        a, b = (x / 255 for x in pair)
        values[f"{name}/ssim"] = ssim(a, b, data_range=1, size_average=False)
        values[f"{name}/psnr"] = -10 * ((a - b) ** 2).mean((1, 2, 3)).log10()
        if min(shape[2:]) > 160:
            values[f"{name}/ms-ssim"] = ms_ssim(a, b, data_range=1, size_average=False)
    save_file(values, FIXTURES / "quality.safetensors", metadata={"made with": f"pytorch-msssim 1.0.0, torch {torch.__version__}, seed {SEED}"})


main()
quality()
