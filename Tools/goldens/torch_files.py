"""Fixtures for the reader of PyTorch's files: what torch.save writes of every kind of value, with the numbers in safetensors.

Made with torch 2.13.0+cpu, safetensors 0.8.0; seed 3.
Usage: python torch_files.py   (writes to Tests/TorchTests/Fixtures)
"""

import collections
import os
from pathlib import Path

import torch
from safetensors.torch import save_file

FIXTURES = Path(__file__).resolve().parents[2] / "Tests/TorchTests/Fixtures"


class Foreign:
    pass


def main() -> None:
    torch.manual_seed(3)
    linear = torch.nn.Linear(3, 2)
    base = torch.randn(4, 6)
    tensors = {
        "float": torch.randn(2, 3), "double": torch.randn(3, dtype=torch.float64), "half": torch.randn(5).half(),
        "bfloat": torch.randn(5).bfloat16(), "long": torch.tensor([1, -2, 2**40]), "int": torch.tensor(7, dtype=torch.int32),
        "byte": torch.tensor([0, 255], dtype=torch.uint8), "bool": torch.tensor([True, False]), "empty": torch.zeros(0, 3),
        "transposed": base.T, "window": base[1:3, 2:5], "steps": base[::2, ::3], "repeated": base[0, :2].expand(3, 2),
    }
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, FIXTURES / "torch-values.safetensors")
    values = {
        "tensors": tensors, "parameter": torch.nn.Parameter(base), "module": linear.state_dict(),
        "list": [1, -1, 300, 70000, -(2**31), 2**40, -(2**62), True, None, 0.5, "text ü"], "tuple": (1, (2, 3), ()),
        "size": base.shape, "ordered": collections.OrderedDict(b=1, a=2), "numbered": {0: "zero", 5: "five"}, "same": [base, base],
    }
    torch.save(values, FIXTURES / "torch-values.pt")
    torch.save(values, FIXTURES / "torch-values-4.pt", pickle_protocol=4)
    torch.save(values, FIXTURES / "torch-values-old.pt", _use_new_zipfile_serialization=False)
    torch.save({"a": os.path.join, "b": Foreign()}, FIXTURES / "torch-hostile.pt")


if __name__ == "__main__":
    main()
