"""Times an image codec of CompressAI, whenever the word "encode", "decode" or "step" arrives on standard input.

    python Tools/bench/image_codec.py KIND N M HEIGHT WIDTH THREADS WEIGHTS

Makes a codec with random weights, saves them as safetensors, prints "ready" and the version, then seconds. "step" is a training
step on 8 crops of 128 × 128. `condense bench codec --python PYTHON` starts it. Needs compressai and safetensors.
"""

import sys
import time

import torch

if not torch.cuda.is_available():
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import compressai
from compressai import models
from safetensors.torch import save_file

kind, n, m, height, width, threads = sys.argv[1], *map(int, sys.argv[2:7])
torch.set_num_threads(threads)
torch.manual_seed(1)
makers = {"mbt2018-mean": models.MeanScaleHyperprior, "mbt2018": models.JointAutoregressiveHierarchicalPriors}
model = makers[kind](n, m)
model.update()
save_file({key: value.contiguous() for key, value in model.state_dict().items()}, sys.argv[7])
quantiles = [p for name, p in model.named_parameters() if name.endswith("quantiles")]
others = [p for name, p in model.named_parameters() if not name.endswith("quantiles")]
optimizer, auxiliary = torch.optim.Adam(others, 1e-4), torch.optim.Adam(quantiles, 1e-3)
image, crops = torch.rand(1, 3, height, width), torch.rand(8, 3, 128, 128)


def step():
    model.train()
    out = model(crops)
    bits = sum(-torch.log2(v).sum() for v in out["likelihoods"].values())
    loss = 0.013 * 255**2 * ((out["x_hat"] - crops) ** 2).mean() + bits / (8 * 128 * 128)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(others, 1.0)
    optimizer.step()
    auxiliary.zero_grad()
    model.aux_loss().backward()
    auxiliary.step()


coded = None
print(f"ready compressai {compressai.__version__}", flush=True)
for line in sys.stdin:
    word = line.strip()
    start = time.perf_counter()
    if word == "step":
        step()
    else:
        model.eval()
        with torch.no_grad():
            if word == "encode":
                coded = model.compress(image)
            else:
                model.decompress(coded["strings"], coded["shape"])
    print(time.perf_counter() - start, flush=True)
