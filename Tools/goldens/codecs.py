"""Golden values for Tests/CodecsTests: the image codecs of CompressAI with few channels and random weights.

    python Tools/goldens/codecs.py

Made with compressai 1.2.8, torch 2.13.0+cpu, numpy and safetensors, seed 20240823. Writes small safetensors files. The last layers
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


main()
