"""Checks that autoencoders go both ways between condense and other libraries with the same reconstructions.

    python Tools/check-sae-formats.py [--condense .build/release/condense] [--work FOLDER]

Needs the Python packages sae-lens 6.54, dictionary-learning 0.1 and eai-sparsify 1.3. Autoencoders of every architecture are
trained for some steps on activations of a language model and converted to every layout; the library that owns the layout loads
them. The other way, the autoencoders in Tests/SparseAutoencodersTests/Fixtures/Layouts, which the libraries have written, are
converted. Inputs are those of `condense sae convert --samples`. Differences are largest |Δx̂|, as a part of the largest |x̂|.
OpenAI's library is not on PyPI: its files are loaded by `torch.load(weights_only=True)`, and x̂ follows its formula.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from dictionary_learning.utils import load_dictionary
from safetensors.torch import load_file
from sae_lens import SAE
from sparsify import SparseCoder

TOLERANCE = 1e-5
LAYOUTS = ["saelens", "dictionary-learning", "sparsify", "openai"]
FIXTURES = Path(__file__).resolve().parents[1] / "Tests/SparseAutoencodersTests/Fixtures/Layouts"
# Settings beside the number of features, by architecture; inputs are scaled by a factor unless they say otherwise.
ARCHITECTURES = {
    "relu": [], "relu-atomNorms": ["--set", "training.architecture.relu.penalty=atomNorms"], "gated": [], "jumpReLU": [], "pAnneal": [],
    "topK": ["--k", "16"], "topK-none": ["--k", "16", "--set", "training.normalization=none"],
    "topK-layerNorm": ["--k", "16", "--set", "training.normalization=layerNorm"], "absTopK": ["--k", "16"], "batchTopK": ["--k", "16"],
    "matryoshka": ["--k", "16"], "variational": ["--k", "16"], "matchingPursuit": ["--set", "training.architecture.matchingPursuit.steps=16"],
    "topAFA": [],
}


def load_openai(path: Path):
    state = torch.load(path, weights_only=True)
    activation, k = state["activation"], state.get("activation_state_dict", {}).get("k")

    def reconstruct(x: torch.Tensor) -> torch.Tensor:
        mean, deviation = torch.zeros(1), torch.ones(1)
        if activation == "TopK":
            mean = x.mean(-1, keepdim=True)
            deviation = (x - mean).std(-1, keepdim=True)
            x = (x - mean) / (deviation + 1e-5)
        pre = (x - state["pre_bias"]) @ state["encoder.weight"].T + state["latent_bias"]
        codes = pre.relu()
        if activation == "TopK":
            top = pre.topk(k, dim=-1)
            codes = torch.zeros_like(pre).scatter(-1, top.indices, top.values.relu())
        return (codes @ state["decoder.weight"].T + state["pre_bias"]) * deviation + mean

    return reconstruct


def load(folder: Path, layout: str):
    """The library's own model, as a function from activations to reconstructions."""
    if layout == "saelens":
        if json.loads((folder / "cfg.json").read_text())["architecture"] == "batchtopk":
            sys.exit(f"{folder} is a checkpoint of training")
        return SAE.load_from_disk(folder)
    if layout == "dictionary-learning":
        return load_dictionary(str(folder), "cpu")[0]
    if layout == "sparsify":
        coder = SparseCoder.load_from_disk(folder)
        return lambda x: coder(x).sae_out
    return load_openai(folder / "autoencoder.pt")


def difference(folder: Path, layout: str, samples: Path) -> float:
    values = load_file(samples)
    with torch.no_grad():
        found = load(folder, layout)(values["input"])
    return ((found - values["output"]).abs().max() / values["output"].abs().max()).item()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--condense", default=".build/release/condense", type=Path)
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="sae-formats-"))
    work.mkdir(parents=True, exist_ok=True)
    failures = 0

    def condense(*command: str) -> subprocess.CompletedProcess:
        return subprocess.run([str(arguments.condense.resolve()), *command], cwd=work, capture_output=True, text=True)

    def converted(source: str, name: str, layout: str) -> str | None:
        """None, or why the layout cannot have it."""
        for path in [work / name, work / f"{name}.safetensors"]:
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
        outcome = condense("sae", "convert", source, name, "--to", layout, "--samples", f"{name}.safetensors")
        if outcome.returncode == 0:
            return None
        if (work / name).exists():
            sys.exit(f"a refused conversion left {name}")
        return outcome.stderr.strip()

    def require(outcome: subprocess.CompletedProcess) -> None:
        if outcome.returncode != 0:
            sys.exit(outcome.stderr)

    def report(value: float) -> str:
        nonlocal failures
        failures += not value <= TOLERANCE
        return f"{value:.1e}" + ("" if value <= TOLERANCE else " FAILS")

    if not (work / "store").exists():
        require(condense(
            "sae", "collect", "--text", "prose-small", "--tokens", "16000", "--context-length", "64", "--hook", "blocks.2.hook_resid_post", "--out",
            "store", "--quiet"))
    print("trained here".ljust(20) + "".join(layout.rjust(22) for layout in LAYOUTS))
    reasons = []
    for name, options in ARCHITECTURES.items():
        if not (work / f"runs/{name}").exists():
            require(condense(
                "sae", "train", "store", "--architecture", name.split("-")[0], "--dictionary-size", "1024", "--batch-size", "256", "--steps", "40",
                "--out", f"runs/{name}", "--quiet", *options))
        row = name.ljust(20)
        for layout in LAYOUTS:
            refusal = converted(f"runs/{name}", f"{name}-{layout}", layout)
            if refusal:
                reasons.append(f"{name}, {layout}: {refusal}")
            row += ("refused" if refusal else report(difference(work / f"{name}-{layout}", layout, work / f"{name}-{layout}.safetensors"))).rjust(22)
        print(row, flush=True)

    print("\nwritten by the library".ljust(40) + "read here")
    for folder in sorted(path for path in FIXTURES.iterdir() if path.is_dir()):
        layout = next(layout for layout in LAYOUTS if folder.name.startswith(layout))
        refusal = converted(str(folder), f"{folder.name}-here", "condense")
        if refusal:
            reasons.append(f"{folder.name}: {refusal}")
            print(folder.name.ljust(40) + "refused")
            continue
        # What a checkpoint of training is used as lies beside it.
        used = folder.with_name(folder.name.replace("training-batchtopk", "batchtopk")) if layout == "saelens" else folder
        print(folder.name.ljust(40) + report(difference(used, layout, work / f"{folder.name}-here.safetensors")), flush=True)
    print("\n" + "\n".join(reasons))
    if failures:
        sys.exit(f"\n{failures} differences are above {TOLERANCE}")


if __name__ == "__main__":
    main()
