"""Golden values for Tests/CodecsTests: wavelet packets, and WaLLoC codecs with few channels.

    python Tools/goldens/walloc_codecs.py

Made with PyWavelets 1.9.0 (packets, in double precision), walloc 1.2.1 over diffusers 0.42.1 and pytorch-wavelets 1.3.0 (codecs), torch
2.13.0+cpu, numpy and safetensors, seed 20241212. Writes one small safetensors file. Weights are not stored: both sides compute them from a
formula (`weights` here, `formulaWeights` in the tests).
"""

from pathlib import Path

import numpy as np
import torch

# torchvision from PyPI is built for CUDA and asks for operators that a CPU build of PyTorch lacks.
if not torch.cuda.is_available():
    _library = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _library.define(_name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import pywt  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from walloc import walloc  # noqa: E402

SEED = 20241212
NOISE_SEED = 11
FIXTURE = Path(__file__).resolve().parents[2] / "Tests" / "CodecsTests" / "Fixtures" / "walloc.safetensors"
LARGEST_GRADIENT = 700
# Of the encoders' last layers, so that latents are not all 0.
GAINS = {"encoder.0.weight": 30, "encoder.0.conv_out.weight": 30, "encoder.0.conv2.weight_g": 3}


def packet1d(x, levels):
    for _ in range(levels):
        low, high = pywt.dwt(x, "bior4.4", mode="periodization", axis=-1)
        x = np.stack([low, high], axis=2).reshape(x.shape[0], -1, low.shape[-1])
    return x


def packet2d(x, levels):
    for _ in range(levels):
        low, (height_high, width_high, both) = pywt.dwt2(x, "bior4.4", mode="periodization", axes=(-2, -1))
        x = np.stack([low, height_high, width_high, both], axis=2).reshape(x.shape[0], -1, *low.shape[-2:])
    return x


def weights(shapes):
    """Numbers without much order, of a size that keeps activations near 1."""
    result = {}
    for number, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        count = int(np.prod(shape))
        unit = ((np.arange(count, dtype=np.int64) * 40503 + (number + 1) * 7919) % 65521) / 65521.0 * 2 - 1
        if name.endswith(("alpha", "beta")):
            value = 0.3 * unit
        elif name.endswith("weight_g") or ("norm" in name and name.endswith("weight")):
            value = 1 + 0.3 * unit
        elif name.endswith("bias"):
            value = 0.2 * unit
        else:
            value = unit * 1.5 / np.sqrt(count / shape[0])
        value = value * GAINS.get(name, 1)
        result[name] = torch.from_numpy(value.astype(np.float32)).reshape(shape)
    return result


def rounded(self, x):
    """The package's, but with noise in the order of indices whatever the order of x in memory."""
    return x + (torch.rand(x.shape) - 0.5) if self.training else torch.round(x)


def codec_goldens(name, codec, signal, out):
    shapes = {key: tuple(value.shape) for key, value in codec.state_dict().items() if not key.startswith(("wt.", "iwt."))}
    missing, unexpected = codec.load_state_dict(weights(shapes), strict=False)
    assert not unexpected and all(key.startswith(("wt.", "iwt.")) for key in missing)
    codec.eval()
    with torch.no_grad():
        out[f"{name}/latents"] = codec.encoder(codec.wavelet_analysis(signal, J=codec.J))
        out[f"{name}/reconstruction"] = codec(signal)[0]
    print(name, "latents up to", out[f"{name}/latents"].abs().max().item())
    codec.train()
    torch.manual_seed(NOISE_SEED)
    _, loss, band_loss = codec(signal)
    (loss + 0.5 * band_loss).backward()
    out[f"{name}/signal"] = signal
    out[f"{name}/losses"] = torch.stack([loss, band_loss]).detach()
    for key, parameter in codec.named_parameters():
        if parameter.numel() <= LARGEST_GRADIENT:
            out[f"{name}/gradients/{key}"] = parameter.grad


def main():
    generator = np.random.default_rng(SEED)
    torch.manual_seed(SEED)
    walloc.Round.forward = rounded
    out = {}
    signal, image = generator.normal(size=(2, 2, 48)), generator.normal(size=(1, 2, 24, 16))
    out["packet1d/input"], out["packet2d/input"] = torch.from_numpy(signal), torch.from_numpy(image)
    for levels in (1, 2, 3, 4):
        out[f"packet1d/{levels}"] = torch.from_numpy(packet1d(signal, levels).copy())
    for levels in (1, 2, 3):
        out[f"packet2d/{levels}"] = torch.from_numpy(packet2d(image, levels).copy())
    # The package's own transforms are the same, where no side that is split is shorter than the filters: there it does not go round.
    large = generator.normal(size=(1, 2, 64, 48))
    flat, deep = walloc.Codec1D(2, 3, 8, 8, 4, 8, True, False), walloc.Codec2D(2, 3, 32, 32, 4, 8, True)
    assert np.allclose(flat.wavelet_analysis(torch.from_numpy(signal).float(), J=3).numpy(), packet1d(signal, 3), atol=1e-5)
    assert np.allclose(deep.wavelet_analysis(torch.from_numpy(large).float(), J=3).numpy(), packet2d(large, 3), atol=1e-5)

    picture, sound = torch.rand(2, 2, 24, 32) - 0.5, torch.rand(2, 2, 96) - 0.5
    codec_goldens("image", walloc.Codec2D(2, 2, None, 32, 4, 8, True), picture, out)
    codec_goldens("image-deep", walloc.Codec2D(2, 2, 32, 32, 4, 6, False), picture, out)
    codec_goldens("audio", walloc.Codec1D(2, 3, None, 11, 5, 8, True, True), sound, out)
    codec_goldens("audio-deep", walloc.Codec1D(2, 3, 9, 11, 4, 6, False, False), sound, out)

    for channels, planes in ((4, 1), (12, 3), (27, 3), (48, 3)):
        latent = torch.randint(-127, 128, (1, channels, 5, 3)).float()
        out[f"tiles/{channels}/latent"] = latent[0].to(torch.int8)
        picture = np.asarray(walloc.latent_to_pil(latent, 8, planes)[0])
        out[f"tiles/{channels}/picture"] = torch.from_numpy(picture.reshape(picture.shape[0], picture.shape[1], planes).copy())
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in out.items()}, FIXTURE)
    print(f"{FIXTURE.name}: {len(out)} tensors, {FIXTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
