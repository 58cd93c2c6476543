"""Fixtures for the GGUF reader: blocks of every storage type with their weights, and a small complete file.

Made with gguf 0.19.0, safetensors 0.8.0, numpy 2.4.6; seed 7.
Usage: python networks_gguf.py   (writes to Tests/NetworksTests/Fixtures)
"""

from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

FIXTURES = Path(__file__).resolve().parents[2] / "Tests/NetworksTests/Fixtures"

# Where each block keeps its half-precision scales: random bytes there would give NaN and infinities.
HALF_OFFSETS = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}


def blocks(rng: np.random.Generator, name: str, count: int) -> np.ndarray:
    kind = gguf.GGMLQuantizationType[name]
    data = rng.integers(0, 256, (count, gguf.GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
    for offset in HALF_OFFSETS[name]:
        scales = rng.normal(0, 0.05, count).astype(np.float16)
        scales[-1] = np.float16(3e-6)  # a subnormal scale
        data[:, offset:offset + 2] = scales.view(np.uint8).reshape(count, 2)
    return data


def main() -> None:
    rng = np.random.default_rng(7)
    tensors = {}
    for name in HALF_OFFSETS:
        data = blocks(rng, name, 3)
        tensors[f"{name}.blocks"] = data.reshape(-1)
        tensors[f"{name}.weights"] = gguf.dequantize(data, gguf.GGMLQuantizationType[name]).reshape(-1)
    halves = np.array([0, -0.0, 1, -2.5, 65504, 6e-8, 6.1e-5, np.inf, -np.inf], np.float16)
    tensors["F16.blocks"] = halves.view(np.uint8)
    tensors["F16.weights"] = halves.astype(np.float32)
    floats = rng.normal(0, 1, 8).astype(np.float32)
    bfloats = (floats.view(np.uint32) >> 16).astype(np.uint16)
    tensors["BF16.blocks"] = bfloats.view(np.uint8)
    tensors["BF16.weights"] = (bfloats.astype(np.uint32) << 16).view(np.float32)
    tensors["F32.blocks"] = floats.view(np.uint8)
    tensors["F32.weights"] = floats
    save_file(tensors, FIXTURES / "gguf-blocks.safetensors")

    writer = gguf.GGUFWriter(FIXTURES / "small.gguf", "llama")
    writer.add_uint32("test.unsigned", 4_000_000_000)
    writer.add_int64("test.signed", -5)
    writer.add_float32("test.float", 0.5)
    writer.add_bool("test.flag", True)
    writer.add_string("test.text", "naïve 🙂")
    writer.add_array("test.tokens", ["a", "Ġb", "", "<|end|>"])
    writer.add_array("test.integers", [1, -2, 3])
    writer.add_array("test.floats", [0.25, -1.5])
    writer.add_tensor("matrix", np.arange(6, dtype=np.float32).reshape(2, 3))
    quantized = blocks(rng, "Q8_0", 4).reshape(2, -1)
    writer.add_tensor("quantized", quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
