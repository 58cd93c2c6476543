"""Checks that exported networks compute in Python what they compute in Swift.

    CONDENSE_EXPORTS=exports swift test -c release --filter ExportZooFiles
    python Tools/check-exports.py exports

Needs the Python packages torch 2.13, safetensors, onnx 1.23 and onnxruntime 1.32. In every folder the check of README.md is run as it
stands there, the state dictionary is loaded strictly, and model.onnx goes through the checker of onnx and runs in onnxruntime, on the
inputs of parity.safetensors, and on random ones with another batch against PyTorch. Differences are largest |Δy|, as a part of the
largest |y|. A bitmask is also read by compressed-tensors where a version that has that format (0.11) is there.
"""

import argparse
import contextlib
import importlib
import io
import json
import os
import re
import sys
from pathlib import Path

import onnx
import onnxruntime
import torch
from safetensors.torch import load_file

TOLERANCE = 1e-4


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape, f"shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
    return ((found - expected).abs().max() / expected.abs().max()).item()


def check_read_me(folder: Path) -> None:
    """The code of README.md, in its folder."""
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)[1]
    sys.modules.pop("modeling_condense", None)
    sys.path.insert(0, str(folder))
    before = os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, {})
    finally:
        os.chdir(before)
        sys.path.remove(str(folder))


def load_model(folder: Path) -> torch.nn.Module:
    sys.modules.pop("modeling_condense", None)
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("modeling_condense").load_model(folder)
    finally:
        sys.path.remove(str(folder))


def check_onnx(folder: Path, model: torch.nn.Module, parity: dict) -> list[float]:
    path = folder / "model.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    cases = [(parity["input"], parity["output"])]
    torch.manual_seed(0)
    for batch in (1, 5):
        shape = (batch, *parity["input"].shape[1:])
        is_text = parity["input"].dtype == torch.int64
        inputs = torch.randint(0, int(parity["input"].max()) + 1, shape) if is_text else torch.randn(shape)
        with torch.no_grad():
            cases.append((inputs, model(inputs)))
    return [difference(torch.from_numpy(session.run(None, {name: inputs.numpy()})[0]), output) for inputs, output in cases]


def check_bitmasks(folder: Path, model: torch.nn.Module) -> int:
    """Bitmasks as compressed-tensors reads them; how many there were."""
    try:
        from compressed_tensors.compressors.sparse_compressors.sparse_bitmask import BitmaskTensor
    except ImportError:
        return 0
    tensors, count = load_file(folder / "model.safetensors"), 0
    for prefix in [key.removesuffix(".bitmask") for key in tensors if key.endswith(".bitmask")]:
        part = {name: tensors.get(f"{prefix}.{name}") for name in ("shape", "compressed", "bitmask", "row_offsets")}
        # It knows matrices only.
        if part["shape"].numel() == 2:
            state = dict(model.named_parameters())
            dense = BitmaskTensor(part["shape"].tolist(), part["compressed"], part["bitmask"], part["row_offsets"]).decompress()
            assert torch.equal(dense, state.get(f"{prefix}.weight", state.get(prefix))), f"{prefix} is another weight"
            count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folders = sorted(path.parent for path in parser.parse_args().folder.resolve().glob("*/config.json"))
    assert folders, "there are no exports in this folder"
    worst = 0.0
    for folder in folders:
        check_read_me(folder)
        model, parity = load_model(folder), load_file(folder / "parity.safetensors")
        with torch.no_grad():
            differences = [difference(model(parity["input"]), parity["output"])]
        if (folder / "model.onnx").exists():
            differences += check_onnx(folder, model, parity)
        masks, record = check_bitmasks(folder, model), json.loads((folder / "condense.json").read_text())
        worst = max(worst, *differences)
        texts = " ".join(f"{value:.1e}" for value in differences)
        kinds = ", ".join(sorted({layer["kind"] for layer in record["layers"]}))
        print(f"{folder.name:28} {record['bytes']:>9} of {record['sourceBytes']:>9} bytes  {texts}  {kinds}  {masks} bitmasks")
    print(f"{len(folders)} exports, largest difference {worst:.1e}")
    assert worst < TOLERANCE


if __name__ == "__main__":
    main()
