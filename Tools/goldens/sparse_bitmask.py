"""Writes Tests/ModelCompressionTests/Fixtures/bitmask.safetensors: weights as the compressed-tensors package packs them.

    python Tools/goldens/sparse_bitmask.py

Needs torch 2.13 and compressed-tensors 0.11.0, the last line of versions with a compressor of the format sparse-bitmask. Seed 0.
"""

from pathlib import Path

import torch
from compressed_tensors.compressors.sparse_compressors.sparse_bitmask import BitmaskTensor
from safetensors.torch import save_file

FIXTURES = Path(__file__).resolve().parents[2] / "Tests/ModelCompressionTests/Fixtures"


def main() -> None:
    torch.manual_seed(0)
    tensors = {}
    for name, shape, dtype in [("wide", (5, 64), torch.float32), ("odd", (3, 13), torch.float32), ("half", (4, 24), torch.bfloat16)]:
        weight = (torch.randn(shape) * (torch.rand(shape) > 0.6)).to(dtype)
        tensors |= BitmaskTensor.from_dense(weight).dict(name) | {f"{name}.dense": weight}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, FIXTURES / "bitmask.safetensors")


if __name__ == "__main__":
    main()
